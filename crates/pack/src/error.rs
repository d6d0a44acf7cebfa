//! What can go wrong while a pack is made.

use std::io;
use std::path::{Path, PathBuf};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word on it.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}{}: {message}", path.display(), line.map_or(String::new(), |line| format!(", line {line}")))]
    File {
        /// The file.
        path: PathBuf,
        /// Where in it, from 1.
        line: Option<usize>,
        /// What was found, what was expected.
        message: String,
    },
    /// A tool or example does not do.
    #[error("{0}")]
    Input(String),
    /// The fit.
    #[error(transparent)]
    Head(#[from] head::HeadError),
    /// The model.
    #[error(transparent)]
    Model(#[from] lm::LmError),
    /// Generation.
    #[error(transparent)]
    Decode(#[from] decode::DecodeError),
    /// The pack's own files.
    #[error(transparent)]
    Pack(#[from] tools::PackError),
}

impl FitError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// Writes a file whole, or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), FitError> {
    files::write(path, bytes).map_err(|e| FitError::io(path, e))
}
