//! Household plans: a plan is written in tool tokens, and the simulator says what it is worth.
//!
//! Every action and every object is a token. [`HomeData`] has the tasks, the tokens and the training texts, a [`PartPlanner`] plans
//! a part's tasks in some [`Way`], [`PlanScore`] says whether the plan does what the task wants. Tasks are cut into five parts by title, and the
//! head of a part has seen no title and no hint of it.

mod calls;
mod data;
mod fit;
mod plan;
mod prompt;
mod run;
mod score;
mod vocabulary;
mod way;
mod words;

pub use data::{FOLDS, HomeData, Household, TrainOn};
pub use fit::{PlanMethod, fit_part};
pub use plan::{Ask, MOST_LINES, Planned, Planner, Written};
pub use prompt::{Question, tokens};
pub use run::{HomeMeta, HomeRecord, HomeRun, Tally, VERSION, by_title, success_interval, tally};
pub use score::PlanScore;
pub use vocabulary::{END, Kind, Vocabulary};
pub use way::{PartPlanner, Way};
pub use words::Shown;
