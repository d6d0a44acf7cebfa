//! Benchmarks: tasks, methods, statistics and the report.
//!
//! This crate owns what is compared and whether it differs.
//!
//! - [`task`] are the tasks: questions, tools, prompts, training sets; [`score`] says what is right.
//! - [`page`] is the skeleton of a self-contained HTML page, with drawings.
//! - [`stats`] are intervals, paired tests, effect sizes, and what a test could have seen.

pub mod arithmetic;
mod error;
mod file;
pub mod grid;
pub mod method;
pub mod page;
pub mod score;
pub mod stats;
pub mod task;

pub use error::BenchError;
