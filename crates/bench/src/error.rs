//! What can go wrong with a benchmark.

use std::path::{Path, PathBuf};

/// An error of this crate. What a *model* does wrong is no error: it is in the record of its question.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The system failed on a file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word on it.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {message}", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What was found, what was expected, and what to do.
        message: String,
    },
    /// Settings that are out of range, or that contradict each other.
    #[error("{0}")]
    Setting(String),
    /// The model failed.
    #[error(transparent)]
    Lm(#[from] lm::LmError),
    /// A fit or its features failed.
    #[error(transparent)]
    Head(#[from] head::HeadError),
    /// Generating failed.
    #[error(transparent)]
    Decode(#[from] decode::DecodeError),
    /// Examples that make no corpus.
    #[error(transparent)]
    Corpus(#[from] corpus::CorpusError),
    /// Tools that make no set.
    #[error(transparent)]
    Tools(#[from] tools::ToolError),
    /// A household's files.
    #[error(transparent)]
    Home(#[from] tools::household::HomeError),
    /// A knowledge base failed.
    #[error(transparent)]
    Knowledge(#[from] tools::KnowledgeError),
    /// Too few problems of our own could be written.
    #[error(transparent)]
    Exhausted(#[from] corpus::arithmetic::Exhausted),
}

impl BenchError {
    /// A file that does not hold what it should.
    pub fn data(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Data { path: path.into(), message: message.into() }
    }

    /// The system's error on a file.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    pub(crate) fn import<E: std::fmt::Display>(path: &Path, error: E) -> Self {
        Self::data(path, error.to_string())
    }
}
