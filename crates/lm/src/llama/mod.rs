//! Llama.cpp as an engine: its architectures and accelerators behind [`FrozenLm`].
//!
//! ```text
//! FrozenLm (mod) ── which sequences are in the context (sequences, residents) ── calls of llama.cpp (context, log)
//! ```
//!
//! Hidden states are what llama.cpp calls embeddings: the states after the last norm. The tokenizer and W_v are read from the file
//! by this crate's own code, so ids are those of the other engines, and a pass over texts ends before llama.cpp would compute the
//! words. A step of generation lets it, and remembers them for those states. When a model is loaded, a few tokens are read both
//! ways, to see that W_v h is what this model says ([`look`]).
//!
//! Building it takes CMake, a C++ compiler and libclang. It is compiled for AVX2 unless told otherwise: options of ggml are passed on
//! from the environment (`GGML_AVX512=ON GGML_AVX512_VBMI=ON GGML_AVX512_VNNI=ON`), and the same must be set in each build, or it is
//! compiled again. `-C target-cpu=native` compiles its AMX kernels in as well, where the machine says that it has AMX; those of
//! another version crashed on such a machine (`scripts/speed/bench.py`).

mod context;
mod log;
mod look;
mod residents;
mod sequences;

use crate::linear::{Form, Linear, Reader};
use crate::packed::Arena;
use crate::threads;
use crate::weights::Weights;
use crate::{
    FrozenLm, Gguf, LmError, Matrix, ModelCard, RowSource, Sequence, State, Tokenizer, WordMass, word_head,
};
use context::Room;
use residents::Claim;
use sequences::{Job, Sequences};
use std::any::Any;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sequences in a context at most.
const SEQUENCES: usize = 64;
/// Tokens that a context has room for at first.
const CELLS: usize = 4096;
/// Tokens of a pass at most.
const PASS: usize = 512;
/// Word logits of a pass at most, which llama.cpp keeps room for: 256 MB.
const LOGITS: usize = 1 << 26;

/// A model of any architecture that llama.cpp knows, from a GGUF file.
///
/// Keys and values are f16, activations what llama.cpp multiplies this file's weights by: states differ from f32's by what that
/// costs.
pub struct LlamaCpp {
    card: ModelCard,
    tokenizer: Tokenizer,
    input: Linear,
    head: Option<Linear>,
    sequences: Arc<Mutex<Sequences>>,
}

/// A sequence's claim to a place in the context; a lapsed one is renewed by reading the tokens again.
struct Held {
    sequences: Arc<Mutex<Sequences>>,
    claim: Option<Claim>,
}

impl State for Held {
    fn fork(&self) -> Box<dyn State> {
        let claim = self.claim.and_then(|claim| lock(&self.sequences).copy(claim));
        Box::new(Self { sequences: self.sequences.clone(), claim })
    }

    fn truncate(&mut self, len: usize) {
        if let Some(claim) = self.claim {
            lock(&self.sequences).truncate(claim, len);
        }
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(claim) = self.claim {
            lock(&self.sequences).release(claim);
        }
    }
}

impl LlamaCpp {
    /// Loads a GGUF file, with so many of its layers on the accelerators that this was built for.
    ///
    /// # Errors
    /// A file that is missing or damaged, of an architecture that llama.cpp does not know or a tokenizer that is not known here;
    /// a model whose word logits are not W_v h.
    pub fn load(path: &Path, layers: u32) -> Result<Self, LmError> {
        if path.is_dir() {
            return Err(LmError::file(
                path,
                "llama.cpp reads GGUF files, and this is a folder: use another --device, or a GGUF file of the model",
            ));
        }
        let gguf = Gguf::open(path)?;
        let architecture = gguf.str("general.architecture")?.to_owned();
        let size = |key: &str| gguf.u32(&format!("{architecture}.{key}")).map(|size| size as usize);
        let (width, context) = (size("embedding_length")?, size("context_length")?);
        let tokenizer = Tokenizer::from_gguf(&gguf)?;
        let name = gguf.opt_str("general.name")?.map(String::from);
        let terms = look::Terms::read(&gguf, &architecture)?;
        let weights = Weights::Gguf(Box::new(gguf));
        let vocab = weights.rows("token_embd.weight")?;
        let (input, head) = word_rows(&weights, vocab, width)?;

        let fail = |message: String| LmError::file(path, message);
        let loaded = context::Weights::load(path, layers)
            .map_err(|why| fail(format!("llama.cpp can't load it: {why}")))?;
        let facts = loaded.facts();
        if !facts.decoder {
            return Err(fail(format!("a {architecture} is not a model that text is continued with")));
        }
        if (facts.width, facts.vocab) != (width, vocab) {
            return Err(fail(format!(
                "llama.cpp has states of {} and {} words, the file {width} and {vocab}",
                facts.width, facts.vocab
            )));
        }
        // Never below the number of sequences, for each of which there is room for words.
        let pass = (LOGITS / vocab.max(1)).clamp(SEQUENCES, PASS) / SEQUENCES * SEQUENCES;
        let room = Room {
            cells: CELLS,
            sequences: if facts.recurrent { SEQUENCES / 4 } else { SEQUENCES },
            pass,
            threads: threads::count(),
            offload: layers > 0,
        };
        let mut sequences = Sequences::new(Arc::new(loaded), room)?;
        terms.hold(path, &mut sequences, head.as_ref().unwrap_or(&input))?;
        let file_name = || path.file_stem().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let card = ModelCard {
            name: name.unwrap_or_else(file_name),
            digest: weights.digest()?,
            architecture,
            engine: match layers {
                0 => "llama.cpp".into(),
                layers => format!("llama.cpp, {layers} layers offloaded"),
            },
            width,
            vocab,
            context,
        };
        Ok(Self { card, tokenizer, input, head, sequences: Arc::new(Mutex::new(sequences)) })
    }

    fn head(&self) -> &Linear {
        self.head.as_ref().unwrap_or(&self.input)
    }
}

/// The rows that tokens enter by, and W_v where it is another matrix: as the file has them, or in f32 where they are of a type that
/// there are no products for.
fn word_rows(weights: &Weights, vocab: usize, width: usize) -> Result<(Linear, Option<Linear>), LmError> {
    let read = |name: &str| {
        let one = |form| Reader { weights, form, arena: Arena::default() }.one(name, vocab, width);
        one(Form::Packed).or_else(|_| one(Form::Dense))
    };
    let head = weights.has("output.weight").then(|| read("output.weight")).transpose()?;
    Ok((read("token_embd.weight")?, head))
}

fn lock(sequences: &Mutex<Sequences>) -> MutexGuard<'_, Sequences> {
    sequences.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FrozenLm for LlamaCpp {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn begin(&self) -> Sequence {
        Sequence::new(Box::new(Held { sequences: self.sequences.clone(), claim: None }))
    }

    fn extend(&self, batch: &mut [(&mut Sequence, &[u32])]) -> Result<Matrix, LmError> {
        for (sequence, new) in batch.iter_mut() {
            let len = sequence.ids().len() + new.len();
            if len > self.card.context {
                return Err(LmError::ContextTooLong { len, max: self.card.context });
            }
            word_head::check_ids(self.card.vocab, new)?;
            let (_, state) = sequence.parts_mut();
            let held = state.as_any_mut().downcast_mut::<Held>();
            if held.is_none_or(|held| !Arc::ptr_eq(&held.sequences, &self.sequences)) {
                return Err(LmError::Unknown("a sequence of another engine was given to this model".into()));
            }
        }
        let mut jobs = Vec::with_capacity(batch.len());
        for (sequence, new) in batch.iter_mut() {
            let (before, state) = sequence.parts_mut();
            if let Some(held) = state.as_any_mut().downcast_mut::<Held>() {
                jobs.push(Job { claim: &mut held.claim, before, new });
            }
        }
        let states = lock(&self.sequences).read(&mut jobs, self.card.width)?;
        for (sequence, new) in batch.iter_mut() {
            sequence.parts_mut().0.extend_from_slice(new);
        }
        Ok(states)
    }

    fn logits(&self, hidden: &Matrix) -> Result<Matrix, LmError> {
        if let Some(words) = lock(&self.sequences).known_words(hidden) {
            return Ok(words);
        }
        Ok(word_head::logits(self.head(), hidden))
    }

    fn word_mass(&self, hidden: &Matrix, labels: &[Option<u32>]) -> Result<Vec<WordMass>, LmError> {
        word_head::word_mass(self.head(), hidden, labels)
    }

    fn rows(&self, source: RowSource, ids: &[u32]) -> Result<Matrix, LmError> {
        word_head::check_ids(self.card.vocab, ids)?;
        let matrix = match source {
            RowSource::Head => self.head(),
            RowSource::Input => &self.input,
        };
        Ok(matrix.select(ids.iter().map(|&id| id as usize)))
    }
}
