//! `toolken corpus generate`: arithmetic word problems of our own writing.

use crate::{arithmetic::evaluate, exit::Exit, output};
use clap::ValueEnum;
use corpus::Corpus;
use corpus::arithmetic::{Split, generate};
use std::num::NonZeroUsize;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  toolken corpus generate train.jsonl --count 2000
  toolken corpus generate test.jsonl --split test --count 300 --seed 1 --json";

#[derive(clap::Args)]
pub struct Args {
    /// The corpus to write
    out: PathBuf,
    /// How many problems
    #[arg(long, default_value = "1000")]
    count: NonZeroUsize,
    /// Which sentence patterns; those of the two splits are disjoint
    #[arg(long, value_enum, default_value = "train")]
    split: Patterns,
    /// The same seed writes the same problems
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print the counts as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Patterns {
    /// Patterns to train on
    Train,
    /// Patterns never trained on
    Test,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let split = match self.split {
            Patterns::Train => Split::Train,
            Patterns::Test => Split::Test,
        };
        let problems = generate(split, self.seed, self.count.get(), evaluate)?;
        let corpus = Corpus::new(problems.into_iter().map(|problem| problem.example).collect())?;
        corpus::write(&self.out, &corpus)?;
        let summary = corpus.summary();
        if self.json {
            output::json(&summary)?;
        } else {
            output::text(&summary)?;
        }
        Ok(Exit::Done)
    }
}
