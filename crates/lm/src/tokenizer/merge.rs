//! Byte-pair encoding of one word: neighbours are merged, the pair of lowest rank first, of equal ranks the leftmost.

use super::Spelling;
use super::vocab::{Kind, Vocab};
use crate::LmError;
use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// In which order pairs are merged.
pub(super) enum Ranks {
    /// By pair of ids: the merge list of byte-level BPE and of `tokenizer.json`. Value: rank and resulting id.
    Pairs(HashMap<(u32, u32), (u32, u32)>),
    /// By the resulting token, whatever its parts: SentencePiece, which ranks by score. Index: id.
    Tokens(Vec<u32>),
}

impl Ranks {
    /// Ranks of a merge list, given as `(left, right)` spellings in order.
    ///
    /// A merge that makes a control token is left out, so that no text turns into one.
    ///
    /// # Errors
    /// A message if a part or the result of a merge is not in the vocabulary.
    pub fn from_merges<'a>(
        vocab: &Vocab,
        merges: impl Iterator<Item = Option<(&'a str, &'a str)>>,
    ) -> Result<Self, String> {
        let mut ranks = HashMap::with_capacity(merges.size_hint().0);
        let mut merged = String::new();
        for (rank, merge) in merges.enumerate() {
            let (left, right) =
                merge.ok_or_else(|| format!("merge {rank} is not two tokens with a space between them"))?;
            merged.clear();
            merged.push_str(left);
            merged.push_str(right);
            let id = |token: &str| {
                vocab.id(token).ok_or_else(|| format!("merge {rank} needs {token:?}, which is no token"))
            };
            let (pair, result) = ((id(left)?, id(right)?), id(&merged)?);
            if !vocab.is_special(result) {
                ranks.entry(pair).or_insert((rank as u32, result));
            }
        }
        Ok(Self::Pairs(ranks))
    }

    /// Ranks of SentencePiece scores, by id: the highest score has rank 0, equal scores have equal ranks.
    ///
    /// # Errors
    /// A message if a score is not a number.
    pub fn from_scores(scores: &[f32]) -> Result<Self, String> {
        if let Some(id) = scores.iter().position(|score| score.is_nan()) {
            return Err(format!("the score of token {id} is not a number"));
        }
        let mut descending = scores.to_vec();
        descending.sort_unstable_by(|a, b| b.total_cmp(a));
        descending.dedup(); // by ==, so that 0 and -0 are one
        let rank = |score: &f32| descending.partition_point(|other| other > score) as u32;
        Ok(Self::Tokens(scores.iter().map(rank).collect()))
    }

    pub fn hash(&self, hash: &mut Sha256) {
        match self {
            Self::Pairs(pairs) => {
                let mut in_order: Vec<_> = pairs.iter().map(|(pair, (rank, _))| (rank, pair)).collect();
                in_order.sort_unstable();
                for (_, (left, right)) in in_order {
                    hash.update(left.to_le_bytes());
                    hash.update(right.to_le_bytes());
                }
            }
            Self::Tokens(ranks) => ranks.iter().for_each(|rank| hash.update(rank.to_le_bytes())),
        }
    }
}

/// The encoder of one word.
pub(super) struct Bpe {
    /// The tokens that text is merged into, by the bytes they stand for.
    tokens: HashMap<Box<[u8]>, u32>,
    longest: usize,
    ranks: Ranks,
    spelling: Spelling,
    ignore_merges: bool,
    /// What stands for a byte of a character that is no token.
    fallback: Vec<Option<u32>>,
    unknown: Option<u32>,
}

/// A stretch of the word that is one token (or a character that is none). Linked, so that a merge costs no shifting.
struct Symbol {
    start: usize,
    /// 0 once it is merged into its left neighbour.
    len: usize,
    id: Option<u32>,
    previous: Option<usize>,
    next: Option<usize>,
}

/// A possible merge, ordered by rank, then place. `len` tells whether the two symbols are still what they were.
type Candidate = Reverse<(u32, usize, usize, usize, u32)>;

impl Bpe {
    pub fn new(
        vocab: &Vocab,
        spelling: Spelling,
        ranks: Ranks,
        ignore_merges: bool,
        unknown: Option<u32>,
    ) -> Self {
        let tokens: HashMap<Box<[u8]>, u32> =
            vocab.of_kinds(&[Kind::Normal]).map(|(bytes, id)| (bytes.into(), id)).collect();
        let mut fallback = vec![None; 256];
        for (bytes, id) in vocab.of_kinds(&[Kind::Byte]) {
            fallback[usize::from(bytes[0])] = Some(id);
        }
        let longest = tokens.keys().map(|bytes| bytes.len()).max().unwrap_or(0);
        Self { tokens, longest, ranks, spelling, ignore_merges, fallback, unknown }
    }

    /// Appends the ids of `word`.
    ///
    /// # Errors
    /// If a byte or character has no token.
    pub fn encode(&self, word: &str, ids: &mut Vec<u32>) -> Result<(), LmError> {
        let text = word.as_bytes();
        if self.ignore_merges
            && let Some(&id) = self.tokens.get(text)
        {
            ids.push(id);
            return Ok(());
        }
        let symbols = self.merge(text, self.symbols(word));
        let mut at = Some(0);
        while let Some(symbol) = at.and_then(|i| symbols.get(i)) {
            match symbol.id {
                Some(id) => ids.push(id),
                None => self.fall_back(&text[symbol.start..symbol.start + symbol.len], ids)?,
            }
            at = symbol.next;
        }
        Ok(())
    }

    /// The word's bytes or characters, one symbol each.
    fn symbols(&self, word: &str) -> Vec<Symbol> {
        let units: Vec<(usize, usize)> = match self.spelling {
            Spelling::ByteLevel => (0..word.len()).map(|start| (start, 1)).collect(),
            Spelling::SentencePiece(_) => {
                word.char_indices().map(|(start, c)| (start, c.len_utf8())).collect()
            }
        };
        let last = units.len().wrapping_sub(1);
        let text = word.as_bytes();
        units
            .into_iter()
            .enumerate()
            .map(|(i, (start, len))| Symbol {
                start,
                len,
                id: self.tokens.get(&text[start..start + len]).copied(),
                previous: i.checked_sub(1),
                next: (i < last).then_some(i + 1),
            })
            .collect()
    }

    fn merge(&self, text: &[u8], mut symbols: Vec<Symbol>) -> Vec<Symbol> {
        let mut queue = BinaryHeap::with_capacity(symbols.len());
        for right in 1..symbols.len() {
            queue.extend(self.candidate(text, &symbols, right - 1, right));
        }
        while let Some(Reverse((_, left, right, len, id))) = queue.pop() {
            let (l, r) = (symbols[left].len, symbols[right].len);
            if l == 0 || r == 0 || l + r != len {
                continue; // one of them has been merged otherwise
            }
            let next = symbols[right].next;
            symbols[right].len = 0;
            symbols[left].len = len;
            symbols[left].id = Some(id);
            symbols[left].next = next;
            if let Some(next) = next {
                symbols[next].previous = Some(left);
                queue.extend(self.candidate(text, &symbols, left, next));
            }
            if let Some(previous) = symbols[left].previous {
                queue.extend(self.candidate(text, &symbols, previous, left));
            }
        }
        symbols
    }

    fn candidate(&self, text: &[u8], symbols: &[Symbol], left: usize, right: usize) -> Option<Candidate> {
        let (l, r) = (&symbols[left], &symbols[right]);
        let len = l.len + r.len;
        let (rank, id) = match &self.ranks {
            Ranks::Pairs(pairs) => *pairs.get(&(l.id?, r.id?))?,
            Ranks::Tokens(ranks) if len <= self.longest => {
                let id = *self.tokens.get(&text[l.start..l.start + len])?;
                (*ranks.get(id as usize)?, id)
            }
            Ranks::Tokens(_) => return None,
        };
        Some(Reverse((rank, left, right, len, id)))
    }

    /// A character that is no token: its bytes, else the unknown token.
    fn fall_back(&self, text: &[u8], ids: &mut Vec<u32>) -> Result<(), LmError> {
        let bytes: Option<Vec<u32>> = text.iter().map(|&byte| self.fallback[usize::from(byte)]).collect();
        match (bytes, self.unknown) {
            (Some(bytes), _) => ids.extend(bytes),
            (None, Some(unknown)) => ids.push(unknown),
            (None, None) => {
                return Err(LmError::Tokenizer(format!(
                    "the vocabulary has no token for {:?} (bytes {text:02x?}): take it out of the text or use another model",
                    String::from_utf8_lossy(text)
                )));
            }
        }
        Ok(())
    }
}
