//! What can go wrong between labelled positions and a head.

use std::path::PathBuf;

/// An error of this crate. Each says what was found, what was expected and, where there is one, the way out.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
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
    /// A head, or a file of features, was made for another model.
    #[error(
        "this head was made for the model `{found}` ({found_digest}), not for `{expected}` ({expected_digest}): load that model, or fit a head for this one"
    )]
    OtherModel {
        /// The model that the head names.
        found: String,
        /// The first digits of its digest.
        found_digest: String,
        /// The model that is loaded.
        expected: String,
        /// The first digits of its digest.
        expected_digest: String,
    },
    /// The features cannot be used.
    #[error("features: {0}")]
    Features(String),
    /// A setting is out of its range, or two settings contradict each other.
    #[error("{0}")]
    Setting(String),
    /// A prior cannot be built for a tool.
    #[error("prior of tool `{tool}`: {message}")]
    Prior {
        /// The tool.
        tool: String,
        /// What is missing, and what to do.
        message: String,
    },
    /// The model failed.
    #[error(transparent)]
    Model(#[from] lm::LmError),
}

impl HeadError {
    /// An error about a file's content.
    pub fn file(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::File { path: path.into(), message: message.into() }
    }

    /// A system error about a file.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}
