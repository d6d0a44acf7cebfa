//! Hugging Face `tokenizer.json`.
//!
//! Only what the supported models use is read; anything else (another model type, normaliser or pre-tokeniser, tokens that
//! swallow neighbouring spaces) is an error, never ignored. The post-processor and the decoder are not needed: this crate
//! adds no tokens while encoding, and a token's bytes follow from its spelling.

use super::merge::Ranks;
use super::surroundings::Surroundings;
use super::vocab::{Kind, Vocab};
use super::words::{self, Words};
use super::{Definition, DummyPrefix, Spelling, Tokenizer};
use crate::LmError;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;

/// Ids further than this beyond the number of tokens are refused: the table of tokens is dense.
const MAX_HOLES: usize = 1 << 16;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    normalizer: Option<NormalizerSpec>,
    pre_tokenizer: Option<PreTokenizerSpec>,
    model: ModelSpec,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum NormalizerSpec {
    Sequence {
        normalizers: Vec<NormalizerSpec>,
    },
    #[serde(rename = "NFC")]
    Nfc,
    Prepend {
        prepend: String,
    },
    Replace {
        pattern: Pattern,
        content: String,
    },
}

#[derive(Deserialize)]
enum Pattern {
    String(String),
    Regex(String),
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum PreTokenizerSpec {
    Sequence {
        pretokenizers: Vec<PreTokenizerSpec>,
    },
    Split {
        pattern: Pattern,
        behavior: String,
        #[serde(default)]
        invert: bool,
    },
    Digits {
        individual_digits: bool,
    },
    ByteLevel {
        add_prefix_space: bool,
        #[serde(default = "yes")]
        use_regex: bool,
    },
    Metaspace {
        replacement: char,
        #[serde(default = "always")]
        prepend_scheme: String,
        #[serde(default = "yes")]
        split: bool,
    },
}

fn yes() -> bool {
    true
}

fn always() -> String {
    "always".into()
}

#[derive(Deserialize)]
struct ModelSpec {
    /// Old files leave it out.
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
    dropout: Option<f32>,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Line(String),
}

/// What normaliser and pre-tokeniser come down to.
#[derive(Default)]
struct Rules {
    nfc: bool,
    byte_level: bool,
    escapes_spaces: bool,
    prefix: Option<DummyPrefix>,
    patterns: Vec<String>,
}

pub(super) fn load(
    json: &[u8],
    origin: &Path,
    surroundings: impl FnOnce(&Vocab) -> Result<Surroundings, LmError>,
) -> Result<Tokenizer, LmError> {
    let fail = |message: String| LmError::file(origin, message);
    let file: File = serde_json::from_slice(json)
        .map_err(|e| fail(format!("is not a tokenizer.json that is read here: {e}")))?;
    let rules = Rules::new(&file).map_err(fail)?;
    let spelling = match (rules.byte_level, rules.escapes_spaces) {
        (true, false) => Spelling::ByteLevel,
        (false, true) => Spelling::SentencePiece(rules.prefix.unwrap_or(DummyPrefix::Never)),
        _ => {
            return Err(fail(
                "is neither byte-level BPE (pre-tokeniser ByteLevel) nor SentencePiece BPE (spaces replaced by ▁): use another model".into(),
            ));
        }
    };
    let vocab = vocab(&file, spelling, origin)?;
    let merges = file.model.merges.iter().map(|merge| match merge {
        Merge::Pair(left, right) => Some((left.as_str(), right.as_str())),
        Merge::Line(line) => line.split_once(' '),
    });
    let definition = Definition {
        ranks: Ranks::from_merges(&vocab, merges).map_err(fail)?,
        words: Words::new(&rules.patterns).map_err(fail)?,
        unknown: file.model.unk_token.as_deref().and_then(|token| vocab.id(token)),
        vocab,
        spelling,
        nfc: rules.nfc,
        ignore_merges: file.model.ignore_merges,
    };
    let surroundings = surroundings(&definition.vocab)?.checked(&definition.vocab, origin)?;
    Ok(Tokenizer::new(definition, surroundings))
}

impl Rules {
    fn new(file: &File) -> Result<Self, String> {
        let model = &file.model;
        if let Some(kind) = model.kind.as_deref().filter(|&kind| kind != "BPE") {
            return Err(format!("the model is of type {kind:?}, expected \"BPE\": use another model"));
        }
        let affix = |affix: &Option<String>| affix.as_deref().is_some_and(|affix| !affix.is_empty());
        if model.dropout.is_some_and(|p| p != 0.0)
            || affix(&model.continuing_subword_prefix)
            || affix(&model.end_of_word_suffix)
        {
            return Err("the BPE model has a dropout, a subword prefix or a word suffix, expected none: use another model".into());
        }
        let mut rules = Self::default();
        if let Some(normalizer) = &file.normalizer {
            rules.normalizer(normalizer)?;
        }
        if let Some(pre_tokenizer) = &file.pre_tokenizer {
            rules.pre_tokenizer(pre_tokenizer)?;
        }
        Ok(rules)
    }

    fn normalizer(&mut self, spec: &NormalizerSpec) -> Result<(), String> {
        match spec {
            NormalizerSpec::Sequence { normalizers } => {
                normalizers.iter().try_for_each(|n| self.normalizer(n))?
            }
            NormalizerSpec::Nfc => self.nfc = true,
            NormalizerSpec::Prepend { prepend } if prepend == "▁" => {
                self.prefix = Some(DummyPrefix::EachSegment)
            }
            NormalizerSpec::Replace { pattern: Pattern::String(pattern), content }
                if pattern == " " && content == "▁" =>
            {
                self.escapes_spaces = true;
            }
            NormalizerSpec::Prepend { prepend: text } | NormalizerSpec::Replace { content: text, .. } => {
                return Err(format!(
                    "a normaliser writes {text:?}, expected only \"▁\" for spaces: use another model"
                ));
            }
        }
        Ok(())
    }

    fn pre_tokenizer(&mut self, spec: &PreTokenizerSpec) -> Result<(), String> {
        match spec {
            PreTokenizerSpec::Sequence { pretokenizers } => {
                pretokenizers.iter().try_for_each(|p| self.pre_tokenizer(p))?
            }
            // Spaces have become ▁ by now: there is nothing to cut (Gemma's file has this).
            PreTokenizerSpec::Split { pattern: Pattern::String(pattern), .. }
                if pattern == " " && self.escapes_spaces => {}
            PreTokenizerSpec::Split { pattern: Pattern::Regex(pattern), behavior, invert: false }
                if behavior == "Isolated" =>
            {
                self.patterns.push(pattern.clone());
            }
            PreTokenizerSpec::Split { behavior, invert, .. } => {
                return Err(format!(
                    "a pre-tokeniser splits with behaviour {behavior:?} (inverted: {invert}), expected a pattern, \"Isolated\" and \
                     not inverted: use another model"
                ));
            }
            PreTokenizerSpec::Digits { individual_digits } => {
                self.patterns.push(if *individual_digits { words::DIGIT } else { words::DIGITS }.into());
            }
            PreTokenizerSpec::ByteLevel { add_prefix_space: true, .. } => {
                return Err(
                    "the pre-tokeniser ByteLevel adds a space to the text, expected none: use another model"
                        .into(),
                );
            }
            PreTokenizerSpec::ByteLevel { use_regex, .. } => {
                self.byte_level = true;
                self.patterns.extend(use_regex.then(|| words::GPT2.into()));
            }
            PreTokenizerSpec::Metaspace { replacement, prepend_scheme, split } => {
                if *replacement != '▁' || *split {
                    return Err(format!(
                        "the pre-tokeniser Metaspace writes {replacement:?} (and cuts there: {split}), expected '▁' and no cut: use \
                         another model"
                    ));
                }
                self.escapes_spaces = true;
                self.prefix = Some(match prepend_scheme.as_str() {
                    "always" => DummyPrefix::EachSegment,
                    "first" => DummyPrefix::Start,
                    "never" => DummyPrefix::Never,
                    other => {
                        return Err(format!(
                            "the pre-tokeniser Metaspace has the prepend scheme {other:?}, expected always, first or never"
                        ));
                    }
                });
            }
        }
        Ok(())
    }
}

fn vocab(file: &File, spelling: Spelling, origin: &Path) -> Result<Vocab, LmError> {
    let fail = |message: String| LmError::file(origin, message);
    let model = &file.model;
    let highest =
        model.vocab.values().copied().chain(file.added_tokens.iter().map(|t| t.id)).max().unwrap_or(0)
            as usize;
    if highest > model.vocab.len() + file.added_tokens.len() + MAX_HOLES {
        return Err(fail(format!(
            "the highest token id is {highest} in a vocabulary of {} tokens: fetch the file again",
            model.vocab.len() + file.added_tokens.len()
        )));
    }
    let mut tokens = vec![("", Kind::Unused); highest + 1];
    for (text, &id) in &model.vocab {
        let slot = &mut tokens[id as usize];
        if !slot.0.is_empty() {
            return Err(fail(format!(
                "tokens {:?} and {text:?} both have the id {id}, expected one: fetch the file again",
                slot.0
            )));
        }
        let is_byte = model.byte_fallback && text.len() == 6 && text.starts_with("<0x");
        *slot = (text, if is_byte { Kind::Byte } else { Kind::Normal });
    }
    for token in &file.added_tokens {
        if token.single_word || token.lstrip || token.rstrip {
            return Err(fail(format!(
                "the added token {:?} depends on its neighbours (single_word, lstrip or rstrip), expected none: use another model",
                token.content
            )));
        }
        let slot = &mut tokens[token.id as usize];
        if !slot.0.is_empty() && slot.0 != token.content {
            return Err(fail(format!(
                "tokens {:?} and {:?} both have the id {}, expected one: fetch the file again",
                slot.0, token.content, token.id
            )));
        }
        *slot = (&token.content, if token.special { Kind::Control } else { Kind::UserDefined });
    }
    Vocab::new(tokens.into_iter(), spelling, origin)
}

pub(super) fn load_file(path: &Path) -> Result<Tokenizer, LmError> {
    let json = std::fs::read(path).map_err(|e| LmError::io(path, e))?;
    load(&json, path, |vocab| Surroundings::beside(path, vocab))
}
