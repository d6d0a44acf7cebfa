//! The importers on the data they were written for. The counts are those of the data's own files.

use std::path::PathBuf;
use std::process::Command;

fn shared() -> PathBuf {
    PathBuf::from(
        std::env::var_os("TOOLKEN_SHARED")
            .expect("set TOOLKEN_SHARED to the folder that holds data/, as `just conformance DIR` does"),
    )
    .join("data")
}

/// Imports with the binary, has the result checked by it, and returns the importer's account.
fn import(kind: &str, file: &str) -> serde_json::Value {
    let data = shared();
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = folder.path().join("corpus.jsonl");
    let output = Command::new(env!("CARGO_BIN_EXE_toolken"))
        .args(["corpus", "import", kind, "--json", "--tokenizer"])
        .arg(data.join("toolkengpt/llama_tokenizer.model"))
        .arg(data.join(file))
        .arg(&corpus)
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let checked = Command::new(env!("CARGO_BIN_EXE_toolken"))
        .args(["corpus", "check"])
        .arg(&corpus)
        .output()
        .expect("runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    serde_json::from_slice(&output.stdout).expect("an account in JSON")
}

#[track_caller]
fn counts(account: &serde_json::Value, read: u64, spans: u64) {
    let found = ["read", "spans"].map(|key| account[key].as_u64());
    assert_eq!(found, [Some(read), Some(spans)], "{account:#}");
    let dropped = account["dropped"].as_object().expect("reasons");
    let dropped: u64 = dropped.values().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(
        account["kept"].as_u64(),
        Some(read - dropped),
        "what is read is kept or dropped: {account:#}"
    );
}

#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn funcqa() {
    counts(&import("funcqa", "toolkengpt/funcqa/train.json"), 650, 647);
}

#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn kamel() {
    counts(&import("kamel", "toolkengpt/kamel/train_clean.json"), 9096, 9103);
}

#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn virtualhome() {
    counts(&import("virtualhome", "toolkengpt/vh/legal_train_v4_embedding.json"), 247, 5005);
}

#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn gsm8k() {
    let account = import("gsm8k", "gsm8k/train.jsonl");
    assert_eq!(account["kept"], 6032, "{account:#}");
    counts(&account, 7473, 19136);
}
