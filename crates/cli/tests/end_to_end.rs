//! The whole way on a model of a few thousand weights: what a run leaves behind, and what disturbs it.

#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../../lm/tests/tiny/mod.rs"]
mod tiny;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A folder with a tiny model, a corpus, and room for what is made of them.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(examples: usize) -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::create_dir(place.at("model")).expect("a folder");
        tiny::write(&place.at("model"), 1);
        let count = examples.to_string();
        place.done(&["corpus", "generate", &place.text("corpus.jsonl"), "--count", &count]);
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.at(name).to_str().expect("UTF-8").to_owned()
    }

    /// The binary, with the models' cache in this place.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_toolken"));
        command
            .args(args)
            .env("TOOLKEN_MODELS", self.at("cache/models"))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary starts")
    }

    #[track_caller]
    fn done(&self, args: &[&str]) -> serde_json::Value {
        let output = self.run(args);
        assert!(output.status.success(), "toolken {args:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Bad input (2) or a failure (1), said with these parts.
    #[track_caller]
    fn refused(&self, args: &[&str], code: i32, parts: &[&str]) {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "toolken {args:?}: {}", stderr(&output));
        for part in parts {
            assert!(stderr(&output).contains(part), "{part:?} is not in: {}", stderr(&output));
        }
    }

    fn extract(&self, features: &str) -> Vec<String> {
        let (corpus, model, features) = (self.text("corpus.jsonl"), self.text("model"), self.text(features));
        ["extract", &corpus, "--model", &model, "--features", &features, "--json"].map(String::from).to_vec()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn strings(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// The files below a folder, with their content.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(
                files(&path).into_iter().map(|(below, content)| {
                    (Path::new(path.file_name().expect("a name")).join(below), content)
                }),
            );
        } else {
            let content = fs::read(&path).expect("readable");
            found.push((PathBuf::from(path.file_name().expect("a name")), content));
        }
    }
    found.sort();
    found
}

#[test]
fn from_a_corpus_to_an_answer() {
    let place = Place::new(60);
    let [corpus, model, head] = ["corpus.jsonl", "model", "head.safetensors"].map(|name| place.text(name));
    let fitted = place.done(&["fit", &corpus, "--model", &model, "--out", &head, "--folds", "3", "--json"]);
    let metrics = &fitted["training"];
    let loss = fitted["objective"].as_f64().expect("F(W)");
    assert!(loss >= metrics["cross_entropy"].as_f64().expect("its first term"), "{fitted:#}");
    assert!(metrics["calls"].as_u64().expect("calls") > 30);

    let other = place.text("chosen.safetensors");
    let chosen = [
        "fit", &corpus, "--model", &model, "--out", &other, "--prior", "chosen", "--lambda", "1e-3", "--json",
    ];
    let prior = &place.done(&chosen)["meta"]["method"]["prior"];
    assert!(prior.is_string() || prior["text"].is_object() || prior["sum"].is_array(), "{prior:#}");

    let shown = place.done(&["head", "show", &head, "--model", &model, "--json"]);
    let tools = shown["tools"].as_array().expect("tools");
    assert_eq!(tools.len(), 13);
    for tool in tools {
        assert!(tool["moved"].as_f64().expect("a distance") >= 0.0, "{tool:#}");
        assert!(!tool["near"].as_array().expect("words").is_empty(), "{tool:#}");
    }

    let ask = ["ask", "What is 2 + 2?", "--model", &model, "--head", &head, "--max-tokens", "12", "--json"];
    let answer = place.done(&ask);
    assert!(
        answer["generation"]["text"].is_string() && answer["generation"]["decisions"].is_array(),
        "{answer:#}"
    );
    assert_eq!(answer["generation"]["text"], place.done(&ask)["generation"]["text"], "greedy answers repeat");
    let sampled = |seed: &str| {
        place.done(&[&ask[..], &["--temperature", "1", "--seed", seed]].concat())["generation"]["text"]
            .clone()
    };
    assert_eq!(sampled("1"), sampled("1"), "a seed repeats");
    assert_ne!(sampled("1"), sampled("2"), "another seed draws anew");
    let words = place.done(&[&ask[..], &["--no-tools"]].concat());
    assert!(words["generation"]["decisions"].as_array().is_some_and(Vec::is_empty), "{words:#}");
}

#[test]
fn a_second_demo_repeats_the_first_from_what_was_kept() {
    let place = Place::new(1);
    let (model, cache) = (place.text("model"), place.text("kept"));
    let demo = || {
        let args =
            ["demo", "--model", &model, "--cache", &cache, "--examples", "60", "--questions", "4", "--json"];
        let output = place.run(&args);
        assert!(output.status.success(), "{}", stderr(&output));
        let last = String::from_utf8_lossy(&output.stdout).lines().last().expect("a last line").to_owned();
        serde_json::from_str::<serde_json::Value>(&last).expect("JSON")
    };
    let first = demo();
    for key in ["choice", "recall", "false_calls"] {
        assert!((0.0..=1.0).contains(&first[key].as_f64().expect(key)), "{first:#}");
    }
    for way in ["none", "toolkengpt", "exact"] {
        assert!(first["answers"][way].is_f64(), "{first:#}");
    }
    let page = fs::read_to_string(first["page"].as_str().expect("a path")).expect("the page");
    assert!(page.starts_with("<!doctype html>") && page.contains("The choice of λ"));
    let kept = files(&place.at("kept"));
    assert_eq!(demo(), first);
    for ((path, before), (_, after)) in kept.iter().zip(files(&place.at("kept"))) {
        assert!(*before == after, "{} was computed anew", path.display());
    }
}

#[test]
fn questions_are_read_line_by_line() {
    let place = Place::new(60);
    let [corpus, model, head] = ["corpus.jsonl", "model", "head.safetensors"].map(|name| place.text(name));
    place.done(&["fit", &corpus, "--model", &model, "--out", &head, "--lambda", "1e-3"]);
    fs::write(place.at("questions"), "one?\n\ntwo?\n").expect("written");
    let output = place
        .command(&["ask", "--model", &model, "--head", &head, "--max-tokens", "5", "--json"])
        .stdin(fs::File::open(place.at("questions")).expect("there"))
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
}

#[test]
fn a_head_of_another_model_is_refused_by_name() {
    let place = Place::new(40);
    let [corpus, model, head] = ["corpus.jsonl", "model", "head.safetensors"].map(|name| place.text(name));
    place.done(&["fit", &corpus, "--model", &model, "--out", &head, "--lambda", "1e-3"]);
    fs::create_dir(place.at("other")).expect("a folder");
    tiny::write(&place.at("other"), 2);
    let other = place.text("other");
    place.refused(
        &["ask", "Why?", "--model", &other, "--head", &head],
        2,
        &["made for the model `model`", "`other`"],
    );
    fs::write(place.at("broken"), b"not a head").expect("written");
    place.refused(&["ask", "Why?", "--model", &model, "--head", &place.text("broken")], 2, &["broken"]);
    place.refused(&["head", "show", &place.text("none"), "--model", &model], 1, &["none"]);
}

#[test]
fn a_killed_extraction_is_resumed_to_the_same_bytes() {
    let place = Place::new(400);
    place.done(&strings(&place.extract("whole")));
    let begun = |folder: &Path| {
        let stores = fs::read_dir(folder).into_iter().flatten().flatten();
        stores.flat_map(|store| fs::read_dir(store.path()).into_iter().flatten().flatten()).count() > 0
    };
    let args = place.extract("killed");
    let mut child = place
        .command(&strings(&args))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    while !begun(&place.at("killed")) && child.try_wait().expect("a status").is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    place.done(&strings(&args));
    let whole = |name: &str| {
        let mut files = files(&place.at(name));
        files.retain(|(path, _)| !path.to_string_lossy().contains(".unfinished-"));
        files
    };
    assert!(whole("whole").len() > 2, "several parts");
    assert_eq!(whole("killed"), whole("whole"));
}

#[test]
fn two_processes_on_one_cache_end_with_the_same_store() {
    let place = Place::new(200);
    let args = place.extract("features");
    let start = || {
        place
            .command(&strings(&args))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts")
    };
    let children = [start(), start(), start()];
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", stderr(&output));
    }
    place.done(&strings(&place.extract("alone")));
    assert_eq!(files(&place.at("features")), files(&place.at("alone")));
}

#[test]
fn a_cache_that_cannot_be_written_is_named_and_nothing_is_half_there() {
    let place = Place::new(60);
    fs::write(place.at("features"), b"a file").expect("written");
    place.refused(&strings(&place.extract("features")), 1, &["features"]);
    let output = Command::new(env!("CARGO_BIN_EXE_toolken"))
        .args(["model", "fetch", "smollm2-135m"])
        .env("TOOLKEN_MODELS", place.at("features").join("models"))
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("features"), "{}", stderr(&output));
}

/// A limit on the size of files stands in for a full disk: every write beyond it fails.
#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_and_leaves_no_half_file() {
    let place = Place::new(60);
    let args = place.extract("features");
    let full = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_toolken")])
        .args(&args)
        .output()
        .expect("a shell");
    assert_eq!(full.status.code(), Some(1), "{}", stderr(&full));
    assert!(stderr(&full).contains("part-00000.safetensors"), "{}", stderr(&full));
    let left: Vec<_> = files(&place.at("features")).into_iter().map(|(path, _)| path).collect();
    assert!(left.is_empty(), "{left:?}");
    place.done(&strings(&args));
}

/// The answers of a run's directory: what can differ between two runs of the same.
fn answers(folder: &Path) -> Vec<(String, String, serde_json::Value)> {
    let text = fs::read_to_string(folder.join("questions.jsonl")).expect("answers");
    let mut answers: Vec<_> = text
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let id = line["question"]["id"].as_str().expect("an id").to_owned();
            (id, line["text"].as_str().expect("a text").to_owned(), line["calls"].clone())
        })
        .collect();
    answers.sort_by(|a, b| a.0.cmp(&b.0));
    answers
}

/// Every method that needs no chat template: many questions at once are answered as one at a time, and a killed run ends with
/// the same answers.
#[test]
fn benchmark_runs_are_the_same_in_batches_alone_and_after_a_kill() {
    let place = Place::new(1);
    let model = place.text("model");
    for method in [
        "zero-shot",
        "cot",
        "in-context",
        "react",
        "bm25",
        "similarity",
        "exact",
        "exact@5-bm25",
        "react-exact",
    ] {
        let run = |out: &str, batch: &str| {
            let out = place.text(out);
            let mut command =
                vec!["bench", "run", "arithmetic", method, "--model", &model, "--out", &out, "--limit", "5"];
            command.extend(["--batch", batch, "--json"]);
            if method.contains("exact") {
                command.extend(["--training-limit", "60"]);
            }
            place.done(&command)
        };
        let (together, alone) = (format!("{method}-together"), format!("{method}-alone"));
        let figures = run(&together, "5");
        assert_eq!(figures["questions"], 5);
        let whole = answers(&place.at(&together));
        run(&alone, "1");
        assert_eq!(answers(&place.at(&alone)), whole, "{method}: one at a time");

        // Killed in the middle of its third line.
        let file = place.at(&alone).join("questions.jsonl");
        let text = fs::read_to_string(&file).expect("answers");
        let cut: usize = text.split_inclusive('\n').take(2).map(str::len).sum();
        fs::write(&file, &text[..cut + 10]).expect("written");
        assert_eq!(run(&alone, "2"), figures, "{method}: gone on with");
        assert_eq!(answers(&place.at(&alone)), whole, "{method}: gone on with");
    }
    let out = place.text("exact-alone");
    let other = ["bench", "run", "arithmetic", "exact", "--model", &model, "--out", &out, "--limit", "6"];
    place.refused(&other, 2, &["run.toml", "another directory", "limit"]);
    let unused = [&other[..3], &["cot"], &other[4..], &["--training-limit", "60"]].concat();
    place.refused(&unused, 2, &["--training-limit is of a head"]);
    let native =
        ["bench", "run", "arithmetic", "function-calling", "--model", &model, "--out", &place.text("native")];
    place.refused(&native, 2, &["chat template"]);
    let data = ["bench", "run", "funcqa-one-hop", "cot", "--model", &model, "--out", &place.text("funcqa")];
    place.refused(&data, 2, &["--data"]);
}

/// The grid, gone on with after a kill and several heads at a time, and the page of it.
#[test]
fn a_grid_is_gone_on_with_and_reported() {
    let place = Place::new(1);
    let (model, out) = (place.text("model"), place.text("grid"));
    let grid = [
        "bench",
        "grid",
        "arithmetic",
        "--model",
        &model,
        "--out",
        &out,
        "--limit",
        "80",
        "--seeds",
        "1",
        "--parts",
        "methods,lambda,names,learning",
    ];
    let at_a_time = |jobs| [&grid[..], &["--jobs", jobs]].concat();
    place.done(&at_a_time("1"));
    let file = place.at("grid").join("grid.jsonl");
    // All but the time that it took and the order in which they came.
    let rows = || -> Vec<serde_json::Value> {
        let text = fs::read_to_string(&file).expect("rows");
        let units =
            text.lines().map(|line| serde_json::from_str::<Vec<serde_json::Value>>(line).expect("rows"));
        let mut rows: Vec<_> = units.flatten().collect();
        rows.iter_mut().for_each(|row| row["seconds"] = 0.into());
        rows.sort_by_cached_key(ToString::to_string);
        rows
    };
    let whole = rows();
    for part in ["auto", "per-tool", "own", "path"] {
        assert!(whole.iter().any(|row| row["unit"]["kind"] == part), "no row of kind {part}");
    }
    for names in ["own", "tool", "func"] {
        assert!(whole.iter().any(|row| row["unit"]["cell"]["names"] == names), "no row with names {names}");
    }
    let text = fs::read_to_string(&file).expect("rows");
    let middle = text[..text.len() / 2].rfind('\n').expect("several lines");
    fs::write(&file, &text[..middle + 30]).expect("written");
    place.done(&at_a_time("3"));
    assert_eq!(rows().len(), whole.len());
    assert_eq!(rows(), whole);

    let run = place.text("run");
    place.done(&["bench", "run", "arithmetic", "cot", "--model", &model, "--out", &run, "--limit", "3"]);
    let page = place.text("report.html");
    place.done(&["bench", "report", &out, &run, "--out", &page]);
    let page = fs::read_to_string(page).expect("the page");
    for section in [
        "claims",
        "generation",
        "methods",
        "lambda",
        "priors",
        "names",
        "learning",
        "confusion",
        "bias",
        "map",
        "questions",
    ] {
        assert!(page.contains(&format!("<section id=\"{section}\">")), "no section {section}");
    }
    for outside in ["http:", "https:", "@import", " src="] {
        assert!(!page.contains(outside), "{outside}");
    }
    place.refused(&["bench", "report", &place.text("model"), "--out", &run], 2, &["grid.toml"]);
}

/// The built-in facts: every way to answer them, more facts from a file, few examples in the grid, and the page of it all.
#[test]
fn relations_are_called_looked_up_and_reported() {
    let place = Place::new(1);
    let model = place.text("model");
    let kb = place.text("more.jsonl");
    fs::write(
        place.at("more.jsonl"),
        "{\"relation\": \"capital\", \"subject\": \"Peru\", \"answers\": [\"Cusco\"]}\n\
         {\"relation\": \"capital\", \"subject\": \"Peru\", \"aliases\": [\"Perú\", \"Republic of Peru\"], \"answers\": []}\n",
    )
    .expect("written");
    let folders: Vec<String> = [
        ("exact", &["--prior", "name-and-description", "--per-tool", "2"][..]),
        ("exact@5-bm25", &["--prior", "chosen", "--per-tool", "2"]),
        ("toolkengpt", &["--prior", "zero", "--per-tool", "2"]),
        ("in-context-described", &[]),
    ]
    .iter()
    .map(|(method, head)| {
        let out = place.text(method);
        let run = ["bench", "run", "facts", method, "--model", &model, "--out", &out, "--limit", "4"];
        let run = [&run[..], head, &["--kb", &kb, "--json"]].concat();
        let figures = place.done(&run);
        assert_eq!(place.done(&run), figures, "{method}: a finished run says the same again");
        assert_eq!(figures["questions"], 4, "{method}");
        assert!(figures["answered"].as_u64().is_some_and(|n| n <= 4), "{method}: {figures}");
        out
    })
    .collect();
    let text = fs::read_to_string(place.at("exact").join("questions.jsonl")).expect("answers");
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        assert_eq!(record["tokens"]["chosen"], 1, "one decision: {record}");
        assert_eq!(record["decisions"][0]["by"], "forced");
    }
    let bad = place.text("bad.jsonl");
    fs::write(place.at("bad.jsonl"), "{\"relation\": 3}\n").expect("written");
    let out = place.text("refused");
    place.refused(
        &["bench", "run", "facts", "cot", "--model", &model, "--out", &out, "--kb", &bad],
        2,
        &["line 1"],
    );
    place.refused(
        &["bench", "run", "arithmetic", "cot", "--model", &model, "--out", &out, "--kb", &kb],
        2,
        &["no knowledge base"],
    );
    place.refused(
        &["bench", "run", "arithmetic", "in-context-described", "--model", &model, "--out", &out],
        2,
        &["no prompt that describes"],
    );
    assert!(!place.at("refused").exists(), "a refused run begins no directory");
    place.refused(&["bench", "run", "kamel-31", "exact", "--model", &model, "--out", &out], 2, &["kamel-30"]);
    place.refused(&["bench", "run", "kamel-30", "exact", "--model", &model, "--out", &out], 2, &["--data"]);

    let grid = place.text("few");
    let parts = ["bench", "grid", "facts", "--model", &model, "--out", &grid, "--parts", "few"];
    place.done(&[&parts[..], &["--seeds", "1", "--limit", "20"]].concat());
    let page = place.text("report.html");
    let mut report = vec!["bench", "report", grid.as_str()];
    report.extend(folders.iter().map(String::as_str));
    report.extend(["--out", &page]);
    place.done(&report);
    let page = fs::read_to_string(page).expect("the page");
    for part in ["<section id=\"few\">", "λ chosen", "answer right", "prior name-and-description"] {
        assert!(page.contains(part), "no {part}");
    }
}

/// Plans for the built-in household: the same in batches, alone and after a kill; with the simulator asked none is rejected, and
/// among the first three tokens of a ranking there are no others.
#[test]
fn household_plans_are_the_same_in_batches_alone_and_after_a_kill() {
    let place = Place::new(1);
    let model = place.text("model");
    let plan = |method: &str, out: &str, batch: &str, more: &[&str]| {
        let out = place.text(out);
        let args = ["bench", "home", method, "--model", &model, "--out", &out, "--limit", "8", "--json"];
        place.done(&[&args[..], &["--batch", batch], more].concat())
    };
    let plans = |folder: &str| -> Vec<serde_json::Value> {
        let text = fs::read_to_string(place.at(folder).join("plans.jsonl")).expect("plans");
        let mut plans: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a plan")).collect();
        plans.iter_mut().for_each(|plan| plan["took_micros"] = 0.into());
        plans.sort_by_key(|plan| plan["task"].to_string());
        plans
    };
    let ways = [
        ("blind", "exact", &["--lambda", "1e-3"][..]),
        ("asked", "exact", &["--lambda", "1e-3", "--simulator"][..]),
        ("few", "exact@3-bm25", &["--lambda", "1e-3", "--simulator"][..]),
        ("named", "exact", &["--lambda", "1e-3", "--prior", "chosen", "--names", "func"][..]),
        ("described", "in-context-described", &[][..]),
        ("likest", "bm25", &[][..]),
    ];
    for (kind, method, more) in ways {
        let (together, alone) = (format!("{kind}-together"), format!("{kind}-alone"));
        let plan = |out: &str, batch: &str, more: &[&str]| plan(method, out, batch, more);
        let figures = plan(&together, "8", more);
        let count = |what: &str| figures["figures"][what].as_u64().expect("a count");
        assert_eq!((count("tasks"), count("gold")), (8, 8), "{figures}");
        // Tokens name what is there, if they are a plan at all.
        let none = figures["figures"]["reasons"]["the plan has no line"].as_u64().unwrap_or_default();
        let grounded = count("grounded");
        assert!(grounded >= count("executable"), "{figures}");
        assert!(grounded + none == 8 || !method.starts_with("exact"), "{figures}");
        if kind == "asked" {
            assert_eq!(count("executable"), 8, "{figures}");
        }
        let whole = plans(&together);
        if kind == "few" {
            let method = figures["method"].as_str().expect("a method");
            assert!(method.starts_with("exact@3-bm25"), "{method}");
            for plan in &whole {
                let lines = plan["plan"].as_array().expect("lines").iter().filter_map(|line| line.as_str());
                let words: Vec<&str> = lines.flat_map(|line| line.split([' ', '(', ')'])).collect();
                for kind in ["[", "<"] {
                    let used: HashSet<&&str> = words.iter().filter(|word| word.starts_with(kind)).collect();
                    assert!(used.len() <= 3, "{plan}");
                }
            }
        }
        plan(&alone, "1", more);
        assert_eq!(plans(&alone), whole, "{kind}: one at a time");
        let file = place.at(&alone).join("plans.jsonl");
        let text = fs::read_to_string(&file).expect("plans");
        fs::write(&file, &text[..text.len() / 2]).expect("written");
        assert_eq!(plan(&alone, "3", more), figures, "{kind}: gone on with");
        assert_eq!(plans(&alone), whole, "{kind}: gone on with");
    }
    let out = place.text("blind-alone");
    let other = ["bench", "home", "toolkengpt", "--model", &model, "--out", &out, "--limit", "8"];
    place.refused(&other, 2, &["home.toml", "another directory"]);
    let called = ["bench", "home", "function-calling", "--model", &model, "--out", &place.text("called")];
    place.refused(&called, 2, &["chat template"]);
    let all =
        ["bench", "home", "exact", "--household", "all", "--model", &model, "--out", &place.text("all")];
    place.refused(&all, 2, &["--data", "builtin"]);
    let page = place.text("plans.html");
    place.done(&["bench", "report", &out, &place.text("asked-alone"), "--out", &page]);
    let page = fs::read_to_string(page).expect("the page");
    assert!(page.contains("<section id=\"plans\">") && page.contains("simulator asked"));
}
