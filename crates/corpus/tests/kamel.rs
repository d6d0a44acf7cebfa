//! Raw KAMEL read into texts.

use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::path::{Path, PathBuf};
use toolken_corpus::import::{KamelFact, KamelTemplates, kamel_facts, kamel_supervised, kamel_text};

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("written");
    path
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("packed");
    encoder.finish().expect("packed")
}

fn fact(relation: &str, subject: &str, answers: &[&str]) -> KamelFact {
    let answers = answers.iter().map(|&answer| answer.to_owned()).collect();
    KamelFact { relation: relation.into(), subject: subject.into(), aliases: Vec::new(), answers }
}

fn templates() -> KamelTemplates {
    let pair = |(relation, question): (&str, &str)| (relation.to_owned(), question.to_owned());
    KamelTemplates::new([("P1", "What is the colour of [S], today?"), ("P2", "[S] has what size?")].map(pair))
}

#[test]
fn facts_are_read_in_their_layout_and_in_ours_packed_or_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = concat!(
        r#"{"relation": "P1", "index": [3], "sub_label": "Ada \u00e9", "obj_label": ["red", "blue"]}"#,
        "\n\n",
        r#"{"relation": "P2", "subject": "Bob", "answers": []}"#,
        "\n",
        r#"{"relation": "P2", "subject": "Bob", "aliases": ["Robert", "Rob"], "answers": ["big"]}"#
    );
    let renamed = KamelFact { aliases: vec!["Robert".into(), "Rob".into()], ..fact("P2", "Bob", &["big"]) };
    let expected = [fact("P1", "Ada é", &["red", "blue"]), fact("P2", "Bob", &[]), renamed];
    for (name, bytes) in
        [("facts.jsonl", lines.as_bytes().to_vec()), ("facts.jsonl.gz", packed(lines.as_bytes()))]
    {
        assert_eq!(kamel_facts(&written(folder.path(), name, &bytes)).expect("facts"), expected, "{name}");
    }
}

#[test]
fn damaged_files_are_refused_by_name_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole =
        packed(r#"{"relation": "P1", "sub_label": "Ada", "obj_label": ["red"]}"#.repeat(50).as_bytes());
    let cases: [(&str, &[u8], &str); 6] = [
        (
            "aliases.jsonl",
            b"\n{\"relation\": \"P1\", \"subject\": \"Ada\", \"aliases\": \"A\", \"answers\": []}",
            "line 2",
        ),
        ("a.jsonl", b"{\"relation\": \"P1\"}", "line 1"),
        ("b.jsonl", b"\n[1]\n", "line 2"),
        ("c.jsonl", b"\xff\xfe", "c.jsonl"),
        ("d.jsonl.gz", b"no gzip", "d.jsonl.gz"),
        ("e.jsonl.gz", &whole[..whole.len() - 20], "e.jsonl.gz"),
    ];
    for (name, bytes, part) in cases {
        let error = kamel_facts(&written(folder.path(), name, bytes)).expect_err(name).to_string();
        assert!(error.contains(part) && error.contains(name), "{error}");
    }
    for (text, part) in [("P1 What?", "no comma"), ("P1, What?", "[S]"), ("\nP1, [S] of [S]?", "line 2")] {
        let path = written(folder.path(), "templates.csv", text.as_bytes());
        let error = KamelTemplates::read(&path).expect_err(text).to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(kamel_facts(&folder.path().join("none")).is_err());
}

#[test]
fn a_question_gives_its_subject_back() {
    let templates = templates();
    for subject in ["Ada", "Ada, today?", "What is the colour of x", "é"] {
        let question = templates.question("P1", subject).expect("a template");
        assert_eq!(templates.subject("P1", &question), Some(subject));
        assert_eq!(templates.subject("P2", &question), None, "{question}");
    }
    assert_eq!(templates.subject("P1", "What is the colour of , today?"), None);
    assert_eq!(templates.question("P9", "Ada"), None);
}

#[test]
fn supervised_texts_are_the_first_facts_of_each_relation() {
    let facts = [
        fact("P1", "Ada", &["red"]),
        fact("P3", "Eve", &["none"]),
        fact("P1", "Bob", &["blue", "green"]),
        fact("P1", "Cy", &["grey"]),
        fact("P2", "Dee", &["12"]),
        fact("P2", "Lin\ne", &["13"]),
        fact("P2", "Flo", &[]),
    ];
    let relations = ["P2", "P1", "P4"].map(str::to_owned);
    let import = kamel_supervised(&facts, &templates(), &relations, 2).expect("a corpus");
    assert_eq!(import.corpus.tools(), relations);
    let texts: Vec<&str> = import.corpus.examples().iter().map(|example| example.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "Question: What is the colour of Ada, today?\nAnswer: The answer is red.",
            "Question: What is the colour of Bob, today?\nAnswer: The answer is blue, green.",
            "Question: Dee has what size?\nAnswer: The answer is 12.",
        ]
    );
    for example in import.corpus.examples() {
        let call = &example.calls[0];
        assert!(example.text[..call.start].ends_with("The answer is ") && &example.text[call.end..] == ".");
    }
    assert_eq!((import.report.read, import.report.kept), (7, 3));
    assert_eq!(import.report.dropped.values().sum::<usize>(), 4);
    assert_eq!(kamel_text("x".into(), &facts[1], &templates()), None);
}

proptest::proptest! {
    /// Whatever a file holds, it is facts or an error.
    #[test]
    fn no_file_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), text in "\\PC{0,80}") {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in [("a.jsonl", bytes.clone()), ("b.gz", bytes), ("c.gz", packed(text.as_bytes()))] {
            let path = written(folder.path(), name, &bytes);
            let _ = kamel_facts(&path);
            let _ = KamelTemplates::read(&path);
        }
    }
}
