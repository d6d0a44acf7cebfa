//! The contract between a frozen language model and everything above it.

use crate::{LmError, Matrix, Tokenizer};
use std::any::Any;

/// What a model is: enough to name it in a report and to refuse a head made for another one.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ModelCard {
    /// The model's name, from its file's metadata or else the file's name.
    pub name: String,
    /// SHA-256 of the weights' file or files, in hexadecimal.
    pub digest: String,
    /// `llama`, `qwen2` or `gemma3`.
    pub architecture: String,
    /// Which engine computes, and in which arithmetic: `candle f32`.
    pub engine: String,
    /// Width d of a hidden state.
    pub width: usize,
    /// Number V of rows of the word head.
    pub vocab: usize,
    /// The longest context, in tokens.
    pub context: usize,
}

/// What the word vocabulary says at one position; all the objective needs of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WordMass {
    /// a = logsumexp(W_v h), the log mass of all words.
    pub log_sum_exp: f32,
    /// b = (W_v h)\[label\], if a label was asked for; else 0.
    pub label: f32,
    /// m = max(W_v h).
    pub max: f32,
    /// The word that attains m (the lowest id of equals).
    pub argmax: u32,
}

/// A matrix of the model that has one row a vocabulary entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowSource {
    /// W_v, the rows that score words.
    Head,
    /// The rows that tokens enter by; the same matrix in a model with tied embeddings.
    Input,
}

/// An engine's own memory of a sequence: its KV state.
pub trait State: Any + Send {
    /// A copy that goes its own way; cheap where the engine can share memory.
    fn fork(&self) -> Box<dyn State>;
    /// Forgets all but the first `len` tokens.
    fn truncate(&mut self, len: usize);
    /// For the engine to find its own type again.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// The tokens read so far, with the engine's state after them.
pub struct Sequence {
    ids: Vec<u32>,
    state: Box<dyn State>,
}

impl Sequence {
    /// An empty sequence over an engine's empty state.
    pub fn new(state: Box<dyn State>) -> Self {
        Self { ids: Vec::new(), state }
    }

    /// The tokens read so far.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// A copy that goes its own way: how a shared prefix is computed once.
    pub fn fork(&self) -> Self {
        Self { ids: self.ids.clone(), state: self.state.fork() }
    }

    /// Forgets all but the first `len` tokens: how a call is undone.
    pub fn truncate(&mut self, len: usize) {
        if len < self.ids.len() {
            self.ids.truncate(len);
            self.state.truncate(len);
        }
    }

    /// For engines: the state, and the tokens it stands for. An engine that has read `ids` appends them.
    pub fn parts_mut(&mut self) -> (&mut Vec<u32>, &mut dyn State) {
        (&mut self.ids, self.state.as_mut())
    }
}

/// A frozen causal language model: token ids in, final normalised hidden states out.
///
/// Nothing of it is ever changed. `logits = W_v h` holds for every implementation.
pub trait FrozenLm: Send + Sync {
    /// What this model is.
    fn card(&self) -> &ModelCard;

    /// Its tokenizer.
    fn tokenizer(&self) -> &Tokenizer;

    /// An empty sequence.
    fn begin(&self) -> Sequence;

    /// Reads more tokens in each of several sequences, in one batch.
    ///
    /// Returns the hidden state after every new token, shape `(new tokens of all, d)`, packed in the order of
    /// `batch`: no padding. A batch gives what single calls give, and a text in one piece what it gives in chunks.
    ///
    /// # Errors
    /// [`LmError::ContextTooLong`] before anything is computed; an id outside the vocabulary.
    fn extend(&self, batch: &mut [(&mut Sequence, &[u32])]) -> Result<Matrix, LmError>;

    /// W_v h for a few rows: shape `(rows of hidden, V)`. For decoding, not for whole corpora.
    fn logits(&self, hidden: &Matrix) -> Result<Matrix, LmError>;

    /// What the words say at each row of `hidden`, computed in blocks over the vocabulary, never as a
    /// `positions × V` matrix. `labels[i]` asks for that word's logit too.
    fn word_mass(&self, hidden: &Matrix, labels: &[Option<u32>]) -> Result<Vec<WordMass>, LmError>;

    /// Rows of W_v or of the input embedding, shape `(ids, d)`; the input rows unscaled, as stored.
    fn rows(&self, source: RowSource, ids: &[u32]) -> Result<Matrix, LmError>;
}

impl dyn FrozenLm + '_ {
    /// Final hidden states of one text from an empty state: shape `(ids, d)`.
    ///
    /// # Errors
    /// As [`FrozenLm::extend`].
    pub fn states(&self, ids: &[u32]) -> Result<Matrix, LmError> {
        let mut sequence = self.begin();
        self.extend(&mut [(&mut sequence, ids)])
    }
}
