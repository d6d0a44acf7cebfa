//! The extended model as a folder of Hugging Face files.

mod tokenizer;
mod weights;

use crate::extension::input_rows;
use crate::piece::Written;
use crate::target::NewFolder;
use crate::{Card, ExportError, Options, Source, check_head};
use head::Head;
use lm::Tokenizer;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;
use weights::Shards;

/// The file that holds the [`Card`].
pub(crate) const CARD: &str = "toolken.json";
/// Weights in other formats, which would not be extended.
const OTHER_WEIGHTS: [&str; 9] = ["safetensors", "bin", "pt", "pth", "h5", "msgpack", "onnx", "gguf", "ot"];

pub(crate) fn export(
    model: &Path,
    head: &Head,
    options: &Options,
    out: &Path,
    progress: &mut dyn FnMut(Written),
) -> Result<Card, ExportError> {
    let mut config = object(&model.join("config.json"))?;
    let name =
        model.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let name = name.unwrap_or_default();
    let shards = Shards::open(model, head.width())?;
    let digest = check_head(model, &name, head.width(), head, options)?;
    let tokenizer = Tokenizer::from_dir(model)?;
    let mut entries = tokenizer::Entries::read(model)?;
    let first = entries.next_id()?;
    let (input, output) = (shards.input(), shards.output());
    let source = Source { model: name, digest, rows: output.rows };
    let card =
        Card::new(head, &options.form, first, |token| tokenizer.id(token), source, options.pack.clone())?;
    entries.add(&card);

    let made = input_rows(head, &tokenizer, input)?;
    let new_input = input.extended(input.kind, first as usize, &made)?;
    let new_output =
        output.extended(options.head_type.over(output.kind), first as usize, head.weights.data())?;
    if new_input.rows != new_output.rows {
        let rows = [new_input.rows, new_output.rows];
        return Err(ExportError::file(
            model,
            format!("{rows:?} rows of input and head, expected as many of both"),
        ));
    }
    config.insert("vocab_size".into(), json!(new_input.rows));
    config.insert("tie_word_embeddings".into(), json!(false));

    let folder = NewFolder::beside(out)?;
    let put = |name: &str, value: &Map<String, Value>| write_json(&folder.at(name), value);
    shards.write(&folder, new_input, new_output, progress)?;
    put("config.json", &config)?;
    entries.write(&folder)?;
    if let Some(generation) = generation(model, &config, &card)? {
        put("generation_config.json", &generation)?;
    }
    fs::write(folder.at(CARD), card.json()?).map_err(|e| ExportError::io(folder.at(CARD), e))?;
    copy_rest(model, &folder)?;
    folder.place()?;
    Ok(card)
}

/// `generation_config.json` with the tools' biases, which transformers adds by itself; `None` where nothing is to change.
fn generation(
    model: &Path,
    config: &Map<String, Value>,
    card: &Card,
) -> Result<Option<Map<String, Value>>, ExportError> {
    if !card.is_biased() {
        return Ok(None);
    }
    let path = model.join("generation_config.json");
    let mut generation = match path.exists() {
        true => object(&path)?,
        false => {
            // What transformers would otherwise take from the configuration.
            let keys = ["bos_token_id", "eos_token_id", "pad_token_id"];
            keys.iter().filter_map(|key| Some(((*key).to_owned(), config.get(*key)?.clone()))).collect()
        }
    };
    let mut biases = match generation.remove("sequence_bias") {
        Some(Value::Array(biases)) => biases,
        _ => Vec::new(),
    };
    biases.extend(card.tools.iter().filter(|t| t.logit_bias != 0.0).map(|t| json!([[t.id], t.logit_bias])));
    generation.insert("sequence_bias".into(), Value::Array(biases));
    Ok(Some(generation))
}

/// Everything that was not written anew, as it is: chat template, licence, the tokenizer's other files.
fn copy_rest(model: &Path, folder: &NewFolder) -> Result<(), ExportError> {
    let entries = fs::read_dir(model).map_err(|e| ExportError::io(model, e))?;
    for entry in entries {
        let path = entry.map_err(|e| ExportError::io(model, e))?.path();
        let (Some(name), true) = (path.file_name().and_then(|name| name.to_str()), path.is_file()) else {
            continue;
        };
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let weights = OTHER_WEIGHTS.contains(&extension) || name.ends_with(".index.json");
        if !weights && !name.starts_with('.') && !folder.at(name).exists() {
            fs::copy(&path, folder.at(name)).map_err(|e| ExportError::io(&path, e))?;
        }
    }
    Ok(())
}

/// A file that holds a JSON object.
fn object(path: &Path) -> Result<Map<String, Value>, ExportError> {
    let bytes = fs::read(path).map_err(|e| ExportError::io(path, e))?;
    serde_json::from_slice(&bytes).map_err(|e| ExportError::file(path, format!("is no JSON object: {e}")))
}

fn write_json(path: &Path, value: &Map<String, Value>) -> Result<(), ExportError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| ExportError::file(path, e.to_string()))?;
    fs::write(path, text + "\n").map_err(|e| ExportError::io(path, e))
}
