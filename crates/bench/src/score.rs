//! Whether an answer is right: strictly, and as laxly as the reference says it.
//!
//! A number is right within 0.1 % of the expected one. The reference (ToolkenGPT's evaluation) takes the text after the
//! last mark, or all of it where there is no mark; drops commas; takes the last match of `[-+]?\d*\.\d+|\d+`, which loses
//! the sign of whole numbers; and 0 where nothing matches. Strictly, the mark must be there, and the sign counts.

mod relation;

use crate::answer::Answered;
use crate::task::Question;
use fancy_regex::Regex;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// How answers of a task are scored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scoring {
    /// The last number after a mark (`####`, `answer is`).
    Number {
        /// The mark.
        mark: String,
    },
    /// The last number of the text, where a number is expected; else what the text ends with, but for a full stop, to the letter.
    Ending,
    /// The first relation that is called, and whether the answer is one of the expected objects.
    Relation,
}

/// What an answer is worth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Right by the strict rule.
    pub strict: bool,
    /// Right by the reference's rule.
    pub lax: bool,
    /// What was taken for the answer by the strict rule; nothing if there was none, which is wrong and no abstention.
    pub found: Option<String>,
    /// Where a relation is what is scored: whether the question was answered as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<bool>,
    /// The same, of all that it has for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// Where the call was forced: whether the right tool beat every word too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greedy: Option<bool>,
}

impl Scoring {
    /// What stands before an answer, where something has to.
    pub fn mark(&self) -> Option<&str> {
        match self {
            Self::Number { mark } => Some(mark),
            Self::Ending | Self::Relation => None,
        }
    }

    /// Scores how a question was answered.
    pub fn of(&self, question: &Question, answered: &Answered) -> Score {
        match self {
            Self::Relation => relation::score(question, answered),
            _ => self.score(&answered.text, &question.answer),
        }
    }

    /// Scores a generated text against the expected answer.
    ///
    /// ```
    /// use toolken_bench::score::Scoring;
    /// let rule = Scoring::Number { mark: "####".into() };
    /// let score = rule.score(" 3*12=36, lost 40. #### -4", "-4");
    /// assert!(score.strict && !score.lax); // the reference reads 4
    /// ```
    pub fn score(&self, text: &str, expected: &str) -> Score {
        match self {
            Self::Number { mark } => {
                let after = text.rsplit_once(mark.as_str()).map(|(_, after)| after);
                let found = after.and_then(signed_number);
                Score {
                    strict: found.as_deref().is_some_and(|found| is_close(found, expected)),
                    lax: is_close(&lax_number(after.unwrap_or(text)), expected),
                    found,
                    ..Score::default()
                }
            }
            // Of a relation the text alone says only whether the answer ends it.
            Self::Ending | Self::Relation => {
                let found = ending(text, expected);
                let right =
                    found.as_deref().is_some_and(|found| found == expected || is_close(found, expected));
                Score { strict: right, lax: right, found, ..Score::default() }
            }
        }
    }
}

static SIGNED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?<![\w.)])[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"));
static LAX: LazyLock<Regex> = LazyLock::new(|| pattern(r"[-+]?\d*\.\d+|\d+"));

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of this file")
}

/// The last number with its sign; thousands separators and dollars are dropped.
fn signed_number(text: &str) -> Option<String> {
    last(&SIGNED, &text.replace([',', '$'], "").replace('−', "-"))
}

fn lax_number(text: &str) -> String {
    last(&LAX, &text.replace(',', "")).unwrap_or_else(|| "0".into())
}

fn last(pattern: &Regex, text: &str) -> Option<String> {
    pattern.find_iter(text).filter_map(Result::ok).last().map(|found| found.as_str().to_owned())
}

/// |found − expected| ≤ 0.1 % of |expected|.
fn is_close(found: &str, expected: &str) -> bool {
    match (found.parse::<f64>(), expected.replace(',', "").parse::<f64>()) {
        (Ok(found), Ok(expected)) => (found - expected).abs() <= 1e-3 * expected.abs(),
        _ => false,
    }
}

/// What a text ends with: its last number where one is expected, else the expected words if they end it, else its last word.
fn ending(text: &str, expected: &str) -> Option<String> {
    if expected.replace(',', "").parse::<f64>().is_ok() {
        return signed_number(text);
    }
    let text = text.trim().trim_end_matches('.');
    let whole = |before: &&str| !before.ends_with(char::is_alphanumeric);
    if !expected.is_empty() && text.strip_suffix(expected).as_ref().is_some_and(whole) {
        return Some(expected.to_owned());
    }
    text.rsplit(char::is_whitespace).next().filter(|word| !word.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_after_the_mark_strictly_and_as_the_reference_takes_them() {
        let rule = |mark: &str| Scoring::Number { mark: mark.into() };
        for (mark, text, expected, strict, lax) in [
            ("####", " 2*3=6. #### 6", "6", true, true),
            ("####", " 2*3=6. #### 6.005", "6", true, true),
            ("####", " 2*3=6. #### 6.01", "6", false, false),
            // The reference has no sign before whole numbers: wrong for right, and right for wrong.
            ("####", " #### -4", "-4", true, false),
            ("####", " #### -4", "4", false, true),
            ("####", " #### -3.4881", "-3.4881", true, true),
            // Without a mark the reference takes the last number of all.
            ("####", " It is 6", "6", false, true),
            ("####", "", "0", false, true),
            ("####", " #### 1 #### 2", "2", true, true),
            ("####", " #### $1,250,000", "1250000", true, true),
            ("####", " #### 1.5e6", "1500000", true, false),
            ("####", " #### 12-5", "5", true, true),
            ("answer is", " So, the answer is 777.41 dollars.", "777.41", true, true),
            ("answer is", " The answer is 5. So the answer is", "5", false, false),
            ("answer is", " the answer is .5", "0.5", true, true),
            ("answer is", " the answer is √2", "1.4142", false, false),
        ] {
            let score = rule(mark).score(text, expected);
            assert_eq!((score.strict, score.lax), (strict, lax), "{text:?} {expected}");
        }
    }

    #[test]
    fn an_answer_is_the_last_number_or_the_last_words() {
        for (text, expected, right) in [
            (" They have 12*3=36.", "36", true),
            (" That is 36.02 cm.", "36", true),
            (" That is 37.", "36", false),
            (" There are 136.", "36", false),
            (" It costs 1.36.", "36", false),
            (" The key hangs on hook 7.", "7", true),
            (" It is -4.", "-4", true),
            (" It is 4.", "-4", false),
            (" It holds 12,345.", "12345", true),
            (" It is -4.", "4", false),
            (" It holds 1,234.", "234", false),
            (" That is 12 - thanks", "12", true),
            (" There are 36 of them", "36", true),
            (" It is 12-5.", "5", true),
            ("", "4", false),
            ("", "Paris", false),
            (" It is in Comparis.", "Paris", false),
            (" It is in New York.", "York", true),
            (" It is in Paris.", "", false),
            (" It is in Paris.", "Paris", true),
            (" It is in Rome.", "Paris", false),
        ] {
            assert_eq!(Scoring::Ending.score(text, expected).strict, right, "{text} {expected}");
        }
    }
}
