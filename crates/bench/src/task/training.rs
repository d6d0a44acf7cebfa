//! What heads are trained on.

use super::{files, gsm8k_xl};
use crate::BenchError;
use crate::arithmetic::evaluate;
use corpus::arithmetic::{Split, generate};
use corpus::import::{Layout, gsm8k, toolkengpt};
use corpus::{Corpus, Example};
use lm::Tokenizer;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tools::ToolSet;

/// A training set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainingSet {
    /// FuncQA's 650 texts.
    #[serde(rename = "funcqa")]
    FuncQa,
    /// GSM8K's training questions whose equations are single operations: what GSM8K-XL's training file was made of.
    Gsm8k,
    /// A thousand word problems of our own.
    Arithmetic,
}

impl TrainingSet {
    /// All training sets.
    pub const ALL: [Self; 3] = [Self::FuncQa, Self::Gsm8k, Self::Arithmetic];

    /// The name on the command line and in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FuncQa => "funcqa",
            Self::Gsm8k => "gsm8k",
            Self::Arithmetic => "arithmetic",
        }
    }

    /// ToolkenGPT's learning rate and the epochs of its published heads.
    pub fn published(self) -> (f64, usize) {
        match self {
            Self::FuncQa | Self::Arithmetic => (1e-4, 7),
            Self::Gsm8k => (1e-3, 3),
        }
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
    let grouped = |example: &Example| Example { group: Some(template(&example.text)), ..example.clone() };
    Ok(Corpus::new(import.corpus.examples().iter().map(grouped).collect())?)
}

/// A text with every number as `#`: FuncQA asks the same question with other numbers, up to seventeen times, and folds must
/// not have one in both parts.
fn template(text: &str) -> String {
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
            template(" Q: What is ln of 3,541.5?\nA: ln(3,541.5)=8.2"),
            "q: what is ln of #?\na: ln(#)=#"
        );
        assert_eq!(template("Q: 3^x=27."), template("Q: 10^x=1000."));
        assert_ne!(template("Q: 3^x=27"), template("Q: 3^x=27!"));
    }
}
