//! `toolken pack`: tool packs, from definitions to a fitted head.

mod add_tool;
mod definitions;
mod eval;
mod fit;
mod merge;
mod new;
mod show;

use crate::exit::Exit;
use clap::{Subcommand, ValueEnum};

pub const EXAMPLES: &str = "\
Examples:
  toolken pack new office --tools tools.json --examples examples.jsonl
  toolken pack new clock --mcp 'mcp-server-time'
  toolken pack fit office --model qwen2.5-coder-0.5b
  toolken pack eval office held-out.jsonl --model qwen2.5-coder-0.5b
  toolken pack add-tool office --mcp 'mcp-server-sqlite --db-path notes.db' --examples more.jsonl
  toolken serve --pack office --model qwen2.5-coder-0.5b";

#[derive(Subcommand)]
pub enum Command {
    /// Make a pack from OpenAI tools, an OpenAPI document, an MCP server or a tools.toml
    #[command(after_help = new::EXAMPLES)]
    New(new::Args),
    /// Fit the pack's head on its examples, in the model's chat template
    #[command(after_help = fit::EXAMPLES)]
    Fit(fit::Args),
    /// Decide messages that the pack has not seen
    #[command(after_help = eval::EXAMPLES)]
    Eval(eval::Args),
    /// Add tools and examples, and fit again; what was read of the old examples is kept
    #[command(after_help = add_tool::EXAMPLES)]
    AddTool(add_tool::Args),
    /// Show a pack's tools, and how well each is recognised
    #[command(after_help = show::EXAMPLES)]
    Show(show::Args),
    /// Join packs into a new one
    #[command(after_help = merge::EXAMPLES)]
    Merge(merge::Args),
}

impl Command {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::New(args) => args.run(),
            Self::Fit(args) => args.run(),
            Self::Eval(args) => args.run(),
            Self::AddTool(args) => args.run(),
            Self::Show(args) => args.run(),
            Self::Merge(args) => args.run(),
        }
    }
}

/// Where the arguments of a call are written.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum Arguments {
    /// After the definition of the tool that was chosen and up to four of its examples that say their arguments, less what the fit
    /// found the model too eager to fill in (an engine elsewhere knows no such margin)
    #[default]
    Examples,
    /// After the definition alone: one tool's tokens a call
    Definition,
    /// In the conversation itself, which no definition is in: no more tokens, and descriptions of parameters are not seen
    InPlace,
}

impl From<Arguments> for decode::Arguments {
    fn from(arguments: Arguments) -> Self {
        match arguments {
            Arguments::InPlace => Self::InPlace,
            Arguments::Definition => Self::Definition,
            Arguments::Examples => Self::Examples,
        }
    }
}
