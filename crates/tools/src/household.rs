//! A household that scripts act in: VirtualHome's, as its own executor runs it (version 2.3.0, MIT, Puig et al. 2018).
//!
//! A [`Scene`] is a graph of nodes (rooms, things, a character) with states and properties, and edges between them. A script is
//! lines such as `[GRAB] <cup> (1)`. A [`Home`] is a scene in which lines are carried out one by one: an action whose conditions
//! hold changes states and edges, and any other is refused with the original's words. Verdicts, messages and changes are the
//! original's, its faults included: that is what makes figures comparable with published ones.
//!
//! A thing's number counts the things of that name in the script. `WALK`, `RUN` and `FIND` decide which node it is, the first
//! that can be walked to or found; other actions know only what has been found before.
//!
//! ```
//! use toolken_tools::household::{Home, builtin, run};
//! let tasks = builtin();
//! let mut home = Home::new(tasks.base.clone(), tasks.names.clone());
//! let outcome = run(&mut home, ["[WALK] <kitchen> (1)", "[GRAB] <cup> (1)"]);
//! assert_eq!(outcome.steps, 1);
//! assert_eq!(outcome.error.as_deref(), Some("<cup> (1) cannot be found when executing \"[GRAB] <cup> (1) [2]\""));
//! assert!(run(&mut home, ["[FIND] <cup> (1)", "[GRAB] <cup> (1)"]).ok);
//! ```

mod act;
mod builtin;
mod error;
mod python_json;
mod replay;
mod run;
mod scene;
mod script;
mod set;
mod state;
mod task;

pub use act::{Step, StepEnd};
pub use builtin::builtin;
pub use error::HomeError;
pub use python_json::to_python_json;
pub use replay::replay;
pub use run::{Outcome, run, run_lines};
pub use scene::{
    Change, Edge, Equivalence, Node, NodeId, NodeStates, Patch, Property, Relation, Scene, SceneError, State,
};
pub use script::{Action, Line, ScriptError, Thing, parse_line, parse_script};
pub use state::Home;
pub use task::{HomeTask, Tasks};
