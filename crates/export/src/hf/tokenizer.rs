//! Entries for the tools in the tokenizer's files.

use super::{object, write_json};
use crate::target::NewFolder;
use crate::{Card, ExportError};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
const ADDED: &str = "added_tokens.json";

/// The files that list tokens.
pub(super) struct Entries {
    path: PathBuf,
    tokenizer: Map<String, Value>,
    /// `tokenizer_config.json`, if it lists tokens too.
    config: Option<Map<String, Value>>,
    /// `added_tokens.json`, if it is there.
    added: Option<Map<String, Value>>,
}

impl Entries {
    pub fn read(model: &Path) -> Result<Self, ExportError> {
        let path = model.join(TOKENIZER);
        if !path.exists() {
            let message = "is not there, and tokens cannot be added to another file: save the model's fast tokenizer with transformers";
            return Err(ExportError::file(path, message));
        }
        let optional = |name: &str| {
            let path = model.join(name);
            path.exists().then(|| object(&path)).transpose()
        };
        Ok(Self {
            tokenizer: object(&path)?,
            config: optional(CONFIG)?
                .filter(|config| config.get("added_tokens_decoder").is_some_and(Value::is_object)),
            added: optional(ADDED)?,
            path,
        })
    }

    fn added(&self) -> &[Value] {
        self.tokenizer.get("added_tokens").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The id that the next added token gets.
    ///
    /// # Errors
    /// A vocabulary with gaps, in which the tokenizers library would number added tokens otherwise than their file.
    pub fn next_id(&self) -> Result<u32, ExportError> {
        let empty = Map::new();
        let vocab =
            self.tokenizer.get("model").and_then(|model| model.get("vocab")).and_then(Value::as_object);
        let vocab = vocab.unwrap_or(&empty);
        let added = self.added().iter().filter_map(|token| token.get("id")?.as_u64()).max();
        let highest = vocab.values().filter_map(Value::as_u64).chain(added).max();
        let next = highest.map_or(0, |id| id + 1);
        // The rule of `AddedVocabulary::add_tokens`.
        let words = vocab.len() as u64;
        let library = added.map_or(words, |added| if added >= words { added + 1 } else { words });
        match u32::try_from(next) {
            Ok(id) if library == next => Ok(id),
            _ => Err(ExportError::file(
                &self.path,
                format!(
                    "ids go up to {next}, but the tokenizers library would give an added token the id {library}: the vocabulary \
                     has gaps, in which no token can be added"
                ),
            )),
        }
    }

    /// Adds the tools' tokens; not as special ones, so that engines print them.
    pub fn add(&mut self, card: &Card) {
        let content = |token: &str| {
            json!({
                "content": token, "lstrip": false, "normalized": false, "rstrip": false, "single_word": false,
                "special": false
            })
        };
        let added = self.tokenizer.entry("added_tokens").or_insert_with(|| json!([]));
        for tool in &card.tools {
            if let Value::Array(added) = &mut *added {
                let mut entry = json!({ "id": tool.id });
                if let (Value::Object(entry), Value::Object(rest)) = (&mut entry, content(&tool.token)) {
                    entry.extend(rest);
                }
                added.push(entry);
            }
            if let Some(Value::Object(decoder)) =
                self.config.as_mut().and_then(|config| config.get_mut("added_tokens_decoder"))
            {
                decoder.insert(tool.id.to_string(), content(&tool.token));
            }
            if let Some(added) = &mut self.added {
                added.insert(tool.token.clone(), json!(tool.id));
            }
        }
    }

    pub fn write(&self, folder: &NewFolder) -> Result<(), ExportError> {
        write_json(&folder.at(TOKENIZER), &self.tokenizer)?;
        for (name, file) in [(CONFIG, &self.config), (ADDED, &self.added)] {
            if let Some(file) = file {
                write_json(&folder.at(name), file)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(vocab: &[(&str, u32)], added: &[u32]) -> Entries {
        let vocab: Map<String, Value> = vocab.iter().map(|(word, id)| ((*word).into(), json!(id))).collect();
        let added: Vec<Value> =
            added.iter().map(|id| json!({ "id": id, "content": format!("<{id}>") })).collect();
        let Value::Object(tokenizer) = json!({ "model": { "vocab": vocab }, "added_tokens": added }) else {
            unreachable!("an object")
        };
        Entries { path: TOKENIZER.into(), tokenizer, config: None, added: None }
    }

    /// SmolLM2 has its added tokens inside the vocabulary, Qwen2.5 behind it.
    #[test]
    fn the_next_id_is_the_one_that_the_library_gives() {
        let words = [("a", 0), ("b", 1), ("c", 2)];
        assert_eq!(entries(&words, &[]).next_id().unwrap(), 3);
        assert_eq!(entries(&words, &[0, 1]).next_id().unwrap(), 3);
        assert_eq!(entries(&words, &[3, 4]).next_id().unwrap(), 5);
        for (vocab, added) in [(&[("a", 0), ("b", 9)][..], &[][..]), (&words, &[0, 7][..])] {
            match entries(vocab, added).next_id() {
                // Behind the highest added token there is room.
                Ok(id) => assert_eq!((id, added), (8, &[0, 7][..])),
                Err(error) => assert!(error.to_string().contains("gaps"), "{error}"),
            }
        }
    }
}
