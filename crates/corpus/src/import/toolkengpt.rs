//! ToolkenGPT's training files: a JSON array of texts whose spans are given in tokens.
//!
//! `start_token_idx` and `end_token_idx` (exclusive) count in LLaMA's SentencePiece tokens of the text with BOS at index 0.

use super::{Import, ImportError, Report};
use crate::{Call, Corpus, Example, FaultKind};
use serde::Deserialize;
use std::ops::Range;
use std::path::Path;

/// Which of ToolkenGPT's tasks a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Arithmetic: `tar_eq` holds `<add>(1, 2)=3<eoe>`, `tar_number` the result that a span should be. Tool: `add`.
    FuncQa,
    /// Facts: `api` holds the relation, `call` the arguments and the answer. Tool: `P54`.
    Kamel,
    /// Household scripts: `tar_eq` holds the span's own text. Tool: `[WALK]`, `<chair>`. Four tasks stand in a text, and
    /// the loss is on the last one alone; its goal is the group.
    VirtualHome,
}

/// An entry of any of the files.
#[derive(Deserialize)]
struct Entry {
    text: String,
    start_token_idx: Vec<usize>,
    end_token_idx: Vec<usize>,
    #[serde(default)]
    tar_eq: Vec<String>,
    #[serde(default)]
    tar_number: Vec<String>,
    api: Option<String>,
    #[serde(default)]
    call: Vec<String>,
}

/// What an entry says of one of its spans.
struct Stated<'a> {
    tool: &'a str,
    args: Option<&'a str>,
    /// The text that the span should be; unknown for a span beyond those that the entry describes.
    result: Option<&'a str>,
}

/// Imports one of ToolkenGPT's training files.
///
/// `tokens` gives the bytes of each of the text's tokens, in LLaMA's tokenisation and without BOS; leading spaces may be
/// part of a token. A span loses the spaces around it, since a space ahead of a span belongs to it by the label rules.
///
/// # Errors
/// [`ImportError`]; an entry that is merely unusable is dropped and reported.
pub fn toolkengpt<E>(
    path: &Path,
    layout: Layout,
    mut tokens: impl FnMut(&str) -> Result<Vec<Range<usize>>, E>,
) -> Result<Import, ImportError<E>> {
    let bytes = std::fs::read(path).map_err(|source| ImportError::Io { path: path.to_owned(), source })?;
    let entries: Vec<Entry> = serde_json::from_slice(&bytes).map_err(|e| ImportError::Layout {
        path: path.to_owned(),
        expected: "a training file of ToolkenGPT",
        message: e.to_string(),
    })?;
    let mut report = Report { read: entries.len(), ..Report::default() };
    let mut examples = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        let tokens = tokens(&entry.text).map_err(|source| ImportError::Tokenize {
            path: path.to_owned(),
            entry: i,
            source,
        })?;
        let mut notes = Vec::new();
        match layout.example(i, entry, &tokens, &mut notes) {
            Ok(example) => {
                notes.into_iter().for_each(|note| report.note(note));
                report.keep(&example);
                examples.push(example);
            }
            Err(reason) => report.drop(reason),
        }
    }
    Ok(Import { corpus: Corpus::new(examples)?, report })
}

impl Layout {
    fn example(
        self,
        index: usize,
        entry: &Entry,
        tokens: &[Range<usize>],
        notes: &mut Vec<&'static str>,
    ) -> Result<Example, &'static str> {
        let text = &entry.text;
        if entry.start_token_idx.len() != entry.end_token_idx.len() {
            return Err("as many starts as ends are expected");
        }
        let mut calls = Vec::new();
        for (j, (&first, &end)) in entry.start_token_idx.iter().zip(&entry.end_token_idx).enumerate() {
            let span = bytes_of(tokens, first, end).ok_or("a span's tokens are outside the text")?;
            let stated = self.stated(entry, j)?;
            let span = trim(text, span).ok_or("a span cuts a character in two")?;
            if span.is_empty() {
                notes.push("an empty span, kept as a point call ahead of its token");
            } else {
                notes.extend(disagreement(&text[span.clone()], stated.result));
            }
            let args = stated.args.map(str::to_owned);
            calls.push(Call { tool: stated.tool.to_owned(), start: span.start, end: span.end, args });
        }
        if calls.is_empty() {
            notes.push("a text without a span, kept as words alone");
        }
        let (loss, group) = match self {
            Self::FuncQa | Self::Kamel => (None, None),
            Self::VirtualHome => {
                let task = last_task(text).ok_or("no line `Task N:`")?;
                let group = goal(&text[task..]).ok_or("no goal in the last task")?.to_owned();
                (Some(vec![[task, text.len()]]), Some(group))
            }
        };
        let id = format!("{}-{index:04}", self.name());
        let example = Example { id, text: text.clone(), calls, loss, group, only_tools: false };
        match example.faults().into_iter().next() {
            None => Ok(example),
            Some((_, FaultKind::SpanOverlap { .. } | FaultKind::SamePosition { .. })) => Err("spans overlap"),
            Some((_, FaultKind::LossInCall { .. })) => Err("a span reaches from one task into the next"),
            Some(_) => Err("the text is empty or holds a NUL, or a span names no tool"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::FuncQa => "funcqa",
            Self::Kamel => "kamel",
            Self::VirtualHome => "virtualhome",
        }
    }

    fn stated(self, entry: &Entry, j: usize) -> Result<Stated<'_>, &'static str> {
        const UNDESCRIBED: &str = "a span without an equation that describes it";
        match self {
            Self::FuncQa => {
                let equation = entry.tar_eq.get(j).ok_or(UNDESCRIBED)?;
                let (tool, rest) = equation
                    .strip_prefix('<')
                    .and_then(|rest| rest.split_once('>'))
                    .ok_or("an equation names no tool")?;
                let args = rest
                    .strip_prefix('(')
                    .and_then(|rest| rest.rsplit_once(")=").or(rest.rsplit_once(") =")));
                Ok(Stated {
                    tool,
                    args: args.map(|(args, _)| args),
                    result: entry.tar_number.get(j).map(String::as_str),
                })
            }
            Self::Kamel => {
                // A second span of a text repeats the one call that is described, with another answer.
                let tool = entry.api.as_deref().ok_or("no `api`")?;
                let (args, result) = entry.call.first().and_then(|call| kamel_call(call)).unzip();
                Ok(Stated { tool, args, result: result.filter(|_| j < entry.call.len()) })
            }
            Self::VirtualHome => {
                let tool = entry.tar_eq.get(j).ok_or(UNDESCRIBED)?;
                Ok(Stated { tool, args: None, result: Some(tool) })
            }
        }
    }
}

/// The bytes of tokens `first..end`, counted with BOS at index 0. An empty span lies ahead of its token.
fn bytes_of(tokens: &[Range<usize>], first: usize, end: usize) -> Option<Range<usize>> {
    let start = tokens.get(first.checked_sub(1)?)?.start;
    match end.checked_sub(first)? {
        0 => Some(start..start),
        _ => Some(start..tokens.get(end - 2)?.end),
    }
}

fn trim(text: &str, span: Range<usize>) -> Option<Range<usize>> {
    let inside = text.get(span.clone())?;
    if inside.is_empty() {
        return Some(span);
    }
    let start = span.start + (inside.len() - inside.trim_start_matches(' ').len());
    Some(start..start + inside.trim_matches(' ').len())
}

/// In which way a span is not the result that its entry states.
fn disagreement(span: &str, stated: Option<&str>) -> Option<&'static str> {
    match stated {
        None => Some("a span for which no result is stated"),
        Some(stated) if span == stated => None,
        Some(stated) if span == stated.trim() => Some("a stated result with spaces around it"),
        Some(stated) if span.contains(stated.trim()) => Some("a span longer than the stated result"),
        Some(stated) if stated.contains(span) => Some("a span shorter than the stated result"),
        Some(_) => Some("a span other than the stated result"),
    }
}

/// Arguments and answer of `<f>P54("Pelé")="Santos"</f>`.
fn kamel_call(call: &str) -> Option<(&str, &str)> {
    let call = call.strip_prefix("<f>")?.strip_suffix("</f>")?.strip_suffix('"')?;
    let (head, answer) = call.rsplit_once(")=\"")?;
    let (_, args) = head.split_once('(')?;
    Some((args, answer))
}

/// Where the line `Task N:` of the last task starts.
fn last_task(text: &str) -> Option<usize> {
    text.rmatch_indices("Task ").map(|(at, _)| at).find(|&at| {
        let number = text[at + "Task ".len()..].split(":\n").next().unwrap_or_default();
        let opens_line = at == 0 || text.as_bytes()[at - 1] == b'\n';
        opens_line && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The title of a task: the line after `Goal:`.
fn goal(task: &str) -> Option<&str> {
    let (_, goal) = task.split_once("\nGoal:\n")?;
    goal.lines().next().filter(|goal| !goal.is_empty())
}
