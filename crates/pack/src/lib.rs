//! Tool packs in the making: definitions and examples in, a fitted pack out.
//!
//! ```text
//! OpenAI tools, OpenAPI, MCP ──> definitions ──> ToolSet ─┐
//! messages, chat files ────────> Examples ────────────────┼─> contexts ──> features ──> fit ──> Head, Report
//! ordinary talk of our own ───────────────────────────────┘   (chat template) (frozen model, cached)
//! ```
//!
//! A pack's head is trained where a conversation calls tools: at the beginning of the assistant's turn and after what it says
//! first, in the model's own chat template. The frozen model reads each context once; what it read is kept in the pack, so
//! that a new example or tool costs its own contexts and a fit.
//!
//! The pack's directory holds, beside what [`tools::Pack`] names, `features.safetensors`.

mod context;
mod definitions;
mod error;
mod evaluate;
mod examples;
mod features;
mod fit;
mod held_out;
mod merge;
mod prior;
mod report;
mod sample;
mod taught;
mod written;

pub use context::{AFTER_RESULT, Context, with_note};
pub use definitions::{call_name, enforceable, from_json, rename_for_calls};
pub use error::FitError;
pub use evaluate::{Decided, Evaluation, Question, evaluate, native_calls, questions};
pub use examples::{Example, Examples, UserMessage, talk};
pub use features::{Cache, Extraction};
pub use fit::{
    FitSettings, FitStage, Fitted, digest, fit, is_stale, load, load_definitions, load_report, refit, save,
};
pub use merge::merge;
pub use report::{Report, Restraint, ToolReport, Unseen};
pub use taught::taught;
