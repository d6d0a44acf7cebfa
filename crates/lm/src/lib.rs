//! The frozen language model: files, tokenizer, hidden states, KV state.
//!
//! This crate owns everything between token ids and [`FrozenLm`], the one interface that fits and generation use: final
//! hidden states, and what the word head makes of them. It reads GGUF and safetensors ([`load`]), knows some models by
//! name ([`resolve`]), and renders chat templates ([`ChatTemplate`]). It knows nothing of tools.
//!
//! ```no_run
//! use toolken_lm::{Device, Specials, load, resolve};
//!
//! let path = resolve("smollm2-135m", &mut |line| eprintln!("{line}"))?;
//! let model = load(&path, Device::Cpu)?;
//! let ids = model.tokenizer().encode("The capital of France is", Specials::Text)?;
//! let hidden = model.states(&ids)?; // (positions, d)
//! let last = hidden.select([hidden.rows() - 1]);
//! let mass = model.word_mass(&last, &[None])?[0];
//! println!("{:?}, logit {:.2}", model.tokenizer().token_text(mass.argmax), mass.max);
//! # Ok::<(), toolken_lm::LmError>(())
//! ```

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
mod linear;
#[cfg(feature = "llama")]
mod llama;
mod matrix;
mod model;
mod packed;
mod rope;
mod threads;
mod tokenizer;
mod weights;
mod word_head;

pub use cache::{KnownModel, called, check_known, fetch, known, models_dir, resolve, told_apart};
pub use candle::CandleDecoder;
pub use chat::{CallFrame, Chat, ChatTemplate, Function, Message, Role, ToolCall, python_json};
pub use decoder::Decoder;
pub use device::{Device, load};
pub use error::LmError;
pub use frozen::{FrozenLm, ModelCard, RowSource, Sequence, State, WordMass};
pub use gguf::{Array, Gguf, TensorInfo, Value, gguf_type};
pub use kernels::dot;
#[cfg(feature = "llama")]
pub use llama::LlamaCpp;
pub use matrix::Matrix;
pub use packed::{Coarse, CoarseRows};
pub use tokenizer::{Specials, Tokenizer};
pub use weights::{digest, safetensors_files};
