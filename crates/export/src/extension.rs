//! What a vocabulary gains: a token, two rows and a logit bias for every tool, and the words that describe them.

use crate::matrix::WordRows;
use crate::{ExportError, Format, TokenForm};
use head::{Head, HeadMeta, words_of_name};
use lm::{Gguf, Matrix, Specials, Tokenizer};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Name of the form in which an export describes itself.
pub(crate) const FORMAT: &str = "toolken-export";
const VERSION: u32 = 1;

/// What an export says about itself, as JSON: `toolken.json` in a folder, the key `toolken.export` in a GGUF file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// `toolken-export`.
    pub format: String,
    /// Version of this description.
    pub version: u32,
    /// The tools, in the order of the head's rows and of their ids.
    pub tools: Vec<ToolToken>,
    /// Tokens that had an id but no row, and got one that never wins.
    pub filled: Vec<u32>,
    /// The calling bias that the fit suggests; part of every tool's `logit_bias`.
    pub bias: f32,
    /// The model that was extended.
    pub source: Source,
    /// Where the head comes from.
    pub head: HeadMeta,
    /// The pack's `tools.toml`: what the tools are and how they run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pack: Option<String>,
}

/// The model that was extended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub model: String,
    /// SHA-256 of its weights.
    pub digest: String,
    /// Rows of its word head.
    pub rows: usize,
}

/// A tool as a token of the new model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolToken {
    /// The tool's name.
    pub name: String,
    /// Its token, as engines print it.
    pub token: String,
    /// The token's id.
    pub id: u32,
    /// What an engine must add to its logit, which is `row·h`: the fit's calling bias and the tool's own offset. Word
    /// heads have no bias that engines would load.
    pub logit_bias: f32,
}

impl Card {
    /// # Errors
    /// A token that collides.
    pub(crate) fn new(
        head: &Head,
        form: &TokenForm,
        first: u32,
        known: impl Fn(&str) -> Option<u32>,
        source: Source,
        pack: Option<String>,
    ) -> Result<Self, ExportError> {
        let tokens = form.spell_all(&head.tools, known)?;
        let tools = head.tools.iter().zip(tokens).zip(&head.offsets).zip(first..);
        let tools = tools.map(|(((name, token), offset), id)| ToolToken {
            name: name.clone(),
            token,
            id,
            logit_bias: head.bias + offset,
        });
        Ok(Self {
            format: FORMAT.into(),
            version: VERSION,
            tools: tools.collect(),
            filled: (source.rows as u32..first).collect(),
            bias: head.bias,
            source,
            head: head.meta.clone(),
            pack,
        })
    }

    /// Reads a description.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(json: &str) -> Result<Self, String> {
        let card: Self = serde_json::from_str(json).map_err(|e| e.to_string())?;
        if card.format != FORMAT || card.version != VERSION {
            return Err(format!(
                "format {} {}, expected {FORMAT} {VERSION}: export again",
                card.format, card.version
            ));
        }
        Ok(card)
    }

    /// The description that an export carries, if the model at `path` is one.
    ///
    /// # Errors
    /// A model that cannot be read; a description that is damaged, or of another version.
    pub fn of(path: &Path) -> Result<Option<Self>, ExportError> {
        let text = match Format::of(path) {
            Format::Hf => match std::fs::read_to_string(path.join(crate::hf::CARD)) {
                Ok(text) => Some(text),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
                Err(e) => return Err(ExportError::io(path.join(crate::hf::CARD), e)),
            },
            Format::Gguf => Gguf::open(path)?.opt_str(crate::gguf::CARD)?.map(str::to_owned),
        };
        let card = text.as_deref().map(Self::from_json).transpose();
        card.map_err(|message| ExportError::file(path, format!("its description as an export: {message}")))
    }

    /// The head, but for its rows, which are in the export and stand here as zeros of width 1: what is called, and with
    /// which bias.
    ///
    /// # Errors
    /// Tools that make no head.
    pub fn head(&self) -> Result<Head, ExportError> {
        let names: Vec<String> = self.tools.iter().map(|tool| tool.name.clone()).collect();
        let mut head = Head::new(names, Matrix::zeros(self.tools.len(), 1))?;
        head.offsets = self.tools.iter().map(|tool| tool.logit_bias - self.bias).collect();
        head.bias = self.bias;
        head.meta = self.head.clone();
        Ok(head)
    }

    /// Whether an engine must add something to the tools' logits.
    pub fn is_biased(&self) -> bool {
        self.tools.iter().any(|tool| tool.logit_bias != 0.0)
    }

    /// The description as JSON.
    pub(crate) fn json(&self) -> Result<String, ExportError> {
        serde_json::to_string_pretty(self).map_err(|e| ExportError::Setting(e.to_string()))
    }
}

/// The rows that the tools' tokens enter by, `(T, d)`: the mean of the rows of their names' tokens.
///
/// # Errors
/// [`ExportError::Tool`] for a name that the vocabulary has no tokens for.
pub(crate) fn input_rows(
    head: &Head,
    tokenizer: &Tokenizer,
    input: &WordRows,
) -> Result<Vec<f32>, ExportError> {
    let mut rows = Vec::with_capacity(head.tools.len() * input.width);
    for tool in &head.tools {
        let words = words_of_name(tool);
        let text = if words.is_empty() { tool.as_str() } else { words.as_str() };
        let ids = tokenizer.encode(text, Specials::Text)?;
        if ids.is_empty() {
            let message =
                format!("the vocabulary has no tokens for its name, {text:?}: rename it, and fit again");
            return Err(ExportError::tool(tool, message));
        }
        let mut mean = vec![0.0f64; input.width];
        for &id in &ids {
            mean.iter_mut().zip(input.row(id)?).for_each(|(sum, x)| *sum += f64::from(x));
        }
        rows.extend(mean.into_iter().map(|sum| (sum / ids.len() as f64) as f32));
    }
    Ok(rows)
}
