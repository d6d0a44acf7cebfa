//! A model of which only the tokenizer is here: its weights are the engine's business.

use crate::{Engine, EngineError};
use lm::{FrozenLm, Gguf, LmError, Matrix, ModelCard, RowSource, Sequence, State, Tokenizer, WordMass};
use std::any::Any;
use std::path::Path;

/// A model without weights.
pub struct Unloaded {
    card: ModelCard,
    tokenizer: Tokenizer,
}

impl Unloaded {
    /// The model at `path`, a GGUF file or a folder with a tokenizer: the export that the engine serves, or what it was made
    /// of. `width` and `digest` are the head's: what its rows fit cannot be seen from here.
    ///
    /// # Errors
    /// A tokenizer that cannot be read.
    pub fn at(path: &Path, engine: &Engine, width: usize, digest: &str) -> Result<Self, EngineError> {
        let file = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let (tokenizer, name, architecture) = match path.is_dir() {
            true => (Tokenizer::from_dir(path)?, file, String::new()),
            false => {
                let gguf = Gguf::open(path)?;
                let name = gguf.opt_str("general.name")?.map_or(file, str::to_owned);
                (Tokenizer::from_gguf(&gguf)?, name, gguf.str("general.architecture")?.to_owned())
            }
        };
        let card = ModelCard {
            name,
            digest: digest.to_owned(),
            architecture,
            engine: engine.about().to_owned(),
            width,
            vocab: tokenizer.vocab_size(),
            context: engine.context(),
        };
        Ok(Self { card, tokenizer })
    }

    fn elsewhere<T>(&self) -> Result<T, LmError> {
        Err(LmError::Unknown(format!(
            "this needs the hidden states of {}, and its engine ({}) gives tokens alone: do it with the model here, without --engine",
            self.card.name, self.card.engine
        )))
    }
}

/// Nothing is kept of a sequence that nothing reads.
struct Nothing;

impl State for Nothing {
    fn fork(&self) -> Box<dyn State> {
        Box::new(Self)
    }
    fn truncate(&mut self, _: usize) {}
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl FrozenLm for Unloaded {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn begin(&self) -> Sequence {
        Sequence::new(Box::new(Nothing))
    }

    fn extend(&self, _: &mut [(&mut Sequence, &[u32])]) -> Result<Matrix, LmError> {
        self.elsewhere()
    }

    fn logits(&self, _: &Matrix) -> Result<Matrix, LmError> {
        self.elsewhere()
    }

    fn word_mass(&self, _: &Matrix, _: &[Option<u32>]) -> Result<Vec<WordMass>, LmError> {
        self.elsewhere()
    }

    fn rows(&self, _: RowSource, _: &[u32]) -> Result<Matrix, LmError> {
        self.elsewhere()
    }
}
