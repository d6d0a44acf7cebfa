//! The feature store: labelled positions on disk, read over memory maps.
//!
//! A store is a directory named by its [address](StoreKey::address), a digest of everything that decides its content. It
//! holds `part-00000.safetensors`, … and, written last, `manifest.json`. A part has the columns of [`Positions`] as tensors;
//! its header names the store, the part and a SHA-256 of the tensors.
//!
//! Every file is written beside its place and renamed into it. So an interrupted run leaves whole parts only, which the
//! next run keeps, and two runs on one store write the same bytes twice at worst. (A killed run can leave a file
//! `.unfinished-…`, which nothing reads.) A part that is cut short, or whose bytes have changed, was not left by an
//! interruption: it is refused, never silently replaced, because the disk or another program is at fault.

use crate::{Features, HeadError, Positions};
use memmap2::Mmap;
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs::{self, File},
    ops::Range,
    path::{Path, PathBuf},
};

const _: () =
    assert!(cfg!(target_endian = "little"), "a store's numbers are little-endian and used in place");

const MANIFEST: &str = "manifest.json";
const METADATA: &str = "toolken-features";
/// The tensors of a part. All elements have four bytes; `h` is `(n, d)`, the others `(n)`.
const COLUMNS: [(&str, Dtype); 8] = [
    ("h", Dtype::F32),
    ("log_sum_exp", Dtype::F32),
    ("label_logit", Dtype::F32),
    ("max", Dtype::F32),
    ("best_word", Dtype::U32),
    ("tool", Dtype::I32),
    ("word", Dtype::U32),
    ("example", Dtype::U32),
];

/// Everything that decides what a store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreKey {
    /// Version of the store's format, the cut into parts included.
    pub format: u32,
    /// Version of the label rules.
    pub label_rules: u32,
    /// SHA-256 of the model's weights.
    pub model: String,
    /// The engine and its arithmetic.
    pub engine: String,
    /// SHA-256 of the tokenizer.
    pub tokenizer: String,
    /// The token that opens every text.
    pub bos: Option<u32>,
    /// The token that ends every text.
    pub eos: Option<u32>,
    /// SHA-256 of the corpus.
    pub corpus: String,
}

impl StoreKey {
    /// The store's address: SHA-256 of the key as JSON, in hexadecimal.
    pub fn address(&self) -> String {
        let json = serde_json::to_vec(self).expect("strings and numbers are always JSON");
        hex::encode(Sha256::digest(json))
    }
}

/// A corpus' labelled positions in a directory.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    manifest: Manifest,
    parts: Vec<Part>,
}

/// What a store holds, as `manifest.json` says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) address: String,
    pub(crate) key: StoreKey,
    pub(crate) width: usize,
    pub(crate) tools: Vec<String>,
    /// The group of every example.
    pub(crate) groups: Vec<u32>,
    /// Positions of every part.
    pub(crate) parts: Vec<usize>,
}

impl Manifest {
    /// The manifest as the bytes of its file.
    pub(crate) fn json(&self, path: &Path) -> Result<Vec<u8>, HeadError> {
        serde_json::to_vec(self).map_err(|e| HeadError::file(path, e.to_string()))
    }
}

/// Who a part is, in its header.
#[derive(Serialize, Deserialize)]
struct PartMeta {
    address: String,
    part: usize,
    /// SHA-256 of the tensors' names and bytes, in the order of [`COLUMNS`].
    digest: String,
}

/// A part, mapped into memory and checked.
#[derive(Debug)]
struct Part {
    map: Mmap,
    /// Where each of [`COLUMNS`] lies in the map.
    columns: [Range<usize>; COLUMNS.len()],
}

impl Store {
    /// Opens a finished store and reads all of it once, to check it.
    ///
    /// # Errors
    /// [`HeadError::Io`] if a file is missing; [`HeadError::File`] if one is damaged or belongs to another store: the
    /// message says which to delete. `extract` computes deleted parts again.
    pub fn open(directory: &Path) -> Result<Self, HeadError> {
        let path = directory.join(MANIFEST);
        let bytes = fs::read(&path).map_err(|e| HeadError::io(&path, e))?;
        let refuse = |what: String| {
            Err(HeadError::file(
                &path,
                format!("{what}: delete this file and extract again; whole parts are kept"),
            ))
        };
        let manifest: Manifest = match serde_json::from_slice(&bytes) {
            Ok(manifest) => manifest,
            Err(e) => return refuse(format!("damaged manifest of a feature store: {e}")),
        };
        let address = manifest.key.address();
        if manifest.address != address {
            return refuse(format!(
                "the manifest names the address {}, but its key gives {address}",
                manifest.address
            ));
        }
        Self::map(directory, manifest)
    }

    /// Maps and checks the parts that the manifest lists.
    fn map(directory: &Path, manifest: Manifest) -> Result<Self, HeadError> {
        let parts = (0..manifest.parts.len())
            .into_par_iter()
            .map(|part| Part::open(directory, &manifest, part))
            .collect::<Result<_, _>>()?;
        Ok(Self { directory: directory.to_owned(), manifest, parts })
    }

    /// Finishes a store whose parts are all there: checks them and writes the manifest.
    pub(crate) fn finish(directory: &Path, manifest: Manifest) -> Result<Self, HeadError> {
        let path = directory.join(MANIFEST);
        let store = Self::map(directory, manifest)?;
        files::write(&path, &store.manifest.json(&path)?).map_err(|e| HeadError::io(&path, e))?;
        Ok(store)
    }

    /// Whether the manifest and all parts that it lists are there.
    pub(crate) fn is_finished(directory: &Path) -> bool {
        // A manifest that cannot be read is for `open` to refuse.
        let Ok(bytes) = fs::read(directory.join(MANIFEST)) else { return false };
        let parts = serde_json::from_slice::<Manifest>(&bytes).map_or(0, |manifest| manifest.parts.len());
        (0..parts).all(|part| part_path(directory, part).exists())
    }

    /// Where the store lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it was made of.
    pub fn key(&self) -> &StoreKey {
        &self.manifest.key
    }

    /// Number of labelled positions.
    pub fn positions(&self) -> usize {
        self.manifest.parts.iter().sum()
    }
}

impl Features for Store {
    fn width(&self) -> usize {
        self.manifest.width
    }

    fn tools(&self) -> &[String] {
        &self.manifest.tools
    }

    fn groups(&self) -> &[u32] {
        &self.manifest.groups
    }

    fn parts(&self) -> Vec<Positions<'_>> {
        self.parts.iter().map(Part::positions).collect()
    }
}

/// A part's file name.
pub(crate) fn part_name(part: usize) -> String {
    format!("part-{part:05}.safetensors")
}

fn part_path(directory: &Path, part: usize) -> PathBuf {
    directory.join(part_name(part))
}

/// Which of the manifest's parts are there already. Those that are must be whole, and the store's own.
pub(crate) fn parts_found(directory: &Path, manifest: &Manifest) -> Result<Vec<bool>, HeadError> {
    let check = |part| match part_path(directory, part).exists() {
        true => Part::open(directory, manifest, part).map(|_| true),
        false => Ok(false),
    };
    (0..manifest.parts.len()).into_par_iter().map(check).collect()
}

/// A part's file. The manifest's width is d of `positions.h`.
pub(crate) fn part_bytes(
    manifest: &Manifest,
    part: usize,
    positions: &Positions<'_>,
) -> Result<Vec<u8>, HeadError> {
    let columns = [
        bytes(positions.h),
        bytes(positions.log_sum_exp),
        bytes(positions.label_logit),
        bytes(positions.max),
        bytes(positions.best_word),
        bytes(positions.tool),
        bytes(positions.word),
        bytes(positions.example),
    ];
    let meta = PartMeta { address: manifest.address.clone(), part, digest: digest(columns) };
    let fault =
        |e: &dyn std::fmt::Display| HeadError::file(part_name(part), format!("cannot be written: {e}"));
    // One entry, so that the header's bytes do not depend on the order of a hash map.
    let meta = HashMap::from([(METADATA.to_owned(), serde_json::to_string(&meta).map_err(|e| fault(&e))?)]);
    let mut tensors = Vec::with_capacity(COLUMNS.len());
    for ((name, dtype), column) in COLUMNS.into_iter().zip(columns) {
        let view = TensorView::new(dtype, shape(name, positions.len(), manifest.width), column)
            .map_err(|e| fault(&e))?;
        tensors.push((name, view));
    }
    safetensors::serialize(tensors, Some(meta)).map_err(|e| fault(&e))
}

/// Checks a part's file that is in memory; the error is what is wrong with it.
pub(crate) fn check_part_bytes(file: &[u8], manifest: &Manifest, part: usize) -> Result<(), String> {
    check_part(file, manifest, part).map(|_| ())
}

impl Part {
    /// Maps a part and checks everything about it.
    fn open(directory: &Path, manifest: &Manifest, part: usize) -> Result<Self, HeadError> {
        let path = part_path(directory, part);
        let io = |e| HeadError::io(&path, e);
        let file = File::open(&path).map_err(io)?;
        // SAFETY: a store's files are renamed into place whole and never written to again.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        match check_part(&map, manifest, part) {
            Ok(columns) => Ok(Self { map, columns }),
            Err(found) => Err(HeadError::file(
                &path,
                format!("{found}. Delete this file and extract again: the other parts are kept"),
            )),
        }
    }

    fn positions(&self) -> Positions<'_> {
        let [h, log_sum_exp, label_logit, max, best_word, tool, word, example] =
            self.columns.each_ref().map(|range| &self.map[range.clone()]);
        Positions {
            h: numbers(h),
            log_sum_exp: numbers(log_sum_exp),
            label_logit: numbers(label_logit),
            max: numbers(max),
            best_word: numbers(best_word),
            tool: numbers(tool),
            word: numbers(word),
            example: numbers(example),
        }
    }
}

/// Where the columns of a part lie in its file, or what is wrong with it.
fn check_part(
    file: &[u8],
    manifest: &Manifest,
    part: usize,
) -> Result<[Range<usize>; COLUMNS.len()], String> {
    let (header, metadata) = SafeTensors::read_metadata(file)
        .map_err(|e| format!("damaged part of a feature store, {} bytes long: {e}", file.len()))?;
    let meta = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA));
    let meta: PartMeta = meta
        .and_then(|json| serde_json::from_str(json).ok())
        .ok_or("a safetensors file, but not a part of a feature store")?;
    if meta.address != manifest.address || meta.part != part {
        return Err(format!(
            "part {} of the store {}, expected part {part} of the store {}",
            meta.part, meta.address, manifest.address
        ));
    }
    // The tensors start behind the header's length, eight bytes, and the header.
    let data = 8 + header;
    let mut columns = [const { 0..0 }; COLUMNS.len()];
    for ((name, dtype), column) in COLUMNS.into_iter().zip(&mut columns) {
        let info = metadata.info(name).ok_or_else(|| format!("there is no tensor `{name}`"))?;
        let shape = shape(name, manifest.parts[part], manifest.width);
        if info.dtype != dtype || info.shape != shape {
            return Err(format!(
                "tensor `{name}` is {:?} {:?}, expected {dtype:?} {shape:?}",
                info.dtype, info.shape
            ));
        }
        *column = data + info.data_offsets.0..data + info.data_offsets.1;
        if !file[column.clone()].as_ptr().cast::<f32>().is_aligned() {
            return Err(format!(
                "tensor `{name}` is not aligned to four bytes, so it cannot be used in place"
            ));
        }
    }
    let found = digest(columns.each_ref().map(|range| &file[range.clone()]));
    if found != meta.digest {
        return Err(format!(
            "damaged: its tensors have the SHA-256 {found}, its header says {}",
            meta.digest
        ));
    }
    Ok(columns)
}

fn shape(column: &str, positions: usize, width: usize) -> Vec<usize> {
    if column == "h" { vec![positions, width] } else { vec![positions] }
}

fn digest(columns: [&[u8]; COLUMNS.len()]) -> String {
    let mut hash = Sha256::new();
    for ((name, _), column) in COLUMNS.iter().zip(columns) {
        hash.update(name);
        hash.update(column);
    }
    hex::encode(hash.finalize())
}

/// Numbers of four bytes of which every pattern of bits is one.
trait Number: Copy {}
impl Number for f32 {}
impl Number for u32 {}
impl Number for i32 {}

fn bytes<T: Number>(numbers: &[T]) -> &[u8] {
    // SAFETY: numbers have no padding, and every byte is a valid u8; bytes are always aligned.
    unsafe { numbers.align_to().1 }
}

/// The numbers in a column, whose alignment and length were checked when it was opened.
fn numbers<T: Number>(column: &[u8]) -> &[T] {
    // SAFETY: every pattern of bits is a number; `align_to` keeps to aligned, whole ones.
    unsafe { column.align_to().1 }
}
