//! Raw GSM8K: `Natalia sold 48/2 = <<48/2=24>>24 clips`, one question a line.

use super::{Import, ImportError, Report};
use crate::{Call, Corpus, Example};
use serde::Deserialize;
use std::convert::Infallible;
use std::path::Path;

#[derive(Deserialize)]
struct Entry {
    question: String,
    answer: String,
}

/// Imports GSM8K's own file. Each annotation goes, and the number behind it becomes the span of a call to `add`,
/// `subtract`, `multiply` or `divide`.
///
/// An example is kept if every equation in it uses one kind of operator. The text is `Question: …\nAnswer: … #### 24`,
/// as ToolkenGPT's prompt for this task has it: the answer's lines are joined by spaces, since a newline ends an answer
/// in decoding. The number after `####` repeats a result and is no call.
///
/// # Errors
/// [`ImportError`]; an entry that is merely unusable is dropped and reported.
pub fn gsm8k(path: &Path) -> Result<Import, ImportError<Infallible>> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ImportError::Io { path: path.to_owned(), source })?;
    let mut report = Report::default();
    let mut examples = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let entry: Entry = serde_json::from_str(line).map_err(|e| ImportError::Layout {
            path: path.to_owned(),
            expected: "GSM8K, an object with `question` and `answer` a line",
            message: format!("line {}: {e}", i + 1),
        })?;
        report.read += 1;
        match example(i, &entry) {
            Ok(example) => {
                report.keep(&example);
                examples.push(example);
            }
            Err(reason) => report.drop(reason),
        }
    }
    Ok(Import { corpus: Corpus::new(examples)?, report })
}

fn example(index: usize, entry: &Entry) -> Result<Example, &'static str> {
    match gsm8k_solution(&format!("gsm8k-{index:04}"), &entry.question, &entry.answer)? {
        (example, None) => Ok(example),
        (_, Some(reason)) => Err(reason),
    }
}

/// One question with its annotated solution, as the importer writes it.
///
/// An equation that is no single tool's (`30/100*5832`) has no call: its result is left out of the loss, since no label
/// of it would be right. The second value is then why.
///
/// # Errors
/// Why the solution is no example at all.
///
/// ```
/// let solution = toolken_corpus::import::gsm8k_solution("one", "How many?", "2*3=<<2*3=6>>6 and 1+2*3=<<1+2*3=7>>7\n#### 7");
/// let (example, reason) = solution.unwrap();
/// assert_eq!(example.text, "Question: How many?\nAnswer: 2*3=6 and 1+2*3=7 #### 7");
/// assert_eq!((example.calls.len(), reason), (1, Some("an equation mixes operators")));
/// assert_eq!(example.loss, Some(vec![[0, 44], [45, 52]]));
/// ```
pub fn gsm8k_solution(
    id: &str,
    question: &str,
    answer: &str,
) -> Result<(Example, Option<&'static str>), &'static str> {
    let mut text = format!("Question: {question}\nAnswer: ");
    let answer = answer.lines().collect::<Vec<_>>().join(" ");
    let (mut calls, mut left_out, mut reason) = (Vec::new(), Vec::new(), None);
    let mut pieces = answer.split("<<");
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (equation, rest) = piece.split_once(">>").ok_or("an annotation without an end")?;
        let (expression, result) = equation.split_once('=').ok_or("an annotation without `=`")?;
        let space = rest.len() - rest.trim_start_matches(' ').len();
        let number = number_at_start(&rest[space..]);
        let start = text.len() + space;
        let end = start + number.len();
        match operation(expression) {
            _ if value(number).is_none() || value(number) != value(result) => {
                return Err("the text does not repeat an annotation's result");
            }
            Ok((tool, args)) => {
                calls.push(Call { tool: tool.to_owned(), start, end, args: Some(args.join(", ")) });
            }
            Err(fault) => {
                left_out.push([start, end]);
                reason = reason.or(Some(fault));
            }
        }
        text.push_str(rest);
    }
    if calls.is_empty() {
        return Err(reason.unwrap_or("no annotation"));
    }
    let loss = reason.map(|_| {
        let starts = std::iter::once(0).chain(left_out.iter().map(|range| range[1]));
        let ends = left_out.iter().map(|range| range[0]).chain([text.len()]);
        starts.zip(ends).map(|(from, to)| [from, to]).filter(|[from, to]| from < to).collect()
    });
    let example = Example { id: id.to_owned(), text, calls, loss, ..Example::default() };
    if example.faults().is_empty() {
        Ok((example, reason))
    } else {
        Err("the text holds a NUL, or its id is not its own")
    }
}

/// The tool and the arguments of an expression with one kind of operator: `100-50-30` is `subtract` of three.
fn operation(expression: &str) -> Result<(&'static str, Vec<&str>), &'static str> {
    let mut args = Vec::new();
    let mut kind = None;
    let mut rest = expression.trim_matches(LAYOUT);
    loop {
        let number = number_at_start(rest);
        if number.is_empty() {
            return Err("an equation holds more than numbers and operators");
        }
        args.push(number);
        rest = rest[number.len()..].trim_start_matches(LAYOUT);
        let Some(operator) = rest.chars().next() else {
            break;
        };
        if *kind.get_or_insert(operator) != operator {
            return Err("an equation mixes operators");
        }
        rest = rest[operator.len_utf8()..].trim_start_matches(LAYOUT);
    }
    let grouped = expression.contains(['(', ')']);
    match kind {
        None => Err("an equation without an operator"),
        Some('+') => Ok(("add", args)),
        Some('*') => Ok(("multiply", args)),
        // Brackets change nothing in a sum or a product, but 10-(5-2) is not 10-5-2.
        Some('-' | '/') if grouped => Err("brackets in a difference or a quotient"),
        Some('-') => Ok(("subtract", args)),
        Some('/') => Ok(("divide", args)),
        Some(_) => Err("an operator other than + - * /"),
    }
}

/// What may stand between the numbers and operators of an expression.
const LAYOUT: [char; 4] = [' ', '(', ')', '$'];

/// The number that a text starts with: a sign, digits with thousands separators, a fraction, a percent sign.
fn number_at_start(text: &str) -> &str {
    let bytes = text.as_bytes();
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let mut end = usize::from(bytes.first() == Some(&b'-'));
    let first = end;
    while digit(end) || (matches!(bytes.get(end), Some(b'.' | b',')) && digit(end + 1)) {
        end += 1;
    }
    if end == first {
        return "";
    }
    &text[..end + usize::from(bytes.get(end) == Some(&b'%'))]
}

fn value(number: &str) -> Option<f64> {
    number.trim_matches(LAYOUT).trim_end_matches('%').replace(',', "").parse().ok()
}
