//! SentencePiece `.model` files: a protocol-buffer message, of which the parts that matter are read here.
//!
//! Field numbers are those of
//! [`sentencepiece_model.proto`](https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto).

use super::merge::Ranks;
use super::surroundings::Surroundings;
use super::vocab::{Kind, Vocab};
use super::words::Words;
use super::{Definition, DummyPrefix, Spelling, Tokenizer};
use crate::LmError;
use std::path::Path;

/// `TrainerSpec.ModelType.BPE`.
const BPE: u64 = 2;
const NO_TOKEN: i32 = -1;

/// What `ModelProto` says, with the defaults of its definition.
struct Model<'a> {
    pieces: Vec<Piece<'a>>,
    model_type: u64,
    unk: i32,
    bos: i32,
    eos: i32,
    lossy: Option<&'static str>,
    dummy_prefix: bool,
}

struct Piece<'a> {
    text: &'a str,
    score: f32,
    kind: Kind,
}

pub(super) fn load(bytes: &[u8], origin: &Path) -> Result<Tokenizer, LmError> {
    let fail = |message: String| LmError::file(origin, message);
    let model = parse(bytes).map_err(|e| {
        fail(format!("{e}: this is no SentencePiece model, or it is damaged; fetch it again"))
    })?;
    if model.model_type != BPE {
        return Err(fail(format!(
            "the SentencePiece model has type {}, expected {BPE} (BPE): other types are not read, use another model",
            model.model_type
        )));
    }
    if let Some(lossy) = model.lossy {
        return Err(fail(format!(
            "the SentencePiece model normalises text ({lossy}), expected none: use another model"
        )));
    }
    // A SentencePiece model never reads control tokens from text, so where the prefix goes after one is for this crate to
    // say: as for the same model's GGUF file.
    let prefix = if model.dummy_prefix { DummyPrefix::EachSegment } else { DummyPrefix::Never };
    let spelling = Spelling::SentencePiece(prefix);
    let vocab = Vocab::new(model.pieces.iter().map(|p| (p.text, p.kind)), spelling, origin)?;
    let scores: Vec<f32> = model.pieces.iter().map(|p| p.score).collect();
    let ranks = Ranks::from_scores(&scores).map_err(fail)?;
    let words = Words::new::<&str>([]).map_err(fail)?;
    let id = |number: i32| (number != NO_TOKEN).then_some(number as u32);
    let unknown = id(model.unk).filter(|&id| (id as usize) < vocab.len());
    let surroundings = Surroundings { bos: id(model.bos), eos: id(model.eos), ..Default::default() }
        .checked(&vocab, origin)?;
    let definition = Definition { vocab, spelling, ranks, words, nfc: false, ignore_merges: false, unknown };
    Ok(Tokenizer::new(definition, surroundings))
}

fn parse(bytes: &[u8]) -> Result<Model<'_>, String> {
    let mut model =
        Model { pieces: Vec::new(), model_type: 1, unk: 0, bos: 1, eos: 2, lossy: None, dummy_prefix: true };
    let (mut strips_spaces, mut escapes_spaces) = (true, true);
    for field in Fields(bytes) {
        match field? {
            (1, Field::Bytes(piece)) => model.pieces.push(parse_piece(piece)?),
            (2, Field::Bytes(trainer)) => {
                for field in Fields(trainer) {
                    match field? {
                        (3, Field::Varint(value)) => model.model_type = value,
                        // Negative numbers are stored as 64 bits; an id fits in 32.
                        (40, Field::Varint(value)) => model.unk = value as i32,
                        (41, Field::Varint(value)) => model.bos = value as i32,
                        (42, Field::Varint(value)) => model.eos = value as i32,
                        (24, Field::Varint(1)) => model.lossy = Some("spaces end words"),
                        _ => {}
                    }
                }
            }
            (3, Field::Bytes(normaliser)) => {
                for field in Fields(normaliser) {
                    match field? {
                        (2, Field::Bytes([_, ..])) => model.lossy = Some("a table of characters"),
                        (3, Field::Varint(value)) => model.dummy_prefix = value != 0,
                        (4, Field::Varint(value)) => strips_spaces = value != 0,
                        (5, Field::Varint(value)) => escapes_spaces = value != 0,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    if strips_spaces {
        model.lossy = Some("repeated spaces are dropped");
    }
    if !escapes_spaces {
        model.lossy = Some("spaces are not escaped");
    }
    Ok(model)
}

fn parse_piece(bytes: &[u8]) -> Result<Piece<'_>, String> {
    let mut piece = Piece { text: "", score: 0.0, kind: Kind::Normal };
    for field in Fields(bytes) {
        match field? {
            (1, Field::Bytes(text)) => {
                piece.text = std::str::from_utf8(text).map_err(|e| format!("a piece is not UTF-8 ({e})"))?;
            }
            (2, Field::Fixed32(bits)) => piece.score = f32::from_bits(bits),
            (3, Field::Varint(number)) => {
                piece.kind = Kind::from_number(number)
                    .ok_or_else(|| format!("a piece has type {number}, expected 1 to 6"))?;
            }
            _ => {}
        }
    }
    Ok(piece)
}

/// The value of one field of a protocol-buffer message.
enum Field<'a> {
    Varint(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
    /// A 64-bit number: no field read here is one.
    Fixed64,
}

/// The `(number, value)` of a message's fields in order; ends after an error.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| "a field is cut off or malformed".to_owned()))
    }
}

impl<'a> Fields<'a> {
    /// See <https://protobuf.dev/programming-guides/encoding/>.
    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => self.take(8).map(|_| Field::Fixed64)?,
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(len)?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((tag >> 3, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}
