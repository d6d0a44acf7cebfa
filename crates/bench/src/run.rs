//! Runs: a method's answers to a task's questions, in a directory that survives being killed.
//!
//! `run.toml` holds everything needed to repeat the run, `questions.jsonl` a line a question with its whole trace, and
//! `head.safetensors` the head of a method that has one. Started again, a run answers what is missing.

use crate::BenchError;
use crate::answer::Answered;
use crate::grid::Adam;
use crate::heads::PriorName;
use crate::journal::{Entry, Journal};
use crate::method::Method;
use crate::score::Score;
use crate::task::{Question, Task, TaskName, TrainingSet};
use decode::Arguments;
use head::{MethodName, Weighting};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use tools::Rounding;

/// Version of the rules by which a method answers a task: it goes up when its answers change.
pub fn rules(method: Method, task: TaskName) -> u32 {
    let relations = matches!(task, TaskName::Kamel(_) | TaskName::Facts);
    match method {
        Method::FunctionCalling if relations => 6,
        Method::InContext | Method::Described | Method::Retrieved(_) if relations => 5,
        Method::ZeroShot
        | Method::React
        | Method::FunctionCalling
        | Method::Retrieved(_)
        | Method::ToolTokens { react: true, .. } => 5,
        _ => 4,
    }
}

/// Everything needed to repeat a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunMeta {
    /// Version of its rules ([`rules`]).
    pub version: u32,
    /// The task.
    pub task: TaskName,
    /// Its version.
    pub task_version: u32,
    /// SHA-256 of the questions ([`Task::digest`]); not in runs that did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// Questions, if fewer than all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The seed of their sample.
    pub sample_seed: u64,
    /// The method.
    pub method: Method,
    /// The model's name.
    pub model: String,
    /// SHA-256 of its weights.
    pub model_digest: String,
    /// The engine and its arithmetic.
    pub engine: String,
    /// Rounding of the arithmetic functions.
    pub rounding: Rounding,
    /// Cap on the tokens of an answer, before what a method adds to it.
    pub max_tokens: usize,
    /// SHA-256 of the files of facts that were added, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
    /// The head, for a method with tool tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadOfRun>,
}

impl RunMeta {
    /// The method, and what tells its runs apart.
    pub fn label(&self) -> String {
        match &self.head {
            Some(head) => format!("{}, seed {}", self.kind(), head.seed),
            None => self.kind(),
        }
    }

    /// The same whatever the seed of its head.
    pub fn kind(&self) -> String {
        let mut parts = vec![self.method.to_string()];
        parts.extend(
            (self.version != rules(self.method, self.task))
                .then(|| format!("rules of version {}", self.version)),
        );
        parts.extend((self.rounding == Rounding::Full).then(|| "rounding full".to_owned()));
        parts.extend((!self.facts.is_empty()).then(|| "facts added".to_owned()));
        if let Some(head) = &self.head {
            parts.extend(head.prior.map(|prior| format!("prior {prior}")));
            parts.extend(head.training.map(|set| format!("on {set}")));
            parts.extend(head.names.map(|names| format!("names {names}")));
            parts.extend(head.lambda.map(|lambda| format!("λ {lambda:e}")));
            parts.push(head.weighting.to_string());
            parts.extend(head.calls_only.then(|| "calls only".to_owned()));
            parts.push(match head.per_tool {
                Some(count) => format!("{count} a tool"),
                None => format!("{} texts", head.examples),
            });
            parts.extend(head.adam.map(|(rate, epochs)| Adam { rate, epochs }.to_string()));
            parts.extend((head.arguments != Arguments::Demos).then(|| "arguments in place".to_owned()));
            parts.push(format!("bias {}", head.bias_rule));
        }
        parts.join(", ")
    }

    /// Whether it is the exact head as it is by default, which others are compared with.
    pub fn is_plain_exact(&self) -> bool {
        let plain = |head: &HeadOfRun| {
            (head.prior, head.training, head.per_tool) == (None, None, None)
                && head.lambda.is_none()
                && head.names.is_none()
                && !head.calls_only
                && head.weighting == Weighting::default()
                && (head.bias_rule, head.arguments) == (BiasRule::Auto, Arguments::Demos)
        };
        let method = Method::ToolTokens { head: MethodName::Exact, among: None, react: false };
        self.method == method
            && self.version == rules(self.method, self.task)
            && self.rounding == Rounding::Reference
            && self.facts.is_empty()
            && self.head.as_ref().is_some_and(plain)
    }

    /// Which of the task's questions.
    pub fn questions(&self) -> String {
        self.limit.map_or_else(|| "all".to_owned(), |n| format!("{n} (seed {})", self.sample_seed))
    }

    /// The model, as people call it.
    pub fn called(&self) -> String {
        lm::told_apart(&self.model, &self.model_digest)
    }

    /// The model, and the arithmetic that it was run in.
    pub fn model_and_engine(&self) -> String {
        format!("{}, {}", self.called(), self.engine)
    }
}

/// The head of a run, and how it is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadOfRun {
    /// How it was fitted.
    pub method: MethodName,
    /// SHA-256 of the training corpus.
    pub corpus: String,
    /// Its examples.
    pub examples: usize,
    /// The seed of whatever was random, the folds included.
    pub seed: u64,
    /// W0, where it is not the method's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<PriorName>,
    /// The training set, where it is not the task's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingSet>,
    /// Examples a tool at most, where they are few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_tool: Option<usize>,
    /// λ, where it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// What the tools were called, where it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<crate::grid::Names>,
    /// Whether it was trained on calls alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calls_only: bool,
    /// How positions were averaged.
    pub weighting: Weighting,
    /// How the bias was chosen.
    pub bias_rule: BiasRule,
    /// Adam's rate and epochs, where it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adam: Option<(f64, usize)>,
    /// Where arguments are written.
    pub arguments: Arguments,
}

/// Where the bias on tools is from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum BiasRule {
    /// The published one of the task.
    Published,
    /// The one with the highest greedy F1 on held-out training folds.
    Auto,
    /// This one.
    Given(f32),
}

impl fmt::Display for BiasRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published => f.write_str("published"),
            Self::Auto => f.write_str("auto"),
            Self::Given(bias) => write!(f, "given: {bias}"),
        }
    }
}

impl FromStr for BiasRule {
    type Err = BenchError;

    fn from_str(text: &str) -> Result<Self, BenchError> {
        match text {
            "published" => Ok(Self::Published),
            "auto" => Ok(Self::Auto),
            // As files have it, and as people write it.
            number => match number.trim_start_matches("given: ").parse::<f32>() {
                Ok(bias) if bias.is_finite() => Ok(Self::Given(bias)),
                _ => {
                    Err(BenchError::Setting(format!("a bias is published, auto or a number, not `{number}`")))
                }
            },
        }
    }
}

impl From<BiasRule> for String {
    fn from(rule: BiasRule) -> Self {
        rule.to_string()
    }
}

impl TryFrom<String> for BiasRule {
    type Error = BenchError;

    fn try_from(text: String) -> Result<Self, BenchError> {
        text.parse()
    }
}

/// One question's line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The question.
    pub question: Question,
    /// What it is worth.
    pub score: Score,
    /// How it was answered.
    #[serde(flatten)]
    pub answered: Answered,
}

impl Entry for Record {
    type Meta = RunMeta;
    type Key = String;
    const META: &'static str = "run.toml";
    const RECORDS: &'static str = "questions.jsonl";

    fn key(&self) -> String {
        self.question.id.clone()
    }

    /// A run that did not keep what was asked may be of the same.
    fn same(found: &RunMeta, of: &RunMeta) -> bool {
        let asked = found.asked.clone().or(of.asked.clone());
        let (mut found, mut of) = (found.clone(), of.clone());
        of.asked = of.asked.or(asked.clone());
        found.asked = asked;
        found == of
    }

    fn other(found: &RunMeta) -> String {
        let of =
            format!("{} on {} with {}, or with other settings", found.method, found.task, found.called());
        format!("another run is there ({of})")
    }
}

/// A run's directory.
pub type Run = Journal<Record>;

impl Run {
    /// The questions of a task that have no answer yet.
    pub fn missing(&self, task: &Task) -> Vec<Question> {
        task.questions.iter().filter(|question| !self.has(question.id.as_str())).cloned().collect()
    }

    /// Where the run's head is kept.
    pub fn head_path(&self) -> PathBuf {
        self.folder().join("head.safetensors")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bias_is_read_as_it_is_written() {
        for rule in [BiasRule::Published, BiasRule::Auto, BiasRule::Given(-3.5), BiasRule::Given(2.0)] {
            assert_eq!(rule.to_string().parse::<BiasRule>().unwrap(), rule);
        }
        assert_eq!("3.0".parse::<BiasRule>().unwrap(), BiasRule::Given(3.0));
        for wrong in ["", "nan", "inf", "high", "given: "] {
            assert!(wrong.parse::<BiasRule>().is_err(), "{wrong}");
        }
    }
}
