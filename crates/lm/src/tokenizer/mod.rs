//! Text to token ids and back.
//!
//! ```text
//! text ── cut out special tokens ── dummy prefix ── cut out user-defined tokens ── words ── byte-pair merges ── ids
//!         (splitter)                (mod)           (splitter)                     (words)  (merge)
//! ```
//!
//! One byte-pair encoder serves both families of vocabulary: byte-level BPE (GPT-2, Llama 3, Qwen, SmolLM), whose merges
//! have ranks, and SentencePiece BPE (Llama 2, Gemma), whose pieces have scores. Loaders ([`from_gguf`], [`from_json`],
//! [`sentencepiece`]) only fill in a [`Definition`].

mod from_gguf;
mod from_json;
mod merge;
mod sentencepiece;
mod shield;
mod splitter;
mod surroundings;
mod vocab;
mod words;

use crate::{Gguf, LmError};
use merge::{Bpe, Ranks};
use sha2::{Digest, Sha256};
pub(crate) use shield::Shield;
use splitter::{Part, Splitter};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use surroundings::Surroundings;
use tokenizers::normalizers::unicode::NFC;
use tokenizers::{NormalizedString, Normalizer};
use vocab::{Kind, Vocab};
use words::Words;

/// Whether special tokens (`<|im_end|>`, `<eos>`) written out in a text are read as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Specials {
    /// They become their ids: for prompts and chat templates of our own making.
    Parse,
    /// They are ordinary text, and no text can produce them: for untrusted corpora.
    Text,
}

/// Where SentencePiece puts a space that the text does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DummyPrefix {
    /// Nowhere.
    Never,
    /// At the start of the text, unless that is a special token.
    Start,
    /// At the start of the text and after every special token.
    EachSegment,
}

/// How a vocabulary spells spaces, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// Every byte is a unit; nothing is changed.
    ByteLevel,
    /// Characters are units, a space is spelled `▁` (U+2581), bytes are the fallback.
    SentencePiece(DummyPrefix),
}

/// What a tokenizer file says, in one form for all files.
struct Definition {
    vocab: Vocab,
    spelling: Spelling,
    ranks: Ranks,
    words: Words,
    /// The text is brought into normal form C first (Qwen's `tokenizer.json` asks for it).
    nfc: bool,
    /// A word that is a token as a whole is not built up from merges (Llama 3).
    ignore_merges: bool,
    /// What a character becomes that has no token, where there are no tokens for its bytes.
    unknown: Option<u32>,
}

/// A model's vocabulary and the rules that turn text into it.
pub struct Tokenizer {
    vocab: Vocab,
    spelling: Spelling,
    specials: Arc<Splitter>,
    user_defined: Splitter,
    nfc: bool,
    words: Words,
    bpe: Bpe,
    surroundings: Surroundings,
    digest: String,
}

impl Tokenizer {
    /// The tokenizer of a GGUF model.
    ///
    /// # Errors
    /// [`LmError::File`] if the vocabulary is missing or inconsistent, of an unknown model (`gpt2` and `llama` are known),
    /// or asks for a pre-tokeniser other than `smollm`, `qwen2`, `llama-bpe` and `gpt-2`: that is not guessed.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, LmError> {
        from_gguf::load(gguf)
    }

    /// The tokenizer of a Hugging Face `tokenizer.json`, without start and end tokens or chat template: those stand in
    /// other files, see [`Tokenizer::from_dir`]. `origin` names the bytes in messages.
    ///
    /// # Errors
    /// [`LmError::File`] if the JSON is malformed or asks for a model, normaliser or pre-tokeniser that is not known here.
    pub fn from_json_bytes(json: &[u8], origin: &Path) -> Result<Self, LmError> {
        from_json::load(json, origin, |_| Ok(Surroundings::default()))
    }

    /// As [`Tokenizer::from_json_bytes`], from a file; start and end tokens and the chat template are read from
    /// `tokenizer_config.json`, `generation_config.json` and `chat_template.jinja` beside it, where they are there.
    ///
    /// # Errors
    /// As [`Tokenizer::from_json_bytes`]; [`LmError::Io`] if the file cannot be read.
    pub fn from_json_file(path: impl AsRef<Path>) -> Result<Self, LmError> {
        from_json::load_file(path.as_ref())
    }

    /// The tokenizer in a model's directory: `tokenizer.json`, else `tokenizer.model`.
    ///
    /// # Errors
    /// As the loaders of these files; [`LmError::File`] if there is neither.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, LmError> {
        let dir = dir.as_ref();
        let (json, model) = (dir.join("tokenizer.json"), dir.join("tokenizer.model"));
        if json.is_file() {
            Self::from_json_file(json)
        } else if model.is_file() {
            Self::from_sentencepiece_model(model)
        } else {
            Err(LmError::file(
                dir,
                "there is neither tokenizer.json nor tokenizer.model here: fetch one with the model",
            ))
        }
    }

    /// The tokenizer of a SentencePiece `.model` file of type BPE (Llama 2's and Gemma's are).
    ///
    /// # Errors
    /// [`LmError::File`] if it is damaged, of another type, or normalises text in a way that loses some of it.
    pub fn from_sentencepiece_model(path: impl AsRef<Path>) -> Result<Self, LmError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| LmError::io(path, e))?;
        sentencepiece::load(&bytes, path)
    }

    /// As [`Tokenizer::from_sentencepiece_model`], from memory; `origin` names the bytes in messages.
    ///
    /// # Errors
    /// As [`Tokenizer::from_sentencepiece_model`].
    pub fn from_sentencepiece_bytes(model: &[u8], origin: &Path) -> Result<Self, LmError> {
        sentencepiece::load(model, origin)
    }

    fn new(definition: Definition, surroundings: Surroundings) -> Self {
        let digest = definition.digest();
        let Definition { vocab, spelling, ranks, words, nfc, ignore_merges, unknown } = definition;
        Self {
            specials: Arc::new(Splitter::new(vocab.of_kinds(&[Kind::Control, Kind::Unknown]))),
            user_defined: Splitter::new(vocab.of_kinds(&[Kind::UserDefined])),
            bpe: Bpe::new(&vocab, spelling, ranks, ignore_merges, unknown),
            vocab,
            spelling,
            nfc,
            words,
            surroundings,
            digest,
        }
    }

    /// The ids of a text. Neither BOS nor EOS is added.
    ///
    /// # Errors
    /// [`LmError::Tokenizer`] if the vocabulary has no token for something in the text.
    pub fn encode(&self, text: &str, specials: Specials) -> Result<Vec<u32>, LmError> {
        self.encode_with(text, specials, self.dummy_prefix() != DummyPrefix::Never)
    }

    /// The ids of a later piece of a text: as [`Tokenizer::encode`], but without SentencePiece's dummy prefix at the start.
    /// For byte-level vocabularies the two are the same.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_continuation(&self, text: &str, specials: Specials) -> Result<Vec<u32>, LmError> {
        self.encode_with(text, specials, false)
    }

    fn encode_with(&self, text: &str, specials: Specials, mut prefix: bool) -> Result<Vec<u32>, LmError> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        match specials {
            Specials::Text => self.encode_segment(text, prefix, &mut ids)?,
            Specials::Parse => {
                for part in self.specials.split(text) {
                    match part {
                        Part::Token(id) => {
                            ids.push(id);
                            prefix = self.dummy_prefix() == DummyPrefix::EachSegment;
                        }
                        Part::Text(segment) => self.encode_segment(segment, prefix, &mut ids)?,
                    }
                }
            }
        }
        Ok(ids)
    }

    /// A stretch of text without special tokens.
    fn encode_segment(&self, text: &str, prefix: bool, ids: &mut Vec<u32>) -> Result<(), LmError> {
        if text.is_empty() {
            return Ok(());
        }
        for part in self.user_defined.split(&self.normalise(text, prefix)?) {
            match part {
                Part::Token(id) => ids.push(id),
                Part::Text(text) => self.words.split(text, &mut |word| self.bpe.encode(word, ids))?,
            }
        }
        Ok(())
    }

    fn normalise<'a>(&self, text: &'a str, prefix: bool) -> Result<Cow<'a, str>, LmError> {
        let mut text = Cow::Borrowed(text);
        if self.nfc && !text.is_ascii() {
            let mut normalised = NormalizedString::from(&*text);
            NFC.normalize(&mut normalised).map_err(|e| LmError::Tokenizer(e.to_string()))?;
            text = Cow::Owned(normalised.get().to_owned());
        }
        if self.spelling != Spelling::ByteLevel && text.contains(vocab::SPACE) {
            text = Cow::Owned(text.replace(vocab::SPACE, " "));
        }
        if prefix {
            text.to_mut().insert(0, ' ');
        }
        Ok(text)
    }

    /// The ids of a text and the bytes of the text that each stands for, special tokens taken as text.
    ///
    /// The ranges follow each other without gap or overlap from 0 to the text's end. They are byte ranges: a token can
    /// begin or end inside a character. SentencePiece's dummy prefix takes up no bytes: a token that is nothing else has
    /// the range `0..0`.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], and [`LmError::Tokenizer`] if the tokenizer changes the text (normal form C) or has no
    /// token for a character, since then the tokens do not stand for the text's bytes.
    pub fn encode_with_offsets(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>, LmError> {
        let ids = self.encode(text, Specials::Text)?;
        let bytes = text.as_bytes();
        let mut skip_space = self.dummy_prefix() != DummyPrefix::Never;
        let mut end = 0;
        let mut spans = Vec::with_capacity(ids.len());
        for id in ids {
            let start = end;
            for &byte in self.token_bytes(id) {
                if std::mem::take(&mut skip_space) {
                    continue;
                }
                end += match &bytes[end..] {
                    [next, ..] if *next == byte => 1,
                    rest if byte == b' ' && rest.starts_with(vocab::SPACE_BYTES) => vocab::SPACE_BYTES.len(),
                    _ => {
                        return Err(LmError::Tokenizer(format!(
                            "token {id} ({:?}) does not stand for the text at byte {end}: this tokenizer changes the text or \
                             does not know a character of it, so tokens have no place in it",
                            self.token_text(id)
                        )));
                    }
                };
            }
            spans.push((id, start..end));
        }
        Ok(spans)
    }

    /// The text of a whole sequence of ids, special tokens written out.
    ///
    /// `decode(encode(text)) == text` in both modes of [`Specials`]: a space is dropped where `encode` puts the dummy
    /// prefix, and nowhere else. (SentencePiece vocabularies cannot tell U+2581 from a space and give the space;
    /// tokenizers with a normal form give that form.) Bytes that are not UTF-8 become U+FFFD. Ids outside the vocabulary
    /// stand for nothing.
    pub fn decode(&self, ids: &[u32]) -> String {
        self.decode_with(ids, self.dummy_prefix() != DummyPrefix::Never)
    }

    /// The text of ids that continue a text: the inverse of [`Tokenizer::encode_continuation`], no space is dropped at the
    /// start.
    pub fn decode_continuation(&self, ids: &[u32]) -> String {
        self.decode_with(ids, false)
    }

    fn decode_with(&self, ids: &[u32], mut prefix: bool) -> String {
        let mut bytes = Vec::new();
        for &id in ids {
            let token = self.token_bytes(id);
            if self.vocab.is_special(id) {
                bytes.extend_from_slice(token);
                prefix = self.dummy_prefix() == DummyPrefix::EachSegment;
            } else {
                let prefix = std::mem::take(&mut prefix);
                bytes.extend_from_slice(token.strip_prefix(b" ").filter(|_| prefix).unwrap_or(token));
            }
        }
        String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
    }

    /// The bytes a token stands for inside a text; all tokens' bytes in a row are the text, after SentencePiece's dummy
    /// prefix. A special token stands for its name, an id outside the vocabulary for nothing.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.vocab.bytes(id)
    }

    /// A token as text for display; part of a character shows as U+FFFD.
    pub fn token_text(&self, id: u32) -> Cow<'_, str> {
        String::from_utf8_lossy(self.token_bytes(id))
    }

    /// The id of a token as the vocabulary spells it: `<|im_end|>`, `Ġthe` or `▁the`.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.vocab.id(token)
    }

    /// Number of ids: one more than the highest.
    pub fn vocab_size(&self) -> usize {
        self.vocab.len()
    }

    /// The token that opens a text, if the vocabulary has one.
    pub fn bos(&self) -> Option<u32> {
        self.surroundings.bos
    }

    /// The token that ends a text, if the vocabulary has one.
    pub fn eos(&self) -> Option<u32> {
        self.surroundings.eos
    }

    /// Whether a token ends a text or a turn: EOS, what the file names as end of turn or message, and the special tokens
    /// known by name (`<|im_end|>`, `<end_of_turn>`, `<|eot_id|>`, …).
    pub fn ends_text(&self, id: u32) -> bool {
        self.surroundings.ends.contains(&id)
    }

    /// Whether a token controls the model instead of standing for text.
    pub fn is_control(&self, id: u32) -> bool {
        self.vocab.kind(id) == Kind::Control
    }

    /// The model's chat template (Jinja), if its files hold one.
    pub fn chat_template(&self) -> Option<&str> {
        self.surroundings.chat_template.as_deref()
    }

    /// SHA-256, in hexadecimal, over everything that decides which ids a text gets.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn dummy_prefix(&self) -> DummyPrefix {
        match self.spelling {
            Spelling::ByteLevel => DummyPrefix::Never,
            Spelling::SentencePiece(prefix) => prefix,
        }
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer")
            .field("vocab_size", &self.vocab_size())
            .field("spelling", &self.spelling)
            .field("digest", &self.digest)
            .finish()
    }
}

impl Definition {
    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let rules = format!(
            "toolken tokenizer 1 {:?} {} {} {:?} {:?}",
            self.spelling,
            self.nfc,
            self.ignore_merges,
            self.unknown,
            self.words.patterns()
        );
        hash.update((rules.len() as u64).to_le_bytes());
        hash.update(rules);
        self.vocab.hash(&mut hash);
        self.ranks.hash(&mut hash);
        hex::encode(hash.finalize())
    }
}
