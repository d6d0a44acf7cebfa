//! `toolken extract`: a corpus' hidden states, once; by one process, or by many and then put together.

#[cfg(feature = "object-store")]
mod remote;
mod shards;

use crate::{exit::Exit, model::Which, output, progress};
use ::corpus::Corpus;
use anyhow::bail;
use lm::FrozenLm;
use serde_json::json;
use shards::ShardArg;
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "\
Examples:
  toolken extract train.jsonl --model smollm2-135m
  toolken extract train.jsonl --model model.gguf --features ./features --json
  toolken extract train.jsonl --model ./Llama-70B --shard 3/64 --to s3://bucket/features
  toolken extract merge s3://bucket/features

Shards are numbered from 0. `--shard auto/64` takes the number from JOB_COMPLETION_INDEX (a Kubernetes Indexed Job) or
SLURM_ARRAY_TASK_ID (a Slurm array): see deploy/. Object stores need a build with the feature object-store, and read the
variables of their own tools (AWS_…, GOOGLE_…, AZURE_…).";

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// A corpus: JSON lines, as `toolken corpus check` accepts them
    #[arg(required = true)]
    corpus: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// Compute one share of the parts only: i/N, from 0; auto/N in a Kubernetes Indexed Job or a Slurm array
    #[arg(long, value_name = "i/N")]
    shard: Option<ShardArg>,
    /// Where a shard's parts go: a folder, or s3://, gs:// or az://; by default the folder of feature stores
    #[arg(long, value_name = "PLACE", requires = "shard")]
    to: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Put a store together from the parts of all shards, checking every byte
    #[command(after_help = shards::EXAMPLES)]
    Merge(shards::Merge),
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

    /// What the model is called.
    pub fn model_name(&self) -> &str {
        self.which.name()
    }

    /// The store of a corpus' features under the model; made unless it is there.
    pub fn features(&self, model: &dyn FrozenLm, corpus: &Corpus) -> anyhow::Result<head::Store> {
        Ok(progress::extract(model, corpus, &self.folder())?)
    }

    /// The folder of feature stores.
    fn folder(&self) -> PathBuf {
        self.features.clone().unwrap_or_else(|| cache_dir("features"))
    }
}

/// A folder for what can be computed again, beside the models' cache.
pub fn cache_dir(name: &str) -> PathBuf {
    lm::models_dir().parent().unwrap_or(Path::new(".")).join(name)
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        if let Some(Command::Merge(merge)) = self.command {
            return merge.run();
        }
        let Some(path) = &self.corpus else { bail!("give a corpus") };
        let corpus = ::corpus::read(path)?;
        if let Some(shard) = &self.shard {
            return self.run_shard(&corpus, shard);
        }
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

    fn run_shard(&self, corpus: &Corpus, shard: &ShardArg) -> anyhow::Result<Exit> {
        let shard = shard.shard()?;
        let place = self.to.clone().unwrap_or_else(|| self.source.folder().display().to_string());
        let depot = shards::depot(&place)?;
        let address = progress::extract_shard(self.source.model()?.as_ref(), corpus, shard, depot.as_ref())?;
        if self.json {
            output::json(&json!({ "shard": shard.to_string(), "place": place, "store": address }))?;
        } else {
            output::text(format_args!("shard {shard} of the store {address} is in {place}\n"))?;
        }
        Ok(Exit::Done)
    }
}
