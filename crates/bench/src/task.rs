//! Tasks: questions, tools, prompts and scoring, as declarations.
//!
//! A task says what is asked and what counts as right; nothing of it depends on a model or a method. Other people's data
//! is read from a folder laid out as theirs is (`toolkengpt/funcqa`, `toolkengpt/gsm8k-xl`, `gsm8k`); the built-in task
//! needs none.
//!
//! ```
//! use toolken_bench::task::TaskName;
//! let task = TaskName::Arithmetic.load(None)?;
//! assert_eq!(task.tools.len(), 13);
//! assert!(task.prompts.plain(&task.questions[0].text).ends_with("\nA:"));
//! # Ok::<(), toolken_bench::BenchError>(())
//! ```

mod builtin;
mod files;
mod funcqa;
mod gsm8k_xl;
mod prompts;
mod training;

pub use gsm8k_xl::{FilledSolutions, filled_solutions};
pub use prompts::Prompts;
pub use training::{TrainingSet, sample};

use crate::BenchError;
use crate::score::Scoring;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use tools::ToolSet;

/// A task by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskName {
    /// FuncQA's 60 questions of one call.
    #[serde(rename = "funcqa-one-hop")]
    FuncQaOneHop,
    /// FuncQA's 68 questions of several calls.
    #[serde(rename = "funcqa-multi-hop")]
    FuncQaMultiHop,
    /// GSM8K-XL's 568 questions with enlarged numbers.
    #[serde(rename = "gsm8k-xl")]
    Gsm8kXl,
    /// Word problems of our own, of sentence patterns that are never trained on.
    Arithmetic,
}

impl TaskName {
    /// All tasks.
    pub const ALL: [Self; 4] = [Self::FuncQaOneHop, Self::FuncQaMultiHop, Self::Gsm8kXl, Self::Arithmetic];

    /// The name on the command line and in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FuncQaOneHop => "funcqa-one-hop",
            Self::FuncQaMultiHop => "funcqa-multi-hop",
            Self::Gsm8kXl => "gsm8k-xl",
            Self::Arithmetic => "arithmetic",
        }
    }

    /// What its heads are trained on.
    pub fn training(self) -> TrainingSet {
        match self {
            Self::FuncQaOneHop | Self::FuncQaMultiHop => TrainingSet::FuncQa,
            Self::Gsm8kXl => TrainingSet::Gsm8k,
            Self::Arithmetic => TrainingSet::Arithmetic,
        }
    }

    /// Reads the task; `data` is the folder of other people's data.
    ///
    /// # Errors
    /// [`BenchError::Setting`] if the task needs a folder and none is given; [`BenchError::Data`] names the file that is
    /// not as expected.
    pub fn load(self, data: Option<&Path>) -> Result<Task, BenchError> {
        match self {
            Self::FuncQaOneHop => funcqa::one_hop(files::folder(data, self.as_str())?),
            Self::FuncQaMultiHop => funcqa::multi_hop(files::folder(data, self.as_str())?),
            Self::Gsm8kXl => gsm8k_xl::task(files::folder(data, self.as_str())?),
            Self::Arithmetic => builtin::task(),
        }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TaskName {
    type Err = BenchError;

    fn from_str(name: &str) -> Result<Self, BenchError> {
        Self::ALL.into_iter().find(|known| known.as_str() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            BenchError::Setting(format!("unknown task `{name}`; there are {known}"))
        })
    }
}

/// A task: what is asked, with which tools, in which words, and what is right.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Which task.
    pub name: TaskName,
    /// Goes up when questions, prompts or scoring change: figures of different versions are not comparable.
    pub version: u32,
    /// The tools, in the order of a head's rows.
    pub tools: ToolSet,
    /// The questions.
    pub questions: Vec<Question>,
    /// Its prompts.
    pub prompts: Prompts,
    /// What is right.
    pub scoring: Scoring,
    /// The logits bias that ToolkenGPT's authors used.
    pub published_bias: f32,
    /// Cap on the tokens of an answer.
    pub max_tokens: usize,
}

/// One question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Unique within the task.
    pub id: String,
    /// What is asked.
    pub text: String,
    /// The expected answer.
    pub answer: String,
    /// The tools of the reference solution, in order; empty if none is given.
    pub tools: Vec<String>,
}

impl Task {
    /// A seeded sample of the questions, in the task's order; all of them if there are no more.
    #[must_use]
    pub fn sampled(mut self, count: usize, seed: u64) -> Self {
        let kept = sample(self.questions.len(), count, seed);
        self.questions = kept.into_iter().map(|i| self.questions[i].clone()).collect();
        self
    }
}
