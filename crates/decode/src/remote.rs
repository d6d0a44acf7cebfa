//! An engine that runs elsewhere, and serves a model whose vocabulary has a head's tools in it.
//!
//! Decisions are the engine's: the tools are tokens of its vocabulary, their bias and what may not be chosen are added to
//! its logits, and it stops where a tool wins. What a call is, is decided here as it is for a model of our own.
//!
//! ```text
//! prompt ─> complete, stopping at tools ── words ──────────────────────────> text
//!              ^                      └─── a tool ─> complete its arguments ─> run ── result ─┐
//!              └──────────── the text so far, whose KV state the engine has kept ─────────────┘
//! ```

mod choice;
mod message;
mod row;
mod run;
mod session;

pub(crate) use run::run;
pub(crate) use session::Elsewhere;

use crate::DecodeError;
use crate::extended::Extended;
use serde_json::Value;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// What completes token ids: one request to an engine.
pub trait Remote: Send + Sync {
    /// Goes on after a prompt until something of what is wanted ends it.
    ///
    /// # Errors
    /// In words: what the engine, by name, did, what was expected, and what to do.
    fn complete(&self, wanted: &Completion<'_>) -> Result<Completed, String>;
}

/// What is wanted of an engine.
#[derive(Clone, Copy, Debug)]
pub struct Completion<'a> {
    /// What the model reads; no start token is to be added.
    pub prompt: &'a [u32],
    /// Tokens at most; at least 1.
    pub max_tokens: usize,
    /// 0 takes the best token.
    pub temperature: f32,
    /// Draws come from the best tokens that hold this share.
    pub top_p: f32,
    /// Seed of the draws.
    pub seed: u64,
    /// What is added to tokens' logits before anything is chosen; −∞ forbids a token.
    pub bias: &'a [(u32, f32)],
    /// Tools' tokens, which end the completion.
    pub stop_tokens: &'a [u32],
    /// Texts that end the completion.
    pub stop: &'a [String],
    /// The completion is JSON under this schema.
    pub schema: Option<&'a Value>,
    /// How many of the best tokens to tell of at every position.
    pub top: usize,
}

/// What an engine wrote.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completed {
    /// The tokens; one that ended the completion is the last of them.
    pub tokens: Vec<Emitted>,
    /// Why there are no more.
    pub end: End,
}

/// A token that an engine chose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Emitted {
    /// The token.
    pub id: u32,
    /// Its log probability before any bias, where the engine tells it apart from the best tokens'.
    pub logprob: Option<f32>,
    /// The best tokens of its position with their log probabilities before any bias, best first; empty where the engine does
    /// not tell.
    pub top: Vec<(u32, f32)>,
}

/// Why a completion ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// The model ended the text.
    Text,
    /// The cap on tokens, or the engine's context.
    #[default]
    Length,
    /// A token or text of those that were to end it.
    Stop,
}

/// An engine, and what is known of the model it serves.
#[derive(Clone)]
pub struct Served {
    /// The engine.
    pub engine: Arc<dyn Remote>,
    /// The vocabulary's tools, with the ids of their tokens; all of them, whether a head has them or not.
    pub tools: Vec<(String, u32)>,
    /// The longest context, in tokens.
    pub context: usize,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("tools", &self.tools.len()).field("context", &self.context).finish()
    }
}

impl Served {
    /// Refuses tools that the engine's vocabulary does not have.
    ///
    /// # Errors
    /// [`DecodeError::Mismatch`] for the first of them.
    pub fn check(&self, extended: &Extended<'_>) -> Result<(), DecodeError> {
        let known: HashSet<&str> = self.tools.iter().map(|(name, _)| name.as_str()).collect();
        match extended.tools().find(|name| !known.contains(name)) {
            Some(name) => Err(DecodeError::Mismatch(format!(
                "the engine's vocabulary has no token for the tool `{name}`: export the model with this head, and have the engine \
                 serve that"
            ))),
            None => Ok(()),
        }
    }
}
