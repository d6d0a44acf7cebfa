//! `toolken corpus check`: every fault of a corpus file.

use crate::{exit::Exit, output};
use corpus::{Fault, Findings, Place};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "\
Examples:
  toolken corpus check train.jsonl test.jsonl
  toolken corpus check train.jsonl --limit 5 --json

Exit code 2 if there is a fault.";

#[derive(clap::Args)]
pub struct Args {
    /// The corpus files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How many faults of a file to list; the rest are counted
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Print the findings as JSON, a line a file
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let mut exit = Exit::Done;
        for file in &self.files {
            let findings = corpus::check(file, self.limit)?;
            if !findings.faults.is_empty() || findings.more > 0 {
                exit = Exit::BadInput;
            }
            if self.json {
                output::json(&as_json(file, &findings))?;
            } else {
                output::text(as_text(file, &findings)?)?;
            }
        }
        Ok(exit)
    }
}

fn as_text(file: &Path, findings: &Findings) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let name = file.display();
    for Fault { line, place, kind } in &findings.faults {
        writeln!(text, "{name}:{line}: {place}: {kind}")?;
    }
    if findings.more > 0 {
        writeln!(text, "{name}: {} faults more: see them with a larger --limit", findings.more)?;
    }
    let faults = findings.faults.len() + findings.more;
    writeln!(
        text,
        "{name}: {} lines, {} sound examples, {faults} {}",
        findings.lines,
        findings.sound,
        if faults == 1 { "fault" } else { "faults" }
    )?;
    Ok(text)
}

fn as_json(file: &Path, findings: &Findings) -> Value {
    let faults: Vec<Value> = findings
        .faults
        .iter()
        .map(|Fault { line, place, kind }| {
            let (of, byte) = match place {
                Place::Line(byte) => ("line", byte),
                Place::Text(byte) => ("text", byte),
            };
            json!({"line": line, "byte": byte, "of": of, "message": kind.to_string()})
        })
        .collect();
    json!({
        "file": file.display().to_string(),
        "lines": findings.lines,
        "sound": findings.sound,
        "faults": faults,
        "more": findings.more,
    })
}
