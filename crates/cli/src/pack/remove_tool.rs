//! `toolken pack remove-tool`.

use super::fit::{Definitions, Options};
use crate::exit::Exit;
use anyhow::bail;
use std::path::PathBuf;
use tools::{Pack, Tool, ToolSet};

pub const EXAMPLES: &str = "\
Examples:
  toolken pack remove-tool office start_timer
  toolken pack remove-tool office start_timer stop_timer --lambda auto";

#[derive(clap::Args)]
pub struct Args {
    /// The pack's folder
    dir: PathBuf,
    /// The tools that go
    #[arg(required = true, value_name = "TOOL")]
    names: Vec<String>,
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let pack = Pack::at(&self.dir);
        let (tools, mut examples, head) = pack::load(&pack)?;
        if let Some(name) = self.names.iter().find(|name| tools.index(name).is_none()) {
            let known = tools.names().collect::<Vec<_>>().join(", ");
            bail!("there is no tool `{name}` in the pack; its tools are {known}");
        }
        let goes = |name: &str| self.names.iter().any(|gone| gone == name);
        let rest: Vec<Tool> = tools.iter().filter(|tool| !goes(&tool.name)).cloned().collect();
        if rest.is_empty() {
            bail!("these are all of the pack's tools: delete its folder instead");
        }
        let before = examples.0.len();
        examples.0.retain(|example| !example.tools().any(goes));
        tracing::info!(
            "{} of {before} examples call these tools, and go with them",
            before - examples.0.len()
        );
        self.options.fit(&pack, &ToolSet::new(rest)?, &examples, Definitions::Changed, head.as_ref())
    }
}
