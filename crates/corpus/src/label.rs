//! The label rules: what each token of an example is trained to predict.
//!
//! The text is cut where decoding will cut it: where a call's span starts and ends, and where a loss range does. Each
//! segment is tokenised by itself, and a single U+0020 directly ahead of a cut (but of a span's end) goes to the segment
//! behind it. The inputs are the concatenated ids, so a tool is never an input and hidden states do not depend on it.

use crate::{Example, FaultKind, Place};
use std::ops::Range;

/// What a position is trained to be. Position i is predicted from the hidden state of position i − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// Nothing: the first position, the rest of a result, what lies outside the loss ranges.
    None,
    /// A word of the vocabulary.
    Word(u32),
    /// A tool, by its index.
    Tool(usize),
}

/// Which segment of a text is to be tokenised: only the first may get a dummy prefix or other start-of-text treatment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// The text's beginning.
    First,
    /// Whatever follows.
    Continuation,
}

/// The tokens at a context's two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The start token that opens a raw context; none where a chat template opens it.
    pub bos: Option<u32>,
    /// The token that ends a complete text, as a word label; none where the text goes on.
    pub eos: Option<u32>,
}

/// An example as a model reads it. `ids` and `labels` have the same length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// The inputs.
    pub ids: Vec<u32>,
    /// The label of each position.
    pub labels: Vec<Label>,
    /// The segments that were tokenised one by one, in order; together they cover the text.
    pub pieces: Vec<Piece>,
}

/// A segment of the text and the tokens it became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes in the text; for a call's span, with the space that belongs to it.
    pub bytes: Range<usize>,
    /// Its positions in `ids`.
    pub tokens: Range<usize>,
    /// The call whose label stands at its first token.
    pub call: Option<usize>,
}

/// An example that cannot be labelled. `E` is the tokenizer's error.
#[derive(Debug, thiserror::Error)]
pub enum LabelError<E> {
    /// The example is not valid.
    #[error("example `{id}`, {place}: {kind}")]
    Example {
        /// Its id.
        id: String,
        /// Where in it.
        place: Place,
        /// What is wrong.
        kind: FaultKind,
    },
    /// A call of it cannot be labelled.
    #[error("example `{id}`, call {call} ({tool}): {fault}")]
    Call {
        /// The example.
        id: String,
        /// The call, counted from 1.
        call: usize,
        /// Its tool.
        tool: String,
        /// What is wrong.
        fault: CallFault,
    },
    /// The tokenizer failed.
    #[error("example `{id}`: {source}")]
    Encode {
        /// The example.
        id: String,
        /// The tokenizer's word on it.
        source: E,
    },
}

/// A call that cannot be given a position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallFault {
    /// Its tool has no index.
    #[error("the tool is not among the tools to be learned")]
    UnknownTool,
    /// The tokenizer made nothing of its span.
    #[error("the tokenizer makes no token of {0:?}, so there is no position to put the call at")]
    NoToken(String),
    /// A point call behind the last token of a text that does not end.
    #[error("it stands at the text's end, and no end-of-text token follows to carry its label")]
    NothingFollows,
    /// The very first position, which nothing predicts.
    #[error("nothing precedes it, so nothing can predict it: open the context with a start token")]
    NothingPrecedes,
}

/// Labels an example.
///
/// - The first token of a span has the tool as its label, the span's other tokens none, every other token its own word.
/// - A point call's tool takes the place of the word label behind it: the next token's, or at the text's end EOS's.
/// - Only segments inside the loss ranges have labels; EOS has one if a range reaches the text's end.
/// - `only_tools` drops the word labels.
/// - Position 0 has no label: nothing predicts it.
///
/// `tool_index` says which tools are to be learned, `encode` tokenises one segment.
///
/// # Errors
/// [`LabelError`], each naming the example and, where there is one, the call.
pub fn label<E>(
    example: &Example,
    tool_index: impl Fn(&str) -> Option<usize>,
    mut encode: impl FnMut(&str, Segment) -> Result<Vec<u32>, E>,
    ends: Ends,
) -> Result<Labelled, LabelError<E>> {
    let id = || example.id.clone();
    let refuse = |i: usize, fault| {
        Err(LabelError::Call { id: id(), call: i + 1, tool: example.calls[i].tool.clone(), fault })
    };
    if let Some((place, kind)) = example.faults().into_iter().next() {
        return Err(LabelError::Example { id: id(), place, kind });
    }
    let mut tools = Vec::with_capacity(example.calls.len());
    for (i, call) in example.calls.iter().enumerate() {
        match tool_index(&call.tool) {
            Some(tool) => tools.push(tool),
            None => return refuse(i, CallFault::UnknownTool),
        }
    }

    let word = |id: u32| {
        if example.only_tools { Label::None } else { Label::Word(id) }
    };
    let mut ids: Vec<u32> = ends.bos.into_iter().collect();
    let mut labels = vec![Label::None; ids.len()];
    let mut pieces = Vec::new();
    for Cut { bytes, call, trained } in cut(example) {
        let segment = if bytes.start == 0 { Segment::First } else { Segment::Continuation };
        let text = &example.text[bytes.clone()];
        let tokens = encode(text, segment).map_err(|source| LabelError::Encode { id: id(), source })?;
        let first = ids.len();
        let in_span = call.is_some_and(|i| !example.calls[i].is_point());
        labels.extend(tokens.iter().map(
            |&token| {
                if trained && !in_span { word(token) } else { Label::None }
            },
        ));
        ids.extend(tokens);
        if let Some(i) = call {
            if first == ids.len() {
                return refuse(i, CallFault::NoToken(text.to_owned()));
            }
            if first == 0 {
                return refuse(i, CallFault::NothingPrecedes);
            }
            labels[first] = if trained { Label::Tool(tools[i]) } else { Label::None };
        }
        pieces.push(Piece { bytes, tokens: first..ids.len(), call });
    }

    // Only a point call can start where the text ends, and only the last call.
    let len = example.text.len();
    let at_end = example.calls.iter().rposition(|call| call.start == len);
    if let Some(eos) = ends.eos {
        let trained = example.loss.as_ref().is_none_or(|ranges| ranges.iter().any(|range| range[1] == len));
        labels.push(match at_end {
            Some(i) if ids.is_empty() => return refuse(i, CallFault::NothingPrecedes),
            _ if !trained => Label::None,
            Some(i) => Label::Tool(tools[i]),
            None => word(eos),
        });
        ids.push(eos);
    } else if let Some(i) = at_end {
        return refuse(i, CallFault::NothingFollows);
    }
    if let Some(first) = labels.first_mut() {
        *first = Label::None;
    }
    Ok(Labelled { ids, labels, pieces })
}

/// A segment before it is tokenised.
struct Cut {
    bytes: Range<usize>,
    /// The call that opens here: its span is the whole segment, or it is a point call ahead of it.
    call: Option<usize>,
    trained: bool,
}

/// Cuts a valid example's text.
fn cut(example: &Example) -> Vec<Cut> {
    let openings: Vec<usize> = example.calls.iter().map(|call| example.opening(call.start)).collect();
    let loss: Option<Vec<Range<usize>>> = example
        .loss
        .as_ref()
        .map(|ranges| ranges.iter().map(|&[from, to]| example.opening(from)..example.opening(to)).collect());
    let mut cuts = vec![0, example.text.len()];
    cuts.extend(&openings);
    cuts.extend(example.calls.iter().filter(|call| !call.is_point()).map(|call| call.end));
    cuts.extend(loss.iter().flatten().flat_map(|range| [range.start, range.end]));
    cuts.sort_unstable();
    cuts.dedup();

    let trained = |at: usize| {
        loss.as_ref().is_none_or(|ranges| {
            // The ranges are in order: only the last one that starts by here can hold it.
            let i = ranges.partition_point(|range| range.start <= at);
            i > 0 && at < ranges[i - 1].end
        })
    };
    cuts.windows(2)
        .map(|cut| Cut {
            bytes: cut[0]..cut[1],
            call: openings.binary_search(&cut[0]).ok(),
            trained: trained(cut[0]),
        })
        .collect()
}
