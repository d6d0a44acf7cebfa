//! An OpenAI-compatible server over a frozen model and tool packs, with a playground.
//!
//! ```text
//! client ──HTTP──> routes ──> chat ──job──> queue ──> scheduler (a thread) ──> decode::Session ──> model
//!                    │          ^  └─outputs──────────────┘
//!                    │          └── execute: MCP, HTTP; results go into the conversation
//!                    └── packs: load, unload, refit; a request keeps the bundle it began with
//! ```
//!
//! Safe by default: it listens on loopback alone unless it has a token, takes no path, command or URL from a request, runs
//! only those tools that it was told to run, and limits what it reads, keeps and waits for.

mod chat;
mod completions;
mod config;
mod describe;
mod error;
mod execute;
mod listen;
mod map;
mod metrics;
mod packs;
mod playground;
mod protocol;
mod routes;
mod scheduler;
mod turn;

pub use config::{Config, UnknownTools};
pub use error::ServeError;
pub use listen::{Server, start};
