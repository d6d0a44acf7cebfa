//! The importers on the data they were written for. The counts are those of the data's own files.

use crate::{imported, shared};

/// Imports with the binary, and returns the importer's account.
fn import(kind: &str, file: &str) -> serde_json::Value {
    imported(kind, &shared().join(file)).1
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
