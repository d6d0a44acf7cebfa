//! `toolken home replay`: recorded runs, run again.

use crate::{exit::Exit, output};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use tools::household::{Tasks, replay};

pub const EXAMPLES: &str = "\
Examples:
  toolken home replay --base base_graph.json.gz --tasks tasks.jsonl.gz --runs runs.jsonl.gz > again.jsonl

Lines of runs are JSON objects with \"task\" and \"script\"; what they hold besides is not read. Printed is the same line with
\"ok\", \"steps\", \"error\" and \"change\" as they come out here, written as Python writes JSON, so that diff can compare.";

#[derive(clap::Args)]
pub struct Args {
    /// The base scene, in VirtualHome's layout, gzip or not
    #[arg(long)]
    base: PathBuf,
    /// The tasks, JSON lines, gzip or not
    #[arg(long)]
    tasks: PathBuf,
    /// The runs, JSON lines, gzip or not
    #[arg(long)]
    runs: PathBuf,
    /// Class names that stand for others; by default class_name_equivalence.json beside the base
    #[arg(long)]
    names: Option<PathBuf>,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let tasks = Tasks::read(&self.base, &self.tasks, self.names.as_deref())?;
        let mut out = BufWriter::new(output::stdout());
        replay::<anyhow::Error>(&tasks, &self.runs, &mut |line| Ok(writeln!(out, "{line}")?))?;
        out.flush()?;
        Ok(Exit::Done)
    }
}
