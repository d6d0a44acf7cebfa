//! Files of other people's data.

use crate::BenchError;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// The folder of other people's data, which this needs.
pub fn folder<'a>(data: Option<&'a Path>, what: &str) -> Result<&'a Path, BenchError> {
    let data = data.ok_or_else(|| {
        BenchError::Setting(format!(
            "{what} needs other people's data: give the folder that holds it (README: Data) with --data DIR, or take \
             what is built in, which needs none (the tasks `arithmetic` and `facts`, the household `builtin`)"
        ))
    })?;
    match data.join("toolkengpt").is_dir() || !data.join("data/toolkengpt").is_dir() {
        true => Ok(data),
        false => Err(BenchError::Setting(format!(
            "{}: no toolkengpt/ in it, but in the folder data/ below it: give that one with --data",
            data.display()
        ))),
    }
}

/// A text file.
pub fn text(path: &Path) -> Result<String, BenchError> {
    std::fs::read_to_string(path).map_err(|e| BenchError::io(path, e))
}

/// A JSON file.
pub fn json<T: DeserializeOwned>(path: &Path) -> Result<T, BenchError> {
    serde_json::from_str(&text(path)?).map_err(|e| BenchError::data(path, e.to_string()))
}

/// A file of JSON lines.
pub fn json_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, BenchError> {
    let text = text(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(i, line)| {
        serde_json::from_str(line).map_err(|e| BenchError::data(path, format!("line {}: {e}", i + 1)))
    };
    lines.map(read).collect()
}

/// ToolkenGPT's file of prompts by tool: `llama_<add>.txt`.
pub fn template_of(folder: &Path, tool: &str) -> PathBuf {
    folder.join(format!("llama_<{tool}>.txt"))
}
