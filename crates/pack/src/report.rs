//! What a fit says of itself, tool by tool.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The recall that a tool should reach.
const GOAL: f64 = 0.9;
/// Fewer examples than this say little.
const LEAST: usize = 3;
/// More examples than this are not asked for at once.
const MOST: usize = 20;

/// The figures of a fit. All are held out: each example is decided by a fit that has not seen it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Decisions at the start of a turn: right tool, or rightly none, as a share.
    pub accuracy: Option<f64>,
    /// Turns.
    pub turns: usize,
    /// Share of the turns that want a tool at which the right one is called.
    pub recall: Option<f64>,
    /// Share of the calls that are right.
    pub precision: Option<f64>,
    /// Share of the turns that want a tool at which it is the best of the tools.
    pub choice: Option<f64>,
    /// Share of the turns that want none at which one is called.
    pub false_calls: Option<f64>,
    /// The same, at every position inside ordinary text.
    pub false_calls_in_text: Option<f64>,
    /// λ, and λ / mean‖h‖².
    pub lambda: f64,
    /// λ / mean‖h‖².
    pub lambda_scaled: f64,
    /// The calling threshold: added to every tool's logit.
    pub bias: f32,
    /// The prior's scale s.
    pub scale: f64,
    /// Tools that were treated as if they had no example, and how they fared.
    pub unseen: Option<Unseen>,
    /// Tool by tool.
    pub tools: Vec<ToolReport>,
    /// Decisions at starts of turns: `confusion[wanted][called]`; the last row and column stand for none.
    pub confusion: Vec<Vec<usize>>,
    /// Messages decided wrongly: the message, what it wants, what is called.
    pub mistakes: Vec<(String, Option<String>, Option<String>)>,
}

/// How far to trust a tool without examples: measured on tools that have some, each left out whole in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unseen {
    /// Tools left out.
    pub tools: usize,
    /// Their examples.
    pub examples: usize,
    /// Share at which the tool is the best of all tools.
    pub choice: f64,
    /// Share at which it is called.
    pub recall: f64,
}

/// One tool's figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolReport {
    /// The tool.
    pub tool: String,
    /// Its examples.
    pub examples: usize,
    /// Of the turns at which it is called, the share that wants it.
    pub precision: Option<f64>,
    /// Of the turns that want it, the share at which it is called.
    pub recall: Option<f64>,
    /// What is called where it is wanted, most often first; "no tool" is among them.
    pub confused_with: Vec<(String, usize)>,
    /// How many more examples it should have: an estimate, from errors that shrink as 1/examples.
    pub wants: usize,
}

impl ToolReport {
    /// How many more examples, with `examples` of them at this recall.
    pub(crate) fn wanted(examples: usize, recall: Option<f64>) -> usize {
        let enough = match recall {
            Some(recall) if recall < GOAL => {
                (examples as f64 * (1.0 - recall.max(0.0)) / (1.0 - GOAL)).ceil() as usize
            }
            Some(_) => examples,
            None => 5,
        };
        enough.max(LEAST).saturating_sub(examples).min(MOST)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |x: Option<f64>| x.map_or_else(|| "–".to_owned(), |x| format!("{:.1} %", 100.0 * x));
        writeln!(
            f,
            "Held out, {} turns: right tool or rightly none {}, choice {}, recall {}, precision {}, false calls {} of turns and {} of positions in text.",
            self.turns,
            share(self.accuracy),
            share(self.choice),
            share(self.recall),
            share(self.precision),
            share(self.false_calls),
            share(self.false_calls_in_text)
        )?;
        writeln!(
            f,
            "λ {:.2e} (λ / mean‖h‖² {:.2e}), weighting per position, threshold {:.2}, prior scale {}.",
            self.lambda, self.lambda_scaled, self.bias, self.scale
        )?;
        let unfitted: Vec<&str> =
            self.tools.iter().filter(|tool| tool.examples == 0).map(|tool| tool.tool.as_str()).collect();
        if !unfitted.is_empty() {
            writeln!(f, "Without an example, on their prior alone: {}.", unfitted.join(", "))?;
        }
        match self.unseen {
            Some(unseen) => writeln!(
                f,
                "How far to trust a tool without examples: of {} tools left out whole ({} messages), it was the best tool at {} and was called at {}.",
                unseen.tools,
                unseen.examples,
                share(Some(unseen.choice)),
                share(Some(unseen.recall))
            ),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_wants_more_examples_the_worse_it_is_recognised() {
        assert_eq!(ToolReport::wanted(0, None), 5);
        assert_eq!(ToolReport::wanted(1, Some(1.0)), 2, "too few to say");
        assert_eq!(ToolReport::wanted(5, Some(1.0)), 0);
        assert_eq!(ToolReport::wanted(5, Some(0.8)), 5, "half the errors with twice the examples");
        assert_eq!(ToolReport::wanted(5, Some(0.0)), 20);
    }
}
