//! A model's weights and constants as both engines take them: read from either kind of file, in one layout.

use crate::config::{Architecture, Config};
use crate::layer::{Layer, norm};
use crate::linear::{Form, Linear, Reader};
use crate::packed::Arena;
use crate::rope::Rope;
use crate::weights::Weights;
use crate::{Gguf, LmError, ModelCard, Sequence, Tokenizer, word_head};
use rayon::prelude::*;
use std::path::Path;

/// What a file holds.
pub struct Model {
    pub card: ModelCard,
    pub tokenizer: Tokenizer,
    pub config: Config,
    pub layers: Vec<Layer>,
    /// The last norm, `(d)`.
    pub norm: Vec<f32>,
    /// The rows that tokens enter by, `(V, d)`, unscaled.
    pub input: Linear,
    /// W_v, `(V, d)`; `None` where it is the input embedding.
    pub head: Option<Linear>,
    pub rope: Rope,
    /// Of layers with a sliding window.
    pub local_rope: Rope,
}

impl Model {
    /// Loads a GGUF file, or a folder with `config.json`, safetensors and a tokenizer.
    ///
    /// # Errors
    /// A file that is missing, damaged, or of an architecture, type or tokenizer that is not supported.
    pub fn load(path: &Path, form: Form, engine: &str) -> Result<Self, LmError> {
        if path.is_dir() {
            let config_path = path.join("config.json");
            let text = std::fs::read(&config_path).map_err(|e| LmError::io(&config_path, e))?;
            let config = Config::from_json(&text, &config_path)?;
            Self::build(Weights::safetensors(path)?, config, Tokenizer::from_dir(path)?, None, form, engine)
        } else {
            let gguf = Gguf::open(path)?;
            let config = Config::from_gguf(&gguf)?;
            let tokenizer = Tokenizer::from_gguf(&gguf)?;
            let name = gguf.opt_str("general.name")?.map(String::from);
            Self::build(Weights::Gguf(Box::new(gguf)), config, tokenizer, name, form, engine)
        }
    }

    fn build(
        weights: Weights,
        config: Config,
        tokenizer: Tokenizer,
        name: Option<String>,
        form: Form,
        engine: &str,
    ) -> Result<Self, LmError> {
        let gguf = matches!(weights, Weights::Gguf(_));
        let (input_name, norm_name, head_name) = if gguf {
            ("token_embd.weight", "output_norm.weight", "output.weight")
        } else {
            ("model.embed_tokens.weight", "model.norm.weight", "lm_head.weight")
        };
        let (vocab, d) = (weights.rows(input_name)?, config.width);
        if tokenizer.vocab_size() > vocab {
            let message =
                format!("the tokenizer has {} tokens, the head {vocab} rows", tokenizer.vocab_size());
            return Err(LmError::file(weights.path(), message));
        }
        let divisors = weights
            .has("rope_freqs.weight")
            .then(|| weights.tensor("rope_freqs.weight", &[config.head_width / 2]))
            .transpose()?;
        let reader = Reader { weights: &weights, form, arena: Arena::default() };
        let (w, path) = (config.head_width, weights.path());
        let file_name = || path.file_stem().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        Ok(Self {
            card: ModelCard {
                name: name.unwrap_or_else(file_name),
                digest: weights.digest()?,
                architecture: config.architecture.name().into(),
                engine: engine.into(),
                width: d,
                vocab,
                context: config.context,
            },
            layers: (0..config.layers)
                .into_par_iter()
                .map(|index| Layer::load(&reader, &config, index))
                .collect::<Result<_, _>>()?,
            norm: norm(&weights, &config, norm_name, d)?,
            input: reader.one(input_name, vocab, d)?,
            head: weights.has(head_name).then(|| reader.one(head_name, vocab, d)).transpose()?,
            rope: Rope::new(w, config.rope_base, &config.rope_scaling, divisors.as_deref()),
            local_rope: Rope::new(w, config.local_rope_base, &crate::config::RopeScaling::None, None),
            tokenizer,
            config,
        })
    }

    /// W_v, `(V, d)`.
    pub fn head(&self) -> &Linear {
        self.head.as_ref().unwrap_or(&self.input)
    }

    /// What input rows are multiplied by.
    pub fn input_scale(&self) -> f32 {
        match self.config.architecture {
            Architecture::Gemma3 => (self.config.width as f32).sqrt(),
            Architecture::Llama | Architecture::Qwen2 => 1.0,
        }
    }

    /// Refuses a batch that does not fit the model, before anything is computed.
    ///
    /// # Errors
    /// A context that is too long, or an id outside the vocabulary.
    pub fn check(&self, batch: &[(&mut Sequence, &[u32])]) -> Result<(), LmError> {
        for (sequence, ids) in batch {
            let len = sequence.ids().len() + ids.len();
            if len > self.config.context {
                return Err(LmError::ContextTooLong { len, max: self.config.context });
            }
            self.check_ids(ids)?;
        }
        Ok(())
    }

    /// # Errors
    /// [`LmError::UnknownId`] for the first id outside the vocabulary.
    pub fn check_ids(&self, ids: &[u32]) -> Result<(), LmError> {
        word_head::check_ids(self.card.vocab, ids)
    }
}
