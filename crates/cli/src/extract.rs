//! `toolken extract`: a corpus' hidden states, once.

use crate::{exit::Exit, model::Which, output, progress};
use ::corpus::Corpus;
use lm::FrozenLm;
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
    #[command(flatten)]
    which: Which,
    /// The folder of feature stores; by default beside the models' cache
    #[arg(long)]
    features: Option<PathBuf>,
}

impl Source {
    /// The model.
    pub fn model(&self) -> anyhow::Result<Box<dyn FrozenLm>> {
        self.which.load()
    }

    /// The store of a corpus' features under the model; made unless it is there.
    pub fn features(&self, model: &dyn FrozenLm, corpus: &Corpus) -> anyhow::Result<head::Store> {
        let folder = self.features.clone().unwrap_or_else(|| cache_dir("features"));
        Ok(progress::extract(model, corpus, &folder)?)
    }
}

/// A folder for what can be computed again, beside the models' cache.
pub fn cache_dir(name: &str) -> PathBuf {
    lm::models_dir().parent().unwrap_or(Path::new(".")).join(name)
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let corpus = ::corpus::read(&self.corpus)?;
        let store = self.source.features(self.source.model()?.as_ref(), &corpus)?;
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
