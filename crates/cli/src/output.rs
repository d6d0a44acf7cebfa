//! What goes to standard output, as a table for people or as JSON for machines.

use anyhow::Context;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A value as one line of JSON.
///
/// # Errors
/// The system's: a closed pipe stays one.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    let line = serde_json::to_string(value)?;
    text(format_args!("{line}\n"))
}

/// A text, as it is.
///
/// # Errors
/// The system's.
pub fn text(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{text}")?;
    out.flush()
}

/// Writes a file whole, or not at all, and gives its path back.
///
/// # Errors
/// The system's, with the path.
pub fn file(path: &Path, bytes: &[u8]) -> anyhow::Result<PathBuf> {
    files::write(path, bytes).with_context(|| format!("writing {}", path.display()))?;
    Ok(path.to_owned())
}

/// An empty table without vertical lines, as wide as the terminal at most.
pub fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}
