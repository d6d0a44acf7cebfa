//! `toolken pack new`.

use super::definitions::Sources;
use crate::{exit::Exit, output};
use anyhow::bail;
use pack::Examples;
use std::path::PathBuf;
use tools::{Pack, ToolSet};

pub const EXAMPLES: &str = "\
Examples:
  toolken pack new office --tools tools.json --examples examples.jsonl
  toolken pack new clock --mcp 'mcp-server-time --local-timezone UTC'
  toolken pack new shop --tools openapi.json --mcp https://example.org/mcp";

#[derive(clap::Args)]
pub struct Args {
    /// The pack's folder
    dir: PathBuf,
    #[command(flatten)]
    sources: Sources,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let pack = Pack::at(&self.dir);
        if let Some(file) = pack.files().into_iter().find(|file| file.exists()) {
            bail!(
                "{} is there already: choose a new folder, or add to a pack with `toolken pack add-tool`",
                file.display()
            );
        }
        let mut examples = Examples::default();
        let tools = self.sources.add_to(&ToolSet::default(), &mut examples)?;
        if tools.is_empty() {
            bail!("no tools: give --tools, --toml or --mcp");
        }
        pack.save_tools(&tools)?;
        examples.save(&pack.examples_path())?;
        let names: Vec<&str> = tools.names().collect();
        output::text(format_args!(
            "{}: {} tools ({}), {} examples. Fit it: toolken pack fit {}\n",
            self.dir.display(),
            names.len(),
            names.join(", "),
            examples.0.len(),
            self.dir.display()
        ))?;
        Ok(Exit::Done)
    }
}
