//! One layer's weights, from either kind of file, in one layout.

use crate::config::{Architecture, Config};
use crate::linear::{Linear, Part, Reader};
use crate::weights::Weights;
use crate::{LmError, kernels::Activation};

/// A layer's matrices `(out, in)`, and norms.
pub struct Layer {
    /// Norm before attention, `(d)`.
    pub attention_norm: Vec<f32>,
    /// Q, K and V, one below the other: `((heads + 2 kv_heads) · head_width, d)`.
    pub qkv: Linear,
    /// Their biases, if any.
    pub qkv_bias: Option<Vec<f32>>,
    /// Norms of each head of Q and of K, if any: `(head_width)`.
    pub qk_norm: Option<(Vec<f32>, Vec<f32>)>,
    /// Attention's output, `(d, heads · head_width)`.
    pub output: Linear,
    /// Norm after attention, if any.
    pub post_attention_norm: Option<Vec<f32>>,
    /// Norm before the feed-forward block, `(d)`.
    pub feed_forward_norm: Vec<f32>,
    /// Gate and up, one below the other: `(2 ff, d)`.
    pub gate_up: Linear,
    /// `(d, ff)`
    pub down: Linear,
    /// Norm after the feed-forward block, if any.
    pub post_feed_forward_norm: Option<Vec<f32>>,
}

/// A name in a GGUF and its twin in safetensors.
struct Name(&'static str, &'static str);

impl Layer {
    /// Reads layer `index`.
    ///
    /// # Errors
    /// A tensor that is missing, damaged or of another shape.
    pub fn load(reader: &Reader<'_>, config: &Config, index: usize) -> Result<Self, LmError> {
        let (d, weights) = (config.width, reader.weights);
        let gemma = config.architecture == Architecture::Gemma3;
        let full = |Name(gguf, hf): &Name| match weights {
            Weights::Gguf(_) => format!("blk.{index}.{gguf}"),
            Weights::Safetensors { .. } => format!("model.layers.{index}.{hf}"),
        };
        let read = |name: Name, shape: &[usize]| weights.tensor(&full(&name), shape);
        let norm = |name: Name, width: usize| norm(weights, config, &full(&name), width);
        let part = |name: Name, rows: usize| Part { name: full(&name), rows, paired_heads: 0 };
        let (q, kv) = (config.heads * config.head_width, config.kv_heads * config.head_width);
        let paired = matches!((weights, config.architecture), (Weights::Gguf(_), Architecture::Llama));
        let heads = |heads: usize| if paired { heads } else { 0 };
        let qkv = [
            Part {
                paired_heads: heads(config.heads),
                ..part(Name("attn_q.weight", "self_attn.q_proj.weight"), q)
            },
            Part {
                paired_heads: heads(config.kv_heads),
                ..part(Name("attn_k.weight", "self_attn.k_proj.weight"), kv)
            },
            part(Name("attn_v.weight", "self_attn.v_proj.weight"), kv),
        ];
        let qkv_bias = if config.architecture == Architecture::Qwen2 {
            let mut bias = read(Name("attn_q.bias", "self_attn.q_proj.bias"), &[q])?;
            bias.append(&mut read(Name("attn_k.bias", "self_attn.k_proj.bias"), &[kv])?);
            bias.append(&mut read(Name("attn_v.bias", "self_attn.v_proj.bias"), &[kv])?);
            Some(bias)
        } else {
            None
        };
        let gate_up = [
            part(Name("ffn_gate.weight", "mlp.gate_proj.weight"), config.feed_forward),
            part(Name("ffn_up.weight", "mlp.up_proj.weight"), config.feed_forward),
        ];
        let head = config.head_width;
        let before_feed_forward =
            if gemma { "pre_feedforward_layernorm.weight" } else { "post_attention_layernorm.weight" };
        Ok(Self {
            attention_norm: norm(Name("attn_norm.weight", "input_layernorm.weight"), d)?,
            qkv: reader.read(&qkv, d)?,
            qkv_bias,
            qk_norm: if gemma {
                let k = norm(Name("attn_k_norm.weight", "self_attn.k_norm.weight"), head)?;
                Some((norm(Name("attn_q_norm.weight", "self_attn.q_norm.weight"), head)?, k))
            } else {
                None
            },
            output: reader.read(&[part(Name("attn_output.weight", "self_attn.o_proj.weight"), d)], q)?,
            post_attention_norm: gemma
                .then(|| norm(Name("post_attention_norm.weight", "post_attention_layernorm.weight"), d))
                .transpose()?,
            feed_forward_norm: norm(Name("ffn_norm.weight", before_feed_forward), d)?,
            gate_up: reader.read(&gate_up, d)?,
            down: reader
                .read(&[part(Name("ffn_down.weight", "mlp.down_proj.weight"), d)], config.feed_forward)?,
            post_feed_forward_norm: gemma
                .then(|| norm(Name("post_ffw_norm.weight", "post_feedforward_layernorm.weight"), d))
                .transpose()?,
        })
    }

    /// The gate's activation.
    pub fn activation(config: &Config) -> Activation {
        match config.architecture {
            Architecture::Gemma3 => Activation::Gelu,
            Architecture::Llama | Architecture::Qwen2 => Activation::Silu,
        }
    }
}

/// A norm's weights. Gemma multiplies by 1 + w; GGUF stores that sum, safetensors w.
pub fn norm(weights: &Weights, config: &Config, name: &str, width: usize) -> Result<Vec<f32>, LmError> {
    let mut w = weights.tensor(name, &[width])?;
    if config.architecture == Architecture::Gemma3 && matches!(weights, Weights::Safetensors { .. }) {
        w.iter_mut().for_each(|w| *w += 1.0);
    }
    Ok(w)
}
