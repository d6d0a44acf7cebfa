//! Model files as named `f32` matrices: GGUF (dequantised) and safetensors (single, or sharded with an index).

use crate::config::Config;
use crate::{Gguf, LmError};
use candle_core::Device;
use candle_core::quantized::GgmlDType;
use candle_core::quantized::ggml_file::qtensor_from_ggml;
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where weights come from. Names are those of the file.
pub enum Weights {
    /// One GGUF file.
    Gguf(Box<Gguf>),
    /// Hugging Face safetensors: the folder, the mapped files, and which file holds which tensor.
    Safetensors {
        /// The folder, or the single file.
        path: PathBuf,
        /// The mapped files.
        files: Vec<(PathBuf, Mmap)>,
        /// Tensor to file.
        index: BTreeMap<String, usize>,
    },
}

impl Weights {
    /// Opens the safetensors of a model folder: every `*.safetensors` that its index names, or `model.safetensors`.
    ///
    /// # Errors
    /// A missing or damaged file; a tensor that two files hold.
    pub fn safetensors(folder: &Path) -> Result<Self, LmError> {
        let (mut files, mut index) = (Vec::new(), BTreeMap::new());
        for path in safetensors_files(folder)? {
            let file = File::open(&path).map_err(|e| LmError::io(&path, e))?;
            // SAFETY: model files are read-only inputs; changing one under a running program is the user's own act.
            let map = unsafe { Mmap::map(&file) }.map_err(|e| LmError::io(&path, e))?;
            let tensors = SafeTensors::deserialize(&map).map_err(|e| damaged(&path, &e))?;
            for name in tensors.names() {
                if index.insert(name.to_string(), files.len()).is_some() {
                    return Err(LmError::file(&path, format!("tensor {name:?} stands in another shard too")));
                }
            }
            files.push((path, map));
        }
        Ok(Self::Safetensors { path: folder.to_path_buf(), files, index })
    }

    /// The file or folder, for messages.
    pub fn path(&self) -> &Path {
        match self {
            Self::Gguf(gguf) => gguf.path(),
            Self::Safetensors { path, .. } => path,
        }
    }

    /// SHA-256 over the bytes of all files, with what a folder's configuration says of the architecture, in hexadecimal.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn digest(&self) -> Result<String, LmError> {
        match self {
            Self::Gguf(gguf) => digest_of([gguf.path()]),
            // The same weights compute something else by another configuration.
            Self::Safetensors { path, files, .. } => {
                let weights = digest_of(files.iter().map(|(path, _)| path.as_path()))?;
                let config = path.join("config.json");
                let text = std::fs::read(&config).map_err(|e| LmError::io(&config, e))?;
                let config = Config::from_json(&text, &config)?;
                Ok(hex::encode(Sha256::digest(format!("{weights} {config:?}"))))
            }
        }
    }

    /// Whether the file has a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Gguf(gguf) => gguf.tensors().contains_key(name),
            Self::Safetensors { index, .. } => index.contains_key(name),
        }
    }

    /// Number of rows of a matrix.
    ///
    /// # Errors
    /// No such tensor, or not a matrix.
    pub fn rows(&self, name: &str) -> Result<usize, LmError> {
        let shape = match self {
            Self::Gguf(gguf) => gguf.tensor(name)?.0.shape.clone(),
            Self::Safetensors { .. } => self.view(name, |_, view| view.shape().to_vec())?,
        };
        match shape[..] {
            [rows, _] => Ok(rows),
            _ => {
                Err(LmError::file(self.path(), format!("tensor {name}: shape {shape:?}, expected a matrix")))
            }
        }
    }

    /// A tensor's elements as `f32`, row-major, of exactly the given shape.
    ///
    /// # Errors
    /// No such tensor, another shape or element type, an element that is not a finite number.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LmError> {
        let (found, data) = match self {
            Self::Gguf(gguf) => {
                let (info, bytes) = gguf.tensor(name)?;
                let tensor = qtensor_from_ggml(info.kind, bytes, info.shape.clone(), &Device::Cpu)?;
                (info.shape.clone(), tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?)
            }
            Self::Safetensors { .. } => {
                let (shape, data) =
                    self.view(name, |path, view| (view.shape().to_vec(), to_f32(path, name, &view)))?;
                (shape, data?)
            }
        };
        self.expect_shape(name, &found, shape)?;
        if let Some(at) = data.iter().position(|v| !v.is_finite()) {
            let message =
                format!("tensor {name}: element {at} is {}: the file is damaged, fetch it again", data[at]);
            return Err(LmError::file(self.path(), message));
        }
        Ok(data)
    }

    /// A tensor as the file has it: its element type and bytes, little-endian, of exactly the given shape.
    ///
    /// # Errors
    /// No such tensor, another shape or element type.
    pub fn stored(&self, name: &str, shape: &[usize]) -> Result<(GgmlDType, Cow<'_, [u8]>), LmError> {
        let (found, kind, bytes) = match self {
            Self::Gguf(gguf) => {
                let (info, bytes) = gguf.tensor(name)?;
                (info.shape.clone(), info.kind, Cow::Borrowed(bytes))
            }
            Self::Safetensors { .. } => {
                let (shape, stored) = self.view(name, |path, view| {
                    let kind = match view.dtype() {
                        Dtype::F32 => Ok(GgmlDType::F32),
                        Dtype::F16 => Ok(GgmlDType::F16),
                        Dtype::BF16 => Ok(GgmlDType::BF16),
                        other => Err(unknown_type(path, name, other)),
                    };
                    (view.shape().to_vec(), kind.map(|kind| (kind, view.data().to_vec())))
                })?;
                let (kind, bytes) = stored?;
                (shape, kind, Cow::Owned(bytes))
            }
        };
        self.expect_shape(name, &found, shape)?;
        Ok((kind, bytes))
    }

    fn expect_shape(&self, name: &str, found: &[usize], expected: &[usize]) -> Result<(), LmError> {
        if found == expected {
            return Ok(());
        }
        let message = format!("tensor {name}: shape {found:?}, expected {expected:?}");
        Err(LmError::file(self.path(), message))
    }

    fn view<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Path, safetensors::tensor::TensorView<'_>) -> T,
    ) -> Result<T, LmError> {
        let Self::Safetensors { path, files, index } = self else {
            unreachable!("only safetensors have views")
        };
        let missing = || LmError::file(path, format!("no tensor {name}: is this a supported model?"));
        let (path, map) = &files[*index.get(name).ok_or_else(missing)?];
        let tensors = SafeTensors::deserialize(map).map_err(|e| damaged(path, &e))?;
        Ok(read(path, tensors.tensor(name).map_err(|e| damaged(path, &e))?))
    }
}

/// The files that hold a folder's weights: the shards that `model.safetensors.index.json` names, in the order of their
/// names, or `model.safetensors`.
///
/// # Errors
/// An index that cannot be read, or names something else than files beside it.
pub fn safetensors_files(folder: &Path) -> Result<Vec<PathBuf>, LmError> {
    let index_path = folder.join("model.safetensors.index.json");
    let names: Vec<String> = if index_path.exists() {
        let bytes = std::fs::read(&index_path).map_err(|e| LmError::io(&index_path, e))?;
        let json: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|e| LmError::file(&index_path, format!("not JSON: {e}")))?;
        let map = json["weight_map"].as_object();
        let map = map.ok_or_else(|| LmError::file(&index_path, "expected an object `weight_map`"))?;
        let mut names: Vec<String> = map.values().filter_map(|v| v.as_str().map(String::from)).collect();
        names.sort();
        names.dedup();
        if let Some(bad) = names.iter().find(|n| Path::new(n).components().count() != 1 || n.starts_with('.'))
        {
            return Err(LmError::file(&index_path, format!("shard {bad:?} is not a plain file name")));
        }
        names
    } else {
        vec!["model.safetensors".into()]
    };
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// SHA-256 of a model's weights, in hexadecimal: what a loaded model's card says, without loading it.
///
/// # Errors
/// A file that cannot be read; a folder without sound safetensors.
pub fn digest(model: &Path) -> Result<String, LmError> {
    match model.is_dir() {
        true => Weights::safetensors(model)?.digest(),
        false => digest_of([model]),
    }
}

/// Through a buffer, not a map: a model may be larger than the memory.
fn digest_of<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<String, LmError> {
    let mut sha = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    for path in files {
        let failed = |e| LmError::io(path, e);
        let mut file = File::open(path).map_err(failed)?;
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => break,
                n => sha.update(&buffer[..n]),
            }
        }
    }
    Ok(hex::encode(sha.finalize()))
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> LmError {
    LmError::file(path, format!("not a sound safetensors file ({error}): fetch it again"))
}

fn to_f32(path: &Path, name: &str, view: &safetensors::tensor::TensorView<'_>) -> Result<Vec<f32>, LmError> {
    let bytes = view.data();
    let halves = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    Ok(match view.dtype() {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => halves().map(|b| half::f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => halves().map(|b| half::bf16::from_le_bytes(b).to_f32()).collect(),
        other => return Err(unknown_type(path, name, other)),
    })
}

fn unknown_type(path: &Path, name: &str, found: Dtype) -> LmError {
    LmError::file(path, format!("tensor {name}: type {found:?}, expected F32, F16 or BF16"))
}
