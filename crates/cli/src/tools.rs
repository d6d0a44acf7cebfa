//! `toolken tools`: the built-in tools.

mod call;
mod list;

use crate::exit::Exit;
use clap::Subcommand;

pub const EXAMPLES: &str = "\
Examples:
  toolken tools list
  echo '{\"tool\": \"add\", \"args\": [2, 3.5]}' | toolken tools call";

#[derive(Subcommand)]
pub enum Command {
    /// Call functions: JSON lines {"tool", "args"} in, the same with "result" or "error" out
    #[command(after_help = call::EXAMPLES)]
    Call(call::Args),
    /// List the functions
    #[command(after_help = list::EXAMPLES)]
    List(list::Args),
}

impl Command {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Call(args) => args.run(),
            Self::List(args) => args.run(),
        }
    }
}
