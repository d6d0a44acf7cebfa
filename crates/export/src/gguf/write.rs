//! The header of a GGUF file, version 3, as the [specification](https://github.com/ggml-org/ggml/blob/master/docs/gguf.md)
//! has it.

use super::number;
use crate::ExportError;
use crate::piece::Piece;
use candle_core::quantized::GgmlDType;
use lm::{Array, Value};
use std::collections::BTreeMap;

const VERSION: u32 = 3;

/// A tensor of the new file; sizes outermost first.
pub(super) struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub kind: GgmlDType,
    pub pieces: Vec<Piece>,
}

impl Tensor {
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }
}

/// Everything up to the tensor data, padded; the tensors follow in their order, each padded to `alignment`.
pub(super) fn header(
    metadata: &BTreeMap<String, Value>,
    tensors: &[Tensor],
    alignment: usize,
) -> Result<Vec<u8>, ExportError> {
    let mut out = b"GGUF".to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        string(&mut out, key);
        out.extend(kind(value).to_le_bytes());
        put(&mut out, value);
    }
    let mut offset = 0u64;
    for tensor in tensors {
        string(&mut out, &tensor.name);
        out.extend((tensor.shape.len() as u32).to_le_bytes());
        for &size in tensor.shape.iter().rev() {
            out.extend((size as u64).to_le_bytes());
        }
        out.extend(number(tensor.kind)?.to_le_bytes());
        out.extend(offset.to_le_bytes());
        offset += tensor.bytes().next_multiple_of(alignment as u64);
    }
    out.resize(out.len().next_multiple_of(alignment), 0);
    Ok(out)
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn kind(value: &Value) -> u32 {
    match value {
        Value::U8(_) => 0,
        Value::I8(_) => 1,
        Value::U16(_) => 2,
        Value::I16(_) => 3,
        Value::U32(_) => 4,
        Value::I32(_) => 5,
        Value::F32(_) => 6,
        Value::Bool(_) => 7,
        Value::String(_) => 8,
        Value::Array(_) => 9,
        Value::U64(_) => 10,
        Value::I64(_) => 11,
        Value::F64(_) => 12,
    }
}

fn put(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U8(v) => out.extend(v.to_le_bytes()),
        Value::I8(v) => out.extend(v.to_le_bytes()),
        Value::U16(v) => out.extend(v.to_le_bytes()),
        Value::I16(v) => out.extend(v.to_le_bytes()),
        Value::U32(v) => out.extend(v.to_le_bytes()),
        Value::I32(v) => out.extend(v.to_le_bytes()),
        Value::U64(v) => out.extend(v.to_le_bytes()),
        Value::I64(v) => out.extend(v.to_le_bytes()),
        Value::F32(v) => out.extend(v.to_le_bytes()),
        Value::F64(v) => out.extend(v.to_le_bytes()),
        Value::Bool(v) => out.push(u8::from(*v)),
        Value::String(v) => string(out, v),
        Value::Array(array) => put_array(out, array),
    }
}

fn start(out: &mut Vec<u8>, kind: u32, len: usize) {
    out.extend(kind.to_le_bytes());
    out.extend((len as u64).to_le_bytes());
}

fn put_array(out: &mut Vec<u8>, array: &Array) {
    macro_rules! numbers {
        ($kind:expr, $items:expr) => {{
            start(out, $kind, $items.len());
            $items.iter().for_each(|v| out.extend(v.to_le_bytes()));
        }};
    }
    match array {
        Array::U8(items) => numbers!(0, items),
        Array::I8(items) => numbers!(1, items),
        Array::U16(items) => numbers!(2, items),
        Array::I16(items) => numbers!(3, items),
        Array::U32(items) => numbers!(4, items),
        Array::I32(items) => numbers!(5, items),
        Array::F32(items) => numbers!(6, items),
        Array::Bool(items) => {
            start(out, 7, items.len());
            items.iter().for_each(|&v| out.push(u8::from(v)));
        }
        Array::String(items) => {
            start(out, 8, items.len());
            items.iter().for_each(|v| string(out, v));
        }
        Array::Array(items) => {
            start(out, 9, items.len());
            items.iter().for_each(|v| put_array(out, v));
        }
        Array::U64(items) => numbers!(10, items),
        Array::I64(items) => numbers!(11, items),
        Array::F64(items) => numbers!(12, items),
    }
}
