//! The `toolken` binary as its users meet it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn toolken(args: &[&str]) -> Output {
    fed(args, b"")
}

/// Runs the binary on standard input.
fn fed(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_toolken"))
        .args(args)
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("piped");
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).expect("the binary reads its input"));
        child.wait_with_output().expect("the binary ends")
    })
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).expect("UTF-8")
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).expect("UTF-8")
}

#[track_caller]
fn exits(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}{}", stdout(output), stderr(output));
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("JSON on standard output")
}

fn oracle(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/oracle")).join(name)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn tools_call_answers_the_reference_calls_line_by_line() {
    let lines = fs::read_to_string(oracle("funchub.jsonl")).expect("the oracle");
    let expected: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    // The questions alone, so that no answer can be copied from them.
    let questions: String = expected
        .iter()
        .map(|line| format!("{}\n", serde_json::json!({"tool": line["tool"], "args": line["args"]})))
        .collect();
    let output = fed(&["tools", "call"], questions.as_bytes());
    exits(&output, 0);
    let answers: Vec<serde_json::Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), 3000);
    for (i, (answer, expected)) in answers.iter().zip(&expected).enumerate() {
        assert_eq!(answer, expected, "line {}", i + 1);
    }
}

#[test]
fn a_bad_line_is_named_and_the_others_are_answered() {
    let input = b"{\"tool\": \"add\", \"args\": [1, 2]}\n\n{\"tool\": \"sine\", \"args\": [1]}\n\xff\xfe\n{\"tool\": \"add\", \"args\": [3, 4]}";
    let output = fed(&["tools", "call"], input);
    exits(&output, 2);
    let results: Vec<String> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["result"].to_string())
        .collect();
    assert_eq!(results, ["\"3\"", "\"7\""]);
    let errors: Vec<&str> = stderr(&output).lines().collect();
    assert!(errors[0].contains("line 3") && errors[0].contains("sine"), "{errors:?}");
    assert!(errors[1].contains("line 4") && errors[1].contains("UTF-8"), "{errors:?}");
    assert_eq!(errors.len(), 2);
}

#[test]
fn a_generated_corpus_is_sound_and_shown_as_it_was_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("train.jsonl");
    let generate = |seed: &str, out: &Path| {
        toolken(&["corpus", "generate", path(out), "--count", "200", "--seed", seed, "--json"])
    };
    let generated = generate("7", &file);
    exits(&generated, 0);
    let counted = json(&generated);
    assert_eq!(counted["examples"], 200);

    let checked = toolken(&["corpus", "check", path(&file), "--json"]);
    exits(&checked, 0);
    let checked = json(&checked);
    assert_eq!((&checked["sound"], &checked["lines"]), (&200.into(), &200.into()));
    assert_eq!(checked["faults"], serde_json::json!([]));

    let shown = toolken(&["corpus", "show", path(&file), "--first", "2", "--json"]);
    exits(&shown, 0);
    let shown = json(&shown);
    for key in ["examples", "calls", "text_bytes", "calls_of", "examples_with"] {
        assert_eq!(shown[key], counted[key], "{key}");
    }
    assert_eq!(shown["first"].as_array().map(Vec::len), Some(2));

    let again = folder.path().join("again.jsonl");
    exits(&generate("7", &again), 0);
    let other = folder.path().join("other.jsonl");
    exits(&generate("8", &other), 0);
    let bytes = |file: &Path| fs::read(file).expect("written");
    assert_eq!(bytes(&file), bytes(&again));
    assert_ne!(bytes(&file), bytes(&other));
}

#[test]
fn calls_are_shown_where_they_stand() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("one.jsonl");
    let call = r#"{"tool": "remainder", "start": 10, "end": 11, "args": "7, 4"}"#;
    fs::write(&file, format!(r#"{{"id": "a", "text": "7 mod 4 = 3.", "calls": [{call}]}}"#))
        .expect("written");
    let output = toolken(&["corpus", "show", path(&file), "--first", "9"]);
    exits(&output, 0);
    assert!(stdout(&output).contains("7 mod 4 = [remainder(7, 4) → 3]."), "{}", stdout(&output));
}

#[test]
fn check_names_the_line_and_byte_of_a_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bad.jsonl");
    let good = r#"{"id": "a", "text": "1+1=2", "calls": [{"tool": "add", "start": 4, "end": 5}]}"#;
    let outside = r#"{"id": "b", "text": "1+1=2", "calls": [{"tool": "add", "start": 4, "end": 9}]}"#;
    fs::write(&file, format!("{good}\n{outside}\n{good}\nnot JSON\n")).expect("written");

    let output = toolken(&["corpus", "check", path(&file)]);
    exits(&output, 2);
    let text = stdout(&output);
    assert!(text.contains("bad.jsonl:2: byte 9 of the text"), "{text}");
    assert!(
        text.contains("bad.jsonl:3: byte 0 of the line: the id `a` was used before, on line 1"),
        "{text}"
    );
    assert!(text.contains("bad.jsonl:4: byte"), "{text}");
    assert!(text.contains("4 lines, 1 sound examples, 3 faults"), "{text}");

    let output = toolken(&["corpus", "check", path(&file), "--limit", "1", "--json"]);
    exits(&output, 2);
    let found = json(&output);
    let fault = &found["faults"][0];
    assert_eq!((&fault["line"], &fault["byte"], &fault["of"]), (&2.into(), &9.into(), &"text".into()));
    assert_eq!(found["more"], 2);

    // Whatever reads a corpus refuses it too.
    exits(&toolken(&["corpus", "show", path(&file)]), 2);
}

#[test]
fn wrong_usage_is_told_from_a_failure() {
    exits(&toolken(&["corpse"]), 2);
    exits(&toolken(&["corpus", "check"]), 2);
    let untokenized = toolken(&["corpus", "import", "funcqa", "train.json", "out.jsonl"]);
    exits(&untokenized, 2);
    assert!(stderr(&untokenized).contains("--tokenizer"), "{}", stderr(&untokenized));
    let unknown = toolken(&["model", "fetch", "no-such-model"]);
    exits(&unknown, 2);
    assert!(stderr(&unknown).contains("no-such-model"), "{}", stderr(&unknown));

    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing.jsonl");
    let output = toolken(&["corpus", "check", path(&missing)]);
    exits(&output, 1);
    assert!(stderr(&output).contains("missing.jsonl"), "{}", stderr(&output));

    let damaged = folder.path().join("damaged.gguf");
    fs::write(&damaged, b"GGUF\x03\0\0\0").expect("written");
    for verb in ["show", "tokens"] {
        let output = toolken(&["model", verb, path(&damaged)]);
        exits(&output, 2);
        assert!(stderr(&output).contains("damaged.gguf"), "{}", stderr(&output));
    }
}

#[test]
fn tokens_come_from_any_file_that_holds_a_tokenizer() {
    // Bytes a, b and the space, and one merge.
    let tokenizer = serde_json::json!({
        "version": "1.0",
        "added_tokens": [{
            "id": 4, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        }],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": {"a": 0, "b": 1, "\u{120}": 2, "ab": 3}, "merges": ["a b"]
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tokenizer.json");
    fs::write(&file, tokenizer.to_string()).expect("written");
    for model in [file.as_path(), folder.path()] {
        let output = fed(&["model", "tokens", path(model)], b"{\"text\": \"ab a<|end|>b\"}\n{\"txt\": 1}\n");
        exits(&output, 2);
        assert_eq!(stdout(&output), "{\"text\":\"ab a<|end|>b\",\"ids\":[3,2,0,4,1]}\n");
        assert!(stderr(&output).contains("line 2: expected a line like"), "{}", stderr(&output));
    }
}

#[test]
fn the_lists_are_json_too() {
    let tools = json(&toolken(&["tools", "list", "--json"]));
    assert_eq!(tools.as_array().map(Vec::len), Some(13));
    assert_eq!(tools[0]["name"], "add");
    let models = toolken(&["model", "list", "--json"]);
    exits(&models, 0);
    for line in stdout(&models).lines() {
        let model: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert!(model["name"].is_string() && model["fetched"].is_boolean(), "{model}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = toolken(&["completions", shell]);
        exits(&script, 0);
        assert!(stdout(&script).contains("toolken"));
    }
}

/// The subcommands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A name stands behind two spaces; more are a description's continuation.
    listed
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_help_text_has_examples() {
    let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = 0;
    while let Some(command) = waiting.pop() {
        let mut args: Vec<&str> = command.iter().map(String::as_str).collect();
        args.push("--help");
        let output = toolken(&args);
        exits(&output, 0);
        let help = stdout(&output);
        assert!(help.contains("\nExamples:\n  "), "toolken {}\n{help}", args.join(" "));
        waiting.extend(subcommands(help).into_iter().map(|name| [command.as_slice(), &[name]].concat()));
        seen += 1;
    }
    assert!(seen > 10, "only {seen} help texts were found");
}

#[cfg(unix)]
#[test]
fn what_is_read_is_not_written_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("train.jsonl");
    fs::write(&file, "{\"question\": \"1?\", \"answer\": \"<<1+1=2>>2\"}\n").expect("written");
    let before = fs::read(&file).expect("it is there");
    for args in [
        &["corpus", "import", "gsm8k", path(&file), path(&file)][..],
        &["model", "states", "smollm2-135m", "--texts", path(&file), "--out", path(&file)],
        &["fit", path(&file), "--model", "smollm2-135m", "--out", path(&file)],
    ] {
        let refused = toolken(args);
        exits(&refused, 2);
        assert!(stderr(&refused).contains("cannot be written to"), "{}", stderr(&refused));
        assert_eq!(fs::read(&file).expect("it is there"), before, "{args:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for args in [&["tools", "list"][..], &["tools", "call"], &["completions", "bash"], &["--help"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_toolken"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        drop(child.stdout.take());
        let mut stdin = child.stdin.take().expect("piped");
        // The binary may have left before it reads this.
        let _ = stdin.write_all(b"{\"tool\": \"add\", \"args\": [1, 2]}\n");
        drop(stdin);
        let output = child.wait_with_output().expect("the binary ends");
        exits(&output, 0);
        assert_eq!(stderr(&output), "", "{args:?}");
    }
}

#[cfg(not(feature = "llama"))]
#[test]
fn a_device_that_is_not_built_in_names_its_feature() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("model.gguf");
    fs::write(&model, "GGUF").expect("written");
    let model = model.to_str().expect("UTF-8");
    let output = toolken(&["ask", "--no-tools", "--model", model, "--device", "llama:99", "Why?"]);
    assert!(!output.status.success());
    let said = stderr(&output);
    assert!(said.contains("llama:99") && said.contains("--features llama"), "{said}");
}
