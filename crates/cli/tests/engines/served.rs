//! Questions answered through llama.cpp's server, which serves an export, are answered as by this program's own engine.

use crate::client::Server as Here;
use crate::{python, script, text, toolken};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
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

/// A known model with its weights in f32.
fn in_f32(model: &str, at: &Path) {
    let quantised = lm::resolve(model, &mut |_| ()).expect("the model");
    script(&python("TOOLKEN_LLAMA_PYTHON"), "dequantise.py", &[text(&quantised), text(at)]);
}

/// Runs a task here in f32 and through the server, and returns how many of how many questions have the same answer.
fn same(task: &str, options: &[&str]) -> (usize, usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let [model, export, here, there, features] =
        ["f32.gguf", "export.gguf", "here", "there", "features"].map(|name| folder.path().join(name));
    in_f32("smollm2-135m", &model);
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
    let (same, of) = same("arithmetic", &["--limit", "40", "--training-limit", "300"]);
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

/// The calls in an answer, arguments as values: engines differ in the blanks they write.
fn calls(answer: &Value) -> Vec<(String, Value)> {
    let calls = answer["choices"][0]["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
    let call = |call: &Value| {
        let arguments = call["function"]["arguments"].as_str().expect("a text of JSON");
        (
            call["function"]["name"].as_str().expect("a name").to_owned(),
            serde_json::from_str(arguments).unwrap_or_else(|e| panic!("{e}: {arguments}")),
        )
    };
    calls.iter().map(call).collect()
}

#[test]
fn packs_are_served_through_llama_cpps_server_as_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let [model, export, pack, examples] =
        ["f32.gguf", "export.gguf", "pack", "examples.jsonl"].map(|name| folder.path().join(name));
    in_f32("qwen2.5-coder-0.5b", &model); // SmolLM2's template knows no calls
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/forty-tools");
    let definitions = kept.join("own.json");
    let tools: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(&definitions).expect("tools")).expect("JSON");
    let schemas: BTreeMap<&str, &Value> = tools
        .iter()
        .map(|tool| &tool["function"])
        .map(|tool| (tool["name"].as_str().expect("a name"), &tool["parameters"]))
        .collect();
    let lines = |file: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(kept.join(file)).expect("messages");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line"));
        lines.filter(|line| line["tool"].as_str().is_some_and(|tool| schemas.contains_key(tool))).collect()
    };
    let train: String = lines("train.jsonl").iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(&examples, train).expect("written");
    let [model, export, pack] = [&model, &export, &pack].map(|path| text(path));
    toolken(&["pack", "new", pack, "--tools", text(&definitions), "--examples", text(&examples)]);
    toolken(&["pack", "fit", pack, "--model", model, "--json"]);
    toolken(&["export", "--model", model, "--pack", pack, "--out", export]);

    let serve = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_toolken"));
        // After the definition alone: what examples teach of arguments is told apart by their order, and that differs (below).
        command.args(["serve", "--pack", pack, "--listen", "127.0.0.1:0", "--arguments", "definition"]);
        command.args(arguments);
        command.env_remove("TOOLKEN_TOKEN").stdin(Stdio::null());
        Here::start(command)
    };
    let messages = lines("held-out.jsonl");
    let ask = |server: &Here, name: &str| -> Vec<Vec<(String, Value)>> {
        let body = |line: &Value| {
            json!({"model": name, "messages": [{"role": "user", "content": line["user"]}], "tools": tools, "temperature": 0,
                   "max_tokens": 120})
        };
        messages.iter().map(|line| calls(&server.chat(body(line)))).collect()
    };
    let here = ask(&serve(&["--model", model]), "f32.gguf");
    let engine = Server::start(Path::new(export));
    let server = serve(&["--model", export, "--engine", &engine.url]);
    let there = ask(&server, "export.gguf");

    let mut called = BTreeSet::new();
    for (name, arguments) in there.iter().flatten() {
        let given = arguments.as_object().expect("an object");
        let schema = schemas[name.as_str()];
        let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
        for key in required.iter().filter_map(Value::as_str) {
            assert!(given.contains_key(key), "{name} {arguments} has no {key}");
        }
        for key in given.keys() {
            assert!(schema["properties"].get(key).is_some(), "{name} {arguments}: {key} is unknown");
        }
        called.insert(name);
    }
    // The engine has a grammar of its own: llama.cpp's writes what is required first, ours what the schema has first.
    let names = |calls: &[(String, Value)]| calls.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let (mut same, mut whole) = (0, 0);
    for ((line, here), there) in messages.iter().zip(&here).zip(&there) {
        same += usize::from(names(here) == names(there));
        whole += usize::from(here == there);
        if here != there {
            println!("{}: here {here:?}, there {there:?}", line["user"]);
        }
    }
    println!(
        "{same} of {} answers call the same, {whole} with the same arguments; {} tools",
        messages.len(),
        called.len()
    );
    assert!(called.len() >= 10, "{called:?}");
    assert!(same * 100 >= messages.len() * 95, "{same} of {}", messages.len());
    assert!(whole * 100 >= messages.len() * 75, "{whole} of {}", messages.len());

    // A stream is whole, and a call that is asked for is made.
    let mut wanted = json!({"model": "export.gguf", "messages": [{"role": "user", "content": "Hello!"}], "tools": tools,
        "tool_choice": {"type": "function", "function": {"name": "set_timer"}}, "max_tokens": 120});
    let [(name, _)] = &calls(&server.chat(wanted.clone()))[..] else { panic!("one call") };
    assert_eq!(name, "set_timer");
    wanted["tool_choice"] = "none".into();
    wanted["max_tokens"] = 12.into();
    let whole = server.chat(wanted.clone())["choices"][0]["message"]["content"].clone();
    let streamed: String = server
        .stream(wanted)
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(whole, streamed);
}
