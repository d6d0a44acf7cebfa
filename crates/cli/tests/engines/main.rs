//! The third suite: what engines make of an export, answers through a server of theirs, and shards through an object store.
//! `just engines` runs it.

#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../server/client.rs"]
mod client;
#[cfg(feature = "llama")]
mod device;
#[path = "../eight/mod.rs"]
mod eight;
mod exports;
mod served;
mod shards;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the binary, which must succeed; what it printed as JSON.
#[track_caller]
fn toolken(args: &[&str]) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_toolken")).args(args).output().expect("the binary starts");
    assert!(output.status.success(), "toolken {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The Python of a suite, as `just engines` sets it.
#[track_caller]
fn python(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| panic!("set {variable}, as `just engines` does")).into()
}

/// Runs a script of the repository; it must succeed.
#[track_caller]
fn script(python: &Path, name: &str, args: &[&str]) {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts")).join(name);
    let output = Command::new(python).arg(path).args(args).output().expect("Python starts");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}
