//! One text with its calls, as a line of a corpus file holds it.

use serde::{Deserialize, Serialize};

/// A text and the tool calls in it. Offsets are bytes of the UTF-8 text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Unique within a corpus. A line of a file without one has its number.
    #[serde(default)]
    pub id: String,
    /// The text, with every call's original result in place.
    pub text: String,
    /// The calls, in order; spans do not overlap.
    #[serde(default)]
    pub calls: Vec<Call>,
    /// If given, only these byte ranges `[from, to)` are trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Vec<[usize; 2]>>,
    /// Drops every word label.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_tools: bool,
    /// Examples of one group never stand on both sides of a fold (VirtualHome: the title). By default the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Example {
    /// What keeps examples together when folds are made: the group, else the id.
    pub fn group(&self) -> &str {
        self.group.as_deref().unwrap_or(&self.id)
    }

    /// Where the text is cut for something that begins at byte `at`: before a single U+0020 that stands directly ahead
    /// of it, because tokenizers join that space to the word it opens, and a model that calls a tool there has not
    /// written it yet. A space inside an earlier call's span stays there, and the text's end is the text's end.
    ///
    /// Meant for calls in order and offsets within the text, which [`faults`](Self::faults) checks.
    pub(crate) fn opening(&self, at: usize) -> usize {
        let spaced = at > 0 && at < self.text.len() && self.text.as_bytes()[at - 1] == b' ';
        let taken = self.last_call_before(at).is_some_and(|(_, call)| at <= call.end);
        if spaced && !taken { at - 1 } else { at }
    }

    /// The last call that starts before byte `at`, and its index.
    pub(crate) fn last_call_before(&self, at: usize) -> Option<(usize, &Call)> {
        let i = self.calls.partition_point(|call| call.start < at).checked_sub(1)?;
        Some((i, &self.calls[i]))
    }
}

impl Call {
    /// Whether the call stands for nothing in the text.
    pub fn is_point(&self) -> bool {
        self.start == self.end
    }
}

/// A tool call: the span of text that its result takes up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The tool's name.
    pub tool: String,
    /// First byte of the result.
    pub start: usize,
    /// One past its last byte; equal to `start` for a point call, which stands for nothing in the text.
    pub end: usize,
    /// The call's arguments as written, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<String>,
}
