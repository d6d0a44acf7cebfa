//! The frozen language model: files, tokenizer, hidden states, KV state.

mod attention;
mod cache;
mod candle;
mod chat;
mod config;
mod decoder;
mod device;
mod error;
mod frozen;
mod gguf;
mod kernels;
mod layer;
mod matrix;
mod model;
mod rope;
mod tokenizer;
mod weights;

pub use cache::{KnownModel, known, models_dir, resolve};
pub use candle::CandleDecoder;
pub use chat::{CallFrame, Chat, ChatTemplate, Function, Message, Role, ToolCall};
pub use decoder::Decoder;
pub use device::{Device, load};
pub use error::LmError;
pub use frozen::{FrozenLm, ModelCard, RowSource, Sequence, State, WordMass};
pub use gguf::{Array, Gguf, TensorInfo, Value};
pub use matrix::Matrix;
pub use tokenizer::{Specials, Tokenizer};
