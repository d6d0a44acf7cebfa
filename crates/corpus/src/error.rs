//! What can go wrong between a corpus file and a corpus.

use crate::{Fault, FaultKind};
use std::path::PathBuf;

/// An error of reading, writing or building a corpus.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word on it.
        source: std::io::Error,
    },
    /// A line of a file is not a valid example.
    #[error("{}:{}: {}, {}; `toolken corpus check` lists every fault", path.display(), fault.line, fault.place, fault.kind)]
    File {
        /// The file.
        path: PathBuf,
        /// The first fault in it.
        fault: Fault,
    },
    /// An example that was built in memory is not valid.
    #[error("example `{id}`, {place}: {kind}")]
    Example {
        /// Its id.
        id: String,
        /// Where in it.
        place: crate::Place,
        /// What is wrong.
        kind: FaultKind,
    },
    /// A call to a tool that is not among the tools given.
    #[error("example `{id}` calls `{tool}`, which is not among the tools given: {}; add it, or drop the example", known.join(", "))]
    UnknownTool {
        /// The example.
        id: String,
        /// The tool.
        tool: String,
        /// The tools given.
        known: Vec<String>,
    },
    /// The tools given hold a name twice or an empty one.
    #[error("the tools given name `{0}` twice, or emptily: each tool has one name of its own")]
    ToolNames(String),
}

impl CorpusError {
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}
