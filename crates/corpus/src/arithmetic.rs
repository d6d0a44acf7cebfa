//! Word problems of our own writing for the 13 arithmetic tools.
//!
//! A problem is a question and a worked answer: the answer writes the operation with its arguments, and the result is the
//! call's span, so that what to call can be read off what stands ahead of it. Some problems take two or three calls,
//! where a later one uses an earlier result, and some have their answer in the question and take none.
//!
//! The sentence patterns of the two splits are disjoint, in questions and answers, so that a test on [`Split::Test`] is
//! one on sentences never trained on. How an operation is written (`5572 mod 3241=`, `the square root of 1764 is `) is
//! shared. Every text ends in what answers the question and a full stop.

mod numbers;
mod operation;
mod patterns;
mod problem;
mod words;

use crate::Example;
use patterns::{TABLES, Table};
use problem::Written;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashSet;
use std::fmt;

/// The 13 tools that problems are written for.
pub const TOOLS: [&str; 13] = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "power",
    "sqrt",
    "log",
    "ln",
    "lcm",
    "gcd",
    "remainder",
    "choose",
    "permutate",
];

/// Which sentence patterns a problem is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// Patterns to train on.
    Train,
    /// Patterns never trained on.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

/// A question with its worked answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Question and answer as a text with calls. Its group is its sentence pattern, so that folds over groups measure
    /// what new sentences will do.
    pub example: Example,
    /// The part of the text that is given: `Q: …\nA:`.
    pub question: String,
    /// What answers the question: the last call's result, or a fact of the question. The text ends in it and a full stop.
    pub answer: String,
    /// Where its sentence pattern comes from.
    pub split: Split,
}

impl Problem {
    /// The tools that it calls, in order.
    pub fn tools(&self) -> impl Iterator<Item = &str> {
        self.example.calls.iter().map(|call| call.tool.as_str())
    }

    /// The question alone, without `Q:` and `A:`.
    pub fn bare_question(&self) -> &str {
        let question = self.question.strip_prefix("Q: ").unwrap_or(&self.question);
        question.strip_suffix("\nA:").unwrap_or(question)
    }
}

/// Not enough distinct problems could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "only {made} of {asked} distinct problems could be made for {split}: ask for fewer, or see that the tools' functions answer"
)]
pub struct Exhausted {
    /// How many were made.
    pub made: usize,
    /// How many were asked for.
    pub asked: usize,
    /// The split.
    pub split: Split,
}

/// How many attempts in a row may yield nothing new before a split counts as exhausted.
const PATIENCE: usize = 2000;

/// Makes `count` problems, no question twice. The same seed makes the same problems, and a smaller count their beginning.
///
/// `evaluate` runs a tool on numbers and returns its result as it is to stand in the text, or nothing where it fails.
///
/// # Errors
/// [`Exhausted`] if there are not so many, or `evaluate` fails again and again.
pub fn generate(
    split: Split,
    seed: u64,
    count: usize,
    evaluate: impl Fn(&str, &[f64]) -> Option<String>,
) -> Result<Vec<Problem>, Exhausted> {
    let mut rng = rng(split, seed);
    let mut problems: Vec<Problem> = Vec::new();
    let mut seen = HashSet::new();
    let mut fruitless = 0;
    // Kinds are dealt from a deck, so that even a small corpus holds each of them in its share.
    let mut deck: Vec<&Table> = Vec::new();
    while problems.len() < count {
        let table = match deck.pop() {
            Some(table) => table,
            None => {
                deck = TABLES.iter().flat_map(|table| std::iter::repeat_n(table, table.weight)).collect();
                deck.shuffle(&mut rng);
                continue;
            }
        };
        let made =
            draw(table, split, &mut rng, &evaluate).filter(|problem| seen.insert(problem.question.clone()));
        match made {
            Some(mut problem) => {
                problem.example.id = format!("arithmetic-{split}-{seed}-{:05}", problems.len());
                problems.push(problem);
                fruitless = 0;
            }
            // The kind goes back on top, lest those that fail more often become fewer.
            None if fruitless < PATIENCE => {
                deck.push(table);
                fruitless += 1;
            }
            None => {
                return Err(Exhausted { made: problems.len(), asked: count, split });
            }
        }
    }
    Ok(problems)
}

/// A prompt that shows a model how questions are answered, results written out: append a problem's `question` to it.
pub fn few_shot_prompt() -> &'static str {
    "Q: A shelf holds 34 novels, and 18 more are put on it. How many novels does it hold then?\n\
     A: The shelf then holds 34+18=52.\n\n\
     Q: The key to the cellar hangs on hook 7 and the key to the attic on hook 4. Where does the key to the cellar hang?\n\
     A: The key to the cellar hangs on hook 7.\n\n\
     Q: What is the square root of 441?\n\
     A: The square root of 441 is 21.\n\n\
     Q: A cook has 12 sorts of vegetables and takes 3 of them for a soup. How many soups are possible?\n\
     A: The order of the 3 sorts does not matter, so C(12, 3) = 220.\n\n\
     Q: A van makes 6 trips with 25 sacks each, and 13 sacks fall off. How many sacks arrive?\n\
     A: First, 6*25=150. Then 150-13=137.\n\n"
}

/// Worked examples of one tool's calls, for a prompt that asks for the arguments of its next call:
/// `Q: …\nA: … 5572 mod 3241=<remainder>(5572, 3241)=2331.`, four of them, each followed by an empty line.
///
/// Nothing for a tool that is not one of [`TOOLS`], or where `evaluate` fails.
pub fn argument_demos(tool: &str, evaluate: impl Fn(&str, &[f64]) -> Option<String>) -> Option<String> {
    const DEMOS: usize = 4;
    let table = TABLES.iter().find(|table| table.name == tool && TOOLS.contains(&tool))?;
    let mut rng = rng(Split::Train, 0);
    let mut prompt = format!("Answer each question with the help of the tool <{tool}>.\n\n");
    for pattern in table.patterns(Split::Train).iter().take(DEMOS) {
        let Written { text, calls, .. } =
            (0..PATIENCE).find_map(|_| problem::write(pattern, &mut rng, &evaluate))?;
        let mut end = 0;
        for call in &calls {
            let args = call.args.as_deref().unwrap_or_default();
            prompt.push_str(&text[end..call.start]);
            prompt.push_str(&format!("<{}>({args})={}", call.tool, &text[call.start..call.end]));
            end = call.end;
        }
        prompt.push_str(&text[end..]);
        prompt.push_str("\n\n");
    }
    Some(prompt)
}

fn rng(split: Split, seed: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(split as u64);
    rng
}

/// A problem of one kind, still without an id. Nothing if the numbers drawn are unfit.
fn draw(
    table: &Table,
    split: Split,
    rng: &mut ChaCha8Rng,
    evaluate: &impl Fn(&str, &[f64]) -> Option<String>,
) -> Option<Problem> {
    let patterns = table.patterns(split);
    let i = rng.random_range(0..patterns.len());
    let Written { text, calls, answer_at, answer } = problem::write(&patterns[i], rng, evaluate)?;
    let question = text[..answer_at].to_owned();
    let group = Some(format!("{split}/{}/{i}", table.name));
    Some(Problem { example: Example { text, calls, group, ..Example::default() }, question, answer, split })
}
