//! `toolken pack`: tool packs, from definitions to a fitted head.

mod add_tool;
mod definitions;
mod eval;
mod fit;
mod merge;
mod new;
mod remove_tool;
mod show;
mod try_out;

use crate::exit::Exit;
use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use decode::Extended;
use head::Head;
use lm::FrozenLm;
use pack::Examples;
use std::sync::Arc;
use tools::{Pack, ToolSet};

pub const EXAMPLES: &str = "\
Examples:
  toolken pack new office --tools tools.json --examples examples.jsonl
  toolken pack new clock --mcp 'mcp-server-time'
  toolken pack fit office --model qwen2.5-coder-0.5b
  toolken pack try office 'Remind me of the bread in ten minutes.'
  toolken pack eval office held-out.jsonl
  toolken pack add-tool office --mcp 'mcp-server-sqlite --db-path notes.db' --examples more.jsonl
  toolken serve --pack office";

#[derive(Subcommand)]
pub enum Command {
    /// Make a pack from OpenAI tools, an OpenAPI document, an MCP server or a tools.toml
    #[command(after_help = new::EXAMPLES)]
    New(new::Args),
    /// Fit the pack's head on its examples, in the model's chat template
    #[command(after_help = fit::EXAMPLES)]
    Fit(fit::Args),
    /// Say which tool a message wants, and how sure that is
    #[command(after_help = try_out::EXAMPLES)]
    Try(try_out::Args),
    /// Decide messages that the pack has not seen
    #[command(after_help = eval::EXAMPLES)]
    Eval(eval::Args),
    /// Add tools and examples, and fit again; what was read of the old examples is kept
    #[command(after_help = add_tool::EXAMPLES)]
    AddTool(add_tool::Args),
    /// Take tools out, and their examples with them, and fit again
    #[command(after_help = remove_tool::EXAMPLES)]
    RemoveTool(remove_tool::Args),
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
            Self::Try(args) => args.run(),
            Self::Eval(args) => args.run(),
            Self::AddTool(args) => args.run(),
            Self::RemoveTool(args) => args.run(),
            Self::Show(args) => args.run(),
            Self::Merge(args) => args.run(),
        }
    }
}

/// The head of a pack that is to be used. That it is older than the tools and examples beside it is said.
fn head_of(pack: &Pack, head: Option<Head>, tools: &ToolSet, examples: &Examples) -> anyhow::Result<Head> {
    let dir = pack.dir().display();
    let head = head.with_context(|| format!("{dir} has no head: fit it with `toolken pack fit {dir}`"))?;
    if pack::is_stale(&head, tools, examples) {
        tracing::warn!(
            "{dir}: its tools or examples are not those that its head was fitted to: fit it again with `toolken pack fit {dir}`"
        );
    }
    Ok(head)
}

/// A model's words with a pack's tools, and what the pack knows of their arguments.
fn extended<'a>(
    lm: &'a dyn FrozenLm,
    pack: &Pack,
    head: &Head,
    tools: &ToolSet,
    examples: &Examples,
) -> anyhow::Result<Arc<Extended<'a>>> {
    let margin = pack::load_report(pack).map_or(0.0, |report| report.margin());
    Ok(Arc::new(Extended::new(lm, head, tools, None)?.taught(pack::taught(examples, tools, margin))))
}

/// Where the arguments of a call are written.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum Arguments {
    /// After the definition of the tool that was chosen and up to four of its examples that say their arguments, less what the fit
    /// found the model too eager to fill in
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
