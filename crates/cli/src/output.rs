//! What goes to standard output, as a table for people or as JSON for machines.

use anyhow::Context;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, StdoutLock, Write};
use std::path::{Path, PathBuf};

/// The reader of standard output has gone. Other pipes that break are faults.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads standard output any more")]
struct ReaderLeft;

/// Whether it was standard output's reader that left.
pub fn reader_left(error: &anyhow::Error) -> bool {
    let inner = |cause: &(dyn std::error::Error + 'static)| {
        let io = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        io.is_some_and(|error| error.is::<ReaderLeft>())
    };
    error.chain().any(inner)
}

/// Standard output, whose errors say where they are from.
pub struct Out(StdoutLock<'static>);

/// Standard output, locked.
pub fn stdout() -> Out {
    Out(io::stdout().lock())
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

fn named(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, ReaderLeft),
        _ => error,
    }
}

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
    let mut out = stdout();
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

/// Refuses to write to a file that is read.
///
/// # Errors
/// If one of the inputs is the file.
pub fn refuse_input(out: &Path, inputs: &[&Path]) -> anyhow::Result<()> {
    match inputs.iter().find(|input| files::same(out, input)) {
        Some(input) => {
            anyhow::bail!("{}: it is read, and cannot be written to: give another file", input.display())
        }
        None => Ok(()),
    }
}

/// An empty table without vertical lines, as wide as the terminal at most.
pub fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}
