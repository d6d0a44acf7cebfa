//! `toolken tools call`: the arithmetic functions over JSON lines.

use crate::{exit::Exit, json_lines};
use clap::ValueEnum;
use tools::call_json;

pub const EXAMPLES: &str = "\
Examples:
  echo '{\"tool\": \"divide\", \"args\": [2, 3.0]}' | toolken tools call
  toolken tools call --rounding full < calls.jsonl > results.jsonl

A line that is no call is reported on standard error with its number; the others are answered, and the exit code is 2.";

#[derive(clap::Args)]
pub struct Args {
    /// How results are rounded
    #[arg(long, value_enum, default_value = "reference")]
    rounding: Rounding,
}

#[derive(Clone, Copy, ValueEnum)]
enum Rounding {
    /// To two decimals, or two more than a small number has zeros: as ToolkenGPT does
    Reference,
    /// Not at all
    Full,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let rounding = match self.rounding {
            Rounding::Reference => tools::Rounding::Reference,
            Rounding::Full => tools::Rounding::Full,
        };
        Ok(json_lines::answer_each(|line| call_json(line, rounding))?)
    }
}
