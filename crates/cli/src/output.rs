//! What goes to standard output, as a table for people or as JSON for machines.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};

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

/// An empty table without vertical lines, as wide as the terminal at most.
pub fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}
