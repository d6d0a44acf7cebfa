//! Safetensors files, read by their headers and written anew with two matrices grown.

use super::{object, write_json};
use crate::ExportError;
use crate::matrix::{Extended, WordRows};
use crate::piece::{Piece, Place, Written};
use crate::target::NewFolder;
use candle_core::quantized::GgmlDType;
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

const INPUT: &str = "model.embed_tokens.weight";
const OUTPUT: &str = "lm_head.weight";
const INDEX: &str = "model.safetensors.index.json";

/// A tensor, old or new.
struct Tensor {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    pieces: Vec<Piece>,
}

/// One of the model's files.
struct Shard {
    name: String,
    metadata: BTreeMap<String, String>,
    /// In the order of their bytes.
    tensors: Vec<Tensor>,
}

/// All of them.
pub(super) struct Shards {
    model: PathBuf,
    shards: Vec<Shard>,
    input: WordRows,
    output: WordRows,
}

impl Shards {
    /// Reads the headers; `width` is the head's.
    ///
    /// # Errors
    /// A file that is missing or damaged; a model without an input embedding of that name and width.
    pub fn open(model: &Path, width: usize) -> Result<Self, ExportError> {
        let files = lm::safetensors_files(model)?;
        let shards: Vec<Shard> = files.iter().map(|path| Shard::open(path)).collect::<Result<_, _>>()?;
        let words = |name: &str| {
            let tensor = shards.iter().flat_map(|shard| &shard.tensors).find(|tensor| tensor.name == name)?;
            Some(words(tensor, width))
        };
        let missing =
            || ExportError::file(model, format!("has no tensor {INPUT:?}: this is another kind of model"));
        let input = words(INPUT).ok_or_else(missing)??;
        let output = words(OUTPUT).transpose()?.unwrap_or_else(|| input.clone());
        Ok(Self { model: model.to_owned(), shards, input, output })
    }

    pub fn input(&self) -> &WordRows {
        &self.input
    }

    /// The head's rows: the input's where there is no other matrix.
    pub fn output(&self) -> &WordRows {
        &self.output
    }

    /// Writes all files, and their index if there is one.
    pub fn write(
        mut self,
        folder: &NewFolder,
        input: Extended,
        output: Extended,
        progress: &mut dyn FnMut(Written),
    ) -> Result<(), ExportError> {
        let width = self.input.width;
        let input = grown(INPUT, input, width)?;
        let mut output = Some(grown(OUTPUT, output, width)?);
        let mut input = Some(input);
        for shard in &mut self.shards {
            if let Some(at) = shard.tensors.iter().position(|tensor| tensor.name == OUTPUT) {
                shard.tensors.splice(at..=at, output.take());
            }
        }
        for shard in &mut self.shards {
            if let Some(at) = shard.tensors.iter().position(|tensor| tensor.name == INPUT) {
                // A head that was tied comes right behind the embedding.
                shard.tensors.splice(at..=at, input.take().into_iter().chain(output.take()));
            }
        }
        let bytes = |shard: &Shard| shard.tensors.iter().map(Tensor::bytes).sum::<u64>();
        let mut done = Written { bytes: 0, total: self.shards.iter().map(bytes).sum() };
        for shard in &self.shards {
            shard.write(folder, &mut |bytes| {
                done.bytes += bytes;
                progress(done);
            })?;
        }
        self.write_index(folder, done.total)
    }

    fn write_index(&self, folder: &NewFolder, total: u64) -> Result<(), ExportError> {
        let path = self.model.join(INDEX);
        if !path.exists() {
            return Ok(());
        }
        let mut index = object(&path)?;
        let places: Map<String, Value> = self
            .shards
            .iter()
            .flat_map(|shard| shard.tensors.iter().map(|tensor| (tensor.name.clone(), json!(shard.name))))
            .collect();
        index.insert("weight_map".into(), Value::Object(places));
        if let Some(Value::Object(metadata)) = index.get_mut("metadata") {
            metadata.insert("total_size".into(), json!(total));
            if metadata.contains_key("total_parameters") {
                let tensors = self.shards.iter().flat_map(|shard| &shard.tensors);
                let parameters: usize = tensors.map(|tensor| tensor.shape.iter().product::<usize>()).sum();
                metadata.insert("total_parameters".into(), json!(parameters));
            }
        }
        write_json(&folder.at(INDEX), &index)
    }
}

impl Shard {
    fn open(path: &Path) -> Result<Self, ExportError> {
        let io = |e| ExportError::io(path, e);
        let file = File::open(path).map_err(io)?;
        // SAFETY: model files are read-only inputs; changing one under a running program is the user's own act. Only the
        // header is read through the map, whose pages are few.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        let (header, found) = SafeTensors::read_metadata(&map).map_err(|e| {
            ExportError::file(path, format!("not a sound safetensors file ({e}): fetch it again"))
        })?;
        let data = 8 + header as u64;
        let infos = found.tensors();
        let mut tensors: Vec<(usize, Tensor)> = infos
            .iter()
            .map(|(name, info)| {
                let (from, to) = info.data_offsets;
                let place =
                    Place { file: path.to_owned(), from: data + from as u64, bytes: (to - from) as u64 };
                let tensor = Tensor {
                    name: name.clone(),
                    dtype: info.dtype,
                    shape: info.shape.clone(),
                    pieces: vec![Piece::Copy(place)],
                };
                (from, tensor)
            })
            .collect();
        tensors.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.name.cmp(&y.name)));
        let metadata = found.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone()));
        Ok(Self {
            name: path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            metadata: metadata.collect(),
            tensors: tensors.into_iter().map(|(_, tensor)| tensor).collect(),
        })
    }

    /// The header, padded to a multiple of eight as the library pads it, and the tensors.
    fn write(&self, folder: &NewFolder, done: &mut dyn FnMut(u64)) -> Result<(), ExportError> {
        let path = folder.at(&self.name);
        let io = |e| ExportError::io(&path, e);
        let mut header = Map::new();
        if !self.metadata.is_empty() {
            header.insert("__metadata__".into(), json!(self.metadata));
        }
        let mut at = 0;
        for tensor in &self.tensors {
            let offsets = [at, at + tensor.bytes()];
            let entry = json!({ "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": offsets });
            header.insert(tensor.name.clone(), entry);
            at = offsets[1];
        }
        let mut header = serde_json::to_vec(&header).map_err(|e| ExportError::file(&path, e.to_string()))?;
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut file = File::create_new(&path).map_err(io)?;
        file.write_all(&(header.len() as u64).to_le_bytes()).map_err(io)?;
        file.write_all(&header).map_err(io)?;
        for piece in self.tensors.iter().flat_map(|tensor| &tensor.pieces) {
            piece.write(&mut file, &path, done)?;
        }
        file.sync_all().map_err(io)
    }
}

impl Tensor {
    fn bytes(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }
}

fn words(tensor: &Tensor, width: usize) -> Result<WordRows, ExportError> {
    let [Piece::Copy(place)] = tensor.pieces.as_slice() else {
        unreachable!("a tensor that was read lies in one place")
    };
    let kind = match tensor.dtype {
        Dtype::F32 => GgmlDType::F32,
        Dtype::F16 => GgmlDType::F16,
        Dtype::BF16 => GgmlDType::BF16,
        other => {
            let message = format!("tensor {:?}: type {other:?}, expected F32, F16 or BF16", tensor.name);
            return Err(ExportError::file(&place.file, message));
        }
    };
    WordRows::new(&tensor.name, place.clone(), kind, &tensor.shape, width)
}

fn grown(name: &str, extended: Extended, width: usize) -> Result<Tensor, ExportError> {
    let dtype = match extended.kind {
        GgmlDType::F32 => Dtype::F32,
        GgmlDType::F16 => Dtype::F16,
        GgmlDType::BF16 => Dtype::BF16,
        other => {
            return Err(ExportError::Setting(format!(
                "head type {other:?}: a folder of safetensors takes f32, f16 or bf16"
            )));
        }
    };
    Ok(Tensor { name: name.to_owned(), dtype, shape: vec![extended.rows, width], pieces: extended.pieces })
}
