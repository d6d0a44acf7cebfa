//! The label rules, with toy tokenizers.

use proptest::prelude::*;
use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::Range;
use toolken_corpus::{Call, CallFault, Ends, Example, Label, LabelError, Labelled, Segment, label};

const BOS: u32 = 1000;
const EOS: u32 = 1001;
const BOTH: Ends = Ends { bos: Some(BOS), eos: Some(EOS) };

/// A call of the tool with this index.
fn call(tool: usize, start: usize, end: usize) -> Call {
    Call { tool: tool.to_string(), start, end, args: None }
}

fn example(text: &str, calls: Vec<Call>) -> Example {
    Example { id: "x".to_owned(), text: text.to_owned(), calls, ..Example::default() }
}

fn index(tool: &str) -> Option<usize> {
    tool.parse().ok()
}

/// A tokenizer whose tokens are words with the one space ahead of them, as BPE's are: `a  b` is `a`, ` `, ` b`.
#[derive(Default)]
struct Words {
    ids: HashMap<String, u32>,
    words: Vec<String>,
    segments: Vec<Segment>,
}

impl Words {
    fn encode(&mut self, text: &str, segment: Segment) -> Result<Vec<u32>, Infallible> {
        self.segments.push(segment);
        let mut cuts = vec![0];
        cuts.extend((1..text.len()).filter(|&i| text.as_bytes()[i] == b' '));
        cuts.push(text.len());
        Ok(cuts.windows(2).map(|cut| self.id(&text[cut[0]..cut[1]])).collect())
    }

    fn id(&mut self, word: &str) -> u32 {
        *self.ids.entry(word.to_owned()).or_insert_with(|| {
            self.words.push(word.to_owned());
            self.words.len() as u32 - 1
        })
    }
}

/// Tokens and labels as text: `word=w` for its own word, `word=3` for tool 3, `word` for no label.
fn shown(example: &Example, ends: Ends) -> Result<String, LabelError<Infallible>> {
    let mut words = Words::default();
    let Labelled { ids, labels, pieces } =
        label(example, index, |text, segment| words.encode(text, segment), ends)?;
    assert_eq!(ids.len(), labels.len());
    assert_eq!(pieces.len(), words.segments.len());
    assert!(words.segments.iter().enumerate().all(|(i, segment)| (i == 0) == (*segment == Segment::First)));
    let token = |id: u32| match id {
        BOS => "<s>".to_owned(),
        EOS => "</s>".to_owned(),
        _ => words.words[id as usize].replace(' ', "_"),
    };
    let positions = ids.iter().zip(&labels).map(|(&id, label)| match label {
        Label::None => token(id),
        Label::Word(word) => {
            assert_eq!(*word, id, "a word label is the position's own token");
            format!("{}=w", token(id))
        }
        Label::Tool(tool) => format!("{}={tool}", token(id)),
    });
    Ok(positions.collect::<Vec<_>>().join(" "))
}

#[test]
fn edge_cases_of_spans_and_points() {
    let table: &[(&str, Vec<Call>, &str)] = &[
        ("no call", vec![], "<s> no=w _call=w </s>=w"),
        ("a 42 b", vec![call(3, 2, 4)], "<s> a=w _42=3 _b=w </s>=w"),
        ("a=42.", vec![call(3, 2, 4)], "<s> a==w 42=3 .=w </s>=w"),
        // The span's other tokens have no label.
        ("is 4 2.", vec![call(3, 3, 6)], "<s> is=w _4=3 _2 .=w </s>=w"),
        // Only one space goes to the span, and a newline none.
        ("a  42", vec![call(3, 3, 5)], "<s> a=w _=w _42=3 </s>=w"),
        ("a\n42", vec![call(3, 2, 4)], "<s> a\n=w 42=3 </s>=w"),
        // A span that has its space already, one of nothing but a space, one behind the text's first space.
        ("a 42", vec![call(3, 1, 4)], "<s> a=w _42=3 </s>=w"),
        ("a b", vec![call(3, 1, 2)], "<s> a=w _=3 b=w </s>=w"),
        (" 42", vec![call(3, 1, 3)], "<s> _42=3 </s>=w"),
        // At the text's start, its whole, adjacent.
        ("42 b", vec![call(3, 0, 2)], "<s> 42=3 _b=w </s>=w"),
        ("42", vec![call(3, 0, 2)], "<s> 42=3 </s>=w"),
        ("1 2", vec![call(3, 0, 1), call(4, 2, 3)], "<s> 1=3 _2=4 </s>=w"),
        ("12", vec![call(3, 0, 1), call(4, 1, 2)], "<s> 1=3 2=4 </s>=w"),
        // A space that belongs to the span ahead stays with it.
        ("1 2", vec![call(3, 0, 2), call(4, 2, 3)], "<s> 1=3 _ 2=4 </s>=w"),
        // A point call takes the label of the token behind it.
        ("a b", vec![call(3, 1, 1)], "<s> a=w _b=3 </s>=w"),
        ("a b", vec![call(3, 2, 2)], "<s> a=w _b=3 </s>=w"),
        ("a b", vec![call(3, 0, 0)], "<s> a=3 _b=w </s>=w"),
        ("a b", vec![call(3, 3, 3)], "<s> a=w _b=w </s>=3"),
        ("a ", vec![call(3, 2, 2)], "<s> a=w _=w </s>=3"),
        // A point call beside spans.
        ("a 42 b", vec![call(3, 2, 4), call(4, 4, 4)], "<s> a=w _42=3 _b=4 </s>=w"),
        ("a 42 b", vec![call(3, 2, 4), call(4, 5, 5)], "<s> a=w _42=3 _b=4 </s>=w"),
        ("a b 42", vec![call(3, 2, 2), call(4, 4, 6)], "<s> a=w _b=3 _42=4 </s>=w"),
        ("42", vec![call(3, 0, 2), call(4, 2, 2)], "<s> 42=3 </s>=4"),
        ("a  b", vec![call(3, 2, 2), call(4, 3, 4)], "<s> a=w _=3 _b=4 </s>=w"),
    ];
    for (text, calls, expected) in table {
        let found = shown(&example(text, calls.clone()), BOTH).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(found, *expected, "{text:?} with {calls:?}");
    }
}

#[test]
fn loss_ranges_are_honoured_and_cut_where_spans_are_cut() {
    /// Text, calls, loss ranges, tokens with their labels.
    type Case<'a> = (&'a str, Vec<Call>, &'a [[usize; 2]], &'a str);
    let table: &[Case] = &[
        ("a b c d", vec![], &[[2, 5]], "<s> a _b=w _c=w _d </s>"),
        ("a b c d", vec![], &[[4, 7]], "<s> a _b _c=w _d=w </s>=w"),
        ("a b c d", vec![], &[[0, 1], [6, 7]], "<s> a=w _b _c _d=w </s>=w"),
        ("a b c d", vec![], &[], "<s> a _b _c _d </s>"),
        ("a 1 b 2 c", vec![call(3, 2, 3), call(4, 6, 7)], &[[4, 9]], "<s> a _1 _b=w _2=4 _c=w </s>=w"),
        ("a 1 b 2 c", vec![call(3, 2, 3), call(4, 6, 7)], &[[0, 6]], "<s> a=w _1=3 _b=w _2 _c </s>"),
        ("a 1 b 2 c", vec![call(3, 2, 3), call(4, 6, 7)], &[[2, 3]], "<s> a _1=3 _b _2 _c </s>"),
        // The end of the text belongs to a range that reaches it, and a point call there with it.
        ("a b", vec![call(3, 3, 3)], &[[2, 3]], "<s> a _b=w </s>=3"),
        ("a b", vec![call(3, 3, 3)], &[[0, 1]], "<s> a=w _b </s>"),
        // A word is cut where a range cuts it.
        ("abcd", vec![], &[[2, 4]], "<s> ab cd=w </s>=w"),
    ];
    for (text, calls, loss, expected) in table {
        let example = Example { loss: Some(loss.to_vec()), ..example(text, calls.clone()) };
        let found = shown(&example, BOTH).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(found, *expected, "{text:?} with {calls:?} and {loss:?}");
    }
}

#[test]
fn only_tools_drops_word_labels() {
    let example = Example { only_tools: true, ..example("a 42 b", vec![call(3, 2, 4)]) };
    assert_eq!(shown(&example, BOTH).expect("valid"), "<s> a _42=3 _b </s>");
}

#[test]
fn a_context_may_be_opened_by_its_text_and_left_open() {
    let text = example("a 42 b", vec![call(3, 2, 4)]);
    assert_eq!(shown(&text, Ends { bos: None, eos: None }).expect("valid"), "a _42=3 _b=w");
    assert_eq!(shown(&text, Ends { bos: Some(BOS), eos: None }).expect("valid"), "<s> a=w _42=3 _b=w");
    assert_eq!(shown(&text, Ends { bos: None, eos: Some(EOS) }).expect("valid"), "a _42=3 _b=w </s>=w");
}

#[test]
fn a_call_without_a_position_is_an_error_that_names_it() {
    let fault = |example: &Example, ends| match shown(example, ends) {
        Err(LabelError::Call { id, call, fault, .. }) => (id, call, fault),
        other => panic!("{other:?}"),
    };
    let at_end = example("a b", vec![call(3, 2, 3), call(4, 3, 3)]);
    let open = Ends { bos: Some(BOS), eos: None };
    assert_eq!(fault(&at_end, open), ("x".to_owned(), 2, CallFault::NothingFollows));
    let at_start = example("42", vec![call(3, 0, 2)]);
    assert_eq!(
        fault(&at_start, Ends { bos: None, eos: None }),
        ("x".to_owned(), 1, CallFault::NothingPrecedes)
    );
    let unknown = example("42", vec![Call { tool: "none".to_owned(), ..call(0, 0, 2) }]);
    assert_eq!(fault(&unknown, BOTH), ("x".to_owned(), 1, CallFault::UnknownTool));

    // A tokenizer that has no token for digits.
    let no_digits = |text: &str, _: Segment| -> Result<Vec<u32>, Infallible> {
        Ok(text.bytes().filter(|byte| !byte.is_ascii_digit() && *byte != b' ').map(u32::from).collect())
    };
    let error = label(&example("a 42 b", vec![call(3, 2, 4)]), index, no_digits, BOTH).expect_err("no token");
    assert!(
        error.to_string().starts_with("example `x`, call 1 (3): the tokenizer makes no token of \" 42\""),
        "{error}"
    );
}

#[test]
fn an_invalid_example_and_a_failing_tokenizer_are_errors_that_name_the_example() {
    let invalid = example("a", vec![call(3, 0, 9)]);
    assert!(matches!(shown(&invalid, BOTH), Err(LabelError::Example { id, .. }) if id == "x"));
    let failing = |_: &str, _: Segment| Err::<Vec<u32>, _>("broken");
    let error = label(&example("a", vec![]), index, failing, BOTH).expect_err("the tokenizer fails");
    assert_eq!(error.to_string(), "example `x`: broken");
}

/// A tokenizer with random merges: tokens are pieces of at most `longest` bytes, cut by a hash of what precedes them, so
/// that they cross words and even characters.
struct Merges {
    seed: u64,
    longest: usize,
    tokens: Vec<Vec<u8>>,
    ids: HashMap<Vec<u8>, u32>,
}

impl Merges {
    fn new(seed: u64, longest: usize) -> Self {
        Self { seed, longest, tokens: Vec::new(), ids: HashMap::new() }
    }

    fn encode(&mut self, text: &str) -> Vec<u32> {
        let mut rest = text.as_bytes();
        let mut ids = Vec::new();
        let mut state = self.seed;
        while !rest.is_empty() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(u64::from(rest[0]) + 1);
            let len = 1 + (state >> 33) as usize % self.longest;
            let (token, tail) = rest.split_at(len.min(rest.len()));
            rest = tail;
            ids.push(*self.ids.entry(token.to_vec()).or_insert_with(|| {
                self.tokens.push(token.to_vec());
                self.tokens.len() as u32 - 1
            }));
        }
        ids
    }

    fn decode(&self, ids: &[u32]) -> Vec<u8> {
        ids.iter().flat_map(|&id| self.tokens[id as usize].clone()).collect()
    }
}

/// Texts of pieces that are plain words, spans or have a point call ahead of them, and loss ranges along the pieces.
fn annotated() -> impl Strategy<Value = Example> {
    let piece = ("[a-z0-9= \n.é√😀]{1,6}", 0..4usize, any::<bool>());
    (proptest::collection::vec(piece, 1..10), any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(pieces, with_loss, only_tools, point_at_end)| {
            let (mut text, mut calls, mut loss) = (String::new(), Vec::new(), Vec::new());
            for (i, (piece, kind, trained)) in pieces.into_iter().enumerate() {
                let start = text.len();
                text.push_str(&piece);
                match kind {
                    0 => calls.push(call(i, start, start)),
                    1 => calls.push(call(i, start, text.len())),
                    _ => {}
                }
                if trained {
                    loss.push([start, text.len()]);
                }
            }
            if point_at_end {
                calls.push(call(99, text.len(), text.len()));
            }
            let loss = with_loss.then_some(loss);
            Example { loss, only_tools, ..example(&text, calls) }
        })
        .prop_filter("calls of their own positions", |example| example.faults().is_empty())
}

fn inside(ranges: &[[usize; 2]], bytes: &Range<usize>) -> bool {
    bytes.clone().all(|byte| ranges.iter().any(|range| range[0] <= byte && byte < range[1]))
}

fn outside(ranges: &[[usize; 2]], bytes: &Range<usize>) -> bool {
    bytes.clone().all(|byte| ranges.iter().all(|range| byte < range[0] || range[1] <= byte))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn tokens_are_the_text_and_labels_are_the_calls(
        example in annotated(),
        seed in any::<u64>(),
        longest in 1..8usize,
    ) {
        let mut merges = Merges::new(seed, longest);
        let encode = |text: &str, _: Segment| Ok::<_, Infallible>(merges.encode(text));
        // Ids of the toy tokenizer stay far below BOS.
        let Labelled { ids, labels, pieces } = label(&example, index, encode, BOTH).expect("valid by construction");
        prop_assert_eq!(ids.len(), labels.len());
        prop_assert_eq!((ids[0], ids[ids.len() - 1], labels[0]), (BOS, EOS, Label::None));
        prop_assert_eq!(merges.decode(&ids[1..ids.len() - 1]), example.text.as_bytes());

        // The pieces tile the text and the ids, each token stands for its bytes.
        let (mut byte, mut token) = (0, 1);
        for piece in &pieces {
            prop_assert_eq!((piece.bytes.start, piece.tokens.start), (byte, token));
            prop_assert_eq!(merges.decode(&ids[piece.tokens.clone()]), example.text[piece.bytes.clone()].as_bytes());
            (byte, token) = (piece.bytes.end, piece.tokens.end);
        }
        prop_assert_eq!((byte, token), (example.text.len(), ids.len() - 1));

        // Every span is the tokens of one piece, with at most the one space ahead of it.
        let loss = example.loss.clone().unwrap_or_else(|| vec![[0, example.text.len()]]);
        let end_trained = example.loss.is_none() || loss.iter().any(|range| range[1] == example.text.len());
        let mut expected = Vec::new();
        for (i, call) in example.calls.iter().enumerate() {
            if call.start == example.text.len() {
                if end_trained {
                    expected.push((ids.len() - 1, i));
                }
                continue;
            }
            let own: Vec<_> = pieces.iter().filter(|piece| piece.call == Some(i)).collect();
            prop_assert_eq!(own.len(), 1);
            let bytes = &own[0].bytes;
            if call.start < call.end {
                let decoded = merges.decode(&ids[own[0].tokens.clone()]);
                let span = &example.text[call.start..call.end];
                let free = call.start > 0
                    && example.text.as_bytes()[call.start - 1] == b' '
                    && (i == 0 || example.calls[i - 1].end < call.start);
                let owned = if free { format!(" {span}") } else { span.to_owned() };
                prop_assert_eq!(decoded, owned.as_bytes());
            }
            let trained = if call.is_point() { labels[own[0].tokens.start] != Label::None } else { inside(&loss, &(call.start..call.end)) };
            if call.is_point() && example.loss.is_none() {
                prop_assert!(trained);
            }
            if call.is_point() && outside(&loss, &(bytes.start..bytes.end + 1)) {
                prop_assert!(!trained);
            }
            if trained {
                expected.push((own[0].tokens.start, i));
            }
        }
        let found: Vec<_> = labels
            .iter()
            .enumerate()
            .filter_map(|(at, label)| match label {
                Label::Tool(tool) => Some((at, *tool)),
                _ => None,
            })
            .collect();
        let expected: Vec<_> = expected.into_iter().map(|(at, i)| (at, index(&example.calls[i].tool).expect("a number"))).collect();
        prop_assert_eq!(found, expected);

        // Words are labelled where the loss is and no span stands; a space at a boundary may go either way.
        let mut byte = 0;
        for at in 1..ids.len() - 1 {
            let bytes = byte..byte + merges.tokens[ids[at] as usize].len();
            byte = bytes.end;
            let in_span = example.calls.iter().any(|call| call.start < bytes.end && bytes.start < call.end);
            match labels[at] {
                Label::Word(word) => {
                    prop_assert_eq!(word, ids[at]);
                    prop_assert!(!example.only_tools && !in_span);
                    prop_assert!(!outside(&loss, &bytes) || &example.text[bytes] == " ");
                }
                Label::None if !in_span && !example.only_tools => {
                    prop_assert!(!inside(&loss, &bytes) || example.text.as_bytes()[byte - 1] == b' ');
                }
                _ => {}
            }
        }
        let eos = labels[ids.len() - 1];
        prop_assert!(end_trained || eos == Label::None);
    }
}
