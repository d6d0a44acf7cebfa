//! Reads and checks the header of a GGUF file.

use super::{Array, KINDS, TensorInfo, Value};
use crate::LmError;
use std::collections::BTreeMap;
use std::path::Path;

const MAGIC: &[u8; 4] = b"GGUF";
const AGAIN: &str = "the file is damaged or incomplete, fetch it again";

// Limits far above any published model's (a vocabulary of 262,144 tokens takes 8 MB of header), far below what a hostile
// file could ask for.
const MAX_HEADER: usize = 256 << 20;
const MAX_KEYS: u64 = 1 << 16;
const MAX_TENSORS: u64 = 1 << 16;
const MAX_KEY: usize = 1 << 16;
const MAX_DIMS: u32 = 4;
const MAX_NESTING: usize = 4;
/// The format's own: elements are read where they stand.
const MIN_ALIGNMENT: u32 = 8;
const MAX_ALIGNMENT: u32 = 1 << 16;
const DEFAULT_ALIGNMENT: u32 = 32;

/// What the header says, checked.
pub(super) struct Header {
    pub metadata: BTreeMap<String, Value>,
    pub tensors: BTreeMap<String, TensorInfo>,
}

/// A cursor over the file. It never reads past the end, nor past [`MAX_HEADER`].
pub(super) struct Reader<'a> {
    path: &'a Path,
    file: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(path: &'a Path, file: &'a [u8]) -> Self {
        Self { path, file, at: 0 }
    }

    pub fn header(mut self) -> Result<Header, LmError> {
        let magic = self.array::<4>("the magic number")?;
        if &magic != MAGIC {
            return self.fail(format!(
                "starts with {:?}, expected \"GGUF\": this is no GGUF file, or a download of something else",
                String::from_utf8_lossy(&magic)
            ));
        }
        let version = self.u32("the version")?;
        match version {
            2 | 3 => {}
            v if matches!(v.swap_bytes(), 1..=3) => {
                return self.fail(
                    "is big-endian, expected little-endian: fetch the little-endian file of this model",
                );
            }
            v => {
                return self.fail(format!(
                    "has GGUF version {v}, expected 2 or 3: convert it with a current converter"
                ));
            }
        }
        let tensors = self.u64("the number of tensors")?;
        let keys = self.u64("the number of metadata keys")?;
        // A key takes at least 8 + 4 + 1 bytes, a tensor 8 + 4 + 8 + 4 + 8.
        self.check_count("metadata keys", keys, 13, MAX_KEYS)?;
        self.check_count("tensors", tensors, 32, MAX_TENSORS)?;

        let mut metadata = BTreeMap::new();
        for _ in 0..keys {
            let key = self.string("a metadata key", MAX_KEY)?;
            let kind = self.u32(&key)?;
            let value = self.value(&key, kind)?;
            if metadata.contains_key(&key) {
                return self.fail(format!("metadata {key:?} is there twice: {AGAIN}"));
            }
            metadata.insert(key, value);
        }
        let tensors = self.tensors(tensors, alignment(self.path, &metadata)?)?;
        Ok(Header { metadata, tensors })
    }

    fn tensors(&mut self, count: u64, alignment: usize) -> Result<BTreeMap<String, TensorInfo>, LmError> {
        let mut tensors = BTreeMap::new();
        for _ in 0..count {
            let name = self.string("a tensor's name", MAX_KEY)?;
            let info = self.tensor(&name)?;
            if tensors.contains_key(&name) {
                return self.fail(format!("tensor {name:?} is there twice: {AGAIN}"));
            }
            tensors.insert(name, info);
        }
        if !tensors.is_empty() {
            self.place(&mut tensors, alignment)?;
        }
        Ok(tensors)
    }

    /// One entry of the tensor table; the offset is still relative to the data.
    fn tensor(&mut self, name: &str) -> Result<TensorInfo, LmError> {
        let dims = self.u32(name)?;
        if !(1..=MAX_DIMS).contains(&dims) {
            return self
                .fail(format!("tensor {name:?} has {dims} dimensions, expected 1 to {MAX_DIMS}: {AGAIN}"));
        }
        let mut shape = Vec::new();
        for _ in 0..dims {
            shape.push(self.u64(name)?);
        }
        shape.reverse();
        let number = self.u32(name)?;
        let Some(&(_, type_name, kind)) = KINDS.iter().find(|(n, _, _)| *n == number) else {
            let known: Vec<_> = KINDS.iter().map(|(_, name, _)| *name).collect();
            return self.fail(format!(
                "tensor {name:?} has element type {number}, expected one of {}: fetch the model in such a quantisation",
                known.join(", ")
            ));
        };
        let offset = self.u64(name)?;
        let block = kind.block_size() as u64;
        let columns = shape.last().copied().unwrap_or(0);
        let bytes = shape
            .iter()
            .try_fold(1u64, |n, &size| n.checked_mul(size))
            .filter(|&n| n > 0 && columns % block == 0)
            .and_then(|n| (n / block).checked_mul(kind.type_size() as u64))
            .and_then(|n| usize::try_from(n).ok());
        let (Some(bytes), Ok(offset)) = (bytes, usize::try_from(offset)) else {
            return self.fail(format!(
                "tensor {name:?} has shape {shape:?}, which {type_name} in blocks of {block} cannot hold: {AGAIN}"
            ));
        };
        // Each size divides the number of elements, which fits: no size is truncated here.
        let shape = shape.iter().map(|&size| size as usize).collect();
        Ok(TensorInfo { shape, kind, offset, bytes })
    }

    /// Makes the offsets absolute. Tensors must follow each other, each at the next aligned byte, up to the end of the
    /// file: so they are inside, aligned and apart, and nothing is hidden between them.
    fn place(&self, tensors: &mut BTreeMap<String, TensorInfo>, alignment: usize) -> Result<(), LmError> {
        let mut in_order: Vec<_> = tensors.iter_mut().collect();
        in_order.sort_by_key(|(_, info)| info.offset);
        let data = self.at.next_multiple_of(alignment);
        let mut end = data;
        for (name, info) in in_order {
            let start = end.next_multiple_of(alignment);
            let found = info.offset.checked_add(data);
            if found != Some(start) {
                return self.fail(format!(
                    "tensor {name:?} starts at byte {} of the tensor data, expected {} (after the tensor before it, aligned to \
                     {alignment}): {AGAIN}",
                    info.offset,
                    start - data
                ));
            }
            end = match start.checked_add(info.bytes) {
                Some(end) if end <= self.file.len() => end,
                _ => {
                    return self.fail(format!(
                        "tensor {name:?} needs {} bytes at byte {start}, the file has {}: {AGAIN}",
                        info.bytes,
                        self.file.len()
                    ));
                }
            };
            info.offset = start;
        }
        if self.file.len() > end.next_multiple_of(alignment) {
            return self.fail(format!(
                "has {} bytes after its last tensor, expected none: {AGAIN}",
                self.file.len() - end
            ));
        }
        Ok(())
    }

    fn value(&mut self, key: &str, kind: u32) -> Result<Value, LmError> {
        Ok(match kind {
            0 => Value::U8(u8::from_le_bytes(self.array(key)?)),
            1 => Value::I8(i8::from_le_bytes(self.array(key)?)),
            2 => Value::U16(u16::from_le_bytes(self.array(key)?)),
            3 => Value::I16(i16::from_le_bytes(self.array(key)?)),
            4 => Value::U32(self.u32(key)?),
            5 => Value::I32(i32::from_le_bytes(self.array(key)?)),
            6 => Value::F32(f32::from_le_bytes(self.array(key)?)),
            7 => Value::Bool(self.bool(key)?),
            8 => Value::String(self.string(key, MAX_HEADER)?),
            9 => Value::Array(self.values(key, MAX_NESTING)?),
            10 => Value::U64(self.u64(key)?),
            11 => Value::I64(i64::from_le_bytes(self.array(key)?)),
            12 => Value::F64(f64::from_le_bytes(self.array(key)?)),
            other => return self.unknown_type(key, other),
        })
    }

    fn values(&mut self, key: &str, nesting: usize) -> Result<Array, LmError> {
        let kind = self.u32(key)?;
        let count = self.u64(key)?;
        Ok(match kind {
            0 => Array::U8(self.numbers(key, count, u8::from_le_bytes)?),
            1 => Array::I8(self.numbers(key, count, i8::from_le_bytes)?),
            2 => Array::U16(self.numbers(key, count, u16::from_le_bytes)?),
            3 => Array::I16(self.numbers(key, count, i16::from_le_bytes)?),
            4 => Array::U32(self.numbers(key, count, u32::from_le_bytes)?),
            5 => Array::I32(self.numbers(key, count, i32::from_le_bytes)?),
            6 => Array::F32(self.numbers(key, count, f32::from_le_bytes)?),
            7 => Array::Bool(self.many(key, count, 1, |r| r.bool(key))?),
            8 => Array::String(self.many(key, count, 8, |r| r.string(key, MAX_HEADER))?),
            9 if nesting > 1 => Array::Array(self.many(key, count, 12, |r| r.values(key, nesting - 1))?),
            9 => {
                return self
                    .fail(format!("metadata {key:?} nests arrays deeper than {MAX_NESTING}: {AGAIN}"));
            }
            10 => Array::U64(self.numbers(key, count, u64::from_le_bytes)?),
            11 => Array::I64(self.numbers(key, count, i64::from_le_bytes)?),
            12 => Array::F64(self.numbers(key, count, f64::from_le_bytes)?),
            other => return self.unknown_type(key, other),
        })
    }

    fn unknown_type<T>(&self, key: &str, kind: u32) -> Result<T, LmError> {
        self.fail(format!("metadata {key:?} has value type {kind}, expected 0 to 12: {AGAIN}"))
    }

    fn numbers<T, const N: usize>(
        &mut self,
        key: &str,
        count: u64,
        from: fn([u8; N]) -> T,
    ) -> Result<Vec<T>, LmError> {
        self.many(key, count, N, |r| Ok(from(r.array(key)?)))
    }

    /// `count` items of at least `least` bytes each, refused before anything is allocated if they cannot be there.
    fn many<T>(
        &mut self,
        key: &str,
        count: u64,
        least: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, LmError>,
    ) -> Result<Vec<T>, LmError> {
        self.check_count(key, count, least, MAX_HEADER as u64)?;
        let mut items = Vec::with_capacity(count as usize);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn check_count(&self, what: &str, count: u64, least: usize, limit: u64) -> Result<(), LmError> {
        let fits = ((self.file.len().min(MAX_HEADER) - self.at) / least) as u64;
        if count > fits.min(limit) {
            return self.fail(format!(
                "announces {count} items of {what:?}, at most {} can be there: {AGAIN}",
                fits.min(limit)
            ));
        }
        Ok(())
    }

    fn string(&mut self, what: &str, limit: usize) -> Result<String, LmError> {
        let start = self.at;
        let len = self.u64(what)?;
        let len = match usize::try_from(len) {
            Ok(len) if len <= limit => len,
            _ => {
                return self.fail(format!(
                    "{what} at byte {start} is {len} bytes long, at most {limit} are read: {AGAIN}"
                ));
            }
        };
        match std::str::from_utf8(self.take(len, what)?) {
            Ok(text) => Ok(text.to_owned()),
            Err(e) => self.fail(format!("{what} at byte {start} is not UTF-8 ({e}): {AGAIN}")),
        }
    }

    fn bool(&mut self, what: &str) -> Result<bool, LmError> {
        match self.array::<1>(what)? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => self.fail(format!("{what:?} has the truth value {other}, expected 0 or 1: {AGAIN}")),
        }
    }

    fn u32(&mut self, what: &str) -> Result<u32, LmError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64, LmError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], LmError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, what)?);
        Ok(out)
    }

    fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8], LmError> {
        let readable = self.file.len().min(MAX_HEADER);
        match self.at.checked_add(len) {
            Some(end) if end <= readable => {
                let taken = &self.file[self.at..end];
                self.at = end;
                Ok(taken)
            }
            _ => self.fail(format!(
                "ends inside {what:?}: {len} bytes wanted at byte {}, {readable} can be read: {AGAIN}",
                self.at
            )),
        }
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, LmError> {
        Err(LmError::file(self.path, message))
    }
}

fn alignment(path: &Path, metadata: &BTreeMap<String, Value>) -> Result<usize, LmError> {
    let value = match metadata.get("general.alignment") {
        None => DEFAULT_ALIGNMENT,
        Some(value) => value.as_u32().unwrap_or(0),
    };
    if !value.is_power_of_two() || !(MIN_ALIGNMENT..=MAX_ALIGNMENT).contains(&value) {
        return Err(LmError::file(
            path,
            format!(
                "metadata \"general.alignment\" is {value}, expected a power of two from {MIN_ALIGNMENT} to {MAX_ALIGNMENT}: {AGAIN}"
            ),
        ));
    }
    Ok(value as usize)
}
