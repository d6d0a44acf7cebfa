//! Models whose vocabulary has a head's tools in it, as files that other engines load.
//!
//! This crate owns the way from a model's files and a [`Head`] to the same files with more tokens: a word head
//! `[W_v; W]`, input rows for the tools' tokens, tokenizer entries, and a [`Card`] that says which id is which tool.
//! Everything else is copied byte for byte, through a small buffer: a model of any size passes. It computes nothing
//! with the model.
//!
//! ```text
//! model.gguf, head ──> extended.gguf      token lists and types, token_embd, output, toolken.export
//! folder, head ──────> folder             config, tokenizer, embed_tokens, lm_head, toolken.json
//! ```
//!
//! Ids are the tokenizer's next free ones. A word head has no bias in the engines that these files are for, so a tool's
//! calling bias and offset go into the card as [`ToolToken::logit_bias`], which engines take with a request; in a folder
//! also into `generation_config.json`, where transformers finds it by itself.
//!
//! ```no_run
//! use std::path::Path;
//! use toolken_export::{Options, export};
//! let head = head::Head::load(Path::new("head.safetensors"))?;
//! let card = export(Path::new("model.gguf"), &head, &Options::default(), Path::new("extended.gguf"), &mut |_| ())?;
//! for tool in &card.tools {
//!     println!("{} is token {}, logit bias {}", tool.name, tool.id, tool.logit_bias);
//! }
//! # Ok::<(), toolken_export::ExportError>(())
//! ```

mod error;
mod extension;
mod gguf;
mod hf;
mod matrix;
mod piece;
mod rows;
mod spelling;
mod target;

pub use error::ExportError;
pub use extension::{Card, Source, ToolToken};
pub use piece::Written;
pub use spelling::TokenForm;

use candle_core::quantized::GgmlDType;
use head::Head;
use lm::ModelCard;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// In which kind of files a model lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A folder as transformers, vLLM and SGLang load it: `config.json`, safetensors, `tokenizer.json`.
    Hf,
    /// One file, as llama.cpp loads it.
    Gguf,
}

impl Format {
    /// The format of a model.
    pub fn of(model: &Path) -> Self {
        if model.is_dir() { Self::Hf } else { Self::Gguf }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hf => "hf",
            Self::Gguf => "gguf",
        })
    }
}

impl FromStr for Format {
    type Err = ExportError;

    fn from_str(text: &str) -> Result<Self, ExportError> {
        match text {
            "hf" => Ok(Self::Hf),
            "gguf" => Ok(Self::Gguf),
            _ => Err(ExportError::Setting(format!("format {text:?}: expected hf or gguf"))),
        }
    }
}

/// The element type of the new word head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeadType {
    /// The words' own, so that their logits stay what they were to the last bit; 16-bit floats where it is coarser than
    /// six bits, too coarse for rows that decide on calls.
    #[default]
    Auto,
    /// The words' own, however coarse.
    Keep,
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 16-bit floats of 8 bits' precision.
    Bf16,
    /// 8 bits in blocks of 32: GGUF only.
    Q8_0,
}

impl HeadType {
    /// The type, for words of type `words`.
    fn over(self, words: GgmlDType) -> GgmlDType {
        use GgmlDType::{BF16, F16, F32, Q6K, Q8_0};
        match self {
            Self::Auto if matches!(words, F32 | F16 | BF16 | Q8_0 | Q6K) => words,
            Self::Keep => words,
            Self::Auto | Self::F16 => F16,
            Self::F32 => F32,
            Self::Bf16 => BF16,
            Self::Q8_0 => Q8_0,
        }
    }
}

impl FromStr for HeadType {
    type Err = ExportError;

    fn from_str(text: &str) -> Result<Self, ExportError> {
        Ok(match text {
            "auto" => Self::Auto,
            "keep" => Self::Keep,
            "f32" => Self::F32,
            "f16" => Self::F16,
            "bf16" => Self::Bf16,
            "q8_0" => Self::Q8_0,
            _ => {
                return Err(ExportError::Setting(format!(
                    "head type {text:?}: expected auto, keep, f32, f16, bf16 or q8_0"
                )));
            }
        })
    }
}

/// How a model is extended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The element type of the word head.
    pub head_type: HeadType,
    /// How the tools' tokens are spelled.
    pub form: TokenForm,
    /// Takes a head that was fitted on other files of the same model (quantised ones, say): widths must agree, digests
    /// need not.
    pub other_weights: bool,
    /// The pack's `tools.toml`, kept in the card.
    pub pack: Option<String>,
}

/// Writes the extended model to `out` (a file for GGUF, a new folder else), and returns its card.
///
/// It is put together beside `out` and renamed: there is never half a model under that name.
///
/// # Errors
/// A head for another model, a model or tokenizer that cannot be read, a token that collides, an `out` that is the model
/// itself or a folder that holds something; the system's.
pub fn export(
    model: &Path,
    head: &Head,
    options: &Options,
    out: &Path,
    progress: &mut dyn FnMut(Written),
) -> Result<Card, ExportError> {
    if files::same(model, out) {
        return Err(ExportError::file(out, "is the model itself: give another --out"));
    }
    match Format::of(model) {
        Format::Gguf => gguf::export(model, head, options, out, progress),
        Format::Hf => hf::export(model, head, options, out, progress),
    }
}

/// Refuses a head for another model; returns the model's digest.
fn check_head(
    model: &Path,
    name: &str,
    width: usize,
    head: &Head,
    options: &Options,
) -> Result<String, ExportError> {
    let digest = lm::digest(model)?;
    if options.other_weights && head.width() != width {
        return Err(ExportError::Setting(format!(
            "the head is of a model {} wide, and {name} is {width} wide: that is another model, not other weights of it",
            head.width()
        )));
    }
    let expected = match options.other_weights {
        true => head.meta.model_digest.clone(),
        false => digest.clone(),
    };
    head.check_model(&ModelCard {
        name: name.to_owned(),
        digest: expected,
        architecture: String::new(),
        engine: String::new(),
        width,
        vocab: 0,
        context: 0,
    })?;
    Ok(digest)
}
