//! Text with tool calls: format, importers, label rules, generators.

mod example;
pub use example::{Call, Example};
