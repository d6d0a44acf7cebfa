//! The teacher-forced grid: many heads, fitted and scored from features that were computed once.
//!
//! Features are split into a part to fit on and a part to score on. A corpus with a test of its own (GSM8K's gold solutions
//! with enlarged numbers, our problems of unseen patterns) is scored on that, and the seed moves only what is random in a
//! method. A corpus without one (FuncQA) is cut into five folds anew by every seed, and each fold is scored by heads fitted on
//! the others: a seed's figure is the mean of its folds', and every seed scores every example once.
//!
//! A grid is a directory: `grid.toml` says what it is of, `grid.jsonl` has a line a [`Unit`]: an array of its [`Row`]s, which
//! are there all or not at all. A grid that was killed goes on where it was, with the same result.

mod arena;
mod cell;
mod describe;
mod fitted;
mod map;
mod plan;
mod store;

pub use arena::Arena;
use arena::FOLDS;
pub use cell::{Adam, AtBias, Cell, Kind, Lambda, Names, Row, Unit, by_seed};
pub use describe::{prior_name, summary};
pub use fitted::held_out_bias;
pub use map::{MapOfRows, Placed, map_of_rows, maps};
pub use plan::{FEW, Part, plan};
pub(crate) use plan::{LEARNING, few_priors};
pub use store::{GridFile, GridMeta, VERSION};

use crate::BenchError;
use head::ToolText;
use lm::FrozenLm;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, sync::mpsc, thread};

/// The values of λ that a path takes: the papers', and none.
pub const LAMBDAS: [f64; 9] = [0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 0.8, 1.0];

/// Does units' work.
pub struct Worker<'a> {
    lm: &'a dyn FrozenLm,
    arena: Arena<'a>,
    priors: fitted::Priors,
}

impl<'a> Worker<'a> {
    /// A worker for a model and its features.
    pub fn new(lm: &'a dyn FrozenLm, arena: Arena<'a>) -> Self {
        Self { lm, arena, priors: fitted::Priors::default() }
    }

    /// The rows of a unit.
    ///
    /// # Errors
    /// As [`head::fit()`], [`head::choose_lambda`] and [`head::empirical_bayes`].
    pub fn work(&self, unit: &Unit) -> Result<Vec<Row>, BenchError> {
        fitted::rows(unit, self.lm, &self.arena, &self.priors)
    }

    /// Works through units, so many at a time, each on its share of the threads: fits of a few tools are too small to be shared
    /// well. `done` is given each unit's rows as they come, which is not quite the units' order.
    ///
    /// # Errors
    /// As [`Worker::work`], and those of `done`. What is being worked on then is finished first and dropped.
    pub fn work_all(
        &self,
        units: &[&Unit],
        jobs: NonZeroUsize,
        done: &mut dyn FnMut(Vec<Row>) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        let threads = (rayon::current_num_threads() / jobs).max(1);
        let next = AtomicUsize::new(0);
        let (send, receive) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..jobs.get() {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let pool = pool.map_err(|e| BenchError::io("a thread pool", io::Error::other(e)))?;
                let (send, next) = (send.clone(), &next);
                scope.spawn(move || {
                    pool.install(|| {
                        while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                            if send.send(self.work(unit)).is_err() {
                                break;
                            }
                        }
                    });
                });
            }
            drop(send);
            receive.into_iter().try_for_each(|rows| done(rows?))
        })
    }
}

/// What priors know of tools: their own names, or others. `own` stands in the order of `tools`.
pub(crate) fn texts(tools: &[String], own: &[ToolText], names: Names) -> Vec<ToolText> {
    let text = |(k, (id, own)): (usize, (&String, &ToolText))| {
        let name = if names == Names::Id { id.clone() } else { names.of(k, &own.name) };
        ToolText { name, description: own.description.clone() }
    };
    tools.iter().zip(own).enumerate().map(text).collect()
}
