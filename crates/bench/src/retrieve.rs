//! Which tools a question seems to ask for: ranked by words, or by hidden states.

use crate::BenchError;
use crate::method::Retriever;
use head::words_of_name;
use lm::{FrozenLm, Specials};
use std::collections::HashMap;
use tools::{Tool, ToolSet};

/// BM25's saturation of repeated words, and its weight of a text's length (Robertson and Zaragoza 2009).
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// Ranks texts, those of tools or others, for questions.
pub struct Ranker<'a> {
    size: usize,
    index: Index<'a>,
}

enum Index<'a> {
    Words(Bm25),
    States { lm: &'a dyn FrozenLm, centre: Vec<f64>, texts: Vec<Vec<f64>> },
}

impl<'a> Ranker<'a> {
    /// A ranker over a set's names, descriptions and, for shared words, examples.
    ///
    /// # Errors
    /// The model's.
    pub fn new(by: Retriever, tools: &ToolSet, lm: &'a dyn FrozenLm) -> Result<Self, BenchError> {
        let text = |tool: &Tool| match by {
            Retriever::Bm25 => {
                format!("{} {} {}", words_of_name(&tool.name), tool.description, tool.examples.join(" "))
            }
            Retriever::Similarity => format!("{}: {}", words_of_name(&tool.name), tool.description),
        };
        Self::of_texts(by, tools.iter().map(text).collect(), lm)
    }

    /// A ranker over texts.
    ///
    /// # Errors
    /// The model's.
    pub fn of_texts(by: Retriever, texts: Vec<String>, lm: &'a dyn FrozenLm) -> Result<Self, BenchError> {
        let size = texts.len();
        let index = match by {
            Retriever::Bm25 => Index::Words(Bm25::new(texts.into_iter())),
            Retriever::Similarity => {
                let mut rows =
                    texts.iter().map(|text| mean_state(lm, text)).collect::<Result<Vec<_>, _>>()?;
                // Hidden states share a large common part, which says nothing of the tool.
                let width = rows.first().map_or(0, Vec::len);
                let centre: Vec<f64> = (0..width)
                    .map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64)
                    .collect();
                rows.iter_mut().for_each(|row| subtract(row, &centre));
                Index::States { lm, centre, texts: rows }
            }
        };
        Ok(Self { size, index })
    }

    /// The places of the texts, the best first; of equals the earlier.
    ///
    /// # Errors
    /// The model's.
    pub fn rank(&self, question: &str) -> Result<Vec<usize>, BenchError> {
        let scores: Vec<f64> = match &self.index {
            Index::Words(bm25) => bm25.scores(question),
            Index::States { lm, centre, texts } => {
                let mut asked = mean_state(*lm, question)?;
                subtract(&mut asked, centre);
                texts.iter().map(|text| cosine(text, &asked)).collect()
            }
        };
        let mut order: Vec<usize> = (0..self.size).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        Ok(order)
    }
}

/// Texts by the words in them.
struct Bm25 {
    /// By text: how often each word occurs, and the number of words.
    texts: Vec<(HashMap<String, f64>, f64)>,
    mean_length: f64,
}

impl Bm25 {
    fn new(texts: impl Iterator<Item = String>) -> Self {
        let texts: Vec<(HashMap<String, f64>, f64)> = texts
            .map(|text| {
                let mut counts = HashMap::new();
                let words = words(&text);
                let length = words.len() as f64;
                words.into_iter().for_each(|word| *counts.entry(word).or_insert(0.0) += 1.0);
                (counts, length)
            })
            .collect();
        let mean_length = texts.iter().map(|(_, length)| length).sum::<f64>() / texts.len().max(1) as f64;
        Self { texts, mean_length }
    }

    /// Σ over the question's words of idf · f (k1 + 1) / (f + k1 (1 − b + b · length / mean length)).
    fn scores(&self, question: &str) -> Vec<f64> {
        let n = self.texts.len() as f64;
        let mut scores = vec![0.0; self.texts.len()];
        for word in words(question) {
            let holding = self.texts.iter().filter(|(counts, _)| counts.contains_key(&word)).count() as f64;
            let idf = (1.0 + (n - holding + 0.5) / (holding + 0.5)).ln();
            for (score, (counts, length)) in scores.iter_mut().zip(&self.texts) {
                let f = counts.get(&word).copied().unwrap_or(0.0);
                *score += idf * f * (K1 + 1.0) / (f + K1 * (1.0 - B + B * length / self.mean_length));
            }
        }
        scores
    }
}

/// Lower-case words; numbers say nothing of the tool.
fn words(text: &str) -> Vec<String> {
    let words =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().any(char::is_alphabetic));
    words.map(str::to_lowercase).collect()
}

/// The mean final hidden state of a text, the start token's left out.
fn mean_state(lm: &dyn FrozenLm, text: &str) -> Result<Vec<f64>, BenchError> {
    let start = lm.tokenizer().bos();
    let ids: Vec<u32> = start.into_iter().chain(lm.tokenizer().encode(text, Specials::Text)?).collect();
    let states = lm.states(&ids)?;
    let from = usize::from(start.is_some()).min(states.rows());
    let mut mean = vec![0.0; states.cols()];
    for i in from..states.rows() {
        mean.iter_mut().zip(states.row(i)).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    mean.iter_mut().for_each(|x| *x /= (states.rows() - from).max(1) as f64);
    Ok(mean)
}

fn subtract(row: &mut [f64], centre: &[f64]) {
    row.iter_mut().zip(centre).for_each(|(x, c)| *x -= c);
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::Bm25;

    /// Against the formula worked out by hand for two texts of three and two words.
    #[test]
    fn bm25_by_hand() {
        let index = Bm25::new(["add two numbers", "Root root"].map(str::to_owned).into_iter());
        let scores = index.scores("What is the root of 16?");
        // idf = ln(1 + 1.5 / 1.5); f = 2, length 2, mean length 2.5.
        let expected = 2f64.ln() * 2.0 * 2.2 / (2.0 + 1.2 * (0.25 + 0.75 * 2.0 / 2.5));
        assert_eq!(scores[0], 0.0);
        assert!((scores[1] - expected).abs() < 1e-12);
        assert_eq!(index.scores("12 34"), [0.0, 0.0]);
    }
}
