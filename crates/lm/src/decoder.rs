//! The decoder: token ids in, final hidden states out, on the CPU. One implementation for Llama, Qwen2 and Gemma 3.

use crate::attention::{Attention, KvPages, Segment};
use crate::kernels::{gated, norm_in_place, rms_norm, rotate, sized};
use crate::layer::Layer;
use crate::linear::{Form, Linear};
use crate::model::Model;
use crate::threads;
use crate::{
    FrozenLm, LmError, Matrix, ModelCard, RowSource, Sequence, State, Tokenizer, WordMass, word_head,
};
use std::any::Any;
use std::path::Path;

/// A frozen decoder on the CPU, with kernels of its own: in `f32` throughout, or with the weights as the file has them.
pub struct Decoder {
    model: Model,
}

struct Pages(KvPages);

impl State for Pages {
    fn fork(&self) -> Box<dyn State> {
        Box::new(Self(self.0.clone()))
    }

    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl Decoder {
    /// [`ModelCard::engine`] of [`Decoder::load`].
    pub const F32: &str = "cpu f32";
    /// [`ModelCard::engine`] of [`Decoder::load_packed`].
    pub const PACKED: &str = "cpu packed";

    /// Loads a GGUF file, or a folder with `config.json`, safetensors and a tokenizer; all weights in f32.
    ///
    /// # Errors
    /// A file that is missing, damaged, or of an architecture, type or tokenizer that is not supported.
    pub fn load(path: &Path) -> Result<Self, LmError> {
        Ok(Self { model: Model::load(path, Form::Dense, Self::F32)? })
    }

    /// As [`Decoder::load`], but weights stay as the file has them, and are multiplied by 15-bit activations.
    ///
    /// # Errors
    /// As [`Decoder::load`].
    pub fn load_packed(path: &Path) -> Result<Self, LmError> {
        Ok(Self { model: Model::load(path, Form::Packed, Self::PACKED)? })
    }

    /// Normalises, turns and stores one layer's heads: queries in place, keys and values into the states.
    fn place(
        &self,
        layer: &Layer,
        index: usize,
        qkv: &mut [f32],
        table: &(Vec<f32>, Vec<f32>),
        states: &mut [(KvPages, usize)],
    ) {
        let config = &self.model.config;
        let (w, half) = (config.head_width, config.head_width / 2);
        let (q, kv) = (config.heads * w, config.kv_heads * w);
        let stride = q + 2 * kv;
        let epsilon = config.norm_epsilon as f32;
        let rows = qkv.len() / stride;
        threads::chunks(qkv, stride, rows > 4, |i, row| {
            let (cos, sin) = (&table.0[i * half..(i + 1) * half], &table.1[i * half..(i + 1) * half]);
            if let Some(bias) = &layer.qkv_bias {
                row.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
            }
            for (h, head) in row[..q + kv].chunks_exact_mut(w).enumerate() {
                if let Some((q_norm, k_norm)) = &layer.qk_norm {
                    norm_in_place(head, if h < config.heads { q_norm } else { k_norm }, epsilon);
                }
                rotate(head, cos, sin);
            }
        });
        let mut row = 0;
        for (state, count) in states {
            let rows = &qkv[row * stride..(row + *count) * stride];
            state.write(index, state.len() - *count, rows, stride, q);
            row += *count;
        }
    }

    /// The layers: `x` is the residual stream, `(positions.len(), d)`.
    fn run(&self, x: &mut [f32], positions: &[usize], states: &mut [(KvPages, usize)]) {
        let config = &self.model.config;
        let n = positions.len();
        let epsilon = config.norm_epsilon as f32;
        let stride = (config.heads + 2 * config.kv_heads) * config.head_width;
        let (table, local_table) = (self.model.rope.table(positions), self.model.local_rope.table(positions));
        let (d, q) = (config.width, config.heads * config.head_width);
        let mut buffers = <[Vec<f32>; 5]>::default();
        let [wide, mixed, narrow, update, inner] = &mut buffers;
        for (index, layer) in self.model.layers.iter().enumerate() {
            let local = config.is_local(index);
            let normed = sized(narrow, n * d);
            rms_norm(x, &layer.attention_norm, epsilon, normed);
            let qkv = sized(wide, n * stride);
            layer.qkv.apply(normed, qkv);
            self.place(layer, index, qkv, if local { &local_table } else { &table }, states);
            let mut row = 0;
            let mut segments = Vec::with_capacity(states.len());
            for (state, count) in states.iter() {
                segments.push(Segment { state, row, count: *count });
                row += count;
            }
            let attention = Attention {
                layer: index,
                heads: config.heads,
                kv_heads: config.kv_heads,
                head_width: config.head_width,
                scale: config.attention_scale as f32,
                window: config.window.filter(|_| local),
            };
            let mixed = sized(mixed, n * q);
            attention.run(&segments, qkv, stride, mixed);
            self.add(x, &layer.output, mixed, layer.post_attention_norm.as_deref(), [update, narrow]);
            let normed = sized(narrow, n * d);
            rms_norm(x, &layer.feed_forward_norm, epsilon, normed);
            let gate_up = sized(wide, n * 2 * config.feed_forward);
            layer.gate_up.apply(normed, gate_up);
            let inner = sized(inner, n * config.feed_forward);
            gated(Layer::activation(config), gate_up, config.feed_forward, inner);
            self.add(x, &layer.down, inner, layer.post_feed_forward_norm.as_deref(), [update, narrow]);
        }
    }

    /// Adds a block's output to the residual stream: `rows` through a last matrix and, if there is one, a norm.
    fn add(
        &self,
        x: &mut [f32],
        last: &Linear,
        rows: &[f32],
        norm: Option<&[f32]>,
        buffers: [&mut Vec<f32>; 2],
    ) {
        const PART: usize = 1 << 14;
        let [update, normed] = buffers.map(|buffer| sized(buffer, x.len()));
        last.apply(rows, update);
        let update = match norm {
            Some(weight) => {
                rms_norm(update, weight, self.model.config.norm_epsilon as f32, normed);
                normed
            }
            None => update,
        };
        threads::chunks(x, PART, x.len() > PART, |i, x| {
            x.iter_mut().zip(&update[i * PART..]).for_each(|(x, u)| *x += u);
        });
    }
}

impl FrozenLm for Decoder {
    fn card(&self) -> &ModelCard {
        &self.model.card
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.model.tokenizer
    }

    fn begin(&self) -> Sequence {
        let width = self.model.config.kv_heads * self.model.config.head_width;
        Sequence::new(Box::new(Pages(KvPages::new(self.model.config.layers, width))))
    }

    fn extend(&self, batch: &mut [(&mut Sequence, &[u32])]) -> Result<Matrix, LmError> {
        self.model.check(batch)?;
        let d = self.model.config.width;
        let scale = self.model.input_scale();
        let (mut x, mut positions, mut states) = (Vec::new(), Vec::new(), Vec::new());
        for (sequence, ids) in batch.iter_mut() {
            let (_, state) = sequence.parts_mut();
            let foreign = || LmError::Unknown("a sequence of another engine was given to this model".into());
            let pages = state.as_any_mut().downcast_mut::<Pages>().ok_or_else(foreign)?;
            let first = pages.0.len();
            positions.extend(first..first + ids.len());
            for &id in *ids {
                let start = x.len();
                x.resize(start + d, 0.0);
                self.model.input.row(id as usize, &mut x[start..]);
                x[start..].iter_mut().for_each(|v| *v *= scale);
            }
            // Taken out while the layers run, so that its last page is held once and written in place.
            let mut taken = std::mem::replace(&mut pages.0, KvPages::new(0, 0));
            taken.reserve(ids.len());
            states.push((taken, ids.len()));
        }
        self.run(&mut x, &positions, &mut states);
        for ((sequence, ids), (state, _)) in batch.iter_mut().zip(states) {
            let (read, slot) = sequence.parts_mut();
            read.extend_from_slice(ids);
            if let Some(pages) = slot.as_any_mut().downcast_mut::<Pages>() {
                pages.0 = state;
            }
        }
        let epsilon = self.model.config.norm_epsilon as f32;
        let mut normed = vec![0.0; x.len()];
        rms_norm(&x, &self.model.norm, epsilon, &mut normed);
        Ok(Matrix::new(positions.len(), d, normed))
    }

    fn logits(&self, hidden: &Matrix) -> Result<Matrix, LmError> {
        Ok(word_head::logits(self.model.head(), hidden))
    }

    fn word_mass(&self, hidden: &Matrix, labels: &[Option<u32>]) -> Result<Vec<WordMass>, LmError> {
        word_head::word_mass(self.model.head(), hidden, labels)
    }

    fn rows(&self, source: RowSource, ids: &[u32]) -> Result<Matrix, LmError> {
        self.model.check_ids(ids)?;
        let matrix = match source {
            RowSource::Head => self.model.head(),
            RowSource::Input => &self.model.input,
        };
        Ok(matrix.select(ids.iter().map(|&id| id as usize)))
    }
}
