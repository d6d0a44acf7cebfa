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
mod facts;
pub(crate) mod files;
mod funcqa;
mod gsm8k_xl;
pub mod kamel;
mod prompts;
mod relations;
mod training;

pub use gsm8k_xl::{FilledSolutions, filled_solutions};
pub use prompts::Prompts;
pub(crate) use training::of_each;
pub use training::{TrainingSet, few, sample};

use crate::BenchError;
use crate::score::Scoring;
use decode::Calling;
use head::ToolText;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use tools::ToolSet;

/// A task by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum TaskName {
    /// FuncQA's 60 questions of one call.
    FuncQaOneHop,
    /// FuncQA's 68 questions of several calls.
    FuncQaMultiHop,
    /// GSM8K-XL's 568 questions with enlarged numbers.
    Gsm8kXl,
    /// KAMEL's 500 questions about its first relations, as many as said.
    Kamel(u16),
    /// Questions about facts of our own.
    Facts,
    /// Word problems of our own, of sentence patterns that are never trained on.
    Arithmetic,
}

impl TaskName {
    /// All tasks.
    pub fn all() -> Vec<Self> {
        let mut all =
            vec![Self::FuncQaOneHop, Self::FuncQaMultiHop, Self::Gsm8kXl, Self::Arithmetic, Self::Facts];
        all.extend(kamel::SIZES.map(Self::Kamel));
        all
    }

    /// What its heads are trained on.
    pub fn training(self) -> TrainingSet {
        match self {
            Self::FuncQaOneHop | Self::FuncQaMultiHop => TrainingSet::FuncQa,
            Self::Gsm8kXl => TrainingSet::Gsm8k,
            Self::Arithmetic => TrainingSet::Arithmetic,
            Self::Kamel(n) => TrainingSet::Kamel(n),
            Self::Facts => TrainingSet::Facts,
        }
    }

    /// Reads the task; `data` is the folder of other people's data.
    ///
    /// # Errors
    /// [`BenchError::Setting`] if the task needs a folder and none is given; [`BenchError::Data`] names the file that is
    /// not as expected.
    pub fn load(self, data: Option<&Path>) -> Result<Task, BenchError> {
        let folder = || files::folder(data, &self.to_string());
        match self {
            Self::FuncQaOneHop => funcqa::one_hop(folder()?),
            Self::FuncQaMultiHop => funcqa::multi_hop(folder()?),
            Self::Gsm8kXl => gsm8k_xl::task(folder()?),
            Self::Kamel(n) => kamel::task(folder()?, n),
            Self::Arithmetic => builtin::task(),
            Self::Facts => facts::task(),
        }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FuncQaOneHop => f.pad("funcqa-one-hop"),
            Self::FuncQaMultiHop => f.pad("funcqa-multi-hop"),
            Self::Gsm8kXl => f.pad("gsm8k-xl"),
            Self::Kamel(n) => f.pad(&format!("kamel-{n}")),
            Self::Arithmetic => f.pad("arithmetic"),
            Self::Facts => f.pad("facts"),
        }
    }
}

impl From<TaskName> for String {
    fn from(name: TaskName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for TaskName {
    type Error = BenchError;

    fn try_from(name: String) -> Result<Self, BenchError> {
        name.parse()
    }
}

impl FromStr for TaskName {
    type Err = BenchError;

    fn from_str(name: &str) -> Result<Self, BenchError> {
        Self::all().into_iter().find(|known| known.to_string() == name).ok_or_else(|| {
            let known = Self::all().iter().map(Self::to_string).collect::<Vec<_>>().join(", ");
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
    /// What priors know of the tools, in the same order; a relation's name tells more than its id.
    pub texts: Vec<ToolText>,
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
    /// The parts of an answer that is a set, each with all its labels; empty where the answer is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Vec<String>>,
}

/// What priors know of tools that have speaking names of their own.
pub(crate) fn own_texts(tools: &ToolSet) -> Vec<ToolText> {
    let text =
        |tool: &tools::Tool| ToolText { name: tool.name.clone(), description: tool.description.clone() };
    tools.iter().map(text).collect()
}

impl Task {
    /// SHA-256 of the questions, in their order, with what is right: so that answers to others are not mixed with them.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for question in &self.questions {
            hash.update(serde_json::to_vec(question).unwrap_or_default()); // strings are always JSON
        }
        hex::encode(hash.finalize())
    }

    /// How tool tokens are called: where the relation is what is asked for, the first token is the best of them and the
    /// last, and its record says whether it beat the words as well.
    pub fn calling(&self) -> Calling {
        match self.scoring {
            Scoring::Relation => Calling::Force,
            Scoring::Number { .. } | Scoring::Ending => Calling::Auto,
        }
    }

    /// Adds a file of facts ([`corpus::import::kamel_facts`]) to the knowledge base of every relation. What it says of a
    /// subject is said besides what is known; a line with `aliases` and no answers gives a known subject other names.
    /// Returns the file's relations that are none of the task's: nobody will look them up.
    ///
    /// # Errors
    /// [`BenchError::Setting`] if the task has no relations, or the file none of them; [`BenchError::Data`] names the
    /// line that is no fact.
    pub fn add_facts(&mut self, path: &Path) -> Result<BTreeSet<String>, BenchError> {
        let facts = corpus::import::kamel_facts(path).map_err(|e| BenchError::import(path, e))?;
        let source = path.display().to_string();
        let mut unknown: BTreeSet<String> = facts.iter().map(|fact| fact.relation.clone()).collect();
        let in_file = unknown.len();
        let layer = tools::KnowledgeBase::in_memory(&source, facts.into_iter().map(kamel::as_fact))?;
        let mut tools: Vec<tools::Tool> = self.tools.iter().cloned().collect();
        let mut relations = 0;
        for tool in &mut tools {
            if let tools::Runner::Relation(relation) = &mut tool.runner {
                relation.base = relation.base.clone().and(layer.clone());
                relations += 1;
                unknown.remove(&relation.relation);
            }
        }
        if relations == 0 {
            return Err(BenchError::Setting(format!(
                "{} has no knowledge base to add {source} to",
                self.name
            )));
        }
        if in_file > 0 && unknown.len() == in_file {
            let some: Vec<&str> = unknown.iter().take(3).map(String::as_str).collect();
            let (some, of) = (some.join(", "), self.name);
            return Err(BenchError::Setting(format!(
                "{source}: none of its relations ({some}, …) is one of {of}: `relation` is the name of a tool, as in its texts"
            )));
        }
        self.tools = ToolSet::new(tools)?;
        Ok(unknown)
    }

    /// A seeded sample of the questions, in the task's order; all of them if there are no more.
    #[must_use]
    pub fn sampled(mut self, count: usize, seed: u64) -> Self {
        let kept = sample(self.questions.len(), count, seed);
        self.questions = kept.into_iter().map(|i| self.questions[i].clone()).collect();
        self
    }
}
