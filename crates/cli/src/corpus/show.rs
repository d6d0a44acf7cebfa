//! `toolken corpus show`: what a corpus holds.

use crate::{exit::Exit, output};
use corpus::{Example, Summary};
use serde::Serialize;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  toolken corpus show train.jsonl --first 3
  toolken corpus show train.jsonl --json";

#[derive(clap::Args)]
pub struct Args {
    /// The corpus file
    file: PathBuf,
    /// Show as many examples too, with their calls written out
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: usize,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    digest: String,
    #[serde(flatten)]
    summary: Summary,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    first: &'a [Example],
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let corpus = corpus::read(&self.file)?;
        let first = &corpus.examples()[..self.first.min(corpus.examples().len())];
        let (digest, summary) = (corpus.digest(), corpus.summary());
        if self.json {
            output::json(&Shown { digest, summary, first })?;
        } else {
            output::text(format_args!("{summary}digest {digest}\n"))?;
            for example in first {
                output::text(format_args!("\n{}\n{}\n", example.id, with_calls(example)))?;
            }
        }
        Ok(Exit::Done)
    }
}

/// The text with every call at its place: `7 mod 4 = [remainder(7, 4) → 3].`
fn with_calls(example: &Example) -> String {
    let mut text = String::new();
    let mut end = 0;
    for call in &example.calls {
        let args = call.args.as_deref().unwrap_or_default();
        text.push_str(&example.text[end..call.start]);
        text.push_str(&format!("[{}({args}) → {}]", call.tool, &example.text[call.start..call.end]));
        end = call.end;
    }
    text + &example.text[end..]
}
