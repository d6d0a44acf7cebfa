//! The household against VirtualHome's own executor.

use crate::{shared, text, toolken};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::fs::File;
use std::io::Read;

/// All 1,516 runs, gold and damaged: every line comes out as it was recorded, verdict, steps, words of the error and change.
#[test]
#[ignore = "needs the shared data: just conformance DIR"]
fn every_run_comes_out_as_in_virtualhome() {
    let (data, oracle) = (shared().join("virtualhome"), shared().with_file_name("oracle"));
    let runs = oracle.join("virtualhome_runs.jsonl.gz");
    let (base, tasks) = (data.join("base_graph.json.gz"), data.join("tasks.jsonl.gz"));
    let replayed =
        toolken(&["home", "replay", "--base", text(&base), "--tasks", text(&tasks), "--runs", text(&runs)]);
    let mut recorded = String::new();
    GzDecoder::new(File::open(&runs).expect("the runs")).read_to_string(&mut recorded).expect("gzip");
    let recorded: Vec<&str> = recorded.lines().filter(|line| !line.trim().is_empty()).collect();
    let replayed = String::from_utf8(replayed.stdout).expect("UTF-8");
    let replayed: Vec<&str> = replayed.lines().collect();
    assert_eq!((recorded.len(), replayed.len()), (1516, 1516));
    let mut done = 0;
    for (expected, found) in recorded.into_iter().zip(replayed) {
        if expected != found {
            let [expected, found] =
                [expected, found].map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            for key in ["ok", "steps", "error", "change"] {
                assert_eq!(
                    found[key], expected[key],
                    "{key} of {}, {}",
                    expected["task"], expected["script"]
                );
            }
            panic!("written differently: {found}");
        }
        done += usize::from(found.contains("\"ok\": true"));
    }
    assert_eq!(done, 839);
}
