//! What a fit says of itself, tool by tool.

use crate::fit::Data;
use crate::held_out::Decision;
use head::Head;
use serde::{Deserialize, Serialize};
use std::fmt;
use tools::ToolSet;

/// Mistakes that a report lists.
const MISTAKES: usize = 40;
/// The recall that a tool should reach.
const GOAL: f64 = 0.9;
/// Fewer examples than this say little.
const LEAST: usize = 3;
/// More examples than this are not asked for at once.
const MOST: usize = 20;

/// The figures of a fit. All are held out: each example is decided by a fit that has not seen it. λ, the threshold and the offset of tools
/// without an example were chosen on these decisions, which makes the figures somewhat optimistic where examples are few.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Decisions where a turn calls a tool, or opens if it calls none: right tool, or rightly none, as a share.
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
    /// What a call where none is wanted was taken to cost in the choice of the threshold, in right calls.
    #[serde(default = "one")]
    pub false_call_cost: f64,
    /// Of how many tools λ and the offset of those without examples were chosen, where it is not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried_on: Option<usize>,
    /// Tools that were treated as if they had no example, and how they fared.
    pub unseen: Option<Unseen>,
    /// How far the model's wish to fill in another parameter is trusted; none if no example says its arguments, or nothing of them
    /// may be left out.
    #[serde(default)]
    pub restraint: Option<Restraint>,
    /// Tool by tool.
    pub tools: Vec<ToolReport>,
    /// The same decisions: `confusion[wanted][called]`; the last row and column stand for none.
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
    /// Share of the other turns that were decided rightly and that such a tool would spoil.
    pub spoiled: f64,
    /// What is added to the logit of a tool without examples: the best by these figures.
    pub offset: f32,
}

/// How far the model's wish to fill in another parameter is trusted: chosen on examples that say their arguments, each read after
/// others of its tool, and so somewhat optimistic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restraint {
    /// Calls that were read.
    pub calls: usize,
    /// Places in them at which an object may end or hold another property.
    pub places: usize,
    /// Share of the places at which the model is right by itself.
    pub right_without: f64,
    /// Share at which it is right under the margin.
    pub right: f64,
    /// How much more likely than the object's end another property must be, in log odds.
    pub margin: f32,
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

impl Report {
    /// What is added to the logit of a tool without examples.
    pub fn offset(&self) -> f32 {
        self.unseen.map_or(0.0, |unseen| unseen.offset)
    }

    /// How much more likely than a call's end another of its parameters must be, in log odds.
    pub fn margin(&self) -> f32 {
        self.restraint.map_or(0.0, |restraint| restraint.margin)
    }
}

/// What a false call costs unless something else is said.
fn one() -> f64 {
    1.0
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
        if self.recall.is_none() {
            writeln!(
                f,
                "No example says when a tool is wanted: what follows is of ordinary talk alone, and says nothing of how tools are chosen."
            )?;
        }
        writeln!(
            f,
            "Held out, {} turns: of those that want a tool the right one is called in {} and is the best of the tools in {}; {} of the calls are right; \
             of the turns that want none {} call one, and {} of positions in text. Right tool or rightly none: {}. (λ and threshold were chosen on these turns.)",
            self.turns,
            share(self.recall),
            share(self.choice),
            share(self.precision),
            share(self.false_calls),
            share(self.false_calls_in_text),
            share(self.accuracy)
        )?;
        if self.recall.is_some_and(|recall| recall < 0.5) {
            writeln!(
                f,
                "More than half of the calls are missed: give each tool more messages, five at least."
            )?;
        }
        writeln!(
            f,
            "λ {:.2e} (λ / mean‖h‖² {:.2e}), weighting per position, threshold {:.2} (a false call costs {} right ones).",
            self.lambda, self.lambda_scaled, self.bias, self.false_call_cost
        )?;
        if let Some(tools) = self.tried_on {
            writeln!(
                f,
                "So many tools: λ and how far to trust descriptions are from {tools} of them, and one fold is held out."
            )?;
        }
        let unfitted: Vec<&str> =
            self.tools.iter().filter(|tool| tool.examples == 0).map(|tool| tool.tool.as_str()).collect();
        if !unfitted.is_empty() {
            writeln!(f, "Without an example, on their description alone: {}.", unfitted.join(", "))?;
        }
        match self.unseen {
            Some(unseen) => writeln!(
                f,
                "How far to trust a tool without examples: of {} tools whose examples were left out ({} messages), it was the best tool at {} and was called at {}, and it spoiled {} of the other turns (offset {}).",
                unseen.tools,
                unseen.examples,
                share(Some(unseen.choice)),
                share(Some(unseen.recall)),
                share(Some(unseen.spoiled)),
                unseen.offset
            ),
            None => Ok(()),
        }?;
        match self.restraint {
            Some(restraint) => writeln!(
                f,
                "Parameters that may be left out: at {} places in {} calls of the examples the model would be right at {}, and is at {} if another must be e^{:.2} times as likely as the end.",
                restraint.places,
                restraint.calls,
                share(Some(restraint.right_without)),
                share(Some(restraint.right)),
                restraint.margin
            ),
            None => Ok(()),
        }
    }
}

/// The figures of held-out decisions, by context and point, under the head's threshold.
pub(crate) fn report(data: &Data, tools: &ToolSet, head: &Head, decided: &[Vec<Decision>]) -> Report {
    let none = tools.len();
    let name = |k: usize| tools.get(k).map_or("no tool", |tool| tool.name.as_str()).to_owned();
    let mut confusion = vec![vec![0usize; none + 1]; none + 1];
    let mut best_right = 0;
    let mut mistakes = Vec::new();
    for &i in &data.turns {
        let context = &data.contexts[i];
        let wanted = context.points[context.judged()].1.unwrap_or(none);
        let Some(decision) = decided[i].get(context.judged()) else { continue };
        let (best, called) = (decision.best, decision.called(head.bias).unwrap_or(none));
        confusion[wanted][called] += 1;
        best_right += usize::from(best == wanted);
        if wanted != called && mistakes.len() < MISTAKES {
            let named = |k: usize| (k < none).then(|| name(k));
            let message = context.answers.clone().unwrap_or_default();
            mistakes.push((message, named(wanted), named(called)));
        }
    }
    let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    let row = |k: usize| confusion[k].iter().sum::<usize>();
    let column = |k: usize| confusion.iter().map(|row| row[k]).sum::<usize>();
    let turns: usize = (0..=none).map(row).sum();
    let right: usize = (0..none).map(|k| confusion[k][k]).sum();
    let calls = turns - row(none);
    let (mut text, mut text_calls) = (0, 0);
    for (context, decisions) in data.contexts.iter().zip(decided) {
        let inside = context.points.iter().zip(decisions).skip(1).filter(|(point, _)| point.1.is_none());
        for (_, decision) in inside {
            text += 1;
            text_calls += usize::from(decision.called(head.bias).is_some());
        }
    }
    let by_tool = (0..none).map(|k| {
        let recall = share(confusion[k][k], row(k));
        let mut confused: Vec<(String, usize)> = (0..=none)
            .filter(|&other| other != k && confusion[k][other] > 0)
            .map(|other| (name(other), confusion[k][other]))
            .collect();
        confused.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        ToolReport {
            tool: name(k),
            examples: row(k),
            precision: share(confusion[k][k], column(k)),
            recall,
            confused_with: confused,
            wants: ToolReport::wanted(row(k), recall),
        }
    });
    Report {
        accuracy: share(right + confusion[none][none], turns),
        turns,
        recall: share(right, calls),
        precision: share(right, turns - column(none)),
        choice: share(best_right, calls),
        false_calls: share(row(none) - confusion[none][none], row(none)),
        false_calls_in_text: share(text_calls, text),
        lambda: head.meta.lambda.unwrap_or(0.0),
        lambda_scaled: head.meta.lambda_scaled.unwrap_or(0.0),
        bias: head.bias,
        false_call_cost: one(),
        tried_on: None,
        unseen: None,
        restraint: None,
        tools: by_tool.collect(),
        confusion,
        mistakes,
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
