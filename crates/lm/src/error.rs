//! What can go wrong between a model file and a hidden state.

use std::path::PathBuf;

/// An error of this crate. Each says what was found, what was expected and, where there is one, the way out.
#[derive(Debug, thiserror::Error)]
pub enum LmError {
    /// A file could not be read.
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
    /// The text cannot be turned into tokens, or tokens into text.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// There is no chat template, or it cannot render a conversation.
    #[error("chat template: {0}")]
    Chat(String),
    /// The context does not fit the model.
    #[error(
        "the context has {len} tokens, the model's longest is {max}: shorten the text or use a model with a longer context"
    )]
    ContextTooLong {
        /// Tokens asked for.
        len: usize,
        /// Tokens the model takes.
        max: usize,
    },
    /// A token id outside the vocabulary.
    #[error("token id {id} is outside the vocabulary of {vocab}")]
    UnknownId {
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        vocab: usize,
    },
    /// The arithmetic library failed (out of memory, device lost).
    #[error("computing hidden states: {0}")]
    Compute(#[from] candle_core::Error),
    /// Another program's library failed.
    #[error("llama.cpp: {0}")]
    Engine(String),
    /// A model by that name or in that form is not known.
    #[error("{0}")]
    Unknown(String),
}

impl LmError {
    /// An error about a file's content.
    pub fn file(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::File { path: path.into(), message: message.into() }
    }

    /// A system error about a file.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}
