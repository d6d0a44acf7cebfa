//! Methods as values: how a question is answered.
//!
//! | name | prompt | tools |
//! |---|---|---|
//! | `zero-shot` | the question, through the model's chat template where it has one | none |
//! | `cot` | worked answers | none |
//! | `in-context` | worked answers with calls written out | calls in words are run, results put in |
//! | `in-context-described` | descriptions of all tools, a few worked answers with calls | likewise |
//! | `react` | thoughts, actions, observations | likewise |
//! | `function-calling` | the chat template with the tools' schemas | calls in the template's form |
//! | `bm25`, `similarity` | worked calls of the one tool that retrieval ranks first | calls in words |
//! | `toolkengpt`, `tokenlearning`, `tokenlearning-code`, `exact` | worked answers | tool tokens |
//! | `exact@5-bm25`, `exact@20-similarity` | worked answers | tool tokens of the first k that retrieval ranks |
//! | `react-exact` | thoughts and actions | tool tokens |

use crate::BenchError;
use crate::named::named;
use crate::score::Scoring;
use crate::task::Task;
use head::MethodName;
use lm::{ChatTemplate, FrozenLm};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// The question alone.
    ZeroShot,
    /// Worked answers.
    ChainOfThought,
    /// Worked answers with calls in words.
    InContext,
    /// Worked answers with calls in words, below descriptions of all tools.
    Described,
    /// Thoughts, actions in words, observations.
    React,
    /// The model's own function calling.
    FunctionCalling,
    /// The tool that retrieval ranks first, with worked calls of it.
    Retrieved(Retriever),
    /// A head's tool tokens.
    ToolTokens {
        /// How the head was fitted.
        head: MethodName,
        /// Only the first tools of a ranking may be called.
        among: Option<Among>,
        /// Whether the prompt is ReAct's.
        react: bool,
    },
}

/// The first tools of a ranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Among {
    /// How many.
    pub k: usize,
    /// Who ranks them.
    pub by: Retriever,
}

/// Who ranks tools for a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retriever {
    /// Shared words, weighted by how rare they are.
    Bm25,
    /// The cosine of mean hidden states.
    Similarity,
}

named!(Retriever, "retriever": Bm25 = "bm25", Similarity = "similarity");

impl Method {
    /// The methods that a full comparison runs.
    pub fn all() -> Vec<Self> {
        let exact = |among| Self::ToolTokens { head: MethodName::Exact, among, react: false };
        let heads = MethodName::ALL.map(|head| Self::ToolTokens { head, among: None, react: false });
        let mut all = vec![
            Self::ZeroShot,
            Self::ChainOfThought,
            Self::InContext,
            Self::Described,
            Self::React,
            Self::FunctionCalling,
        ];
        all.extend(Retriever::ALL.iter().copied().map(Self::Retrieved));
        all.extend(heads);
        all.extend(Retriever::ALL.iter().map(|&by| exact(Some(Among { k: 5, by }))));
        all.push(Self::ToolTokens { head: MethodName::Exact, among: None, react: true });
        all
    }

    /// Whether it can be tried on a task with a model at all.
    ///
    /// # Errors
    /// If the task has no prompt for it, or the model no chat template that it needs, with tools in it.
    pub fn goes_with(self, task: &Task, lm: &dyn FrozenLm) -> Result<(), BenchError> {
        match self {
            Self::Described => task.prompts.with_descriptions("").map(drop),
            Self::React | Self::ToolTokens { react: true, .. } if task.scoring == Scoring::Relation => {
                Err(BenchError::Setting(format!(
                    "{self} goes with arithmetic: a question about a relation is one lookup, with no worked thoughts to show"
                )))
            }
            Self::FunctionCalling => Ok(ChatTemplate::of(lm.tokenizer())?.can_list_tools()?),
            _ => Ok(()),
        }
    }

    /// The head it needs.
    pub fn head(self) -> Option<MethodName> {
        match self {
            Self::ToolTokens { head, .. } => Some(head),
            _ => None,
        }
    }

    /// Who ranks tools for it.
    pub fn retriever(self) -> Option<Retriever> {
        match self {
            Self::Retrieved(by) => Some(by),
            Self::ToolTokens { among, .. } => among.map(|among| among.by),
            _ => None,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::ZeroShot => "zero-shot".to_owned(),
            Self::ChainOfThought => "cot".to_owned(),
            Self::InContext => "in-context".to_owned(),
            Self::Described => "in-context-described".to_owned(),
            Self::React => "react".to_owned(),
            Self::FunctionCalling => "function-calling".to_owned(),
            Self::Retrieved(by) => by.as_str().to_owned(),
            Self::ToolTokens { head, among, react } => {
                let react = if *react { "react-" } else { "" };
                let among = among.map_or_else(String::new, |a| format!("@{}-{}", a.k, a.by.as_str()));
                format!("{react}{}{among}", head)
            }
        };
        f.pad(&name)
    }
}

impl FromStr for Method {
    type Err = BenchError;

    fn from_str(name: &str) -> Result<Self, BenchError> {
        let known = || Self::all().iter().map(Self::to_string).collect::<Vec<_>>().join(", ");
        let unknown = || {
            BenchError::Setting(format!(
                "unknown method `{name}`; there are {}, and exact@K-RETRIEVER",
                known()
            ))
        };
        if let Some(method) = Self::all().into_iter().find(|method| method.to_string() == name) {
            return Ok(method);
        }
        let (react, rest) = name.strip_prefix("react-").map_or((false, name), |rest| (true, rest));
        let (head, among) = rest.split_once('@').map_or((rest, None), |(head, among)| (head, Some(among)));
        let head = MethodName::ALL.into_iter().find(|&key| key.as_str() == head).ok_or_else(unknown)?;
        let among = match among {
            None => None,
            Some(among) => {
                let (k, by) = among.split_once('-').ok_or_else(unknown)?;
                let by = by.parse().map_err(|_| unknown())?;
                Some(Among { k: k.parse().ok().filter(|&k| k > 0).ok_or_else(unknown)?, by })
            }
        };
        Ok(Self::ToolTokens { head, among, react })
    }
}

impl Serialize for Method {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_name_of_its_own() {
        let all = Method::all();
        let mut names: Vec<String> = all.iter().map(Method::to_string).collect();
        for (method, name) in all.iter().zip(&names) {
            assert_eq!(name.parse::<Method>().unwrap(), *method);
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
        for name in ["exact@20-bm25", "react-toolkengpt", "tokenlearning-code@3-similarity"] {
            assert_eq!(name.parse::<Method>().unwrap().to_string(), name);
        }
        for name in ["", "exact@", "exact@0-bm25", "exact@5", "exact@5-google", "react-cot"] {
            assert!(name.parse::<Method>().is_err(), "{name}");
        }
    }
}
