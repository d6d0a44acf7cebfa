//! Questions answered through llama.cpp's server, which serves an export, are answered as by this program's own engine.

use crate::{python, script, text, toolken};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// llama.cpp's server, ended with the test.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(model: &Path) -> Self {
        let program = std::env::var_os("TOOLKEN_LLAMA_SERVER")
            .expect("set TOOLKEN_LLAMA_SERVER, as `just engines` does");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port();
        let port_text = port.to_string();
        let process = Command::new(program)
            .args(["--model", text(model), "--host", "127.0.0.1", "--port", &port_text])
            // All in f32, as here: KV state, and no flash attention, which would round it.
            .args(["--cache-type-k", "f32", "--cache-type-v", "f32", "--flash-attn", "off", "--no-repack"])
            .args(["--parallel", "4", "--ctx-size", "16384", "--threads", "2", "--no-warmup", "--offline"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let mut server = Self { process, url: format!("http://127.0.0.1:{port}") };
        let start = Instant::now();
        while !server.is_ready(port) {
            let ended = server.process.try_wait().expect("its state");
            assert!(ended.is_none(), "llama-server ended: {ended:?}");
            assert!(start.elapsed() < Duration::from_secs(300), "llama-server does not answer");
            std::thread::sleep(Duration::from_millis(200));
        }
        server
    }

    fn is_ready(&self, port: u16) -> bool {
        use std::io::{Read, Write};
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A run's answers by question: text, and calls with their arguments and results.
fn answers(run: &Path) -> BTreeMap<String, (String, String)> {
    let lines = std::fs::read_to_string(run.join("questions.jsonl")).expect("answers");
    let answer = |line: &str| {
        let record: Value = serde_json::from_str(line).expect("a record");
        let text = record["text"].as_str().expect("a text").to_owned();
        (record["question"]["id"].to_string(), (text, record["calls"].to_string()))
    };
    lines.lines().map(answer).collect()
}

/// Runs a task here in f32 and through the server, and returns how many of how many questions have the same answer.
fn same(task: &str, options: &[&str]) -> (usize, usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let [model, export, here, there, features] =
        ["f32.gguf", "export.gguf", "here", "there", "features"].map(|name| folder.path().join(name));
    let quantised = lm::resolve("smollm2-135m", &mut |_| ()).expect("the model");
    script(&python("TOOLKEN_LLAMA_PYTHON"), "dequantise.py", &[text(&quantised), text(&model)]);
    let run = |more: &[&str]| {
        let args = ["bench", "run", task, "exact", "--features", text(&features)];
        toolken(&[&args[..], options, more].concat());
    };
    run(&["--model", text(&model), "--out", text(&here)]);
    let head = here.join("head.safetensors");
    toolken(&["export", "--model", text(&model), "--head", text(&head), "--out", text(&export)]);
    let server = Server::start(&export);
    run(&["--model", text(&export), "--engine", &server.url, "--batch", "4", "--out", text(&there)]);
    let (here, there) = (answers(&here), answers(&there));
    assert_eq!(here.len(), there.len());
    assert!(here.values().any(|(_, calls)| calls != "[]"), "nothing was called");
    for (id, answer) in &here {
        if there[id] != *answer {
            println!("question {id}: here {answer:?}, there {:?}", there[id]);
        }
    }
    let same = here.iter().filter(|(id, answer)| there[*id] == **answer).count();
    println!("{task}: {same} of {} answers are the same", here.len());
    (same, here.len())
}

#[test]
fn word_problems_are_answered_by_llama_cpps_server_as_here() {
    let (same, of) = same("arithmetic", &["--limit", "40", "--train", "300"]);
    assert!(same * 100 >= of * 98, "{same} of {of}");
}

#[test]
#[ignore = "needs FuncQA: scripts/engines DIR"]
fn funcqa_is_answered_by_llama_cpps_server_as_here() {
    let shared =
        std::env::var_os("TOOLKEN_SHARED").expect("set TOOLKEN_SHARED, as `scripts/engines DIR` does");
    let data = Path::new(&shared).join("data");
    let (same, of) = same("funcqa-one-hop", &["--data", text(&data)]);
    assert!(same * 100 >= of * 98, "{same} of {of}");
}
