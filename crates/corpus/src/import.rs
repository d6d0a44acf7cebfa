//! Other people's layouts, read into a corpus.
//!
//! An importer keeps what it can use, drops the rest, and says in a [`Report`] how much of which and why.

mod gsm8k;
mod kamel;
mod toolkengpt;

pub use gsm8k::{gsm8k, gsm8k_solution};
pub use kamel::{KamelFact, KamelTemplates, kamel_facts, kamel_supervised, kamel_text};
pub use toolkengpt::{Layout, toolkengpt};

use crate::{Corpus, CorpusError};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// What an importer made of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// The examples that were kept.
    pub corpus: Corpus,
    /// How they came to be.
    pub report: Report,
}

/// An importer's account, in counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Entries read.
    pub read: usize,
    /// Entries kept as examples.
    pub kept: usize,
    /// Calls in them.
    pub spans: usize,
    /// Entries dropped, by reason.
    pub dropped: BTreeMap<String, usize>,
    /// What was kept although it is not as one would expect, by kind.
    pub noted: BTreeMap<String, usize>,
}

impl Report {
    fn drop(&mut self, reason: impl Into<String>) {
        *self.dropped.entry(reason.into()).or_default() += 1;
    }

    fn note(&mut self, kind: impl Into<String>) {
        *self.noted.entry(kind.into()).or_default() += 1;
    }

    fn keep(&mut self, example: &crate::Example) {
        self.kept += 1;
        self.spans += example.calls.len();
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dropped: usize = self.dropped.values().sum();
        writeln!(f, "read {}, kept {} with {} calls, dropped {dropped}", self.read, self.kept, self.spans)?;
        for (reason, n) in &self.dropped {
            writeln!(f, "{n:8} dropped: {reason}")?;
        }
        for (kind, n) in &self.noted {
            writeln!(f, "{n:8} noted: {kind}")?;
        }
        Ok(())
    }
}

/// A file that cannot be imported at all. `E` is the tokenizer's error.
#[derive(Debug, thiserror::Error)]
pub enum ImportError<E> {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word on it.
        source: std::io::Error,
    },
    /// The file is not in the layout asked for.
    #[error("{}: not {expected}: {message}", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What it is instead, and where.
        message: String,
    },
    /// The tokenizer that the file's indices count in failed.
    #[error("{}, entry {entry}: {source}", path.display())]
    Tokenize {
        /// The file.
        path: PathBuf,
        /// The entry, counted from 0.
        entry: usize,
        /// The tokenizer's word on it.
        source: E,
    },
    /// The examples do not make a corpus.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
}
