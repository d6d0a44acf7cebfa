//! Importers, on small files in the layouts they read.

use std::ops::Range;
use toolken_corpus::Example;
use toolken_corpus::import::{Import, ImportError, Layout, gsm8k, toolkengpt};

fn file(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), content).expect("written");
    file
}

/// Tokens as SentencePiece makes them: a word with the space ahead of it, and newlines alone.
fn words(text: &str) -> Result<Vec<Range<usize>>, String> {
    let bytes = text.as_bytes();
    let mut starts: Vec<usize> = (1..bytes.len())
        .filter(|&i| {
            bytes[i] == b' '
                || bytes[i] == b'\n'
                || bytes[i] == b'.'
                || bytes[i - 1] == b'\n'
                || bytes[i - 1] == b'='
        })
        .collect();
    starts.insert(0, 0);
    starts.push(bytes.len());
    Ok(starts.windows(2).map(|cut| cut[0]..cut[1]).collect())
}

fn import(layout: Layout, content: &serde_json::Value) -> Import {
    toolkengpt(file(&content.to_string()).path(), layout, words).expect("importable")
}

fn spans(example: &Example) -> Vec<(&str, &str, Option<&str>)> {
    let calls = example.calls.iter();
    calls
        .map(|call| (call.tool.as_str(), &example.text[call.start..call.end], call.args.as_deref()))
        .collect()
}

#[test]
fn funcqa_spans_are_found_by_token_with_bos_at_zero() {
    let Import { corpus, report } = import(
        Layout::FuncQa,
        &serde_json::json!([
            // Tokens: 1 `Q:`, 2 ` 7`, 3 ` mod`, 4 ` 4=`, 5 `3`, 6 `.`
            { "text": "Q: 7 mod 4=3.", "start_token_idx": [5], "end_token_idx": [6], "tar_eq": ["<remainder>(7,4)=3<eoe>"], "tar_number": ["3"] },
            // A span with its space, as the last token, and a stated number with a space.
            { "text": "√49 is 7", "start_token_idx": [3], "end_token_idx": [4], "tar_eq": ["<sqrt>(49) = 7<eoe>"], "tar_number": [" 7"] },
            { "text": "It is 17", "start_token_idx": [3], "end_token_idx": [4], "tar_eq": ["<add>(3, 4)=7<eoe>"], "tar_number": ["7"] },
            { "text": "No call", "start_token_idx": [], "end_token_idx": [], "tar_eq": [], "tar_number": [] },
            { "text": "Short", "start_token_idx": [2], "end_token_idx": [3], "tar_eq": ["<add>(3, 4)=7<eoe>"], "tar_number": ["7"] },
            { "text": "BOS", "start_token_idx": [0], "end_token_idx": [1], "tar_eq": ["<add>(3, 4)=7<eoe>"], "tar_number": ["7"] },
            { "text": "One end", "start_token_idx": [1], "end_token_idx": [], "tar_eq": ["<add>(3, 4)=7<eoe>"], "tar_number": ["7"] },
            { "text": "Backwards it goes", "start_token_idx": [3], "end_token_idx": [2], "tar_eq": ["<add>(3, 4)=7<eoe>"], "tar_number": ["7"] },
            { "text": "Nothing described", "start_token_idx": [1], "end_token_idx": [2], "tar_eq": [], "tar_number": [] },
            { "text": "a b c", "start_token_idx": [2, 1], "end_token_idx": [3, 2], "tar_eq": ["<add>(1)=1", "<add>(1)=1"], "tar_number": ["b", "a"] },
        ]),
    );
    let found: Vec<_> = corpus.examples().iter().flat_map(spans).collect();
    let expected = [("remainder", "3", Some("7,4")), ("sqrt", "7", Some("49")), ("add", "17", Some("3, 4"))];
    assert_eq!(found, expected);
    let ids: Vec<_> = corpus.examples().iter().map(|example| example.id.as_str()).collect();
    assert_eq!(ids, ["funcqa-0000", "funcqa-0001", "funcqa-0002", "funcqa-0003"]);
    assert_eq!((report.read, report.kept, report.spans), (10, 4, 3));
    let dropped: Vec<_> = report.dropped.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
    let expected = [
        ("a span without an equation that describes it", 1),
        ("a span's tokens are outside the text", 3),
        ("as many starts as ends are expected", 1),
        ("spans overlap", 1),
    ];
    assert_eq!(dropped, expected);
    let noted: Vec<_> = report.noted.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
    let expected = [
        ("a span longer than the stated result", 1),
        ("a stated result with spaces around it", 1),
        ("a text without a span, kept as words alone", 1),
    ];
    assert_eq!(noted, expected);
    let shown = report.to_string();
    assert!(
        shown.contains("read 10, kept 4 with 3 calls, dropped 6")
            && shown.contains("1 dropped: spans overlap"),
        "{shown}"
    );
}

#[test]
fn kamel_calls_give_arguments_and_answers() {
    let Import { corpus, report } = import(
        Layout::Kamel,
        &serde_json::json!([
            { "text": "Brook lies in the north.", "api": "P17", "call": ["<f>P17(\"Brook (town)\")=\"the north\"</f>"],
              "start_token_idx": [4], "end_token_idx": [6] },
            { "text": "Red or blue", "api": "P462", "call": ["<f>P462(\"door\")=\"Red\"</f>"],
              "start_token_idx": [1, 3], "end_token_idx": [2, 4] },
            { "text": "All said before.", "api": "P1", "call": ["<f>P1(\"x\")=\"All\"</f>"], "start_token_idx": [3], "end_token_idx": [3] },
            { "text": "Nameless", "call": [], "start_token_idx": [1], "end_token_idx": [2] },
        ]),
    );
    let found: Vec<_> = corpus.examples().iter().map(spans).collect();
    assert_eq!(found[0], [("P17", "the north", Some("\"Brook (town)\""))]);
    assert_eq!(found[1], [("P462", "Red", Some("\"door\"")), ("P462", "blue", Some("\"door\""))]);
    assert_eq!(found[2], [("P1", "", Some("\"x\""))], "an empty span is a point call");
    assert_eq!(corpus.examples()[2].calls[0].start, "All said".len());
    assert_eq!((report.kept, report.spans, report.dropped["no `api`"]), (3, 4, 1));
    assert_eq!(report.noted["a span for which no result is stated"], 1);
}

#[test]
fn virtualhome_trains_on_its_last_task_and_groups_by_its_goal() {
    let text = "Task 1:\nGoal:\nRest\nPlan:\n[SIT] <chair>\n[END]\n\nTask 12:\nGoal:\nRead a Task 9: book\nPlan:\n[FIND] <novel>\n[END]";
    let tokens = words(text).expect("never fails");
    let token = |span: &str| {
        let at = text.rfind(span).expect("in the text");
        1 + tokens.iter().position(|token| token.contains(&at)).expect("a token")
    };
    let tools = ["[FIND]", "<novel>", "[END]"];
    let starts = tools.map(token);
    let Import { corpus, report } = import(
        Layout::VirtualHome,
        &serde_json::json!([
            { "text": text, "start_token_idx": starts, "end_token_idx": starts.map(|start| start + 1), "tar_eq": tools },
            { "text": "No task", "start_token_idx": [], "end_token_idx": [], "tar_eq": [] },
        ]),
    );
    let example = &corpus.examples()[0];
    assert_eq!(spans(example), tools.map(|tool| (tool, tool, None)));
    assert_eq!(example.group(), "Read a Task 9: book");
    let [from, to] = example.loss.as_ref().expect("a loss range")[0];
    assert!(text[from..to].starts_with("Task 12:\n") && to == text.len());
    assert_eq!((report.kept, report.spans, report.dropped["no line `Task N:`"]), (1, 3, 1));
    assert!(report.noted.is_empty(), "{report}");
}

#[test]
fn a_file_of_another_layout_and_a_failing_tokenizer_are_errors() {
    let other = file("{}\n");
    let error = toolkengpt(other.path(), Layout::FuncQa, words).expect_err("an object");
    assert!(error.to_string().contains("not a training file of ToolkenGPT"), "{error}");
    let one = file(r#"[{"text": "a", "start_token_idx": [], "end_token_idx": []}]"#);
    let error = toolkengpt(one.path(), Layout::FuncQa, |_| Err("broken")).expect_err("no tokens");
    assert!(matches!(error, ImportError::Tokenize { entry: 0, source: "broken", .. }), "{error}");
    let wild =
        toolkengpt(one.path(), Layout::FuncQa, |_| Ok::<_, String>(vec![5..9, Range { start: 9, end: 2 }]))
            .expect("no spans to be wrong");
    assert_eq!(wild.report.kept, 1);
    let spanned = file(
        r#"[{"text": "a", "start_token_idx": [1], "end_token_idx": [3], "tar_eq": ["<a>"], "tar_number": ["1"]}]"#,
    );
    let wild = toolkengpt(spanned.path(), Layout::FuncQa, |_| {
        Ok::<_, String>(vec![5..9, Range { start: 9, end: 2 }])
    })
    .expect("dropped, not a panic");
    assert_eq!((wild.report.kept, wild.report.dropped["a span cuts a character in two"]), (0, 1));
}

fn gsm8k_of(answers: &[&str]) -> Import {
    let lines = answers
        .iter()
        .map(|answer| serde_json::json!({ "question": "Why?", "answer": answer }).to_string() + "\n");
    gsm8k(file(&lines.collect::<String>()).path()).expect("importable")
}

#[test]
fn gsm8k_annotations_become_calls_and_go() {
    let Import { corpus, report } = gsm8k_of(&[
        "Half is 48/2 = <<48/2=24>>24 clips.\nAll is $<<48+24=72>>72.00.\n#### 72",
        "So 3 x 400 = <<3*400=1200>> 1,200, less 20%*50=<<20%*50=10>>10 #### 1190",
        "In all <<(10-3)-2=5>>5",
        "In all <<(1+2)+3=6>>6 and -5+2=<<-5+2=-3>>-3",
    ]);
    let text = "Question: Why?\nAnswer: Half is 48/2 = 24 clips. All is $72.00. #### 72";
    assert_eq!(corpus.examples()[0].text, text);
    let found: Vec<_> = corpus.examples().iter().map(spans).collect();
    assert_eq!(found[0], [("divide", "24", Some("48, 2")), ("add", "72.00", Some("48, 24"))]);
    assert_eq!(found[1], [("multiply", "1,200", Some("3, 400")), ("multiply", "10", Some("20%, 50"))]);
    assert_eq!(found[2], [("add", "6", Some("1, 2, 3")), ("add", "-3", Some("-5, 2"))]);
    assert_eq!((report.read, report.kept, report.spans), (4, 3, 6));
    assert_eq!(report.dropped["brackets in a difference or a quotient"], 1);
}

#[test]
fn gsm8k_equations_that_no_single_tool_computes_are_dropped() {
    for (answer, reason) in [
        ("no equation", "no annotation"),
        ("<<2*3+1=7>>7", "an equation mixes operators"),
        ("<<5=5>>5", "an equation without an operator"),
        ("<<x+1=5>>5", "an equation holds more than numbers and operators"),
        ("<<1+=5>>5", "an equation holds more than numbers and operators"),
        ("<<=5>>5", "an equation holds more than numbers and operators"),
        ("<<2^3=8>>8", "an operator other than + - * /"),
        ("<<2×3=6>>6", "an operator other than + - * /"),
        ("<<2+3>>5", "an annotation without `=`"),
        ("<<2+3=5", "an annotation without an end"),
        ("<<2+3=5>>6", "the text does not repeat an annotation's result"),
        ("<<2+3=5>>five", "the text does not repeat an annotation's result"),
        ("<<2+3=5>>\u{0}5", "the text does not repeat an annotation's result"),
    ] {
        let report = gsm8k_of(&[answer]).report;
        assert_eq!((report.kept, report.dropped.get(reason)), (0, Some(&1)), "{answer}: {report}");
    }
}

#[test]
fn gsm8k_lines_of_another_layout_are_an_error_with_their_line() {
    let bad = file("{\"question\":\"a\",\"answer\":\"b\"}\n{\"q\":1}\n");
    let error = gsm8k(bad.path()).expect_err("no question");
    assert!(error.to_string().contains("line 2: missing field `question`"), "{error}");
    let nul = gsm8k(file("{\"question\":\"a\\u0000\",\"answer\":\"<<1+1=2>>2\"}\n").path()).expect("dropped");
    assert_eq!((nul.report.kept, nul.report.dropped.len()), (0, 1));
}
