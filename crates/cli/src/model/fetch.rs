//! `toolken model fetch`: brings a model into the cache.

use super::{of_network, tell};
use crate::{exit::Exit, output};
use serde_json::json;

pub const EXAMPLES: &str = "\
Examples:
  toolken model fetch smollm2-135m
  TOOLKEN_MODELS=/data/models toolken model fetch smollm2-135m --json

Prints the path of the file. A model that is there already is not fetched again, unless its file is damaged.";

#[derive(clap::Args)]
pub struct Args {
    /// A name from `toolken model list`
    name: String,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let path = lm::fetch(&self.name, &mut tell).map_err(of_network)?;
        if self.json {
            output::json(&json!({"name": self.name, "file": path.display().to_string()}))?;
        } else {
            output::text(format_args!("{}\n", path.display()))?;
        }
        Ok(Exit::Done)
    }
}
