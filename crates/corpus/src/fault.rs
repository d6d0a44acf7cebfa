//! Every way for an example to be wrong.

use crate::{Call, Example};
use std::fmt;

/// Where in a file a fault is, and what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The line, counted from 1.
    pub line: usize,
    /// The byte.
    pub place: Place,
    /// What is wrong.
    pub kind: FaultKind,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, {}: {}", self.line, self.place, self.kind)
    }
}

/// Which byte a fault is about, counted from 0.
///
/// JSON escapes make the two differ, so each fault says the one that helps to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A byte of the line, as it stands in the file.
    Line(usize),
    /// A byte of the example's text, counted as `start` and `end` are.
    Text(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(byte) => write!(f, "byte {byte} of the line"),
            Self::Text(byte) => write!(f, "byte {byte} of the text"),
        }
    }
}

/// What is wrong with a line or an example. Calls and loss ranges are counted from 1 in messages.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages are the documentation")]
pub enum FaultKind {
    #[error("the line is longer than {limit} bytes: split the text into several examples")]
    LineTooLong { limit: usize },
    #[error("not valid UTF-8: save the file as UTF-8")]
    NotUtf8,
    #[error("not an example: {message}")]
    NotAnExample { message: String },
    #[error("the id is empty: every example needs one of its own")]
    EmptyId,
    #[error("the id `{id}` was used before, on line {first}: every example needs one of its own")]
    RepeatedId { id: String, first: usize },
    #[error("the text is empty")]
    EmptyText,
    #[error("the text holds a NUL character: remove it")]
    Nul,
    #[error("call {call} names no tool")]
    NoTool { call: usize },
    #[error("call {call} ({tool}) starts at {start}, after its end at {end}")]
    SpanReversed { call: usize, tool: String, start: usize, end: usize },
    #[error("call {call} ({tool}) ends at {end}, outside the text of {len} bytes")]
    SpanOutside { call: usize, tool: String, end: usize, len: usize },
    #[error(
        "call {call} ({tool}) cuts a character in two at {at}: `start` and `end` count bytes of the UTF-8 text, not characters"
    )]
    SpanInCharacter { call: usize, tool: String, at: usize },
    #[error(
        "call {call} ({tool}) starts at {start}, before the call ahead of it ends at {end}: put calls in order, without overlap"
    )]
    SpanOverlap { call: usize, tool: String, start: usize, end: usize },
    #[error(
        "call {call} ({tool}) starts on the same token as the point call ahead of it: one position takes one tool"
    )]
    SamePosition { call: usize, tool: String },
    #[error("loss range {range} is [{from}, {to}]: `from` must be smaller than `to`")]
    LossEmpty { range: usize, from: usize, to: usize },
    #[error("loss range {range} ends at {to}, outside the text of {len} bytes")]
    LossOutside { range: usize, to: usize, len: usize },
    #[error("loss range {range} cuts a character in two at {at}")]
    LossInCharacter { range: usize, at: usize },
    #[error(
        "loss range {range} starts at {from}, before the range ahead of it ends at {end}: put ranges in order, without overlap"
    )]
    LossOverlap { range: usize, from: usize, end: usize },
    #[error(
        "loss range {range} cuts call {call} ({tool}) in two at {at}: a call is trained on whole or not at all"
    )]
    LossInCall { range: usize, call: usize, tool: String, at: usize },
}

impl Example {
    /// Everything that is wrong with this example by itself, in the order of its fields.
    ///
    /// An example without faults can be cut at every offset it holds.
    pub fn faults(&self) -> Vec<(Place, FaultKind)> {
        let mut faults = Vec::new();
        if self.id.is_empty() {
            faults.push((Place::Line(0), FaultKind::EmptyId));
        }
        if self.text.is_empty() {
            faults.push((Place::Text(0), FaultKind::EmptyText));
        }
        if let Some(at) = self.text.find('\0') {
            faults.push((Place::Text(at), FaultKind::Nul));
        }
        let whole_calls = self.call_faults(&mut faults);
        self.loss_faults(whole_calls, &mut faults);
        faults
    }

    /// Returns whether every call's span can be relied on.
    fn call_faults(&self, faults: &mut Vec<(Place, FaultKind)>) -> bool {
        let before = faults.len();
        let mut previous: Option<&Call> = None;
        for (i, call) in self.calls.iter().enumerate() {
            let (number, tool) = (i + 1, call.tool.clone());
            let &Call { start, end, .. } = call;
            if tool.is_empty() {
                faults.push((Place::Text(start), FaultKind::NoTool { call: number }));
            }
            if start > end {
                faults.push((Place::Text(start), FaultKind::SpanReversed { call: number, tool, start, end }));
                continue;
            }
            if end > self.text.len() {
                let len = self.text.len();
                faults.push((Place::Text(end), FaultKind::SpanOutside { call: number, tool, end, len }));
                continue;
            }
            if let Some(at) = [start, end].into_iter().find(|&at| !self.text.is_char_boundary(at)) {
                faults.push((Place::Text(at), FaultKind::SpanInCharacter { call: number, tool, at }));
                continue;
            }
            if let Some(ahead) = previous.filter(|ahead| start < ahead.end) {
                let end = ahead.end;
                faults.push((Place::Text(start), FaultKind::SpanOverlap { call: number, tool, start, end }));
                continue;
            }
            if previous
                .is_some_and(|ahead| ahead.is_point() && self.opening(ahead.start) == self.opening(start))
            {
                faults.push((Place::Text(start), FaultKind::SamePosition { call: number, tool }));
            }
            previous = Some(call);
        }
        faults.len() == before
    }

    fn loss_faults(&self, whole_calls: bool, faults: &mut Vec<(Place, FaultKind)>) {
        let mut previous_end = 0;
        for (i, &[from, to]) in self.loss.iter().flatten().enumerate() {
            let range = i + 1;
            if from >= to {
                faults.push((Place::Text(from), FaultKind::LossEmpty { range, from, to }));
                continue;
            }
            if to > self.text.len() {
                faults.push((Place::Text(to), FaultKind::LossOutside { range, to, len: self.text.len() }));
                continue;
            }
            if let Some(at) = [from, to].into_iter().find(|&at| !self.text.is_char_boundary(at)) {
                faults.push((Place::Text(at), FaultKind::LossInCharacter { range, at }));
                continue;
            }
            if from < previous_end {
                faults.push((Place::Text(from), FaultKind::LossOverlap { range, from, end: previous_end }));
            }
            previous_end = previous_end.max(to);
            if whole_calls {
                for at in [from, to] {
                    if let Some((j, call)) = self.last_call_before(at).filter(|(_, call)| at < call.end) {
                        let tool = call.tool.clone();
                        faults
                            .push((Place::Text(at), FaultKind::LossInCall { range, call: j + 1, tool, at }));
                    }
                }
            }
        }
    }
}
