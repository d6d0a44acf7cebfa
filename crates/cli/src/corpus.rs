//! `toolken corpus`: texts with tool calls.

mod check;
mod generate;
mod import;
mod show;

use crate::exit::Exit;
use clap::Subcommand;

pub const EXAMPLES: &str = "\
Examples:
  toolken corpus generate train.jsonl --count 2000
  toolken corpus check train.jsonl
  toolken corpus show train.jsonl --first 3";

#[derive(Subcommand)]
pub enum Command {
    /// Read another project's layout and write a corpus
    #[command(after_help = import::EXAMPLES)]
    Import(import::Args),
    /// Write arithmetic word problems for the thirteen built-in functions
    #[command(after_help = generate::EXAMPLES)]
    Generate(generate::Args),
    /// Find every fault of a corpus file, with line and byte
    #[command(after_help = check::EXAMPLES)]
    Check(check::Args),
    /// Count what a corpus holds, and show its first examples
    #[command(after_help = show::EXAMPLES)]
    Show(show::Args),
}

impl Command {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Import(args) => args.run(),
            Self::Generate(args) => args.run(),
            Self::Check(args) => args.run(),
            Self::Show(args) => args.run(),
        }
    }
}
