//! The frozen language model: files, tokenizer, hidden states, KV state.

mod attention;
mod cache;
mod chat;
mod config;
mod decoder;
mod error;
mod frozen;
mod gguf;
mod kernels;
mod layer;
mod matrix;
mod rope;
mod tokenizer;
mod weights;

pub use cache::{KnownModel, known, models_dir, resolve};
pub use chat::{CallFrame, Chat, ChatTemplate, Function, Message, Role, ToolCall};
pub use decoder::Decoder;
pub use error::LmError;
pub use frozen::{FrozenLm, ModelCard, RowSource, Sequence, State, WordMass};
pub use gguf::{Array, Gguf, TensorInfo, Value};
pub use matrix::Matrix;
pub use tokenizer::{Specials, Tokenizer};
