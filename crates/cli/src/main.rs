//! The `toolken` command: one subcommand a module, named after the noun and verb that it answers to.
//!
//! Results go to standard output, for people or with `--json` for machines; progress, warnings and errors go to standard
//! error. The exit codes are those of [`exit::Exit`]. `RUST_LOG` sets what is logged, as `RUST_LOG=debug`.

mod ask;
mod bench;
mod completions;
mod corpus;
mod demo;
mod engine;
mod exit;
mod export;
mod extract;
mod fit;
mod head;
mod home;
mod json_lines;
mod model;
mod options;
mod output;
mod pack;
mod progress;
mod serve;
mod tools;

use ::bench::arithmetic;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use exit::Exit;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// A frozen language model learns to use tools: one learned row a tool beside the vocabulary.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  toolken demo
  toolken ask 'A crate holds 36 bottles. How many bottles do 27 crates hold?'
  toolken corpus generate train.jsonl --count 2000
  toolken fit train.jsonl --out head.safetensors
  echo '{\"tool\": \"add\", \"args\": [2, 3.5]}' | toolken tools call

Exit codes: 0 done, 1 failed, 2 wrong usage or bad input.";

#[derive(Subcommand)]
enum Command {
    /// The whole way on a small real model: corpus, features, fit, questions answered with and without tools
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::Args),
    /// Run the frozen model over a corpus once, and keep what a fit needs
    #[command(after_help = extract::EXAMPLES)]
    Extract(extract::Args),
    /// Fit a head: one row a tool
    #[command(after_help = fit::EXAMPLES)]
    Fit(fit::Args),
    /// Ask a question, and see the answer and every call behind it
    #[command(after_help = ask::EXAMPLES)]
    Ask(ask::Args),
    /// Give a model's vocabulary a head's tools, as files for other engines
    #[command(after_help = export::EXAMPLES)]
    Export(export::Args),
    /// Heads: what they have learned
    #[command(subcommand, after_help = head::EXAMPLES)]
    Head(head::Command),
    /// Texts with tool calls: import, generate, check, show
    #[command(subcommand, after_help = corpus::EXAMPLES)]
    Corpus(corpus::Command),
    /// The built-in tools: call, list
    #[command(subcommand, after_help = tools::EXAMPLES)]
    Tools(tools::Command),
    /// Tool packs: from definitions and examples to tools in use
    #[command(subcommand, after_help = pack::EXAMPLES)]
    Pack(pack::Command),
    /// An OpenAI-compatible server over packs, with a playground
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::Args),
    /// A household that scripts act in: run, replay, show
    #[command(subcommand, after_help = home::EXAMPLES)]
    Home(home::Command),
    /// Language models: their files and tokens
    #[command(subcommand, after_help = model::EXAMPLES)]
    Model(model::Command),
    /// The papers' benchmarks, every method, with statistics
    #[command(subcommand, after_help = bench::EXAMPLES)]
    Bench(bench::Command),
    /// Completions for a shell
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::Args),
}

impl Command {
    fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Demo(args) => args.run(),
            Self::Extract(args) => args.run(),
            Self::Fit(args) => args.run(),
            Self::Ask(args) => args.run(),
            Self::Export(args) => args.run(),
            Self::Head(command) => command.run(),
            Self::Corpus(command) => command.run(),
            Self::Tools(command) => command.run(),
            Self::Pack(command) => command.run(),
            Self::Serve(args) => args.run(),
            Self::Home(command) => command.run(),
            Self::Model(command) => command.run(),
            Self::Bench(command) => command.run(),
            Self::Completions(args) => args.run(),
        }
    }
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let matches = with_negative_numbers(Cli::command()).get_matches();
    let exit = match Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit()).command.run() {
        Ok(exit) => exit,
        // Whoever read the output (`toolken … | head`) has had enough, which is no fault of ours.
        Err(error) if output::reader_left(&error) => Exit::Done,
        Err(error) => {
            // Nothing is left to tell it to if standard error is closed too.
            let _ = writeln!(std::io::stderr(), "error: {}", told(&error));
            Exit::of(&error)
        }
    };
    exit.into()
}

/// A number that is negative is a value, which may be refused as one, and no option.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let values = |arg: clap::Arg| match arg.get_action().takes_values() {
        true => arg.allow_negative_numbers(true),
        false => arg,
    };
    command.mut_args(values).mut_subcommands(with_negative_numbers)
}

/// An error with its causes, but those that the one before it has told.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    let mut last = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !last.contains(&cause) {
            text += if text.is_empty() { "" } else { ": " };
            text += &cause;
            last = cause;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn a_cause_is_told_once() {
        let io = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let error = anyhow::Error::from(io).context("x.jsonl: no such file").context("the corpus");
        assert_eq!(told(&error), "the corpus: x.jsonl: no such file");
    }

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
