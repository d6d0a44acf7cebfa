//! Reading, writing and checking corpus files.

use proptest::prelude::*;
use std::path::Path;
use toolken_corpus::{
    Call, Corpus, CorpusError, Example, FaultKind, MAX_LINE_BYTES, Place, check, read, write,
};

fn file(content: impl AsRef<[u8]>) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), content).expect("written");
    file
}

fn example(id: &str, text: &str, calls: &[(&str, usize, usize)]) -> Example {
    let calls = calls
        .iter()
        .map(|&(tool, start, end)| Call { tool: tool.to_owned(), start, end, args: None })
        .collect();
    Example { id: id.to_owned(), text: text.to_owned(), calls, ..Example::default() }
}

/// The places and kinds of the faults of one line.
fn faults(line: &str) -> Vec<(Place, String)> {
    let file = file(line);
    let findings = check(file.path(), 100).expect("readable");
    findings.faults.into_iter().map(|fault| (fault.place, fault.kind.to_string())).collect()
}

#[test]
fn every_kind_of_fault_is_found_where_it_is() {
    let table: &[(&str, Place, &str)] = &[
        (r#"{"id":"a","text":"x"#, Place::Line(18), "EOF while parsing a string"),
        (r#"{"id":"a","text":"x","tex":1}"#, Place::Line(25), "unknown field `tex`"),
        (r#"{"id":"a"}"#, Place::Line(9), "missing field `text`"),
        (
            r#"{"id":"a","text":"x","calls":[{"tool":"t","start":-1,"end":0}]}"#,
            Place::Line(51),
            "invalid value: integer `-1`",
        ),
        (r#"[]"#, Place::Line(1), "invalid length"),
        (r#"{"id":"a","text":"x"} {}"#, Place::Line(22), "trailing characters"),
        (r#"{"id":"a","text":""}"#, Place::Text(0), "the text is empty"),
        (r#"{"id":"a","text":"xé\u0000"}"#, Place::Text(3), "NUL"),
        (
            r#"{"id":"a","text":"abc","calls":[{"tool":"","start":1,"end":2}]}"#,
            Place::Text(1),
            "call 1 names no tool",
        ),
        (
            r#"{"id":"a","text":"abc","calls":[{"tool":"t","start":2,"end":1}]}"#,
            Place::Text(2),
            "starts at 2, after its end at 1",
        ),
        (
            r#"{"id":"a","text":"abc","calls":[{"tool":"t","start":2,"end":4}]}"#,
            Place::Text(4),
            "ends at 4, outside the text of 3",
        ),
        (
            r#"{"id":"a","text":"aéc","calls":[{"tool":"t","start":0,"end":2}]}"#,
            Place::Text(2),
            "cuts a character in two at 2",
        ),
        (
            r#"{"id":"a","text":"abcd","calls":[{"tool":"t","start":0,"end":2},{"tool":"u","start":1,"end":3}]}"#,
            Place::Text(1),
            "call 2 (u) starts at 1, before the call ahead of it ends at 2",
        ),
        (
            r#"{"id":"a","text":"abcd","calls":[{"tool":"t","start":2,"end":3},{"tool":"u","start":0,"end":1}]}"#,
            Place::Text(0),
            "call 2 (u) starts at 0, before the call ahead of it ends at 3",
        ),
        (
            r#"{"id":"a","text":"a bc","calls":[{"tool":"t","start":1,"end":1},{"tool":"u","start":2,"end":3}]}"#,
            Place::Text(2),
            "call 2 (u) starts on the same token",
        ),
        (r#"{"id":"a","text":"abc","loss":[[2,2]]}"#, Place::Text(2), "loss range 1 is [2, 2]"),
        (r#"{"id":"a","text":"abc","loss":[[0,4]]}"#, Place::Text(4), "loss range 1 ends at 4, outside"),
        (r#"{"id":"a","text":"aéc","loss":[[2,4]]}"#, Place::Text(2), "loss range 1 cuts a character"),
        (
            r#"{"id":"a","text":"abc","loss":[[0,2],[1,3]]}"#,
            Place::Text(1),
            "loss range 2 starts at 1, before",
        ),
        (
            r#"{"id":"a","text":"abcd","calls":[{"tool":"t","start":1,"end":3}],"loss":[[2,4]]}"#,
            Place::Text(2),
            "loss range 1 cuts call 1 (t) in two at 2",
        ),
    ];
    for (line, place, message) in table {
        let found = faults(line);
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert_eq!(found[0].0, *place, "{line}: {found:?}");
        assert!(found[0].1.contains(message), "{line}: {}", found[0].1);
    }
}

#[test]
fn check_lists_all_faults_of_a_line_and_of_a_file() {
    let two = r#"{"id":"a","text":"abc","calls":[{"tool":"","start":2,"end":9}]}"#;
    let again = r#"{"id":"a","text":"abc"}"#;
    let file = file(format!("{again}\n\n{two}\r\n{again}\n"));
    let findings = check(file.path(), 100).expect("readable");
    assert_eq!((findings.lines, findings.sound, findings.more), (4, 1, 0));
    let lines: Vec<usize> = findings.faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [3, 3, 3, 4]);
    assert_eq!(findings.faults[3].kind, FaultKind::RepeatedId { id: "a".to_owned(), first: 1 });

    let findings = check(file.path(), 3).expect("readable");
    assert_eq!((findings.faults.len(), findings.more), (3, 1));
}

#[test]
fn reading_stops_at_the_first_fault_and_names_file_and_line() {
    let file = file("{\"id\":\"a\",\"text\":\"abc\"}\n{\"id\":\"b\"}\nnonsense\n");
    let error = read(file.path()).expect_err("two bad lines");
    let message = error.to_string();
    assert!(message.starts_with(&format!("{}:2: ", file.path().display())), "{message}");
    assert!(message.contains("missing field `text`"), "{message}");
    let missing = Path::new("no such folder/corpus.jsonl");
    assert!(matches!(read(missing), Err(CorpusError::Io { path, .. }) if path == missing));
}

#[test]
fn bytes_that_are_not_utf8_are_a_fault_with_their_offset() {
    let file = file(b"{\"id\":\"a\",\"text\":\"abc\"}\n{\"id\":\"\xff\"}\n");
    let findings = check(file.path(), 100).expect("readable");
    assert_eq!(findings.faults.len(), 1);
    let fault = &findings.faults[0];
    assert_eq!((fault.line, fault.place, &fault.kind), (2, Place::Line(7), &FaultKind::NotUtf8));
}

#[test]
fn a_line_too_long_is_one_fault_and_the_next_line_is_read() {
    let fits = |bytes: usize| {
        let frame = r#"{"id":"long","text":""}"#.len();
        format!(r#"{{"id":"long","text":"{}"}}"#, "x".repeat(bytes - frame))
    };
    let last = r#"{"id":"b","text":"abc"}"#;
    let file = file(format!("{}\n{last}\n", fits(MAX_LINE_BYTES + 1)));
    let findings = check(file.path(), 100).expect("readable");
    assert_eq!((findings.lines, findings.sound, findings.faults.len()), (2, 1, 1));
    assert_eq!(findings.faults[0].kind, FaultKind::LineTooLong { limit: MAX_LINE_BYTES });

    std::fs::write(file.path(), format!("{}\n{last}", fits(MAX_LINE_BYTES))).expect("written");
    assert_eq!(read(file.path()).expect("the longest line that fits").examples().len(), 2);
}

#[test]
fn writing_replaces_a_file_and_leaves_nothing_else_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("corpus.jsonl");
    for text in ["first", "second"] {
        let corpus = Corpus::new(vec![example("a", text, &[])]).expect("valid");
        write(&path, &corpus).expect("written");
        assert_eq!(read(&path).expect("readable"), corpus);
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1);
    let nowhere = path.join("corpus.jsonl"); // below a file
    let corpus = Corpus::new(Vec::new()).expect("valid");
    assert!(matches!(write(&nowhere, &corpus), Err(CorpusError::Io { path, .. }) if path == nowhere));
}

#[test]
fn optional_fields_may_be_left_out_and_are_left_out() {
    let line = r#"{"id":"a","text":"abc","calls":[{"tool":"t","start":0,"end":1}]}"#;
    let file = file(line);
    let corpus = read(file.path()).expect("valid");
    assert_eq!(corpus.examples()[0], example("a", "abc", &[("t", 0, 1)]));
    write(file.path(), &corpus).expect("written");
    assert_eq!(std::fs::read_to_string(file.path()).expect("readable"), format!("{line}\n"));
}

#[test]
fn tools_stand_in_order_of_first_use_or_as_given() {
    let examples =
        || vec![example("a", "abc", &[("t", 0, 1), ("s", 1, 2)]), example("b", "abc", &[("t", 0, 1)])];
    let corpus = Corpus::new(examples()).expect("valid");
    assert_eq!(corpus.tools(), ["t", "s"]);
    assert_eq!((corpus.tool_index("s"), corpus.tool_index("u")), (Some(1), None));

    let given =
        |tools: &[&str]| Corpus::with_tools(examples(), tools.iter().map(|&tool| tool.to_owned()).collect());
    let wider = given(&["s", "t", "u"]).expect("all tools are given");
    assert_eq!(wider.tools(), ["s", "t", "u"]);
    assert_ne!(wider.digest(), corpus.digest(), "the tools' order decides what a label means");
    assert!(matches!(given(&["t"]), Err(CorpusError::UnknownTool { tool, .. }) if tool == "s"));
    assert!(matches!(given(&["t", "s", "t"]), Err(CorpusError::ToolNames(tool)) if tool == "t"));
}

#[test]
fn invalid_and_repeated_examples_make_no_corpus() {
    let invalid = Corpus::new(vec![example("a", "abc", &[("t", 0, 9)])]);
    assert!(matches!(invalid, Err(CorpusError::Example { kind: FaultKind::SpanOutside { .. }, .. })));
    let repeated = Corpus::new(vec![example("a", "abc", &[]), example("a", "abd", &[])]);
    assert!(matches!(
        repeated,
        Err(CorpusError::Example { kind: FaultKind::RepeatedId { first: 1, .. }, .. })
    ));
}

#[test]
fn the_digest_is_of_content_and_not_of_its_spelling() {
    let plain = file("{\"id\":\"a\",\"text\":\"é\",\"calls\":[]}\n");
    let spaced = file("\n { \"text\" : \"\\u00e9\" , \"id\":\"a\", \"only_tools\": false }");
    let other = file("{\"id\":\"a\",\"text\":\"e\"}\n");
    let digest = |file: &tempfile::NamedTempFile| read(file.path()).expect("valid").digest();
    assert_eq!(digest(&plain), digest(&spaced));
    assert_ne!(digest(&plain), digest(&other));
    // printf '[]\n' | sha256sum
    let empty = "37517e5f3dc66819f61f5a7bb8ace1921282415f10551d2defa5c3eb0985b570";
    assert_eq!(Corpus::new(Vec::new()).expect("valid").digest(), empty);
}

#[test]
fn a_summary_counts_calls_by_tool_and_by_example() {
    let corpus = Corpus::new(vec![
        example("a", "abc", &[("t", 0, 1), ("s", 1, 2)]),
        example("b", "abcd", &[("t", 0, 1)]),
        example("c", "é", &[]),
    ])
    .expect("valid");
    let summary = corpus.summary();
    assert_eq!((summary.examples, summary.calls, summary.text_bytes), (3, 3, 9));
    assert_eq!(summary.calls_of, [("t".to_owned(), 2), ("s".to_owned(), 1)]);
    assert_eq!(summary.examples_with, [1, 1, 1]);
    assert!(summary.to_string().contains("3 examples, 3 calls of 2 tools"));
}

/// Valid examples: a text cut into pieces, some of which are spans, some the places of point calls.
fn examples() -> impl Strategy<Value = Vec<Example>> {
    let piece = ("[a-z0-9 \n\"\\\\é√😀]{1,6}", 0..3usize, proptest::option::of("[ -~]{0,8}"));
    let pieces = proptest::collection::vec(piece, 1..8);
    let example = (pieces, any::<bool>(), proptest::option::of("[a-z]{0,3}"), any::<bool>());
    proptest::collection::vec(example, 0..8).prop_map(|examples| {
        examples
            .into_iter()
            .enumerate()
            .map(|(i, (pieces, only_tools, group, with_loss))| {
                let (mut text, mut calls) = (String::new(), Vec::new());
                for (piece, kind, args) in pieces {
                    let start = text.len();
                    text.push_str(&piece);
                    if kind > 0 {
                        calls.push(Call { tool: format!("tool {kind}"), start, end: text.len(), args });
                    }
                }
                let loss = with_loss.then(|| vec![[0, text.len()]]);
                Example { id: i.to_string(), text, calls, loss, only_tools, group }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(examples in examples()) {
        let corpus = Corpus::new(examples).expect("valid by construction");
        let file = file("");
        write(file.path(), &corpus).expect("written");
        let back = read(file.path()).expect("readable");
        prop_assert_eq!(&back, &corpus);
        prop_assert_eq!(back.digest(), corpus.digest());
    }

    #[test]
    fn hostile_bytes_are_faults_and_never_a_panic(content in proptest::collection::vec(any::<u8>(), 0..300)) {
        let file = file(content);
        let findings = check(file.path(), 5).expect("readable");
        prop_assert_eq!(read(file.path()).is_ok(), findings.faults.is_empty());
    }

    #[test]
    fn hostile_numbers_are_faults_and_never_a_panic(
        text in "[a é😀]{0,6}",
        calls in proptest::collection::vec((0..12u64, 0..12u64), 0..4),
        loss in proptest::option::of(proptest::collection::vec((0..12u64, 0..12u64), 0..3)),
        huge in proptest::option::of(any::<u64>()),
    ) {
        let mut calls: Vec<_> = calls
            .iter()
            .map(|(start, end)| serde_json::json!({ "tool": "t", "start": start, "end": end }))
            .collect();
        if let (Some(huge), Some(call)) = (huge, calls.last_mut()) {
            call["end"] = huge.into();
        }
        let mut line = serde_json::json!({ "id": "a", "text": text, "calls": calls });
        if let Some(loss) = loss {
            line["loss"] = serde_json::json!(loss);
        }
        let file = file(line.to_string());
        let findings = check(file.path(), 5).expect("readable");
        prop_assert_eq!(read(file.path()).is_ok(), findings.faults.is_empty());
    }
}
