//! `toolken extract`: a corpus' hidden states, once.

use crate::{exit::Exit, output, progress};
use ::corpus::Corpus;
use lm::Decoder;
use serde_json::json;
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "\
Examples:
  toolken extract train.jsonl --model smollm2-135m
  toolken extract train.jsonl --model model.gguf --features ./features --json";

#[derive(clap::Args)]
pub struct Args {
    /// A corpus: JSON lines, as `toolken corpus check` accepts them
    corpus: PathBuf,
    #[command(flatten)]
    source: Source,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// Where hidden states come from, and where they are kept.
#[derive(clap::Args)]
pub struct Source {
    /// A GGUF file, a folder with safetensors, or a name from `toolken model list`
    #[arg(long, default_value = "smollm2-135m")]
    model: String,
    /// The folder of feature stores; by default beside the models' cache
    #[arg(long)]
    features: Option<PathBuf>,
}

impl Source {
    /// The model.
    pub fn model(&self) -> anyhow::Result<Decoder> {
        Ok(Decoder::load(&crate::model::locate(&self.model)?)?)
    }

    /// The store of a corpus' features under the model; made unless it is there.
    pub fn features(&self, model: &Decoder, corpus: &Corpus) -> anyhow::Result<head::Store> {
        let default = || lm::models_dir().parent().unwrap_or(Path::new(".")).join("features");
        let folder = self.features.clone().unwrap_or_else(default);
        Ok(progress::extract(model, corpus, &folder)?)
    }
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let corpus = ::corpus::read(&self.corpus)?;
        let store = self.source.features(&self.source.model()?, &corpus)?;
        let directory = store.directory().display().to_string();
        if self.json {
            output::json(
                &json!({ "store": directory, "positions": store.positions(), "tools": corpus.tools() }),
            )?;
        } else {
            output::text(format_args!("{} labelled positions in {directory}\n", store.positions()))?;
        }
        Ok(Exit::Done)
    }
}
