//! The ways in which plans are made, and the plans of one part's tasks.

use super::calls::plan_in_calls;
use super::data::HomeData;
use super::plan::{Ask, Planner, Written};
use super::prompt::Question;
use super::words::{Shown, WORKED_EXAMPLES, plan_in_words, prompt_in_words};
use crate::BenchError;
use crate::method::{Among, Method};
use crate::retrieve::Ranker;
use head::{Head, MethodName};
use lm::{ChatTemplate, FrozenLm};
use std::num::NonZeroUsize;
use std::str::FromStr;
use tools::household::Home;

/// How plans are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way {
    /// In tool tokens of a head, perhaps only those that retrieval ranks first.
    Tokens(MethodName, Option<Among>),
    /// In words.
    Words(Shown),
}

impl FromStr for Way {
    type Err = BenchError;

    fn from_str(name: &str) -> Result<Self, BenchError> {
        match name.parse()? {
            Method::InContext => Ok(Self::Words(Shown::Worked)),
            Method::Described => Ok(Self::Words(Shown::Described)),
            Method::Retrieved(by) => Ok(Self::Words(Shown::Retrieved(by))),
            Method::FunctionCalling => Ok(Self::Words(Shown::Functions)),
            Method::ToolTokens { head, among, react: false } => Ok(Self::Tokens(head, among)),
            other => Err(BenchError::Setting(format!(
                "`{other}` is no method for plans; there are toolkengpt, tokenlearning, tokenlearning-code, exact, any of them \
                 with @K-bm25 or @K-similarity, in-context, in-context-described, bm25, similarity and function-calling"
            ))),
        }
    }
}

impl Way {
    /// Whether a model can plan so at all.
    ///
    /// # Errors
    /// A model whose chat template lists no tools, where it is to call them.
    pub fn goes_with(self, lm: &dyn FrozenLm) -> Result<(), BenchError> {
        match self {
            Self::Words(Shown::Functions) => Ok(ChatTemplate::of(lm.tokenizer())?.can_list_tools()?),
            _ => Ok(()),
        }
    }

    /// Which tokens may be used, where retrieval chooses them.
    pub fn among(self) -> Option<Among> {
        if let Self::Tokens(_, among) = self { among } else { None }
    }
}

/// Who plans the tasks of one part.
pub struct PartPlanner<'a> {
    lm: &'a dyn FrozenLm,
    home: &'a HomeData,
    means: Means<'a>,
}

/// What plans are made from.
enum Means<'a> {
    Tokens { head: &'a Head, among: Option<(&'a Ranker<'a>, usize)>, simulator: bool },
    Worked { described: bool, worked: Vec<&'a str> },
    Nearest { texts: Vec<&'a str>, ranker: Ranker<'a> },
    Functions,
}

impl<'a> PartPlanner<'a> {
    /// In the tool tokens of a head; `among` are the first k of a ranking; with `simulator` only lines that it would carry out.
    pub fn tokens(
        lm: &'a dyn FrozenLm,
        home: &'a HomeData,
        head: &'a Head,
        among: Option<(&'a Ranker<'a>, usize)>,
        simulator: bool,
    ) -> Self {
        Self { lm, home, means: Means::Tokens { head, among, simulator } }
    }

    /// In words; worked examples are of the training texts `part`, and where the seed draws them the same for all tasks.
    ///
    /// # Errors
    /// The model's.
    pub fn words(
        lm: &'a dyn FrozenLm,
        home: &'a HomeData,
        shown: Shown,
        part: &[bool],
        seed: u64,
    ) -> Result<Self, BenchError> {
        let worked = || home.worked(part, WORKED_EXAMPLES, seed);
        let means = match shown {
            Shown::Worked => Means::Worked { described: false, worked: worked() },
            Shown::Described => Means::Worked { described: true, worked: worked() },
            Shown::Functions => Means::Functions,
            Shown::Retrieved(by) => {
                let (texts, about): (Vec<&str>, Vec<String>) = home.candidates(part).into_iter().unzip();
                Means::Nearest { texts, ranker: Ranker::of_texts(by, about, lm)? }
            }
        };
        Ok(Self { lm, home, means })
    }

    /// The plans of tasks, by their places; each comes out as it would by itself.
    ///
    /// # Errors
    /// The model's; a task whose start is no scene.
    pub fn plan(&self, tasks: &[usize], batch: NonZeroUsize) -> Result<Vec<Written>, BenchError> {
        let asked = |&at: &usize| self.home.question(&self.home.tasks.tasks[at]);
        let asked: Vec<(Question, Home)> = tasks.iter().map(asked).collect::<Result<_, _>>()?;
        let vocabulary = &self.home.vocabulary;
        if let Means::Tokens { head, among, simulator } = &self.means {
            let planner = Planner { lm: self.lm, head, vocabulary, simulator: *simulator };
            let ask = |(question, home): (Question, Home)| {
                let first = |(ranker, k): &(&Ranker<'_>, usize)| {
                    Ok::<_, BenchError>(vocabulary.first(&ranker.rank(&question.about())?, *k, &home))
                };
                let among = among.as_ref().map(first).transpose()?;
                Ok(Ask { prompt: question.prompt(), home, among })
            };
            return planner.plan(asked.into_iter().map(ask).collect::<Result<_, BenchError>>()?);
        }
        let questions: Vec<&Question> = asked.iter().map(|(question, _)| question).collect();
        if let Means::Functions = self.means {
            return plan_in_calls(self.lm, vocabulary, &questions, batch);
        }
        let prompts = questions.into_iter().map(|question| self.prompt(question));
        plan_in_words(self.lm, prompts.collect::<Result<_, _>>()?, batch)
    }

    /// The prompt of a plan in words.
    fn prompt(&self, question: &Question) -> Result<String, BenchError> {
        match &self.means {
            Means::Nearest { texts, ranker } => {
                let ranking = ranker.rank(&question.about().to_lowercase())?;
                let mut worked: Vec<&str> =
                    ranking.into_iter().take(WORKED_EXAMPLES).map(|at| texts[at]).collect();
                // The nearest stands last, next to the question.
                worked.reverse();
                Ok(prompt_in_words(None, &worked, question))
            }
            Means::Worked { described, worked } => {
                Ok(prompt_in_words(described.then_some(&self.home.vocabulary), worked, question))
            }
            Means::Tokens { .. } | Means::Functions => Ok(question.prompt()),
        }
    }
}
