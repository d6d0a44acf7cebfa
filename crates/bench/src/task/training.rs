//! What heads are trained on.

use super::{facts, files, gsm8k_xl, kamel, own_texts};
use crate::BenchError;
use crate::arithmetic::evaluate;
use crate::home::{HomeData, Household};
use corpus::arithmetic::{Split, generate};
use corpus::import::{Layout, gsm8k, toolkengpt};
use corpus::{Corpus, Example};
use head::ToolText;
use lm::Tokenizer;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::path::Path;
use std::str::FromStr;
use tools::ToolSet;

/// A training set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum TrainingSet {
    /// FuncQA's 650 texts.
    FuncQa,
    /// GSM8K's training questions whose equations are single operations: what GSM8K-XL's training file was made of.
    Gsm8k,
    /// A thousand word problems of our own.
    Arithmetic,
    /// ToolkenGPT's synthetic texts about KAMEL's first relations.
    Kamel(u16),
    /// KAMEL's own facts about its first relations, forty each, as questions and answers.
    KamelFacts(u16),
    /// A hundred questions about facts of our own.
    Facts,
    /// Plans for a household: the tasks' own scripts and ToolkenGPT's texts.
    Home(Household),
}

impl TrainingSet {
    /// All training sets.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::FuncQa, Self::Gsm8k, Self::Arithmetic, Self::Facts];
        all.extend(kamel::SIZES.map(Self::Kamel));
        all.extend(kamel::SIZES.map(Self::KamelFacts));
        all.extend(Household::ALL.iter().copied().map(Self::Home));
        all
    }

    /// ToolkenGPT's learning rate and the epochs of its published heads.
    pub fn published(self) -> (f64, usize) {
        match self {
            Self::FuncQa | Self::Arithmetic | Self::Home(_) => (1e-4, 7),
            Self::Gsm8k => (1e-3, 3),
            Self::Kamel(_) | Self::KamelFacts(_) | Self::Facts => (1e-4, 4),
        }
    }

    /// What priors know of its tools, in their order.
    ///
    /// # Errors
    /// As [`TrainingSet::load`].
    pub fn texts(self, data: Option<&Path>) -> Result<Vec<ToolText>, BenchError> {
        let of = |relations: Vec<(String, ToolText)>| relations.into_iter().map(|(_, text)| text).collect();
        Ok(match self {
            Self::FuncQa | Self::Arithmetic => own_texts(&ToolSet::arithmetic()),
            Self::Gsm8k => own_texts(&ToolSet::new(gsm8k_xl::TOOLS.map(tools::Tool::from).to_vec())?),
            Self::Kamel(n) | Self::KamelFacts(n) => {
                of(kamel::relations(files::folder(data, &self.to_string())?, n)?)
            }
            Self::Facts => facts::texts(),
            Self::Home(household) => own_texts(HomeData::load(household, data)?.vocabulary.tools()),
        })
    }

    /// The corpus that its heads are scored on, teacher-forced, where it is not the set's own folds.
    ///
    /// # Errors
    /// As [`TrainingSet::load`].
    pub fn test(self, data: Option<&Path>) -> Result<Option<Corpus>, BenchError> {
        let folder = || files::folder(data, &self.to_string());
        Ok(match self {
            Self::FuncQa | Self::Home(_) => None,
            Self::Gsm8k => Some(gsm8k_xl::filled_solutions(folder()?)?.corpus),
            Self::Arithmetic => Some(Self::unseen()?),
            Self::Kamel(n) | Self::KamelFacts(n) => Some(kamel::answered(folder()?, n)?),
            Self::Facts => Some(facts::answered()?),
        })
    }

    /// Reads it; at most `limit` examples, a seeded sample in the file's order. Tools stand in the task's order.
    ///
    /// # Errors
    /// As [`super::TaskName::load`].
    pub fn load(self, data: Option<&Path>, limit: Option<usize>, seed: u64) -> Result<Corpus, BenchError> {
        let (corpus, tools) = match self {
            Self::FuncQa => (funcqa(files::folder(data, "the training set funcqa")?)?, arithmetic_names()),
            Self::Gsm8k => {
                let path = files::folder(data, "the training set gsm8k")?.join("gsm8k/train.jsonl");
                let import = gsm8k(&path).map_err(|e| BenchError::import(&path, e))?;
                (import.corpus, gsm8k_xl::TOOLS.map(|tool| tool.name().to_owned()).to_vec())
            }
            Self::Kamel(n) => {
                let (examples, tools) = kamel::synthetic(files::folder(data, &self.to_string())?, n)?;
                (Corpus::with_tools(examples, tools.clone())?, tools)
            }
            Self::KamelFacts(n) => {
                let (examples, tools) = kamel::supervised(files::folder(data, &self.to_string())?, n)?;
                (Corpus::with_tools(examples, tools.clone())?, tools)
            }
            Self::Facts => {
                let corpus = facts::trained()?;
                let tools = corpus.tools().to_vec();
                (corpus, tools)
            }
            Self::Home(household) => {
                let corpus = HomeData::load(household, data)?.corpus;
                let tools = corpus.tools().to_vec();
                (corpus, tools)
            }
            Self::Arithmetic => {
                const PROBLEMS: usize = 1000;
                let problems = generate(Split::Train, 0, PROBLEMS, evaluate)?;
                (Corpus::new(problems.into_iter().map(|p| p.example).collect())?, arithmetic_names())
            }
        };
        let examples = corpus.examples();
        let kept = sample(examples.len(), limit.unwrap_or(usize::MAX), seed);
        Ok(Corpus::with_tools(kept.into_iter().map(|i| examples[i].clone()).collect(), tools)?)
    }
}

impl fmt::Display for TrainingSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FuncQa => f.pad("funcqa"),
            Self::Gsm8k => f.pad("gsm8k"),
            Self::Arithmetic => f.pad("arithmetic"),
            Self::Kamel(n) => f.pad(&format!("kamel-{n}")),
            Self::KamelFacts(n) => f.pad(&format!("kamel-facts-{n}")),
            Self::Facts => f.pad("facts"),
            Self::Home(household) => f.pad(&format!("home-{household}")),
        }
    }
}

impl FromStr for TrainingSet {
    type Err = BenchError;

    fn from_str(name: &str) -> Result<Self, BenchError> {
        Self::all().into_iter().find(|known| known.to_string() == name).ok_or_else(|| {
            let known = Self::all().iter().map(Self::to_string).collect::<Vec<_>>().join(", ");
            BenchError::Setting(format!("unknown training set `{name}`; there are {known}"))
        })
    }
}

impl From<TrainingSet> for String {
    fn from(set: TrainingSet) -> Self {
        set.to_string()
    }
}

impl TryFrom<String> for TrainingSet {
    type Error = BenchError;

    fn try_from(name: String) -> Result<Self, BenchError> {
        name.parse()
    }
}

impl TrainingSet {
    /// Word problems of our own, of sentence patterns that are never trained on, to score heads of [`TrainingSet::Arithmetic`]
    /// on.
    ///
    /// # Errors
    /// If too few can be written.
    pub fn unseen() -> Result<Corpus, BenchError> {
        const PROBLEMS: usize = 300;
        let problems = generate(Split::Test, 0, PROBLEMS, evaluate)?;
        Ok(Corpus::with_tools(problems.into_iter().map(|p| p.example).collect(), arithmetic_names())?)
    }
}

fn arithmetic_names() -> Vec<String> {
    ToolSet::arithmetic().names().map(str::to_owned).collect()
}

fn funcqa(data: &Path) -> Result<Corpus, BenchError> {
    let tokenizer = Tokenizer::from_sentencepiece_model(data.join("toolkengpt/llama_tokenizer.model"))?;
    let tokens = |text: &str| {
        let tokens = tokenizer.encode_with_offsets(text)?;
        Ok::<_, lm::LmError>(tokens.into_iter().map(|(_, bytes)| bytes).collect())
    };
    let path = data.join("toolkengpt/funcqa/train.json");
    let import = toolkengpt(&path, Layout::FuncQa, tokens).map_err(|e| BenchError::import(&path, e))?;
    let grouped =
        |example: &Example| Example { group: Some(without_numbers(&example.text)), ..example.clone() };
    Ok(Corpus::new(import.corpus.examples().iter().map(grouped).collect())?)
}

/// A text with every number as `#`: FuncQA asks the same question with other numbers, up to seventeen times, and folds must
/// not have one in both parts.
pub(super) fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_number = false;
    for c in text.trim().chars() {
        let number = c.is_ascii_digit() || (in_number && matches!(c, '.' | ','));
        if !number {
            out.extend(c.to_lowercase());
        } else if !in_number {
            out.push('#');
        }
        in_number = number;
    }
    out
}

/// At most `count` examples of each tool, a seeded sample in the corpus' order. An example counts for the tool it calls first.
///
/// # Errors
/// As [`Corpus::with_tools`].
pub fn few(corpus: &Corpus, count: usize, seed: u64) -> Result<Corpus, BenchError> {
    let examples = corpus.examples();
    let first = examples.iter().map(|example| example.calls.first().map(|call| call.tool.as_str()));
    let kept = of_each(first.enumerate(), count, seed).into_iter().map(|at| examples[at].clone());
    Ok(Corpus::with_tools(kept.collect(), corpus.tools().to_vec())?)
}

/// The places of at most `count` of each kind, a seeded sample, ascending. What is of no kind is left out.
pub(crate) fn of_each<K: Eq + Hash>(
    kinds: impl Iterator<Item = (usize, Option<K>)>,
    count: usize,
    seed: u64,
) -> Vec<usize> {
    let mut order: Vec<(usize, Option<K>)> = kinds.collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut taken: HashMap<K, usize> = HashMap::new();
    let mut is_kept = |kind: K| {
        let taken = taken.entry(kind).or_insert(0);
        *taken += 1;
        *taken <= count
    };
    let mut kept: Vec<usize> =
        order.into_iter().filter_map(|(at, kind)| is_kept(kind?).then_some(at)).collect();
    kept.sort_unstable();
    kept
}

/// The places of a seeded sample of `count` among `all`, ascending; all of them if there are no more.
pub fn sample(all: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut places: Vec<usize> = (0..all).collect();
    if count < all {
        places.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        places.truncate(count);
        places.sort_unstable();
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_a_text_without_its_numbers() {
        assert_eq!(
            without_numbers(" Q: What is ln of 3,541.5?\nA: ln(3,541.5)=8.2"),
            "q: what is ln of #?\na: ln(#)=#"
        );
        assert_eq!(without_numbers("Q: 3^x=27."), without_numbers("Q: 10^x=1000."));
        assert_ne!(without_numbers("Q: 3^x=27"), without_numbers("Q: 3^x=27!"));
    }

    #[test]
    fn every_training_set_and_task_has_a_name_of_its_own() {
        let mut names: Vec<String> = TrainingSet::all().iter().map(TrainingSet::to_string).collect();
        for (set, name) in TrainingSet::all().iter().zip(&names) {
            assert_eq!(name.parse::<TrainingSet>().unwrap(), *set);
            assert_eq!(serde_json::to_string(set).unwrap(), format!("\"{name}\""));
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), TrainingSet::all().len());
        for task in crate::task::TaskName::all() {
            assert_eq!(task.to_string().parse::<crate::task::TaskName>().unwrap(), task);
        }
        let error = "kamel-31".parse::<TrainingSet>().unwrap_err().to_string();
        assert!(error.contains("kamel-31") && error.contains("kamel-facts-30"), "{error}");
    }

    /// As many of each tool as asked for and as there are, another draw with another seed.
    #[test]
    fn few_examples_are_few_of_every_tool() {
        let corpus = TrainingSet::Facts.load(None, None, 0).unwrap();
        let drawn = |count, seed| few(&corpus, count, seed).unwrap();
        for (count, expected) in [(0, 0), (1, 1), (3, 3), (10, 10), (99, 10)] {
            let drawn = drawn(count, 0);
            let calls = drawn.summary().calls_of;
            assert_eq!(drawn.tools(), corpus.tools());
            assert!(calls.iter().all(|(_, calls)| *calls == expected), "{calls:?}");
        }
        assert_eq!(drawn(2, 1).digest(), drawn(2, 1).digest());
        assert_ne!(drawn(2, 1).digest(), drawn(2, 2).digest());
    }
}
