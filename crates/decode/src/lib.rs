//! Dual-mode generation: words and tool calls.
//!
//! A frozen model scores words, a tool head scores tools beside them, and each token is one of both:
//! `logits = [W_v; W] h`, with a bias on the tools. A word is put down. A tool opens a call: its arguments are written
//! with the tools switched off, it runs, and its result stands in the place of the call. A call that fails is undone,
//! and the next best token is taken.
//!
//! ```text
//! requests ─> prepared ─> rows ── next tokens of all rows ──> FrozenLm::extend ──> hidden states ──┐
//!                          ^   └─ a finished row makes room for the next request                    │
//!                          └───── each row decides: word, tool, argument ── logits, tool scores <───┘
//! ```
//!
//! An [`Engine`] takes [`Request`]s and gives a [`Generation`] for each: the text, why it ended, and a trace of every
//! call with what it was chosen against. Many requests decode together and come out as they would one at a time.
//! What a prompt says, what a score means and who is asking is the caller's: this crate knows no tasks.
//!
//! ```no_run
//! use toolken_decode::{Engine, Prompt, Request, Settings};
//! # fn load() -> (Box<dyn lm::FrozenLm>, head::Head) { unimplemented!() }
//! let (model, head) = load();
//! let tools = tools::ToolSet::arithmetic();
//! let mut engine = Engine::new(model.as_ref(), &head, &tools)?;
//! let request = Request {
//!     settings: Settings { stop: vec!["\n\n".into()], ..Settings::default() },
//!     ..Request::new(Prompt::Raw("Question: What is 311 + 112?\nAnswer:".into()))
//! };
//! for generation in engine.run(&[request])? {
//!     println!("{}", generation.text);
//!     for call in generation.calls() {
//!         println!("{}({}) = {:?}", call.tool, call.arguments, call.outcome.result());
//!     }
//! }
//! # Ok::<(), toolken_decode::DecodeError>(())
//! ```

mod boundary;
mod choose;
mod closed;
mod draft;
mod engine;
mod error;
mod extended;
mod grammar;
mod numbers;
mod prefix;
mod prepared;
mod remote;
mod request;
mod row;
mod schema;
mod scores;
mod session;
mod settings;
mod splice;
mod trace;
mod transcript;

pub use boundary::Boundary;
pub use engine::Engine;
pub use error::DecodeError;
pub use extended::Extended;
pub use grammar::{Grammar, Grammars};
pub use remote::{Completed, Completion, Emitted, End, Remote, Served};
pub use request::{Conversation, Insert, Insertion, Prompt, Request, Taught, Template, WorkedCall};
pub use scores::ToolScores;
pub use session::{Session, SessionCounts, SessionSettings};
pub use settings::{Arguments, Calling, Settings};
pub use trace::{
    Alternative, Attempt, By, CallOutcome, Counts, Decision, Event, Finish, Generation, Token, Told, TopToken,
};
