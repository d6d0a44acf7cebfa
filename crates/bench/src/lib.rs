//! Benchmarks: tasks, methods, statistics and the report.
//!
//! This crate owns what is compared and whether it differs.
//!
//! - [`page`] is the skeleton of a self-contained HTML page, with drawings.
//! - [`stats`] are intervals, paired tests, effect sizes, and what a test could have seen.

pub mod page;
pub mod stats;
