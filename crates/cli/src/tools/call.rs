//! `toolken tools call`: the arithmetic functions over JSON lines.

use crate::{exit::Exit, json_lines, options::Rounding};
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

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let rounding = self.rounding.into();
        Ok(json_lines::answer_each(|line| call_json(line, rounding))?)
    }
}
