//! The head: one learned row a tool, and the file it is kept in.
//!
//! The file is safetensors, so that Python opens it as it is: `weights` W `(T, d)`, `prior` W0 `(T, d)` and
//! `offsets` `(T)`, all F32; the metadata holds `format`, `version` and, as JSON, `tools` (names in the order of
//! the rows), `bias` and `meta` ([`HeadMeta`]).

use crate::{HeadError, Metrics, Training, method::Method};
use lm::{Matrix, ModelCard};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

const FORMAT: &str = "toolken-head";
const VERSION: &str = "1";
/// Larger than any head: 100,000 tools of a model 16,000 wide, weights and prior.
const LONGEST_FILE: u64 = 16 << 30;

/// A tool head: the logit of tool k at a hidden state h is `weights[k]·h + offsets[k]`.
///
/// The bias is not part of these logits: it is what the fit suggests to add in greedy decoding.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The tools' names, in the order of the rows.
    pub tools: Vec<String>,
    /// W, shape `(T, d)`.
    pub weights: Matrix,
    /// W0, shape `(T, d)`: where the fit started, and what its penalty held W to.
    pub prior: Matrix,
    /// What is added to each tool's logit; 0 except for a tool that had no calls to learn from.
    pub offsets: Vec<f32>,
    /// The calling bias that the fit suggests for greedy decoding.
    pub bias: f32,
    /// Where the head comes from.
    pub meta: HeadMeta,
}

/// Where a head comes from: enough to refuse it for another model, and to repeat the fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeadMeta {
    /// The model's name.
    pub model: String,
    /// SHA-256 of the model's weights; empty for a head that names no model.
    pub model_digest: String,
    /// SHA-256 of the tokenizer.
    pub tokenizer_digest: String,
    /// SHA-256 of the corpus; a pack's is of its tools and examples.
    pub corpus_digest: String,
    /// How the head was fitted.
    pub method: Option<Method>,
    /// How positions are weighted, and which are trained on.
    pub training: Option<Training>,
    /// λ, where the method has one.
    pub lambda: Option<f64>,
    /// λ / mean‖h‖², comparable between models.
    pub lambda_scaled: Option<f64>,
    /// How the solver ended, in words.
    pub solver: String,
    /// Tools that had no calls: their rows are the prior's.
    pub unfitted: Vec<String>,
    /// Teacher-forced figures on held-out positions.
    pub metrics: Option<Metrics>,
    /// When the fit was made, as its caller says it.
    pub date: String,
}

impl Head {
    /// A head without a prior, offsets, bias or provenance.
    ///
    /// # Errors
    /// If the names and rows disagree, a name occurs twice or is empty, or a weight is not finite.
    pub fn new(tools: Vec<String>, weights: Matrix) -> Result<Self, HeadError> {
        let head = Self {
            prior: Matrix::zeros(weights.rows(), weights.cols()),
            offsets: vec![0.0; weights.rows()],
            tools,
            weights,
            bias: 0.0,
            meta: HeadMeta::default(),
        };
        head.validate().map_err(HeadError::Setting)?;
        Ok(head)
    }

    /// Width d of the hidden states it scores.
    pub fn width(&self) -> usize {
        self.weights.cols()
    }

    /// Every tool's logit at one hidden state: `W h + offsets`, without the bias.
    ///
    /// # Panics
    /// If the hidden state has another width: that is a fault of the caller.
    pub fn logits(&self, hidden: &[f32]) -> Vec<f32> {
        assert_eq!(hidden.len(), self.width(), "width of a hidden state");
        (0..self.tools.len()).map(|k| lm::dot(self.weights.row(k), hidden) + self.offsets[k]).collect()
    }

    /// Refuses a head that was fitted on another model.
    ///
    /// # Errors
    /// [`HeadError::OtherModel`], which names both.
    pub fn check_model(&self, card: &ModelCard) -> Result<(), HeadError> {
        let same_digest = self.meta.model_digest.is_empty() || self.meta.model_digest == card.digest;
        if same_digest && self.width() == card.width {
            return Ok(());
        }
        let short = |digest: &str, width: usize| {
            let digest: String = digest.chars().take(12).collect();
            format!("digest {}, width {width}", if digest.is_empty() { "unknown" } else { &digest })
        };
        Err(HeadError::OtherModel {
            found: match self.meta.model.as_str() {
                "" => "unknown".into(),
                name => lm::called(name, &self.meta.model_digest).to_owned(),
            },
            found_digest: short(&self.meta.model_digest, self.width()),
            expected: lm::called(&card.name, &card.digest).to_owned(),
            expected_digest: short(&card.digest, card.width),
        })
    }

    /// The rules that hold for every head; the message says which one is broken.
    fn validate(&self) -> Result<(), String> {
        let (rows, cols) = (self.weights.rows(), self.weights.cols());
        if rows == 0 || cols == 0 {
            return Err(format!("`weights` is {rows} x {cols}: a head has at least one tool and one column"));
        }
        if self.tools.len() != rows {
            return Err(format!("{} tool names for {rows} rows of `weights`", self.tools.len()));
        }
        if (self.prior.rows(), self.prior.cols()) != (rows, cols) {
            return Err(format!(
                "`prior` is {} x {}, `weights` is {rows} x {cols}",
                self.prior.rows(),
                self.prior.cols()
            ));
        }
        if self.offsets.len() != rows {
            return Err(format!("{} offsets for {rows} tools", self.offsets.len()));
        }
        let mut names = BTreeSet::new();
        for name in &self.tools {
            if name.is_empty() {
                return Err("a tool's name is empty".into());
            }
            if !names.insert(name) {
                return Err(format!("tool `{name}` occurs twice"));
            }
        }
        for (k, name) in self.tools.iter().enumerate() {
            let numbers = self.weights.row(k).iter().chain(self.prior.row(k)).chain([&self.offsets[k]]);
            if numbers.into_iter().any(|x| !x.is_finite()) {
                return Err(format!(
                    "tool `{name}` has a weight, prior or offset that is not finite: fit the head again"
                ));
            }
        }
        if !self.bias.is_finite() {
            return Err("the bias is not finite".into());
        }
        Ok(())
    }

    /// Writes the head to a file, by way of a temporary file beside it: there is never half a head.
    ///
    /// # Errors
    /// If the head breaks a rule, or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), HeadError> {
        self.validate().map_err(|message| HeadError::file(path, message))?;
        let json =
            |value: serde_json::Result<String>| value.map_err(|e| HeadError::file(path, e.to_string()));
        let mut metadata = HashMap::from([
            ("format".to_string(), FORMAT.to_string()),
            ("version".to_string(), VERSION.to_string()),
            ("tools".to_string(), json(serde_json::to_string(&self.tools))?),
            ("bias".to_string(), json(serde_json::to_string(&self.bias))?),
            ("meta".to_string(), json(serde_json::to_string(&self.meta))?),
        ]);
        let shape = vec![self.weights.rows(), self.weights.cols()];
        let (weights, prior) = (to_bytes(self.weights.data()), to_bytes(self.prior.data()));
        let offsets = to_bytes(&self.offsets);
        let view = |shape: Vec<usize>, bytes| {
            TensorView::new(Dtype::F32, shape, bytes).map_err(|e| HeadError::file(path, e.to_string()))
        };
        let tensors = [
            ("weights", view(shape.clone(), &weights)?),
            ("prior", view(shape, &prior)?),
            ("offsets", view(vec![self.offsets.len()], &offsets)?),
        ];
        metadata.insert("sha256".to_owned(), digest([&weights, &prior, &offsets]));
        let bytes = safetensors::serialize(tensors, Some(metadata))
            .map_err(|e| HeadError::file(path, e.to_string()))?;
        let bytes = in_order(bytes).map_err(|e| HeadError::file(path, e.to_string()))?;
        files::write(path, &bytes).map_err(|e| HeadError::io(path, e))
    }

    /// Reads a head and checks all of it.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, has another format or version, or breaks a rule.
    pub fn load(path: &Path) -> Result<Self, HeadError> {
        let size = std::fs::metadata(path).map_err(|e| HeadError::io(path, e))?.len();
        if size > LONGEST_FILE {
            return Err(HeadError::file(
                path,
                format!("{size} bytes are too many for a head (at most {LONGEST_FILE})"),
            ));
        }
        let bytes = std::fs::read(path).map_err(|e| HeadError::io(path, e))?;
        Self::from_bytes(&bytes).map_err(|message| HeadError::file(path, message))
    }

    /// Reads a head from the bytes of its file; the error is the message alone.
    ///
    /// # Errors
    /// As [`Head::load`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let damaged =
            |e| format!("not a readable safetensors file ({e}): copy it again or fit the head again");
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let empty = HashMap::new();
        let metadata = header.metadata().as_ref().unwrap_or(&empty);
        let field = |key: &str| {
            metadata.get(key).map(String::as_str).ok_or_else(|| format!("metadata has no `{key}`"))
        };
        if metadata.get("format").map(String::as_str) != Some(FORMAT) {
            return Err(format!("not a tool head: metadata `format` is not `{FORMAT}`"));
        }
        let version = field("version")?;
        if version != VERSION {
            return Err(format!(
                "head format version `{version}`, this program reads `{VERSION}`: use the program that wrote it, or fit again"
            ));
        }
        if let Some(expected) = metadata.get("sha256") {
            let columns =
                ["weights", "prior", "offsets"].map(|name| file.tensor(name).map_or(&[][..], |t| t.data()));
            if digest(columns) != *expected {
                return Err(
                    "its numbers are not those that were written: copy it again or fit the head again".into(),
                );
            }
        }
        let json_error = |key: &str, e: serde_json::Error| format!("metadata `{key}`: {e}");
        let head = Self {
            tools: serde_json::from_str(field("tools")?).map_err(|e| json_error("tools", e))?,
            weights: matrix(&file, "weights")?,
            prior: matrix(&file, "prior")?,
            offsets: numbers(&file, "offsets")?.1,
            bias: serde_json::from_str(field("bias")?).map_err(|e| json_error("bias", e))?,
            meta: serde_json::from_str(field("meta")?).map_err(|e| json_error("meta", e))?,
        };
        head.validate()?;
        Ok(head)
    }
}

/// The same file with its metadata in order: safetensors takes it as a hash map, whose order is another each time, and a head's bytes are
/// to depend on nothing but the head.
fn in_order(mut bytes: Vec<u8>) -> serde_json::Result<Vec<u8>> {
    let Some((size, rest)) = bytes.split_first_chunk_mut::<8>() else { return Ok(bytes) };
    let Some(header) = rest.get_mut(..u64::from_le_bytes(*size) as usize) else { return Ok(bytes) };
    let mut fields: serde_json::Value = serde_json::from_slice(header)?;
    fields["__metadata__"].sort_all_objects();
    let text = serde_json::to_vec(&fields)?;
    if text.len() <= header.len() {
        header.fill(b' ');
        header[..text.len()].copy_from_slice(&text);
    }
    Ok(bytes)
}

/// SHA-256 of the tensors' bytes.
fn digest(tensors: [&[u8]; 3]) -> String {
    let mut hash = Sha256::new();
    tensors.iter().for_each(|tensor| hash.update(tensor));
    hex::encode(hash.finalize())
}

fn to_bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn numbers(file: &SafeTensors<'_>, name: &str) -> Result<(Vec<usize>, Vec<f32>), String> {
    let tensor = file.tensor(name).map_err(|_| format!("there is no tensor `{name}`"))?;
    if tensor.dtype() != Dtype::F32 {
        return Err(format!("tensor `{name}` is {:?}, expected F32", tensor.dtype()));
    }
    let (groups, _) = tensor.data().as_chunks::<4>();
    Ok((tensor.shape().to_vec(), groups.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()))
}

fn matrix(file: &SafeTensors<'_>, name: &str) -> Result<Matrix, String> {
    let (shape, data) = numbers(file, name)?;
    let &[rows, cols] = shape.as_slice() else {
        return Err(format!("tensor `{name}` has shape {shape:?}, expected two dimensions"));
    };
    if rows.checked_mul(cols) != Some(data.len()) {
        return Err(format!("tensor `{name}` has {} numbers for shape {rows} x {cols}", data.len()));
    }
    Ok(Matrix::new(rows, cols, data))
}
