//! What can be wrong with a household's files.

use super::scene::SceneError;
use std::path::{Path, PathBuf};

/// An error of reading a household. What a *script* does wrong is no error: it is in its [`super::Outcome`].
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The system failed on a file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word on it.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}{}: {message}", path.display(), line(*number))]
    Data {
        /// The file.
        path: PathBuf,
        /// Its line from 1; 0 for the whole file.
        number: usize,
        /// What was found.
        message: String,
    },
    /// A task's change of the scene makes no scene.
    #[error("task `{task}`: {source}")]
    Scene {
        /// The task.
        task: String,
        /// Why not.
        source: SceneError,
    },
}

impl HomeError {
    pub(super) fn data(path: &Path, number: usize, message: impl Into<String>) -> Self {
        Self::Data { path: path.to_owned(), number, message: message.into() }
    }
}

fn line(number: usize) -> String {
    if number == 0 { String::new() } else { format!(", line {number}") }
}
