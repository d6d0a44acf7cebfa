//! What stands around a vocabulary in a model's files: start and end tokens, chat template.

use super::vocab::Vocab;
use crate::LmError;
use serde_json::Value;
use std::path::Path;

/// Names under which published models keep the tokens that end a text or a turn.
const END_NAMES: [&str; 12] = [
    "</s>",
    "<eos>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|eot|>",
    "<end_of_turn>",
    "<EOT>",
    "_<EOT>",
];

/// What surrounds a vocabulary: the start and end tokens and the chat template.
#[derive(Default)]
pub(super) struct Surroundings {
    pub bos: Option<u32>,
    pub eos: Option<u32>,
    /// Ids that end a text besides `eos` and those with [`END_NAMES`].
    pub ends: Vec<u32>,
    pub chat_template: Option<String>,
}

impl Surroundings {
    /// Completes what a file says: every id must be in the vocabulary, and the ends known by name are added.
    pub fn checked(mut self, vocab: &Vocab, origin: &Path) -> Result<Self, LmError> {
        for &id in self.bos.iter().chain(&self.eos).chain(&self.ends) {
            if id as usize >= vocab.len() {
                return Err(LmError::file(
                    origin,
                    format!(
                        "start or end token {id} is outside the vocabulary of {}: fetch the model again",
                        vocab.len()
                    ),
                ));
            }
        }
        self.ends.extend(self.eos);
        self.ends
            .extend(END_NAMES.iter().filter_map(|name| vocab.id(name)).filter(|&id| vocab.is_special(id)));
        self.ends.sort_unstable();
        self.ends.dedup();
        Ok(self)
    }

    /// Start and end tokens and the chat template from the files beside `tokenizer.json`. A missing file is nothing, a malformed
    /// one an error; what several say, the first says.
    pub fn beside(path: &Path, vocab: &Vocab) -> Result<Self, LmError> {
        let read = |name: &str| -> Result<Value, LmError> {
            let path = path.with_file_name(name);
            match std::fs::read(&path) {
                Ok(bytes) => serde_json::from_slice(&bytes)
                    .map_err(|e| LmError::file(path, format!("is not JSON: {e}"))),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
                Err(e) => Err(LmError::io(path, e)),
            }
        };
        let tokenizer = read("tokenizer_config.json")?;
        let generation = read("generation_config.json")?;
        // A token is its text, or an object with the text as its content.
        let named = |key: &str| {
            let token = &tokenizer[key];
            token.as_str().or_else(|| token["content"].as_str()).and_then(|text| vocab.id(text))
        };
        let numbered = |key: &str| -> Vec<u32> {
            let ids = match &generation[key] {
                Value::Array(ids) => ids.as_slice(),
                one => std::slice::from_ref(one),
            };
            ids.iter().filter_map(|id| id.as_u64()?.try_into().ok()).collect()
        };
        let template = path.with_file_name("chat_template.jinja");
        let chat_template = match std::fs::read_to_string(&template) {
            Ok(text) => Some(text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                default_template(&tokenizer["chat_template"])
            }
            Err(e) => return Err(LmError::io(template, e)),
        };
        let ends = numbered("eos_token_id");
        Ok(Self {
            bos: named("bos_token").or_else(|| numbered("bos_token_id").first().copied()),
            eos: named("eos_token").or_else(|| ends.first().copied()),
            ends,
            chat_template,
        })
    }
}

/// The template itself, or the one named `default` in a list.
fn default_template(value: &Value) -> Option<String> {
    let named = |entry: &&Value| entry["name"] == "default";
    value.as_str().or_else(|| value.as_array()?.iter().find(named)?["template"].as_str()).map(str::to_owned)
}
