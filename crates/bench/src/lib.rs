//! Benchmarks: tasks, methods, statistics and the report.
//!
//! This crate owns what is compared and whether it differs.
//!
//! - [`task`] are the tasks: questions, tools, prompts, training sets; [`score`] says what is right.
//! - [`method`] are the methods as values, [`answer`] answers questions by one of them, [`run`] keeps the answers; [`heads`]
//!   fits a run's head, [`retrieve`] ranks tools, [`written`] runs calls that are written in words.
//! - [`grid`] fits and scores many heads, teacher-forced.
//! - [`home`] are plans for a household, in tool tokens, acted out by a simulator.
//! - [`journal`] is how grids, runs and plans survive being killed.
//! - [`report`] is the page of grids and runs.
//! - [`page`] is the skeleton of a self-contained HTML page, with drawings.
//! - [`stats`] are intervals, paired tests, effect sizes, and what a test could have seen.

pub mod answer;
pub mod arithmetic;
mod error;
pub mod grid;
pub mod heads;
pub mod home;
pub mod journal;
pub mod method;
mod named;
pub mod page;
pub mod report;
pub mod retrieve;
pub mod run;
pub mod score;
pub mod stats;
pub mod task;
mod turns;
pub mod written;

pub use error::BenchError;
