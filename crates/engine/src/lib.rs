//! Engines that run elsewhere and serve exported models: llama.cpp's server, and vLLM's protocol.
//!
//! An export has a head's tools in its vocabulary; [`connect`] finds out which engine answers at a URL, [`Engine::serving`]
//! refuses it unless its model is that export, and [`decode`] then drives it as it does a model of our own. What differs
//! between engines is one adapter each ([`decode::Remote`]).
//!
//! ```no_run
//! use toolken_engine::{Options, ToolTokens, Unloaded, connect};
//! # let tokens = ToolTokens { spelled: vec![("add".into(), "<tool:add>".into())], ids: None };
//! # let (head, tools): (head::Head, tools::ToolSet) = unimplemented!();
//! let engine = connect("http://127.0.0.1:8080", &Options::default())?;
//! let model = Unloaded::at("smollm2-tools.gguf".as_ref(), &engine, head.width(), &head.meta.model_digest)?;
//! let served = engine.serving(lm::FrozenLm::tokenizer(&model), &tokens)?;
//! let mut answers = decode::Engine::new(&model, &head, &tools)?.served_by(served)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connect;
mod http;
mod llama;
mod openai;
mod unloaded;

pub use connect::{Engine, ToolTokens, connect};
pub use http::Options;
pub use unloaded::Unloaded;

/// What can go wrong with an engine before anything is generated.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It does not answer, or not as an engine does.
    #[error("the engine at {url}: {message}")]
    Unusable {
        /// Where it was looked for.
        url: String,
        /// What it did, what was expected, and what to do.
        message: String,
    },
    /// It serves another model than the export that is asked for.
    #[error("the engine at {url} serves another model: {message}")]
    OtherModel {
        /// Where it is.
        url: String,
        /// What was found and what was expected.
        message: String,
    },
    /// The model's files here, of which the tokenizer is needed.
    #[error(transparent)]
    Model(#[from] lm::LmError),
}
