//! The decoder on candle's tensors: for accelerators, and for candle's own CPU kernels.

use crate::config::{Architecture, Config};
use crate::linear::{Form, Linear};
use crate::model::Model;
use crate::rope::Rope;
use crate::{Device, FrozenLm, LmError, Matrix, ModelCard, RowSource, Sequence, State, Tokenizer, WordMass};
use candle_core::{D, DType, Device as Place, Result as Computed, Tensor};
use std::any::Any;
use std::path::Path;

/// Queries whose scores exist at a time.
const QUERIES: usize = 256;
/// Positions whose word logits exist at a time.
const MASS_ROWS: usize = 512;
/// Words whose logits exist at a time.
const MASS_WORDS: usize = 16_384;

/// A frozen decoder in `f32` on one of candle's devices.
pub struct CandleDecoder {
    /// Constants, checks and rotary frequencies; its matrices have moved to the device.
    model: Model,
    place: Place,
    layers: Vec<Layer>,
    norm: Tensor,
    input: Tensor,
    head: Tensor,
}

/// A layer as [`crate::layer::Layer`] has it, on the device.
struct Layer {
    attention_norm: Tensor,
    qkv: Tensor,
    qkv_bias: Option<Tensor>,
    qk_norm: Option<(Tensor, Tensor)>,
    output: Tensor,
    post_attention_norm: Option<Tensor>,
    feed_forward_norm: Tensor,
    gate_up: Tensor,
    down: Tensor,
    post_feed_forward_norm: Option<Tensor>,
}

/// Keys and values of every layer, each `(kv_heads, len, head_width)`. Tensors are never written, so a fork shares them.
#[derive(Clone, Default)]
struct KeysValues(Vec<(Tensor, Tensor)>);

/// One sequence's share of a packed batch: its first row, its new tokens, and the tokens before them.
struct Segment {
    row: usize,
    count: usize,
    before: usize,
}

impl State for KeysValues {
    fn fork(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }

    fn truncate(&mut self, len: usize) {
        if len == 0 {
            self.0.clear();
        }
        for (keys, values) in &mut self.0 {
            for tensor in [keys, values] {
                // Narrowing a tensor to fewer rows than it has cannot fail.
                if let Ok(shorter) = tensor.dim(1).and_then(|rows| tensor.narrow(1, 0, len.min(rows))) {
                    *tensor = shorter;
                }
            }
        }
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl CandleDecoder {
    /// Loads a model onto a device; files as [`crate::Decoder::load`] takes them.
    ///
    /// # Errors
    /// As there; [`LmError::Unknown`] if this machine or this build has no such device.
    pub fn load(path: &Path, device: Device) -> Result<Self, LmError> {
        let missing = |feature: &str, error: candle_core::Error| {
            LmError::Unknown(format!(
                "device {device}: {error}; build with `--features {feature}` on a machine that has one, or use --device cpu"
            ))
        };
        let place = match device {
            Device::Cpu | Device::CpuPacked | Device::CandleCpu | Device::Llama(_) => Place::Cpu,
            Device::Cuda(card) => Place::new_cuda(card).map_err(|e| missing("cuda", e))?,
            Device::Metal(card) => Place::new_metal(card).map_err(|e| missing("metal", e))?,
        };
        let kind = match device {
            Device::Cpu | Device::CpuPacked | Device::CandleCpu | Device::Llama(_) => "cpu",
            Device::Cuda(_) => "cuda",
            Device::Metal(_) => "metal",
        };
        let mut model = Model::load(path, Form::Dense, &format!("candle {kind} f32"))?;
        let config = model.config.clone();
        let (d, q) = (config.width, config.heads * config.head_width);
        let rows = |data: Vec<f32>, width: usize| {
            let shape = (data.len() / width, width);
            Tensor::from_vec(data, shape, &place)
        };
        let vector = |data: Vec<f32>| {
            let length = data.len();
            Tensor::from_vec(data, length, &place)
        };
        let layers = std::mem::take(&mut model.layers);
        let layers = layers.into_iter().map(|layer| {
            Ok(Layer {
                attention_norm: vector(layer.attention_norm)?,
                qkv: rows(layer.qkv.into_dense(), d)?,
                qkv_bias: layer.qkv_bias.map(vector).transpose()?,
                qk_norm: layer.qk_norm.map(|(q, k)| Computed::Ok((vector(q)?, vector(k)?))).transpose()?,
                output: rows(layer.output.into_dense(), q)?,
                post_attention_norm: layer.post_attention_norm.map(vector).transpose()?,
                feed_forward_norm: vector(layer.feed_forward_norm)?,
                gate_up: rows(layer.gate_up.into_dense(), d)?,
                down: rows(layer.down.into_dense(), config.feed_forward)?,
                post_feed_forward_norm: layer.post_feed_forward_norm.map(vector).transpose()?,
            })
        });
        let layers = layers.collect::<Computed<_>>()?;
        let input = std::mem::replace(&mut model.input, Linear::Dense { data: Vec::new(), width: d });
        let input = rows(input.into_dense(), d)?;
        let head = model.head.take().map_or_else(|| Ok(input.clone()), |head| rows(head.into_dense(), d))?;
        let norm = vector(std::mem::take(&mut model.norm))?;
        Ok(Self { place, layers, norm, input, head, model })
    }

    /// The layers over packed rows `x (n, d)`, then the last norm.
    fn run(&self, mut x: Tensor, segments: &[Segment], states: &mut [KeysValues]) -> Computed<Tensor> {
        let config = &self.model.config;
        let positions: Vec<usize> = segments.iter().flat_map(|s| s.before..s.before + s.count).collect();
        let (global, local) =
            (self.turns(&self.model.rope, &positions)?, self.turns(&self.model.local_rope, &positions)?);
        for (index, layer) in self.layers.iter().enumerate() {
            let is_local = config.is_local(index);
            let normed = self.norm(&x, &layer.attention_norm)?;
            let mut qkv = normed.matmul(&layer.qkv.t()?)?;
            if let Some(bias) = &layer.qkv_bias {
                qkv = qkv.broadcast_add(bias)?;
            }
            let turns = if is_local { &local } else { &global };
            let mut mixed = Vec::with_capacity(segments.len());
            let (q, k, v) = self.heads(layer, &qkv, turns)?;
            for (segment, state) in segments.iter().zip(states.iter_mut()) {
                let own = |heads: &Tensor| heads.narrow(1, segment.row, segment.count);
                let (mut keys, mut values) = (own(&k)?, own(&v)?);
                if let Some((old_keys, old_values)) = state.0.get(index) {
                    keys = Tensor::cat(&[old_keys, &keys], 1)?;
                    values = Tensor::cat(&[old_values, &values], 1)?;
                }
                let (keys, values) = (keys.contiguous()?, values.contiguous()?);
                mixed.push(self.attend(&own(&q)?, &keys, &values, segment, is_local)?);
                match state.0.get_mut(index) {
                    Some(held) => *held = (keys, values),
                    None => state.0.push((keys, values)),
                }
            }
            let mut update = Tensor::cat(&mixed, 0)?.matmul(&layer.output.t()?)?;
            if let Some(weight) = &layer.post_attention_norm {
                update = self.norm(&update, weight)?;
            }
            x = (x + update)?;
            let gate_up = self.norm(&x, &layer.feed_forward_norm)?.matmul(&layer.gate_up.t()?)?;
            let gate = gate_up.narrow(1, 0, config.feed_forward)?.contiguous()?;
            let up = gate_up.narrow(1, config.feed_forward, config.feed_forward)?;
            let gate = match config.architecture {
                Architecture::Gemma3 => gate.gelu()?,
                Architecture::Llama | Architecture::Qwen2 => gate.silu()?,
            };
            let mut update = (gate * up)?.matmul(&layer.down.t()?)?;
            if let Some(weight) = &layer.post_feed_forward_norm {
                update = self.norm(&update, weight)?;
            }
            x = (x + update)?;
        }
        self.norm(&x, &self.norm)
    }

    fn norm(&self, x: &Tensor, weight: &Tensor) -> Computed<Tensor> {
        candle_nn::ops::rms_norm(&x.contiguous()?, weight, self.model.config.norm_epsilon as f32)
    }

    /// Cosines and sines of packed positions, each `(n, head_width / 2)`.
    fn turns(&self, rope: &Rope, positions: &[usize]) -> Computed<(Tensor, Tensor)> {
        let shape = (positions.len(), self.model.config.head_width / 2);
        let (cos, sin) = rope.table(positions);
        Ok((Tensor::from_vec(cos, shape, &self.place)?, Tensor::from_vec(sin, shape, &self.place)?))
    }

    /// Queries `(heads, n, w)`, keys and values `(kv_heads, n, w)` of packed rows, normalised and turned.
    fn heads(
        &self,
        layer: &Layer,
        qkv: &Tensor,
        (cos, sin): &(Tensor, Tensor),
    ) -> Computed<(Tensor, Tensor, Tensor)> {
        let Config { heads, kv_heads, head_width, .. } = self.model.config;
        let n = qkv.dim(0)?;
        let part = |first: usize, count: usize| {
            let columns = qkv.narrow(1, first * head_width, count * head_width)?;
            columns.reshape((n, count, head_width))?.transpose(0, 1)?.contiguous()
        };
        let turn = |x: Tensor| candle_nn::rotary_emb::rope(&x.unsqueeze(0)?, cos, sin)?.squeeze(0);
        let (mut q, mut k) = (part(0, heads)?, part(heads, kv_heads)?);
        if let Some((q_norm, k_norm)) = &layer.qk_norm {
            (q, k) = (self.norm(&q, q_norm)?, self.norm(&k, k_norm)?);
        }
        Ok((turn(q)?, turn(k)?, part(heads + kv_heads, kv_heads)?))
    }

    /// Causal attention of a segment's queries `(heads, count, w)`: `(count, heads · w)`.
    fn attend(
        &self,
        q: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        segment: &Segment,
        is_local: bool,
    ) -> Computed<Tensor> {
        let config = &self.model.config;
        let (group, w) = (config.heads / config.kv_heads, config.head_width);
        let window = config.window.filter(|_| is_local);
        let mut blocks = Vec::new();
        for from in (0..segment.count).step_by(QUERIES) {
            let count = QUERIES.min(segment.count - from);
            // The keys that some query of the block sees.
            let (first, last) = (segment.before + from, segment.before + from + count);
            let low = window.map_or(0, |window| (first + 1).saturating_sub(window));
            let (k, v) = (keys.narrow(1, low, last - low)?, values.narrow(1, low, last - low)?);
            let queries =
                q.narrow(1, from, count)?.contiguous()?.reshape((config.kv_heads, group * count, w))?;
            let scores = (queries.matmul(&k.t()?.contiguous()?)? * config.attention_scale)?;
            let scores = scores.reshape((config.heads, count, last - low))?;
            let scores = match self.mask(first, count, low, window)? {
                Some(mask) => scores.broadcast_add(&mask)?,
                None => scores,
            };
            let weights = candle_nn::ops::softmax_last_dim(&scores.contiguous()?)?;
            let weights = weights.reshape((config.kv_heads, group * count, last - low))?;
            let mixed = weights.matmul(&v.contiguous()?)?.reshape((config.heads, count, w))?;
            blocks.push(mixed.transpose(0, 1)?.contiguous()?.reshape((count, config.heads * w))?);
        }
        Tensor::cat(&blocks, 0)
    }

    /// −∞ where a query at position `first + i` does not see the key at `low + j`; nothing where all see all.
    fn mask(
        &self,
        first: usize,
        count: usize,
        low: usize,
        window: Option<usize>,
    ) -> Computed<Option<Tensor>> {
        let keys = first + count - low;
        let hidden = |i: usize, j: usize| {
            let (query, key) = (first + i, low + j);
            key > query || window.is_some_and(|window| key + window <= query)
        };
        if count == 1 && !hidden(0, 0) {
            return Ok(None);
        }
        let mask = (0..count)
            .flat_map(|i| (0..keys).map(move |j| if hidden(i, j) { f32::NEG_INFINITY } else { 0.0 }));
        Tensor::from_vec(mask.collect::<Vec<f32>>(), (count, keys), &self.place).map(Some)
    }

    /// A matrix of the host on the device.
    fn upload(&self, matrix: &Matrix) -> Computed<Tensor> {
        Tensor::from_slice(matrix.data(), (matrix.rows(), matrix.cols()), &self.place)
    }
}

fn download(tensor: &Tensor) -> Computed<Matrix> {
    let (rows, cols) = tensor.dims2()?;
    Ok(Matrix::new(rows, cols, tensor.flatten_all()?.to_vec1()?))
}

impl FrozenLm for CandleDecoder {
    fn card(&self) -> &ModelCard {
        &self.model.card
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.model.tokenizer
    }

    fn begin(&self) -> Sequence {
        Sequence::new(Box::new(KeysValues::default()))
    }

    fn extend(&self, batch: &mut [(&mut Sequence, &[u32])]) -> Result<Matrix, LmError> {
        self.model.check(batch)?;
        let (mut ids, mut segments, mut states) = (Vec::new(), Vec::new(), Vec::new());
        for (sequence, new) in batch.iter_mut().filter(|(_, new)| !new.is_empty()) {
            segments.push(Segment { row: ids.len(), count: new.len(), before: sequence.ids().len() });
            ids.extend_from_slice(new);
            states.push(state(sequence)?.clone());
        }
        if ids.is_empty() {
            return Ok(Matrix::zeros(0, self.model.config.width));
        }
        let n = ids.len();
        let x = self.input.index_select(&Tensor::from_vec(ids, n, &self.place)?, 0)?;
        let x = (x * f64::from(self.model.input_scale()))?;
        let hidden = download(&self.run(x, &segments, &mut states)?)?;
        // Only what has been computed whole is remembered.
        let read = batch.iter_mut().filter(|(_, new)| !new.is_empty());
        for ((sequence, new), held) in read.zip(states) {
            *state(sequence)? = held;
            sequence.parts_mut().0.extend_from_slice(new);
        }
        Ok(hidden)
    }

    fn logits(&self, hidden: &Matrix) -> Result<Matrix, LmError> {
        Ok(download(&self.upload(hidden)?.matmul(&self.head.t()?)?)?)
    }

    fn word_mass(&self, hidden: &Matrix, labels: &[Option<u32>]) -> Result<Vec<WordMass>, LmError> {
        labels.iter().flatten().try_for_each(|&id| self.model.check_ids(&[id]))?;
        let vocab = self.model.card.vocab;
        let hidden = self.upload(hidden)?;
        let mut out = Vec::with_capacity(labels.len());
        for from in (0..labels.len()).step_by(MASS_ROWS) {
            let count = MASS_ROWS.min(labels.len() - from);
            let rows = hidden.narrow(0, from, count)?;
            let mut mass = vec![
                WordMass {
                    log_sum_exp: f32::NEG_INFINITY,
                    label: 0.0,
                    max: f32::NEG_INFINITY,
                    argmax: 0
                };
                count
            ];
            for first in (0..vocab).step_by(MASS_WORDS) {
                let words = MASS_WORDS.min(vocab - first);
                let logits = rows.matmul(&self.head.narrow(0, first, words)?.t()?)?;
                let asked: Vec<u32> = (labels[from..from + count].iter())
                    .map(|label| {
                        label.map_or(0, |id| (id as usize).saturating_sub(first).min(words - 1) as u32)
                    })
                    .collect();
                let asked = Tensor::from_vec(asked, (count, 1), &self.place)?;
                let found: Vec<f32> = logits.gather(&asked, 1)?.flatten_all()?.to_vec1()?;
                let (sums, largest): (Vec<f32>, Vec<f32>) =
                    (logits.log_sum_exp(D::Minus1)?.to_vec1()?, logits.max(D::Minus1)?.to_vec1()?);
                let best: Vec<u32> = logits.argmax(D::Minus1)?.to_dtype(DType::U32)?.to_vec1()?;
                for (i, mass) in mass.iter_mut().enumerate() {
                    let (a, b) = (f64::from(mass.log_sum_exp), f64::from(sums[i]));
                    mass.log_sum_exp = (a.max(b) + (-(a - b).abs()).exp().ln_1p()) as f32;
                    if largest[i] > mass.max {
                        (mass.max, mass.argmax) = (largest[i], first as u32 + best[i]);
                    }
                    if labels[from + i].is_some_and(|id| (first..first + words).contains(&(id as usize))) {
                        mass.label = found[i];
                    }
                }
            }
            out.extend(mass);
        }
        Ok(out)
    }

    fn rows(&self, source: RowSource, ids: &[u32]) -> Result<Matrix, LmError> {
        self.model.check_ids(ids)?;
        let matrix = match source {
            RowSource::Head => &self.head,
            RowSource::Input => &self.input,
        };
        Ok(download(&matrix.index_select(&Tensor::new(ids, &self.place)?, 0)?)?)
    }
}

/// The engine's own state of a sequence.
fn state(sequence: &mut Sequence) -> Result<&mut KeysValues, LmError> {
    sequence.parts_mut().1.as_any_mut().downcast_mut().ok_or_else(|| {
        LmError::Unknown("a sequence of another engine: begin it with the model that reads it".into())
    })
}
