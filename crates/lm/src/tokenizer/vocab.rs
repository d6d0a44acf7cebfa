//! The table of tokens: ids, spellings, kinds and the bytes they stand for.

use super::Spelling;
use crate::LmError;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;

/// How SentencePiece spells a space.
pub(super) const SPACE: char = '\u{2581}';
pub(super) const SPACE_BYTES: &[u8] = "\u{2581}".as_bytes();

/// Far above any published vocabulary (Gemma's has 262,144 tokens).
const MAX_TOKENS: usize = 1 << 22;

/// What a token is for; the numbers are those of SentencePiece and GGUF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

impl Kind {
    pub fn from_number(number: u64) -> Option<Self> {
        [Self::Normal, Self::Unknown, Self::Control, Self::UserDefined, Self::Unused, Self::Byte]
            .into_iter()
            .find(|&kind| kind as u64 == number)
    }
}

/// All tokens, by id.
pub(super) struct Vocab {
    /// The bytes of all tokens in a row; token `i` ends at `ends[i]`.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    kinds: Vec<Kind>,
    ids: HashMap<Box<str>, u32>,
}

impl Vocab {
    /// The vocabulary of `(spelling, kind)` by id. An empty spelling is an id without a token; a token spelled as no text
    /// ever is (outside the byte alphabet, or with a bare space) is kept as unused and stands for its spelling.
    ///
    /// # Errors
    /// If it is empty or too large, two tokens are spelled alike, or a byte token is not spelled `<0x0A>`.
    pub fn new<'a>(
        tokens: impl ExactSizeIterator<Item = (&'a str, Kind)>,
        spelling: Spelling,
        origin: &Path,
    ) -> Result<Self, LmError> {
        let size = tokens.len();
        if size == 0 || size > MAX_TOKENS {
            return Err(LmError::file(
                origin,
                format!("the vocabulary has {size} tokens, expected 1 to {MAX_TOKENS}"),
            ));
        }
        let alphabet = byte_alphabet();
        let mut vocab = Self {
            bytes: Vec::new(),
            ends: Vec::with_capacity(size),
            kinds: Vec::with_capacity(size),
            ids: HashMap::with_capacity(size),
        };
        for (id, (text, mut kind)) in tokens.enumerate() {
            match bytes_of(text, kind, spelling, &alphabet) {
                Some(bytes) => vocab.bytes.extend(bytes),
                None if kind == Kind::Byte => {
                    return Err(LmError::file(
                        origin,
                        format!("byte token {id} is spelled {text:?}, expected the form <0x0A>"),
                    ));
                }
                None => {
                    kind = Kind::Unused;
                    vocab.bytes.extend_from_slice(text.as_bytes());
                }
            }
            vocab.ends.push(vocab.bytes.len());
            vocab.kinds.push(kind);
            if !text.is_empty()
                && let Some(other) = vocab.ids.insert(text.into(), id as u32)
            {
                return Err(LmError::file(
                    origin,
                    format!("tokens {other} and {id} are both spelled {text:?}, expected one such"),
                ));
            }
        }
        Ok(vocab)
    }

    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    pub fn id(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    /// Empty outside the vocabulary.
    pub fn bytes(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let Some(&end) = self.ends.get(id) else {
            return &[];
        };
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start..end]
    }

    /// [`Kind::Unused`] outside the vocabulary.
    pub fn kind(&self, id: u32) -> Kind {
        self.kinds.get(id as usize).copied().unwrap_or(Kind::Unused)
    }

    /// Whether only [`super::Specials::Parse`] reads this token from a text.
    pub fn is_special(&self, id: u32) -> bool {
        matches!(self.kind(id), Kind::Control | Kind::Unknown)
    }

    /// The tokens of some kinds with their bytes.
    pub fn of_kinds<'a>(&'a self, kinds: &'a [Kind]) -> impl Iterator<Item = (&'a [u8], u32)> {
        (0..self.len() as u32).filter(|&id| kinds.contains(&self.kind(id))).map(|id| (self.bytes(id), id))
    }

    pub fn hash(&self, hash: &mut Sha256) {
        for id in 0..self.len() as u32 {
            hash.update([self.kind(id) as u8]);
            hash.update((self.bytes(id).len() as u64).to_le_bytes());
            hash.update(self.bytes(id));
        }
    }
}

/// The bytes of text that a token stands for; `None` if it is spelled as no text ever is.
fn bytes_of(text: &str, kind: Kind, spelling: Spelling, alphabet: &HashMap<char, u8>) -> Option<Vec<u8>> {
    match (kind, spelling) {
        (Kind::Byte, _) => Some(vec![byte_token(text)?]),
        (Kind::Control | Kind::Unknown, _) | (Kind::UserDefined, Spelling::ByteLevel) => Some(text.into()),
        (Kind::Normal | Kind::Unused, Spelling::ByteLevel) => {
            text.chars().map(|c| alphabet.get(&c).copied()).collect()
        }
        (Kind::Normal, Spelling::SentencePiece(_)) if text.contains(' ') => None,
        (_, Spelling::SentencePiece(_)) => Some(text.replace(SPACE, " ").into()),
    }
}

/// `<0x0A>` → 10.
fn byte_token(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}

/// Byte-level BPE's alphabet, character to byte: printable Latin-1 characters stand for themselves, the other 68 bytes for
/// U+0100 and up, in order (Radford et al. 2019, `bytes_to_unicode` of GPT-2's release).
fn byte_alphabet() -> HashMap<char, u8> {
    let mut others = '\u{100}'..;
    (0..=255u8)
        .filter_map(|byte| {
            let itself = matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
            Some((if itself { char::from(byte) } else { others.next()? }, byte))
        })
        .collect()
}
