//! GGUF files, memory-mapped: metadata and tensors of a model in one file.
//!
//! The layout is that of the [GGUF specification](https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), versions 2
//! and 3, little-endian:
//!
//! ```text
//! "GGUF" version:u32 tensors:u64 keys:u64 | key, type, value … | name, dims, type, offset … | padding | tensor data
//! ```
//!
//! A file is foreign bytes: every size is checked against what the file can hold before anything is allocated, and the
//! tensor data must be covered by the tensors exactly, so a truncated or damaged file is refused when it is opened.

mod read;
mod value;

use crate::LmError;
use candle_core::quantized::GgmlDType;
use memmap2::Mmap;
use read::Reader;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
pub use value::{Array, Value};

/// Where an element type's number in the file, its name and its candle type meet: every type this crate reads.
const KINDS: [(u32, &str, GgmlDType); 11] = [
    (0, "F32", GgmlDType::F32),
    (1, "F16", GgmlDType::F16),
    (2, "Q4_0", GgmlDType::Q4_0),
    (3, "Q4_1", GgmlDType::Q4_1),
    (6, "Q5_0", GgmlDType::Q5_0),
    (7, "Q5_1", GgmlDType::Q5_1),
    (8, "Q8_0", GgmlDType::Q8_0),
    (12, "Q4_K", GgmlDType::Q4K),
    (13, "Q5_K", GgmlDType::Q5K),
    (14, "Q6_K", GgmlDType::Q6K),
    (30, "BF16", GgmlDType::BF16),
];

/// The number of an element type in a GGUF file, for the types that this crate reads.
pub fn gguf_type(kind: GgmlDType) -> Option<u32> {
    KINDS.iter().find(|(_, _, known)| *known == kind).map(|(number, _, _)| *number)
}

/// Where a tensor lies and what it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// The sizes, outermost first (row-major, as PyTorch writes them): the reverse of the order in the file.
    pub shape: Vec<usize>,
    /// The element type.
    pub kind: GgmlDType,
    /// First byte, counted from the start of the file.
    pub offset: usize,
    /// Number of bytes.
    pub bytes: usize,
}

/// The bytes of a file, wherever they are.
enum Bytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// An opened and fully checked GGUF file.
pub struct Gguf {
    path: PathBuf,
    bytes: Bytes,
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, TensorInfo>,
}

impl fmt::Debug for Gguf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gguf")
            .field("path", &self.path)
            .field("keys", &self.metadata.len())
            .field("tensors", &self.tensors.len())
            .finish()
    }
}

impl Gguf {
    /// Opens and checks a file; the tensors stay on disk until they are read.
    ///
    /// # Errors
    /// [`LmError::Io`] if it cannot be opened, [`LmError::File`] if it is not a GGUF file that this crate reads.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LmError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|e| LmError::io(path, e))?;
        // SAFETY: the map is read-only. Model files are put in place by a rename and never written to afterwards; a
        // program that truncates one under us would raise SIGBUS, which no reader of mapped files can prevent.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| LmError::io(path, e))?;
        Self::parse(path.to_path_buf(), Bytes::Mapped(map))
    }

    /// Checks a file that is already in memory.
    ///
    /// # Errors
    /// As [`Gguf::open`].
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, LmError> {
        Self::parse(PathBuf::from("GGUF in memory"), Bytes::Owned(bytes.into()))
    }

    fn parse(path: PathBuf, bytes: Bytes) -> Result<Self, LmError> {
        let header = Reader::new(&path, bytes.as_slice()).header()?;
        Ok(Self { path, bytes, metadata: header.metadata, tensors: header.tensors })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All metadata.
    pub fn metadata(&self) -> &BTreeMap<String, Value> {
        &self.metadata
    }

    /// All tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.tensors
    }

    /// A tensor and its bytes, as they are in the file.
    ///
    /// # Errors
    /// [`LmError::File`] if there is no tensor of that name.
    pub fn tensor(&self, name: &str) -> Result<(&TensorInfo, &[u8]), LmError> {
        let info = self.tensors.get(name).ok_or_else(|| {
            LmError::file(&self.path, format!("there is no tensor {name:?}: this is another kind of model"))
        })?;
        let range: Range<usize> = info.offset..info.offset + info.bytes;
        Ok((info, &self.bytes.as_slice()[range])) // in range: checked when the file was opened
    }

    /// A whole number.
    ///
    /// # Errors
    /// As every getter: [`LmError::File`] names the key if it is missing, of another type or out of range.
    pub fn u32(&self, key: &str) -> Result<u32, LmError> {
        self.require(key, self.opt_u32(key)?)
    }

    /// A whole number, if the key is there.
    ///
    /// # Errors
    /// If it is not a whole number of 32 bits.
    pub fn opt_u32(&self, key: &str) -> Result<Option<u32>, LmError> {
        self.typed(key, "a whole number below 2^32", Value::as_u32)
    }

    /// A number.
    ///
    /// # Errors
    /// As [`Gguf::u32`].
    pub fn f32(&self, key: &str) -> Result<f32, LmError> {
        self.require(key, self.opt_f32(key)?)
    }

    /// A number, if the key is there.
    ///
    /// # Errors
    /// If it is not a floating-point number.
    pub fn opt_f32(&self, key: &str) -> Result<Option<f32>, LmError> {
        self.typed(key, "a floating-point number", Value::as_f32)
    }

    /// A truth value.
    ///
    /// # Errors
    /// As [`Gguf::u32`].
    pub fn bool(&self, key: &str) -> Result<bool, LmError> {
        self.require(key, self.opt_bool(key)?)
    }

    /// A truth value, if the key is there.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn opt_bool(&self, key: &str) -> Result<Option<bool>, LmError> {
        self.typed(key, "a truth value", Value::as_bool)
    }

    /// A string.
    ///
    /// # Errors
    /// As [`Gguf::u32`].
    pub fn str(&self, key: &str) -> Result<&str, LmError> {
        self.require(key, self.opt_str(key)?)
    }

    /// A string, if the key is there.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn opt_str(&self, key: &str) -> Result<Option<&str>, LmError> {
        self.typed(key, "a string", Value::as_str)
    }

    /// An array of strings.
    ///
    /// # Errors
    /// As [`Gguf::u32`].
    pub fn strings(&self, key: &str) -> Result<&[String], LmError> {
        self.require(key, self.opt_strings(key)?)
    }

    /// An array of strings, if the key is there.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn opt_strings(&self, key: &str) -> Result<Option<&[String]>, LmError> {
        self.typed(key, "an array of strings", Value::as_strings)
    }

    /// An array of `f32`.
    ///
    /// # Errors
    /// As [`Gguf::u32`].
    pub fn f32s(&self, key: &str) -> Result<&[f32], LmError> {
        self.require(key, self.opt_f32s(key)?)
    }

    /// An array of `f32`, if the key is there.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn opt_f32s(&self, key: &str) -> Result<Option<&[f32]>, LmError> {
        self.typed(key, "an array of 32-bit floats", Value::as_f32s)
    }

    /// An array of whole numbers, whatever integer type the file stores them in.
    ///
    /// # Errors
    /// As [`Gguf::u32`].
    pub fn u32s(&self, key: &str) -> Result<Vec<u32>, LmError> {
        self.require(key, self.opt_u32s(key)?)
    }

    /// An array of whole numbers, if the key is there.
    ///
    /// # Errors
    /// If it is of another type, or one of them is negative or too large.
    pub fn opt_u32s(&self, key: &str) -> Result<Option<Vec<u32>>, LmError> {
        self.typed(key, "an array of whole numbers below 2^32", Value::as_u32s)
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        wanted: &str,
        get: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, LmError> {
        let Some(value) = self.metadata.get(key) else {
            return Ok(None);
        };
        match get(value) {
            Some(value) => Ok(Some(value)),
            None => Err(LmError::file(
                &self.path,
                format!(
                    "metadata {key:?} is {}, expected {wanted}: fetch the file again or from another source",
                    value.describe()
                ),
            )),
        }
    }

    fn require<T>(&self, key: &str, value: Option<T>) -> Result<T, LmError> {
        value.ok_or_else(|| {
            LmError::file(
                &self.path,
                format!("metadata {key:?} is missing: the file was written for another kind of model"),
            )
        })
    }
}
