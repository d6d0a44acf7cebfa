//! What people and tools write in a conversation is text, also where it spells a control token.
//!
//! A chat template writes its own control tokens among the messages, and what it wrote is then read with them. A message that
//! says `<|im_end|>` would end its own turn, and could open another one in anybody's name. So the template puts a mark into
//! every control token's name that a message holds, and reading takes the mark out again: the name is then ordinary text.

use super::splitter::Splitter;
use super::{Specials, Tokenizer};
use crate::LmError;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A noncharacter of Unicode, kept for programs' own use: no text for others holds it.
const MARK: char = '\u{fdd0}';

/// Puts the marks in; cloning is cheap.
#[derive(Clone)]
pub(crate) struct Shield(Arc<Splitter>);

impl Shield {
    /// The text with a mark in every control token's name.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.0.cut(text, MARK)
    }
}

impl fmt::Debug for Shield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shield")
    }
}

impl Tokenizer {
    /// What keeps control tokens out of a conversation's texts.
    pub(crate) fn shield(&self) -> Shield {
        Shield(Arc::clone(&self.specials))
    }

    /// A text as it may stand in what a chat template wrote: control tokens that it spells stay text.
    pub fn shielded(&self, text: &str) -> String {
        self.shield().text(text).into_owned()
    }

    /// The ids of what a chat template wrote: its control tokens are read as such, those that a message spells are text.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_rendered(&self, text: &str) -> Result<Vec<u32>, LmError> {
        let mut pieces = text.split(MARK);
        let mut ids = self.encode(pieces.next().unwrap_or_default(), Specials::Parse)?;
        for piece in pieces {
            ids.extend(self.encode_continuation(piece, Specials::Parse)?);
        }
        Ok(ids)
    }

    /// As [`Tokenizer::encode_rendered`], of a later piece: see [`Tokenizer::encode_continuation`].
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_rendered_continuation(&self, text: &str) -> Result<Vec<u32>, LmError> {
        let mut ids = Vec::new();
        for piece in text.split(MARK) {
            ids.extend(self.encode_continuation(piece, Specials::Parse)?);
        }
        Ok(ids)
    }
}
