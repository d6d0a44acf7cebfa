//! The frozen language model: files, tokenizer, hidden states, KV state.

mod error;
mod frozen;
mod gguf;
mod matrix;
mod tokenizer;

pub use error::LmError;
pub use frozen::{FrozenLm, ModelCard, RowSource, Sequence, State, WordMass};
pub use gguf::{Array, Gguf, TensorInfo, Value};
pub use matrix::Matrix;
pub use tokenizer::{Specials, Tokenizer};
