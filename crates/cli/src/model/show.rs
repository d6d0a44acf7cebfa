//! `toolken model show`: what a GGUF file holds.

use super::locate;
use crate::{exit::Exit, output};
use lm::{Array, Gguf, TensorInfo, Value};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

pub const EXAMPLES: &str = "\
Examples:
  toolken model show model.gguf
  toolken model show smollm2-135m --json";

#[derive(clap::Args)]
pub struct Args {
    /// A GGUF file, or a name from `toolken model list`
    model: String,
    /// Print as JSON; arrays are given by their length
    #[arg(long)]
    json: bool,
}

/// How many characters of a value a table row shows.
const SHOWN_CHARS: usize = 120;

impl Args {
    pub fn run(self) -> anyhow::Result<Exit> {
        let gguf = Gguf::open(locate(&self.model)?)?;
        let bytes: usize = gguf.tensors().values().map(|tensor| tensor.bytes).sum();
        let parameters: usize = gguf.tensors().values().map(elements).sum();
        let mut types: BTreeMap<String, usize> = BTreeMap::new();
        for tensor in gguf.tensors().values() {
            *types.entry(format!("{:?}", tensor.kind)).or_default() += 1;
        }
        let metadata: serde_json::Map<String, Json> =
            gguf.metadata().iter().map(|(key, value)| (key.clone(), as_json(value))).collect();
        if self.json {
            output::json(&json!({
                "file": gguf.path().display().to_string(),
                "parameters": parameters,
                "tensors": gguf.tensors().len(),
                "tensor_bytes": bytes,
                "types": types,
                "metadata": metadata,
            }))?;
            return Ok(Exit::Done);
        }
        let mut table = output::table(["key", "value"]);
        for (key, value) in &metadata {
            table.add_row([key.as_str(), &as_cell(value)]);
        }
        let kinds: Vec<String> = types.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        output::text(format_args!(
            "{}\n{parameters} parameters in {} tensors ({}), {bytes} bytes\n{table}\n",
            gguf.path().display(),
            gguf.tensors().len(),
            kinds.join(", "),
        ))?;
        Ok(Exit::Done)
    }
}

/// A tensor's size. Tensors lie within the file, so that no product of sizes overflows.
fn elements(tensor: &TensorInfo) -> usize {
    tensor.shape.iter().product()
}

fn as_json(value: &Value) -> Json {
    match value {
        Value::U8(v) => json!(v),
        Value::I8(v) => json!(v),
        Value::U16(v) => json!(v),
        Value::I16(v) => json!(v),
        Value::U32(v) => json!(v),
        Value::I32(v) => json!(v),
        Value::U64(v) => json!(v),
        Value::I64(v) => json!(v),
        Value::F32(v) => json!(v),
        Value::F64(v) => json!(v),
        Value::Bool(v) => json!(v),
        Value::String(v) => json!(v),
        Value::Array(array) => json!({"array": len(array)}),
    }
}

fn len(array: &Array) -> usize {
    match array {
        Array::U8(v) => v.len(),
        Array::I8(v) => v.len(),
        Array::U16(v) => v.len(),
        Array::I16(v) => v.len(),
        Array::U32(v) => v.len(),
        Array::I32(v) => v.len(),
        Array::U64(v) => v.len(),
        Array::I64(v) => v.len(),
        Array::F32(v) => v.len(),
        Array::F64(v) => v.len(),
        Array::Bool(v) => v.len(),
        Array::String(v) => v.len(),
        Array::Array(v) => v.len(),
    }
}

fn as_cell(value: &Json) -> String {
    let text = match value {
        Json::String(text) => text.escape_debug().to_string(),
        Json::Object(array) => match array.get("array") {
            Some(len) => format!("{len} entries"),
            None => value.to_string(),
        },
        other => other.to_string(),
    };
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
