//! One text with its calls, as a line of a corpus file holds it.

use serde::{Deserialize, Serialize};

/// A text and the tool calls in it. Offsets are bytes of the UTF-8 text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Unique within a corpus.
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
