//! The extended model as one GGUF file.

mod write;

use crate::extension::input_rows;
use crate::matrix::WordRows;
use crate::piece::{Piece, Place, Written};
use crate::{Card, ExportError, Options, Source, check_head};
use candle_core::quantized::GgmlDType;
use head::Head;
use lm::{Array, Gguf, TensorInfo, Tokenizer, Value};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use write::{Tensor, header};

const INPUT: &str = "token_embd.weight";
const OUTPUT: &str = "output.weight";
const TOKENS: &str = "tokenizer.ggml.tokens";
const KINDS: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
/// The key that holds the [`Card`].
pub(crate) const CARD: &str = "toolken.export";

// Token types (llama.cpp's `llama_token_type`). A user-defined token is printed as it is spelled, by every engine and
// without being asked for special tokens, which a control token is not.
const NORMAL: i32 = 1;
const USER_DEFINED: i32 = 4;
const UNUSED: u32 = 5;
/// What llama.cpp's converter gives added tokens: no merge ever makes one.
const SCORE: f32 = -1000.0;

pub(crate) fn export(
    model: &Path,
    head: &Head,
    options: &Options,
    out: &Path,
    progress: &mut dyn FnMut(Written),
) -> Result<Card, ExportError> {
    let gguf = Gguf::open(model)?;
    let architecture = gguf.str("general.architecture")?;
    if gguf.opt_u32("split.count")?.is_some_and(|parts| parts > 1) {
        let message = "is one of several parts: join them first (llama-gguf-split --merge)";
        return Err(ExportError::file(model, message));
    }
    let stem = || model.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let name = gguf.opt_str("general.name")?.map_or_else(stem, String::from);
    let digest = check_head(
        model,
        &name,
        gguf.u32(&format!("{architecture}.embedding_length"))? as usize,
        head,
        options,
    )?;
    let (tokenizer, input) = (Tokenizer::from_gguf(&gguf)?, words(&gguf, INPUT, head.width())?);
    let output = match gguf.tensors().contains_key(OUTPUT) {
        true => words(&gguf, OUTPUT, head.width())?,
        false => input.clone(),
    };
    let listed = gguf.strings(TOKENS)?.len();
    if listed != input.rows || output.rows != input.rows {
        let rows = [input.rows, output.rows];
        let message =
            format!("{listed} tokens for {rows:?} rows of input and head, expected as many: fetch it again");
        return Err(ExportError::file(model, message));
    }
    let first = next_id(&gguf)?;
    let source = Source { model: name, digest, rows: output.rows };
    let card =
        Card::new(head, &options.form, first, |token| tokenizer.id(token), source, options.pack.clone())?;

    let made = input_rows(head, &tokenizer, &input)?;
    let new_input = input.extended(input.kind, first as usize, &made)?;
    let new_output =
        output.extended(options.head_type.over(output.kind), first as usize, head.weights.data())?;
    let metadata = metadata(&gguf, architecture, &card, new_input.rows)?;

    let mut in_order: Vec<(&String, &TensorInfo)> = gguf.tensors().iter().collect();
    in_order.sort_by_key(|(_, info)| info.offset);
    let mut tensors = Vec::with_capacity(in_order.len() + 1);
    let (mut new_input, mut new_output) = (Some(new_input), Some(new_output));
    let grown = |name: &str, grown: Option<crate::matrix::Extended>| {
        grown.map(|grown| Tensor {
            name: name.to_owned(),
            shape: vec![grown.rows, head.width()],
            kind: grown.kind,
            pieces: grown.pieces,
        })
    };
    for (name, info) in in_order {
        match name.as_str() {
            INPUT => tensors.extend(grown(INPUT, new_input.take())),
            OUTPUT => tensors.extend(grown(OUTPUT, new_output.take())),
            _ => tensors.push(Tensor {
                name: name.clone(),
                shape: info.shape.clone(),
                kind: info.kind,
                pieces: vec![Piece::Copy(place(&gguf, info))],
            }),
        }
    }
    // A model whose head was its input embedding gets a head of its own.
    tensors.extend(grown(OUTPUT, new_output.take()));

    let alignment = gguf.opt_u32("general.alignment")?.unwrap_or(32) as usize;
    write(out, &header(&metadata, &tensors, alignment)?, &tensors, alignment, progress)?;
    Ok(card)
}

fn place(gguf: &Gguf, info: &TensorInfo) -> Place {
    Place { file: gguf.path().to_owned(), from: info.offset as u64, bytes: info.bytes as u64 }
}

fn words(gguf: &Gguf, name: &str, width: usize) -> Result<WordRows, ExportError> {
    let (info, _) = gguf.tensor(name)?;
    WordRows::new(name, place(gguf, info), info.kind, &info.shape, width)
}

/// The first id behind the tokenizer's tokens. A converter fills the list up to the model's rows with unused `[PAD…]`.
fn next_id(gguf: &Gguf) -> Result<u32, ExportError> {
    let (tokens, kinds) = (gguf.strings(TOKENS)?, gguf.opt_u32s(KINDS)?.unwrap_or_default());
    let spare = |id: &usize| {
        kinds.get(*id) == Some(&UNUSED) && tokens[*id].starts_with("[PAD") && tokens[*id].ends_with(']')
    };
    let spares = (0..tokens.len()).rev().take_while(spare).count();
    Ok((tokens.len() - spares) as u32)
}

/// The metadata with more tokens, and the card.
fn metadata(
    gguf: &Gguf,
    architecture: &str,
    card: &Card,
    rows: usize,
) -> Result<BTreeMap<String, Value>, ExportError> {
    let mut metadata = gguf.metadata().clone();
    let mut tokens = gguf.strings(TOKENS)?.to_vec();
    let known = tokens.len();
    let numbers = gguf.opt_u32s(KINDS)?.map(|kinds| kinds.into_iter().map(|kind| kind as i32).collect());
    let mut kinds: Vec<i32> = numbers.unwrap_or_else(|| vec![NORMAL; known]);
    let mut scores = gguf.opt_f32s(SCORES)?.map(<[f32]>::to_vec);
    tokens.resize(rows, String::new());
    kinds.resize(rows, USER_DEFINED);
    if let Some(scores) = &mut scores {
        scores.resize(rows, SCORE);
    }
    for tool in &card.tools {
        let id = tool.id as usize;
        tokens[id] = tool.token.clone();
        kinds[id] = USER_DEFINED;
        if let Some(scores) = &mut scores {
            scores[id] = SCORE;
        }
    }
    metadata.insert(TOKENS.into(), Value::Array(Array::String(tokens)));
    metadata.insert(KINDS.into(), Value::Array(Array::I32(kinds)));
    if let Some(scores) = scores {
        metadata.insert(SCORES.into(), Value::Array(Array::F32(scores)));
    }
    if let Some(size) = metadata.get_mut(&format!("{architecture}.vocab_size")) {
        *size = Value::U32(rows as u32);
    }
    metadata.insert(CARD.into(), Value::String(card.json()?));
    Ok(metadata)
}

fn write(
    out: &Path,
    header: &[u8],
    tensors: &[Tensor],
    alignment: usize,
    progress: &mut dyn FnMut(Written),
) -> Result<(), ExportError> {
    let mut file = files::NewFile::at(out).map_err(|e| ExportError::io(out, e))?;
    let io = |e| ExportError::io(out, e);
    let mut done = Written { bytes: 0, total: tensors.iter().map(Tensor::bytes).sum() };
    let padding = |bytes: u64| vec![0; (bytes.next_multiple_of(alignment as u64) - bytes) as usize];
    file.file().write_all(header).map_err(io)?;
    for tensor in tensors {
        for piece in &tensor.pieces {
            piece.write(file.file(), out, &mut |bytes| {
                done.bytes += bytes;
                progress(done);
            })?;
        }
        // The last tensor too: readers map whole blocks.
        file.file().write_all(&padding(tensor.bytes())).map_err(io)?;
    }
    file.place().map_err(io)
}

/// The number of an element type in a file, for the types that models are read in.
fn number(kind: GgmlDType) -> Result<u32, ExportError> {
    lm::gguf_type(kind).ok_or_else(|| ExportError::Setting(format!("{kind:?} is no type of GGUF files")))
}
