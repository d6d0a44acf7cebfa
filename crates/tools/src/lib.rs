//! What a tool is, how it runs, and tool packs.
//!
//! A [`Tool`] has a name, a description, a schema for its arguments, and a [`Runner`]. A model writes a call; [`Tool::run`]
//! takes what stands between its brackets and gives the text of the result. Nothing that a model wrote is ever executed:
//! arguments are read as numbers, or not at all. Tools stand in a [`ToolSet`], in the order of a head's rows, and a [`Pack`]
//! keeps a set on disk beside its head.
//!
//! A [`KnowledgeBase`] holds what relations say of subjects: a tool over one takes a subject for its argument, whatever way
//! it is written, and gives what is known of it, or [`NO_ENTRY`].
//!
//! This crate knows nothing of models.
//!
//! ```
//! use toolken_tools::{Outcome, ToolSet};
//! let tools = ToolSet::arithmetic();
//! let multiply = tools.by_name("multiply").expect("one of the thirteen");
//! assert_eq!(multiply.opening(), "<multiply>(");
//! assert_eq!(multiply.run("$1,250, 5%")?, Outcome::Done { text: "62.5".into(), numeric: true });
//! assert!(multiply.run("the price, 2").is_err());
//! # Ok::<(), toolken_tools::CallError>(())
//! ```

mod arguments;
mod arithmetic;
mod guards;
pub mod household;
mod json_lines;
mod knowledge;
mod number;
mod pack;
mod set;
mod tool;

pub use arguments::{ArgumentError, parse_arguments};
pub use arithmetic::{ArithmeticError, Arity, ErrorKind, Function, Rounding, UnknownFunction};
pub use guards::{GuardError, Guards};
pub use json_lines::{LineError, call_json};
pub use knowledge::{Fact, KnowledgeBase, KnowledgeError, NO_ENTRY, fold};
pub use number::{MAX_DIGITS, Number, NumberError};
pub use pack::{Pack, PackError};
pub use set::{ToolError, ToolSet};
pub use tool::{
    Arithmetic, CallError, HttpTool, McpServer, McpTool, Outcome, Placement, Relation, Runner, Tool,
};
