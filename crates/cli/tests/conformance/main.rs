//! The second suite: what needs other people's data, a larger model or another program.
//!
//! `just conformance DIR` runs it; every test here is ignored otherwise, and fails where something that it needs is missing.

mod decisions;
mod funcqa;
mod household;
mod importers;
mod kamel;
mod labels;
mod outside;
mod tasks;
#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../../../lm/tests/tiny/mod.rs"]
mod tiny;

use corpus::Corpus;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The folder of other people's data.
fn shared() -> PathBuf {
    let folder = std::env::var_os("TOOLKEN_SHARED")
        .expect("set TOOLKEN_SHARED to the folder that holds data/, as `just conformance DIR` does");
    PathBuf::from(folder).join("data")
}

/// Runs the binary, which must succeed.
#[track_caller]
fn toolken(args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_toolken")).args(args).output().expect("the binary starts");
    assert!(output.status.success(), "toolken {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Imports a file with the binary, has the result checked by it, and returns it with the importer's account.
#[track_caller]
fn imported(kind: &str, file: &Path) -> (Corpus, serde_json::Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = folder.path().join("corpus.jsonl");
    let tokenizer = shared().join("toolkengpt/llama_tokenizer.model");
    let account = toolken(&[
        "corpus",
        "import",
        kind,
        "--json",
        "--tokenizer",
        text(&tokenizer),
        text(file),
        text(&corpus),
    ]);
    toolken(&["corpus", "check", text(&corpus)]);
    let account = serde_json::from_slice(&account.stdout).expect("an account in JSON");
    (corpus::read(&corpus).expect("a corpus"), account)
}
