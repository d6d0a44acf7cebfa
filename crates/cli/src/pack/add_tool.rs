//! `toolken pack add-tool`.

use super::definitions::Sources;
use super::fit::{Definitions, Options};
use crate::exit::Exit;
use std::path::PathBuf;
use tools::Pack;

pub const EXAMPLES: &str = "\
Examples:
  toolken pack add-tool office --tools weather.json --examples weather.jsonl --model qwen2.5-coder-0.5b
  toolken pack add-tool office --examples more.jsonl";

#[derive(clap::Args)]
pub struct Args {
    /// The pack's folder
    dir: PathBuf,
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let pack = Pack::at(&self.dir);
        let (tools, mut examples, head) = pack::load(&pack)?;
        let tools = self.sources.add_to(&tools, &mut examples)?;
        self.options.fit(&pack, &tools, &examples, Definitions::Changed, head.as_ref())
    }
}
