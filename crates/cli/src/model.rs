//! `toolken model`: language models, their files and tokens.

mod fetch;
mod list;
mod show;
mod states;
mod tokens;

use crate::exit::Exit;
use clap::Subcommand;
use lm::LmError;
use std::io::Write;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  toolken model fetch smollm2-135m
  toolken model show smollm2-135m
  echo '{\"text\": \"hello world\"}' | toolken model tokens smollm2-135m";

#[derive(Subcommand)]
pub enum Command {
    /// List the models that are known by name
    #[command(after_help = list::EXAMPLES)]
    List(list::Args),
    /// Fetch a model by name
    #[command(after_help = fetch::EXAMPLES)]
    Fetch(fetch::Args),
    /// Turn texts into token ids: JSON lines {"text"} in, {"text", "ids"} out
    #[command(after_help = tokens::EXAMPLES)]
    Tokens(tokens::Args),
    /// Show what a GGUF file holds
    #[command(after_help = show::EXAMPLES)]
    Show(show::Args),
    /// Write texts' hidden states and log-sum-exp to a safetensors file
    #[command(after_help = states::EXAMPLES)]
    States(states::Args),
}

impl Command {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(args) => args.run(),
            Self::Fetch(args) => args.run(),
            Self::Tokens(args) => args.run(),
            Self::Show(args) => args.run(),
            Self::States(args) => args.run(),
        }
    }
}

/// The path of a model that is given by path or name; one that is only known by name is fetched.
pub fn locate(name_or_path: &str) -> anyhow::Result<PathBuf> {
    let mut progress = |line: &str| {
        // Progress that nobody can read is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{line}");
    };
    lm::resolve(name_or_path, &mut progress).map_err(|error| match error {
        // No source gave the file: that is the network's fault and not the caller's, unlike other files' content.
        LmError::File { .. } => anyhow::Error::msg(error.to_string()),
        error => error.into(),
    })
}
