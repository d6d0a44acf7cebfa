//! The shape of a decoder, read from a GGUF's metadata or a `config.json`.

use crate::{Gguf, LmError};
use serde_json::Value as Json;
use std::path::Path;

/// The families that one decoder serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Llama and its likes (SmolLM2).
    Llama,
    /// Qwen2 and Qwen2.5: biases on Q, K and V.
    Qwen2,
    /// Gemma 3: Q and K norms, norms after each block, a sliding window in five layers of six.
    Gemma3,
}

impl Architecture {
    /// The family's name, as GGUF and `model_type` spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Gemma3 => "gemma3",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "llama" => Self::Llama,
            "qwen2" => Self::Qwen2,
            "gemma3" | "gemma3_text" => Self::Gemma3,
            _ => return None,
        })
    }
}

/// How rotary frequencies are stretched for contexts longer than those of pretraining.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// As they are.
    None,
    /// All frequencies divided by one factor.
    Linear(f64),
    /// Llama 3: low frequencies divided, high ones kept, a ramp between.
    Llama3 {
        /// What low frequencies are divided by.
        factor: f64,
        /// Wavelengths above `original / low` are low frequencies.
        low: f64,
        /// Wavelengths below `original / high` are high frequencies.
        high: f64,
        /// The context of pretraining.
        original: f64,
    },
    /// YaRN (arXiv 2309.00071, equations 17 to 22), with its factor on cosine and sine.
    Yarn {
        /// The stretch.
        factor: f64,
        /// The context of pretraining.
        original: f64,
        /// Rotations above which a dimension is kept.
        beta_fast: f64,
        /// Rotations below which a dimension is divided.
        beta_slow: f64,
    },
}

/// Sizes and constants of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The family.
    pub architecture: Architecture,
    /// Width d.
    pub width: usize,
    /// Number of layers.
    pub layers: usize,
    /// Width of the feed-forward block.
    pub feed_forward: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_width: usize,
    /// Longest context in tokens.
    pub context: usize,
    /// ε of the norms.
    pub norm_epsilon: f64,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// Base in layers with a sliding window.
    pub local_rope_base: f64,
    /// Scaling of the rotary frequencies (of global layers).
    pub rope_scaling: RopeScaling,
    /// Sliding window in tokens, if the family has one.
    pub window: Option<usize>,
    /// Layer l is global if (l + 1) is a multiple of this.
    pub window_pattern: usize,
    /// Scores are multiplied by this before the softmax.
    pub attention_scale: f64,
}

impl Config {
    /// From a GGUF's metadata.
    ///
    /// # Errors
    /// A missing key, an unknown architecture or a shape that cannot be.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, LmError> {
        let path = gguf.path();
        let name = gguf.str("general.architecture")?;
        let architecture = Architecture::named(name).ok_or_else(|| unknown_architecture(path, name))?;
        let key = |suffix: &str| format!("{name}.{suffix}");
        let size = |suffix: &str| gguf.u32(&key(suffix)).map(|v| v as usize);
        let (width, heads) = (size("embedding_length")?, size("attention.head_count")?);
        let kv_heads = gguf.opt_u32(&key("attention.head_count_kv"))?.map_or(heads, |v| v as usize);
        let head_width = match gguf.opt_u32(&key("attention.key_length"))? {
            Some(v) => v as usize,
            None => width / heads.max(1),
        };
        let rope_scaling = match gguf.opt_str(&key("rope.scaling.type"))? {
            None | Some("none") => RopeScaling::None,
            Some("linear") => RopeScaling::Linear(f64::from(gguf.f32(&key("rope.scaling.factor"))?)),
            Some("yarn") => RopeScaling::Yarn {
                factor: f64::from(gguf.f32(&key("rope.scaling.factor"))?),
                original: f64::from(gguf.u32(&key("rope.scaling.original_context_length"))?),
                beta_fast: 32.0,
                beta_slow: 1.0,
            },
            Some(other) => {
                return Err(LmError::file(
                    path,
                    format!("rope scaling {other:?} is not known: expected none, linear or yarn"),
                ));
            }
        };
        let gemma = architecture == Architecture::Gemma3;
        let layers = size("block_count")?;
        // Of Gemma 3 the one with 62 layers, 27B, scales by a head's share of the width; the files don't say so.
        let scaled_by = if gemma && layers == 62 { width / heads.max(1) } else { head_width };
        Self {
            architecture,
            width,
            layers,
            feed_forward: size("feed_forward_length")?,
            heads,
            kv_heads,
            head_width,
            context: size("context_length")?,
            norm_epsilon: f64::from(gguf.f32(&key("attention.layer_norm_rms_epsilon"))?),
            rope_base: gguf.opt_f32(&key("rope.freq_base"))?.map_or(10_000.0, f64::from),
            local_rope_base: 10_000.0,
            rope_scaling,
            window: if gemma {
                gguf.opt_u32(&key("attention.sliding_window"))?.map(|v| v as usize)
            } else {
                None
            },
            window_pattern: 6,
            attention_scale: 1.0 / (scaled_by.max(1) as f64).sqrt(),
        }
        .checked(path)
    }

    /// From the text of a Hugging Face `config.json`.
    ///
    /// # Errors
    /// As [`Config::from_gguf`].
    pub fn from_json(text: &[u8], path: &Path) -> Result<Self, LmError> {
        let json: Json =
            serde_json::from_slice(text).map_err(|e| LmError::file(path, format!("not JSON: {e}")))?;
        let name = json["model_type"].as_str().unwrap_or("");
        let architecture = Architecture::named(name).ok_or_else(|| unknown_architecture(path, name))?;
        let size = |key: &str| {
            let value = json[key].as_u64().and_then(|v| usize::try_from(v).ok());
            value.ok_or_else(|| {
                LmError::file(path, format!("{key}: a whole number was expected, found {}", json[key]))
            })
        };
        for (flag, only) in
            [("attention_bias", Architecture::Llama), ("use_sliding_window", Architecture::Qwen2)]
        {
            if architecture == only && json[flag].as_bool() == Some(true) {
                return Err(LmError::file(
                    path,
                    format!("{flag} is true, which is not supported for {name}"),
                ));
            }
        }
        let (width, heads) = (size("hidden_size")?, size("num_attention_heads")?);
        let head_width = json["head_dim"].as_u64().map_or(width / heads.max(1), |v| v as usize);
        // Since version 5 transformers keeps base and scaling together, for Gemma 3 by kind of layer.
        let rope = &json["rope_parameters"];
        let global = if rope["full_attention"].is_object() { &rope["full_attention"] } else { rope };
        let scaling = if global.is_object() { global } else { &json["rope_scaling"] };
        let base = global["rope_theta"].as_f64().or(json["rope_theta"].as_f64()).unwrap_or(10_000.0);
        let local =
            rope["sliding_attention"]["rope_theta"].as_f64().or(json["rope_local_base_freq"].as_f64());
        let gemma = architecture == Architecture::Gemma3;
        let scalar = json["query_pre_attn_scalar"].as_f64().filter(|_| gemma).unwrap_or(head_width as f64);
        Self {
            architecture,
            width,
            layers: size("num_hidden_layers")?,
            feed_forward: size("intermediate_size")?,
            heads,
            kv_heads: json["num_key_value_heads"].as_u64().map_or(heads, |v| v as usize),
            head_width,
            context: size("max_position_embeddings")?,
            norm_epsilon: json["rms_norm_eps"].as_f64().unwrap_or(1e-6),
            rope_base: base,
            local_rope_base: local.unwrap_or(10_000.0),
            rope_scaling: scaling_from_json(scaling, path)?,
            window: if gemma { json["sliding_window"].as_u64().map(|v| v as usize) } else { None },
            window_pattern: json["sliding_window_pattern"].as_u64().map_or(6, |v| v as usize),
            attention_scale: 1.0 / scalar.sqrt(),
        }
        .checked(path)
    }

    /// Whether layer `layer` attends through the sliding window.
    pub fn is_local(&self, layer: usize) -> bool {
        self.window.is_some() && !(layer + 1).is_multiple_of(self.window_pattern)
    }

    fn checked(self, path: &Path) -> Result<Self, LmError> {
        const LIMIT: usize = 1 << 24;
        let sizes = [
            self.width,
            self.layers,
            self.feed_forward,
            self.heads,
            self.kv_heads,
            self.head_width,
            self.context,
        ];
        if sizes.iter().any(|&v| v == 0 || v > LIMIT) || self.window_pattern == 0 || self.window == Some(0) {
            return Err(LmError::file(path, format!("a size of the model is 0 or absurd: {self:?}")));
        }
        if !self.heads.is_multiple_of(self.kv_heads) || !self.head_width.is_multiple_of(2) {
            let (h, kv, w) = (self.heads, self.kv_heads, self.head_width);
            return Err(LmError::file(
                path,
                format!("{h} heads over {kv} key heads of width {w}: expected a multiple and an even width"),
            ));
        }
        let constants = [self.norm_epsilon, self.rope_base, self.local_rope_base, self.attention_scale];
        if constants.iter().any(|v| !v.is_finite() || *v <= 0.0) {
            return Err(LmError::file(
                path,
                "an epsilon, rope base or attention scale is not a positive number",
            ));
        }
        Ok(self)
    }
}

fn unknown_architecture(path: &Path, name: &str) -> LmError {
    LmError::file(path, format!("architecture {name:?} is not supported: expected llama, qwen2 or gemma3"))
}

fn scaling_from_json(json: &Json, path: &Path) -> Result<RopeScaling, LmError> {
    let number = |key: &str, default: Option<f64>| {
        let value = json[key].as_f64().or(default);
        value.ok_or_else(|| LmError::file(path, format!("rope scaling without {key}")))
    };
    match json["rope_type"].as_str().or(json["type"].as_str()) {
        None | Some("default") => Ok(RopeScaling::None),
        Some("linear") => Ok(RopeScaling::Linear(number("factor", None)?)),
        Some("llama3") => Ok(RopeScaling::Llama3 {
            factor: number("factor", None)?,
            low: number("low_freq_factor", None)?,
            high: number("high_freq_factor", None)?,
            original: number("original_max_position_embeddings", None)?,
        }),
        Some("yarn") => Ok(RopeScaling::Yarn {
            factor: number("factor", None)?,
            original: number("original_max_position_embeddings", None)?,
            beta_fast: number("beta_fast", Some(32.0))?,
            beta_slow: number("beta_slow", Some(1.0))?,
        }),
        Some(other) => Err(LmError::file(
            path,
            format!("rope scaling {other:?} is not known: expected default, linear, llama3 or yarn"),
        )),
    }
}
