//! `toolken model tokens`: a model's tokenizer over JSON lines.

use super::locate;
use crate::{exit::Exit, json_lines};
use anyhow::Context;
use lm::{Gguf, LmError, Specials, Tokenizer};
use serde::{Deserialize, Serialize};
use std::path::Path;

pub const EXAMPLES: &str = "\
Examples:
  echo '{\"text\": \"hello world\"}' | toolken model tokens smollm2-135m
  toolken model tokens SmolLM2-135M-Instruct/ < texts.jsonl > ids.jsonl

No start token is added; special tokens written out in a text (<|im_end|>) are read as such.";

#[derive(clap::Args)]
pub struct Args {
    /// A GGUF file, a tokenizer.json, a SentencePiece .model file, a folder with one of the last two, or a name from
    /// `toolken model list`
    model: String,
}

#[derive(Deserialize)]
struct Question {
    text: String,
}

#[derive(Serialize)]
struct Answer {
    text: String,
    ids: Vec<u32>,
}

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let tokenizer = tokenizer(&locate(&self.model)?)?;
        let answer = |line: &str| -> anyhow::Result<String> {
            let Question { text } =
                serde_json::from_str(line).context("expected a line like {\"text\": \"hello world\"}")?;
            let ids = tokenizer.encode(&text, Specials::Parse)?;
            Ok(serde_json::to_string(&Answer { text, ids })?)
        };
        Ok(json_lines::answer_each(|line| answer(line).map_err(|error| format!("{error:#}")))?)
    }
}

/// The tokenizer in whatever form a model's files have it.
fn tokenizer(model: &Path) -> Result<Tokenizer, LmError> {
    if model.is_dir() {
        return Tokenizer::from_dir(model);
    }
    match model.extension().and_then(|extension| extension.to_str()) {
        Some("json") => Tokenizer::from_json_file(model),
        Some("model") => Tokenizer::from_sentencepiece_model(model),
        _ => Tokenizer::from_gguf(&Gguf::open(model)?),
    }
}
