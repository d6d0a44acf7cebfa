//! Tool heads: one learned row a tool beside a frozen model's vocabulary.
//!
//! This crate owns everything between labelled positions ([`Features`]) and a head ([`Head`]): priors, the objective and
//! its exact optimum, the references' way of training, the choice of λ by cross-validation, teacher-forced figures, and
//! the head's file. It knows nothing of how text is generated.
//!
//! ```text
//! FrozenLm + corpus ──> Features ──> Table ──┬─> fit / choose_lambda ──> Head ──> file
//!        └─────────────> Prior ──> W0 ───────┘                            └─────> Metrics, findings
//! ```
//!
//! ```
//! use toolken_head::{FeatureSet, Features, Method, MethodName, Metrics, Position, Subset, Table, WORD, Weighting, fit};
//!
//! // Two tools in a plane: one is called on the right, the other above, and words lie on the left.
//! let mut set = FeatureSet::new(2, vec!["add".into(), "multiply".into()]);
//! for i in 0..30 {
//!     let example = set.add_example(i);
//!     let x = 2.0 + 0.01 * i as f32;
//!     for (h, tool) in [([x, 0.0], 0), ([0.0, x], 1), ([-x, -x], WORD)] {
//!         let words = Position { h: &h, log_sum_exp: 1.0, label_logit: 0.5, max: 0.8, best_word: 0, tool, word: 0 };
//!         set.push(example, words);
//!     }
//! }
//! let table = Table::new(&set)?;
//! let all = Subset::all(set.groups().len());
//! let prior = lm::Matrix::zeros(2, 2);
//! let head = fit(&table, &all, &prior, &Method::named(MethodName::Exact), &mut |_| ())?.head;
//! let figures = Metrics::of(&head, &table, &all, Weighting::PerPosition)?;
//! assert_eq!((figures.choice, figures.recall, figures.false_calls), (Some(1.0), Some(1.0), Some(0.0)));
//! # Ok::<(), toolken_head::HeadError>(())
//! ```

mod adam;
pub mod candidates;
mod coarse;
mod curvature;
mod diagnose;
mod error;
mod evidence;
mod exact;
mod extract;
mod features;
mod fit;
mod head_file;
mod lambda;
mod look;
mod method;
mod metrics;
mod name;
mod neighbours;
mod newton;
mod objective;
mod precondition;
mod prior;
mod products;
mod regression;
mod screen;
mod shard;
mod softmax;
mod store;
mod subset;
mod table;
mod thin;
mod unseen;

pub use adam::{AdamSettings, Penalty, adam};
pub use diagnose::{Finding, choice_by_tools, diagnose};
pub use error::HeadError;
pub use evidence::{Evidence, empirical_bayes};
pub use exact::{ExactSettings, Progress, Solution, Status, solve, solve_after};
pub use extract::{ExtractProgress, Reading, extract, readings};
pub use features::{FeatureSet, Features, Position, Positions, WORD};
pub use fit::{Fit, FitProgress, Outcome, calls_by_tool, fit, fit_path, objective};
pub use head_file::{Head, HeadMeta};
pub use lambda::{
    Bias, Curve, CurvePoint, Rule, ScaleSelection, Search, Selection, Start, choose_lambda, choose_scale,
};
pub use method::{Method, MethodName, Solver};
pub use metrics::{GroupScores, Metrics, Scores, ToolMetrics};
pub use name::{bare_name, words_of_name};
pub use neighbours::{Neighbour, nearest_words};
pub use objective::{Objective, Training, Weighting};
pub use prior::{Pool, Prior, Scale, Source, Text, ToolText, mean_row_norm, uniform};
pub use shard::{Depot, Folder, Shard, extract_shard, merge};
pub use store::{Store, StoreKey};
pub use subset::Subset;
pub use table::Table;
pub use unseen::UNSEEN_FALSE_CALLS;
