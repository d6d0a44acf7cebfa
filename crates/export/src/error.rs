//! What can go wrong between a model, a head and the files made of both.

use std::path::PathBuf;

/// An error of this crate. Each says what was found, what was expected and, where there is one, the way out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word on it.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was found, what was expected, what to do.
        message: String,
    },
    /// A tool cannot have a token of that spelling.
    #[error("tool `{tool}`: {message}")]
    Tool {
        /// The tool.
        tool: String,
        /// What is wrong with its token, and what to do.
        message: String,
    },
    /// A setting is out of its range.
    #[error("{0}")]
    Setting(String),
    /// The model's file.
    #[error(transparent)]
    Model(#[from] lm::LmError),
    /// The head.
    #[error(transparent)]
    Head(#[from] head::HeadError),
    /// Numbers could not be brought into another element type.
    #[error("element types: {0}")]
    Compute(#[from] candle_core::Error),
}

impl ExportError {
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::File { path: path.into(), message: message.into() }
    }

    pub(crate) fn tool(tool: &str, message: impl Into<String>) -> Self {
        Self::Tool { tool: tool.to_owned(), message: message.into() }
    }
}
