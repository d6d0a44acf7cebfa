//! Tokenizers in GGUF metadata (`tokenizer.ggml.*`).

use super::merge::Ranks;
use super::surroundings::Surroundings;
use super::vocab::{Kind, Vocab};
use super::words::{self, Words};
use super::{Definition, DummyPrefix, Spelling, Tokenizer};
use crate::{Gguf, LmError};

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const KINDS: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
const MERGES: &str = "tokenizer.ggml.merges";
const SPACE_PREFIX: &str = "tokenizer.ggml.add_space_prefix";

pub(super) fn load(gguf: &Gguf) -> Result<Tokenizer, LmError> {
    let fail = |message: String| LmError::file(gguf.path(), message);
    let definition = match gguf.str(MODEL)? {
        "gpt2" => byte_level(gguf)?,
        "llama" => sentence_piece(gguf)?,
        other => {
            return Err(fail(format!(
                "metadata {MODEL:?} is {other:?}, expected \"gpt2\" (byte-level BPE) or \"llama\" (SentencePiece BPE): use \
                 another model"
            )));
        }
    };
    let optional = |name: &str| gguf.opt_u32(&format!("tokenizer.ggml.{name}_token_id"));
    let surroundings = Surroundings {
        bos: optional("bos")?,
        eos: optional("eos")?,
        ends: [optional("eot")?, optional("eom")?].into_iter().flatten().collect(),
        chat_template: gguf.opt_str("tokenizer.chat_template")?.map(str::to_owned),
    }
    .checked(&definition.vocab, gguf.path())?;
    Ok(Tokenizer::new(definition, surroundings))
}

fn byte_level(gguf: &Gguf) -> Result<Definition, LmError> {
    let fail = |message: String| LmError::file(gguf.path(), message);
    let (patterns, ignore_merges): (&[&str], bool) = match gguf.str(PRE)? {
        "gpt-2" => (&[words::GPT2], false),
        "smollm" => (&[words::DIGIT, words::GPT2], false),
        "qwen2" => (&[words::QWEN2], false),
        "llama-bpe" => (&[words::LLAMA3], true),
        other => {
            return Err(fail(format!(
                "metadata {PRE:?} is {other:?}, expected gpt-2, smollm, qwen2 or llama-bpe: how this one cuts text into words is \
                 not known here and not guessed; use another model"
            )));
        }
    };
    let vocab = vocab(gguf, Spelling::ByteLevel)?;
    let merges = gguf.strings(MERGES)?.iter().map(|merge| merge.split_once(' '));
    let ranks = Ranks::from_merges(&vocab, merges).map_err(|e| fail(format!("metadata {MERGES:?}: {e}")))?;
    let words = Words::new(patterns).map_err(fail)?;
    Ok(Definition {
        vocab,
        spelling: Spelling::ByteLevel,
        ranks,
        words,
        nfc: false,
        ignore_merges,
        unknown: None,
    })
}

fn sentence_piece(gguf: &Gguf) -> Result<Definition, LmError> {
    let fail = |message: String| LmError::file(gguf.path(), message);
    let prefix = if gguf.opt_bool(SPACE_PREFIX)?.unwrap_or(true) {
        DummyPrefix::EachSegment
    } else {
        DummyPrefix::Never
    };
    let spelling = Spelling::SentencePiece(prefix);
    let vocab = vocab(gguf, spelling)?;
    let scores = gguf.f32s(SCORES)?;
    if scores.len() != vocab.len() {
        return Err(fail(format!(
            "metadata {SCORES:?} has {} values for {} tokens: fetch the file again",
            scores.len(),
            vocab.len()
        )));
    }
    let ranks = Ranks::from_scores(scores).map_err(|e| fail(format!("metadata {SCORES:?}: {e}")))?;
    let words = Words::new::<&str>([]).map_err(fail)?;
    let unknown = gguf.opt_u32("tokenizer.ggml.unknown_token_id")?.filter(|&id| (id as usize) < vocab.len());
    Ok(Definition { vocab, spelling, ranks, words, nfc: false, ignore_merges: false, unknown })
}

fn vocab(gguf: &Gguf, spelling: Spelling) -> Result<Vocab, LmError> {
    let tokens = gguf.strings(TOKENS)?;
    let numbers = gguf.opt_u32s(KINDS)?.unwrap_or_else(|| vec![Kind::Normal as u32; tokens.len()]);
    if numbers.len() != tokens.len() {
        return Err(LmError::file(
            gguf.path(),
            format!(
                "metadata {KINDS:?} has {} values for {} tokens: fetch the file again",
                numbers.len(),
                tokens.len()
            ),
        ));
    }
    let mut kinds = Vec::with_capacity(numbers.len());
    for (id, &number) in numbers.iter().enumerate() {
        kinds.push(Kind::from_number(number.into()).ok_or_else(|| {
            LmError::file(
                gguf.path(),
                format!(
                    "metadata {KINDS:?}: token {id} has type {number}, expected 1 to 6: fetch the file again"
                ),
            )
        })?);
    }
    Vocab::new(tokens.iter().map(String::as_str).zip(kinds), spelling, gguf.path())
}
