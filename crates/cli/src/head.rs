//! `toolken head`: what a head has learned.

mod show;

use crate::exit::Exit;
use clap::Subcommand;

pub const EXAMPLES: &str = "\
Examples:
  toolken head show head.safetensors
  toolken head show head.safetensors --words 10 --json";

#[derive(Subcommand)]
pub enum Command {
    /// Per tool: the vocabulary's words nearest to its prior and to its learned row, how far it moved, its norm
    #[command(after_help = show::EXAMPLES)]
    Show(show::Args),
}

impl Command {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Show(args) => args.run(),
        }
    }
}
