//! A tool pack: a directory with the tools, their head and a card for readers.
//!
//! ```text
//! pack/
//!   tools.toml          the tools; rows of the head are found by their names: read and written here
//!   examples.jsonl      the conversations that the head is fitted on
//!   head.safetensors    the learned rows: read and written by the crate `head`
//!   report.json         the fit's figures, and what a tool without an example is offered at
//!   card.md             what it is and how it was made: written by the fit
//! ```
//!
//! ```toml
//! format = 1
//!
//! [[tools]]
//! name = "add"                      # needed, unique
//! run = { builtin = "add" }         # or with `rounding = "full"`, `guards = "off"`; or "client"; or "literal"
//! description = "Adds numbers."     # a built-in has its own, if this and the next two are left out
//! parameters = '{"type": "object"}' # a JSON schema, as JSON; by default there are none
//! examples = ["2+3=<add>(2, 3)=5"]
//! placement = "splice"              # or "literal" or "message"; the default is what suits `run`
//!
//! [[tools]]
//! name = "now"
//! run = { mcp = ["mcp-server-time"], tool = "get_current_time", read_only = true } # a command, or the URL as a string
//!
//! [[tools]]
//! name = "weather"
//! run = { http = "GET https://example.org/weather/{town}", query = ["day"] } # others go into a JSON body, or, where there is none, the query
//!
//! [[tools]]
//! name = "capital"
//! run = { relation = "P36", facts = ["facts.redb"] } # a knowledge base, beside this file or with a path of its own
//! ```

mod form;

use crate::set::{ToolError, ToolSet};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The largest `tools.toml` that is read: room for some tens of thousands of tools.
const LARGEST_FILE: u64 = 64 << 20;

/// A tool pack's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    dir: PathBuf,
}

/// Why a pack can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word on it.
        source: io::Error,
    },
    /// The file as a whole is not what it should be.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was found, what was expected, what to do.
        message: String,
    },
    /// One of its tools is not what it should be.
    #[error("{}, line {line}: {source}", path.display())]
    Tool {
        /// The file.
        path: PathBuf,
        /// Where the tool begins, from 1.
        line: usize,
        /// What is wrong with it.
        source: ToolError,
    },
}

impl Pack {
    /// The pack in this directory, which need not exist yet.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `tools.toml`.
    pub fn tools_path(&self) -> PathBuf {
        self.dir.join("tools.toml")
    }

    /// `head.safetensors`.
    pub fn head_path(&self) -> PathBuf {
        self.dir.join("head.safetensors")
    }

    /// `examples.jsonl`.
    pub fn examples_path(&self) -> PathBuf {
        self.dir.join("examples.jsonl")
    }

    /// `report.json`: how the head was fitted.
    pub fn report_path(&self) -> PathBuf {
        self.dir.join("report.json")
    }

    /// The files that a pack consists of, there or not.
    pub fn files(&self) -> [PathBuf; 5] {
        [self.tools_path(), self.examples_path(), self.head_path(), self.report_path(), self.card_path()]
    }

    /// `card.md`.
    pub fn card_path(&self) -> PathBuf {
        self.dir.join("card.md")
    }

    /// Reads the tools.
    ///
    /// # Errors
    /// A missing, over-long or malformed file, another format version, unknown fields, and all that [`ToolSet::new`]
    /// refuses: each with file, line, tool and field.
    pub fn load_tools(&self) -> Result<ToolSet, PackError> {
        let path = self.tools_path();
        if !path.exists() {
            let message =
                "there is no such file, so this is no pack: `toolken pack new` makes one".to_owned();
            return Err(PackError::File { path, message });
        }
        Self::tools_of(&path)
    }

    /// Reads the tools of a file like a pack's `tools.toml`; files that it names are beside it.
    ///
    /// # Errors
    /// As [`Pack::load_tools`].
    pub fn tools_of(path: &Path) -> Result<ToolSet, PackError> {
        form::parse(path, &read(path)?)
    }

    /// Writes the tools; creates the directory if there is none. A reader sees the old file or the new one, whole.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn save_tools(&self, tools: &ToolSet) -> Result<(), PackError> {
        let path = self.tools_path();
        let text = form::write(tools, &self.dir)
            .map_err(|error| PackError::File { path: path.clone(), message: error.to_string() })?;
        self.write(path, &text)
    }

    /// Writes the card, in the same way.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn save_card(&self, card: &str) -> Result<(), PackError> {
        self.write(self.card_path(), card)
    }

    fn write(&self, path: PathBuf, text: &str) -> Result<(), PackError> {
        files::write(&path, text.as_bytes()).map_err(|source| PackError::Io { path, source })
    }
}

fn read(path: &Path) -> Result<String, PackError> {
    let io = |source| PackError::Io { path: path.to_owned(), source };
    let mut text = String::new();
    let length =
        File::open(path).map_err(io)?.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(io)?;
    if length as u64 > LARGEST_FILE {
        let message = format!("more than {} MiB, which no tool pack needs", LARGEST_FILE >> 20);
        return Err(PackError::File { path: path.to_owned(), message });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{form::tests::mixed, *};
    use std::fs;

    #[test]
    fn what_is_saved_is_loaded() {
        let dir = tempfile::tempdir().expect("a directory");
        let pack = Pack::at(dir.path().join("new/pack"));
        for tools in [mixed(), ToolSet::arithmetic(), ToolSet::default()] {
            pack.save_tools(&tools).expect("saved");
            let loaded = pack.load_tools().expect("loaded");
            assert_eq!(loaded, tools);
            // Equality of JSON objects ignores order; the order of arguments matters to a model.
            let schemas =
                |set: &ToolSet| set.iter().map(|tool| tool.parameters.to_string()).collect::<Vec<_>>();
            assert_eq!(schemas(&loaded), schemas(&tools));
        }
        pack.save_card("# card\n").expect("saved");
        let files: Vec<_> =
            fs::read_dir(pack.dir()).expect("listed").map(|f| f.expect("a file").file_name()).collect();
        assert_eq!(files.len(), 2, "no temporary file is left: {files:?}");
    }

    #[test]
    fn what_the_system_refuses_names_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let pack = Pack::at(dir.path());
        let error = pack.load_tools().expect_err("no file").to_string();
        assert!(error.contains("tools.toml"), "{error}");
        fs::write(pack.tools_path(), [0xff, 0xfe]).expect("written");
        let error = pack.load_tools().expect_err("no text").to_string();
        assert!(error.contains("UTF-8"), "{error}");
        let error = Pack::at(pack.tools_path())
            .save_tools(&ToolSet::arithmetic())
            .expect_err("a file is no directory");
        assert!(matches!(error, PackError::Io { .. }), "{error}");
    }
}
