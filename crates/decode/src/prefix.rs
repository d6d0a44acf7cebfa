//! A prompt's beginning, computed once and forked for everything that begins with it.

use crate::DecodeError;
use lm::{FrozenLm, Sequence};

/// A sequence that is kept to be forked.
pub(crate) struct Prefix(Sequence);

impl Prefix {
    pub fn new(lm: &dyn FrozenLm) -> Self {
        Self(lm.begin())
    }

    /// Makes `ids` what is kept, computing only what is not kept already.
    pub fn read(&mut self, lm: &dyn FrozenLm, ids: &[u32]) -> Result<(), DecodeError> {
        let kept = common(self.0.ids(), ids);
        self.0.truncate(kept);
        if kept < ids.len() {
            lm.extend(&mut [(&mut self.0, &ids[kept..])])?;
        }
        Ok(())
    }

    /// Tokens at the beginning of `ids` that are kept.
    pub fn shared_with(&self, ids: &[u32]) -> usize {
        common(self.0.ids(), ids)
    }

    /// A sequence that has read as much of `ids` as is kept, but not its last token: a decision needs the hidden state
    /// after it.
    pub fn fork(&self, ids: &[u32]) -> Sequence {
        let mut sequence = self.0.fork();
        sequence.truncate(self.shared_with(ids).min(ids.len().saturating_sub(1)));
        sequence
    }
}

/// A sequence that has read as much of `ids` as one of these has, but not its last token.
pub(crate) fn begin<'s>(
    lm: &dyn FrozenLm,
    known: impl Iterator<Item = &'s Sequence>,
    ids: &[u32],
) -> Sequence {
    let shared = |sequence: &Sequence| common(sequence.ids(), ids).min(ids.len().saturating_sub(1));
    match known.max_by_key(|sequence| shared(sequence)).filter(|sequence| shared(sequence) > 0) {
        Some(known) => {
            let mut sequence = known.fork();
            sequence.truncate(shared(known));
            sequence
        }
        None => lm.begin(),
    }
}

/// Length of the longest common prefix.
pub(crate) fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
