//! Text to token ids and back.

/// A tokenizer.
pub struct Tokenizer {}
