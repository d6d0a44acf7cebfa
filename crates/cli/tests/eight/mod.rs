//! Eight processes extract a shard each, three of them are killed on their way and begun again: whatever the place that the
//! parts go to, the store put together from it is that of one process, byte for byte.

#[allow(dead_code, reason = "shared with other tests, which use more of it")]
#[path = "../../../lm/tests/tiny/mod.rs"]
mod tiny;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const COUNT: usize = 8;
const KILLED: [usize; 3] = [1, 4, 6];

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn run(args: &[&str], variables: &[(String, String)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_toolken"));
    command.args(args).envs(variables.iter().map(|(key, value)| (key, value)));
    command.output().expect("the binary starts")
}

#[track_caller]
fn done(args: &[&str], variables: &[(String, String)]) {
    let output = run(args, variables);
    assert!(output.status.success(), "toolken {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The files of every store below a folder, but for what killed workers left.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for store in fs::read_dir(folder).expect("a folder") {
        for file in fs::read_dir(store.expect("readable").path()).expect("a store") {
            let path = file.expect("readable").path();
            let name = path.strip_prefix(folder).expect("below").to_owned();
            found.insert(name, fs::read(&path).expect("readable"));
        }
    }
    found
}

/// A model and a corpus in a folder.
pub fn model_and_corpus(folder: &Path, examples: usize) -> (PathBuf, PathBuf) {
    let (model, corpus) = (folder.join("model"), folder.join("corpus.jsonl"));
    fs::create_dir(&model).expect("a folder");
    tiny::write(&model, 1);
    done(&["corpus", "generate", text(&corpus), "--count", &examples.to_string()], &[]);
    (model, corpus)
}

/// `place` is where the parts go, and `variables` what its client wants to know.
pub fn same_as_one_process(folder: &Path, place: &str, variables: &[(String, String)]) {
    let (single, merged) = (folder.join("single"), folder.join("merged"));
    let (model, corpus) = model_and_corpus(folder, 600);
    let extract = ["extract", text(&corpus), "--model", text(&model)];
    let start = Instant::now();
    done(&[&extract[..], &["--features", text(&single)]].concat(), &[]);
    let whole = start.elapsed();

    let merge = ["extract", "merge", place, "--features", text(&merged)];
    let nothing = run(&merge, variables);
    let said = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert!(!nothing.status.success() && said.contains("holds no store"), "{said}");
    let worker = |index: usize| -> Child {
        Command::new(env!("CARGO_BIN_EXE_toolken"))
            .args(extract)
            .args(["--shard", &format!("auto/{COUNT}"), "--to", place])
            .env("JOB_COMPLETION_INDEX", index.to_string())
            .envs(variables.iter().map(|(key, value)| (key, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts")
    };
    let mut workers: Vec<Child> = (0..COUNT).map(worker).collect();
    // At moments that no two runs share: wherever they are.
    for (i, index) in KILLED.into_iter().enumerate() {
        std::thread::sleep((whole / 4 * i as u32).max(Duration::from_millis(20)));
        let _ = workers[index].kill();
    }
    for (index, mut worker) in workers.into_iter().enumerate() {
        let ended = worker.wait().expect("it ends");
        assert!(ended.success() || KILLED.contains(&index), "worker {index}");
    }
    // Two take up each of the three.
    for mut worker in KILLED.into_iter().chain(KILLED).map(worker).collect::<Vec<_>>() {
        assert!(worker.wait().expect("it ends").success());
    }
    for _ in 0..2 {
        done(&merge, variables);
        assert_eq!(files(&merged), files(&single));
    }
    assert!(files(&single).len() > COUNT, "a part for every worker");
}
