//! Household plans: a plan is written in tool tokens, and the simulator says what it is worth.
//!
//! Every action and every object is a token. [`HomeData`] has the tasks, the tokens and the training texts, a [`Planner`] plans
//! with a head, [`PlanScore`] says whether the plan does what the task wants. Tasks are cut into five parts by title, and the
//! head of a part has seen no title and no hint of it.

mod calls;
mod data;
mod fit;
mod plan;
mod prompt;
mod run;
mod score;
mod vocabulary;
mod words;

pub use calls::plan_in_calls;
pub use data::{FOLDS, HomeData, Household, TrainOn};
pub use fit::{PlanMethod, fit_part};
pub use plan::{Ask, MOST_LINES, Planned, Planner, Written};
pub use prompt::{Question, tokens};
pub use run::{HomeMeta, HomeRecord, HomeRun, Tally, VERSION, by_title, success_interval, tally};
pub use score::PlanScore;
pub use vocabulary::{END, Kind, Vocabulary};
pub use words::{Shown, WORKED_EXAMPLES, plan_in_words, prompt_in_words};
