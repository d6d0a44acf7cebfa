//! What can go wrong before or while generating.

use lm::LmError;

/// An error of this crate. What the *model* does wrong (a call that can't be parsed, a context that fills up) is
/// no error: it is in the [`Generation`](crate::Generation).
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The model failed.
    #[error(transparent)]
    Lm(#[from] LmError),
    /// A setting is out of its range.
    #[error("setting `{name}` is {found}; it must be {expected}")]
    Setting {
        /// Its name in [`Settings`](crate::Settings).
        name: &'static str,
        /// Its value.
        found: String,
        /// The values that would do.
        expected: &'static str,
    },
    /// The head, the tools and the model do not fit together.
    #[error("{0}")]
    Mismatch(String),
    /// A request can't be started.
    #[error("request {index}: {message}")]
    Request {
        /// Which of the requests, from 0.
        index: usize,
        /// What was found and what to do.
        message: String,
    },
    /// The model failed within a batch, after this request had been read in part.
    #[error("request {index}: the model failed after it had read a part of it: ask again")]
    Unfinished {
        /// Which of the requests, from 0.
        index: usize,
    },
    /// An engine elsewhere failed, or answered what is not to be understood.
    #[error("request {index}: {message}")]
    Engine {
        /// Which of the requests, from 0.
        index: usize,
        /// Which engine, what it did, what was expected, and what to do.
        message: String,
    },
    /// A text under a schema has come to where it cannot be enforced any further: a limit of the parser.
    #[error(
        "request {index}: the schema that the text is written under is too large to be enforced to its end: {message}"
    )]
    Schema {
        /// Which of the requests, from 0.
        index: usize,
        /// What the parser says.
        message: String,
    },
    /// No word can be chosen: every logit is disabled, infinite or not a number.
    #[error(
        "request {index}, token {position}: no word can be chosen, as no logit is finite; \
         the model's weights are damaged or every word is disabled"
    )]
    NoWord {
        /// Which of the requests, from 0.
        index: usize,
        /// Tokens chosen before.
        position: usize,
    },
}
