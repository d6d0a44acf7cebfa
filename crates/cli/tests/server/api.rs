//! The API as its clients use it.

use crate::{place, user};
use serde_json::{Value, json};
use std::process::Command;

/// The text of a stream's deltas.
fn text_of(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
}

fn finish_of(chunks: &[Value]) -> Vec<&str> {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["finish_reason"].as_str()).collect()
}

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    let server = place().serve(&["--pack", "home"]);
    let body = json!({"messages": user("Hello there"), "max_tokens": 20, "tool_choice": "none"});
    let whole = server.chat(body.clone());
    let choice = &whole["choices"][0];
    assert_eq!(
        (whole["object"].as_str(), choice["message"]["role"].as_str()),
        (Some("chat.completion"), Some("assistant"))
    );
    assert_eq!(whole["usage"]["completion_tokens"], 20, "a random model has no reason to end: {whole}");
    let mut streamed = body;
    streamed["stream_options"] = json!({"include_usage": true});
    let chunks = server.stream(streamed);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(text_of(&chunks), choice["message"]["content"].as_str().expect("text"));
    assert_eq!(finish_of(&chunks), [choice["finish_reason"].as_str().expect("a reason")]);
    assert_eq!(chunks.last().expect("chunks")["usage"], whole["usage"]);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["id"] == chunks[0]["id"] && chunk["object"] == "chat.completion.chunk")
    );
}

#[test]
fn calls_come_whole_and_in_fragments() {
    let server = place().serve(&["--pack", "home"]);
    let tools = super::definitions();
    let body = json!({"messages": user("Lamp!"), "tools": tools, "tool_choice": {"type": "function", "function": {"name": "lamp"}}});
    let whole = server.chat(body.clone());
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls", "{whole}");
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!((call["type"].as_str(), call["function"]["name"].as_str()), (Some("function"), Some("lamp")));
    let arguments: Value =
        serde_json::from_str(call["function"]["arguments"].as_str().expect("text")).expect("JSON");
    assert!(arguments["on"].is_boolean(), "{arguments}");
    assert!(
        arguments.get("level").is_none_or(|level| (1..=9).contains(&level.as_i64().expect("a whole number")))
    );

    let chunks = server.stream(body.clone());
    let deltas: Vec<&Value> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array())
        .flatten()
        .collect();
    let starts: Vec<&&Value> = deltas.iter().filter(|delta| delta.get("id").is_some()).collect();
    assert_eq!(starts[0]["function"]["name"], "lamp");
    assert!(deltas[0].get("id").is_some(), "name and id come before any argument");
    let written = |index: u64| -> String {
        let of = deltas.iter().filter(|delta| delta["index"] == index);
        of.filter_map(|delta| delta["function"]["arguments"].as_str()).collect()
    };
    assert_eq!(written(0), call["function"]["arguments"].as_str().expect("text"), "greedy, so the same");
    assert_eq!(finish_of(&chunks), ["tool_calls"]);

    // The result comes back, and the turn after it is words.
    let mut messages = user("Lamp!").as_array().expect("a list").clone();
    messages.push(choice["message"].clone());
    for call in choice["message"]["tool_calls"].as_array().expect("calls") {
        messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": "done"}));
    }
    let after =
        server.chat(json!({"messages": messages, "tools": tools, "tool_choice": "none", "max_tokens": 5}));
    assert_eq!(after["choices"][0]["finish_reason"], "length");
    assert!(after["usage"]["prompt_tokens"].as_u64() > whole["usage"]["prompt_tokens"].as_u64());
}

#[test]
fn the_choice_of_tools_is_the_clients() {
    let server = place().serve(&["--pack", "home"]);
    let tools = super::definitions();
    let called =
        |answer: &Value| answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"].clone();
    let body = |choice: Value| json!({"messages": user("What time is it?"), "tools": tools, "tool_choice": choice, "max_tokens": 80});
    assert_eq!(called(&server.chat(body(json!("none")))), Value::Null);
    assert!(called(&server.chat(body(json!("required")))).is_string());
    let named = |name: &str| json!({"type": "function", "function": {"name": name}});
    assert_eq!(called(&server.chat(body(named("rain")))), "rain", "a tool without examples can be named too");
    // Only what the request lists can be called.
    let only = json!({"messages": user("What time is it?"), "tools": [tools[2]], "tool_choice": "required"});
    assert_eq!(called(&server.chat(only)), "rain");
    server.refused(body(named("nothing")), 400, "`nothing`");
    server.refused(json!({"messages": user("a"), "tool_choice": "required"}), 400, "give `tools`");
    let unknown = json!([{"type": "function", "function": {"name": "unheard_of", "parameters": {}}}]);
    server.refused(json!({"messages": user("a"), "tools": unknown}), 400, "unheard_of");
    let one = json!({"messages": user("a"), "tools": tools, "tool_choice": "required", "parallel_tool_calls": false});
    assert_eq!(server.chat(one)["choices"][0]["message"]["tool_calls"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_tool_that_no_pack_has_is_placed_by_its_prior_where_that_is_allowed() {
    let server = place().serve(&["--pack", "home", "--unknown-tools", "prior"]);
    let guest = json!([{"type": "function", "function": {"name": "tide", "description": "Tells the tide.", "parameters":
        {"type": "object", "properties": {"day": {"enum": ["today"]}}, "required": ["day"]}}}]);
    let answer = server
        .chat(json!({"messages": user("When is high tide?"), "tools": guest, "tool_choice": "required"}));
    let call = &answer["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(
        (call["name"].as_str(), call["arguments"].as_str()),
        (Some("tide"), Some("{\"day\": \"today\"}"))
    );
}

#[test]
fn sampling_settings_do_what_they_say() {
    let server = place().serve(&["--pack", "home"]);
    let text = |more: Value| {
        let mut body = json!({"messages": user("Go on"), "max_tokens": 30, "tool_choice": "none"});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        server.chat(body)["choices"][0]["message"]["content"].as_str().expect("text").to_owned()
    };
    let drawn = text(json!({"temperature": 1.0, "seed": 7}));
    assert_eq!(drawn, text(json!({"temperature": 1.0, "seed": 7})));
    assert_ne!(drawn, text(json!({"temperature": 1.0, "seed": 8})));
    let greedy = text(json!({}));
    assert_eq!(
        greedy,
        text(json!({"temperature": 1.0, "top_p": 1e-6, "seed": 3})),
        "the best word alone is left"
    );
    let stop = drawn.chars().find(char::is_ascii_graphic).expect("a byte of ASCII among thirty").to_string();
    let stopped = text(json!({"temperature": 1.0, "seed": 7, "stop": stop}));
    assert_eq!(Some(stopped.as_str()), drawn.split(&stop).next(), "{drawn:?}");
    let scored = server.chat(json!({"messages": user("Go on"), "max_tokens": 4, "tool_choice": "none", "logprobs": true, "top_logprobs": 3}));
    let entries = scored["choices"][0]["logprobs"]["content"].as_array().expect("entries").clone();
    assert_eq!(entries.len(), 4);
    for entry in &entries {
        assert_eq!(entry["top_logprobs"].as_array().expect("rivals").len(), 3);
        assert_eq!(entry["token"], entry["top_logprobs"][0]["token"], "greedy takes the best");
        assert!(entry["logprob"].as_f64().expect("a number") <= 0.0);
    }
    let schema = json!({"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"], "additionalProperties": false});
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let value: Value = serde_json::from_str(&text(json!({"response_format": format}))).expect("JSON");
    assert!(value["a"] == 1 || value["a"] == 2, "{value}");
}

#[test]
fn the_other_routes_answer() {
    let server = place().serve(&["--pack", "home", "--packs-dir", "."]);
    assert_eq!(server.get("/health").json()["status"], "ok");
    assert_eq!(server.get("/v1/models").json()["data"][0]["id"], "model");
    assert_eq!(server.get("/v1/models/model").status, 200);
    assert_eq!(server.get("/v1/models/other").status, 404);
    let counted = server.ask("POST", "/tokenize", r#"{"text": "abc"}"#).json();
    assert_eq!((&counted["count"], &counted["tokens"]), (&json!(3), &json!([97, 98, 99])));
    let document = server.get("/openapi.json").json();
    assert!(document["paths"]["/v1/chat/completions"].is_object());
    for path in ["/", "/playground.css", "/playground.js"] {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.head.contains("default-src 'none'"), "{}", answer.head);
    }
    let completed = server.ask("POST", "/v1/completions", r#"{"prompt": "abc", "max_tokens": 5}"#).json();
    let streamed =
        server.ask("POST", "/v1/completions", r#"{"prompt": "abc", "max_tokens": 5, "stream": true}"#);
    let parts: String = crate::client::chunks(&streamed.body)
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(parts, completed["choices"][0]["text"].as_str().expect("text"));
    assert!(server.metric("requests_finished_total") >= 2);
}

#[test]
fn packs_come_and_go_while_requests_run() {
    let server = place().serve(&["--pack", "home", "--packs-dir", "."]);
    let packs = |list: Value| -> Vec<String> {
        let packs = list["packs"].as_array().expect("packs").iter();
        packs.map(|pack| pack["name"].as_str().expect("a name").to_owned()).collect()
    };
    std::thread::scope(|scope| {
        let long = scope.spawn(|| {
            server.chat(json!({"messages": user("Long"), "max_tokens": 400, "tools": super::definitions()}))
        });
        // Once it has begun, or is done already.
        server.until("it has begun", |server| {
            server.metric("running") > 0 || server.metric("requests_finished_total") > 0
        });
        assert_eq!(packs(server.ask("POST", "/packs/remote", "{}").json()), ["home", "remote"]);
        assert_eq!(packs(server.ask("DELETE", "/packs/home", "{}").json()), ["remote"]);
        assert!(
            long.join().expect("no panic")["choices"][0]["finish_reason"].is_string(),
            "it keeps the packs it began with"
        );
    });
    server.refused(
        json!({"messages": user("a"), "tools": super::definitions()}),
        400,
        "no loaded pack has clock",
    );
    assert_eq!(packs(server.ask("POST", "/packs/home", "{}").json()), ["remote", "home"]);
    for name in ["..", "%2e%2e", "a%2fb", "model", "nowhere"] {
        let answer = server.ask("POST", &format!("/packs/{name}"), "{}");
        assert!((400..500).contains(&answer.status), "{name}: {} {}", answer.status, answer.body);
    }
    let shown = server.get("/packs/home").json();
    assert_eq!(shown["tools"].as_array().map(Vec::len), Some(3));
    assert_eq!(shown["map"].as_array().map(Vec::len), Some(3));
    let mut examples = shown["examples"].as_array().expect("examples").clone();
    examples.push(json!({"user": "Is it wet outside?", "tool": "rain"}));
    let refitted = server.ask("PUT", "/packs/home/examples", &Value::Array(examples.clone()).to_string());
    assert_eq!(refitted.status, 200, "{}", refitted.body);
    assert_eq!(server.get("/packs/home").json()["examples"].as_array().map(Vec::len), Some(11));
    examples.push(json!({"user": "x", "tool": "no_such"}));
    let refused = server.ask("PUT", "/packs/home/examples", &Value::Array(examples).to_string());
    assert!(refused.status == 400 && refused.body.contains("no_such"), "{}", refused.body);
}

#[test]
fn pack_verbs_say_what_they_did() {
    let place = place();
    let shown = place.done(&["pack", "show", "home"]);
    assert!(["clock", "lamp", "rain"].iter().all(|tool| shown.contains(tool)), "{shown}");
    std::fs::write(
        place.at("held-out.jsonl"),
        "{\"user\": \"Clock?\", \"tool\": \"clock\"}\n{\"user\": \"Hi\"}\n",
    )
    .expect("written");
    let scored = place.done(&["pack", "eval", "home", "held-out.jsonl", "--model", "model", "--json"]);
    let last: Value = serde_json::from_str(scored.lines().last().expect("lines")).expect("JSON");
    assert_eq!((last["figures"]["messages"].as_u64(), last["way"].as_str()), (Some(2), Some("tool head")));
    let tried = place.done(&["pack", "try", "home", "Clock?", "--model", "model"]);
    assert!(
        tried.contains("the best word") && ["clock", "lamp", "rain"].iter().all(|tool| tried.contains(tool)),
        "{tried}"
    );
    place.done(&["pack", "merge", "both", "--from", "home", "--from", "remote"]);
    assert!(place.done(&["pack", "show", "both"]).contains("hangs"));
    let again = place.toolken(&["pack", "new", "home", "--tools", "tools.json"]).output().expect("it starts");
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("add-tool"));
    let odd = r#"[{"type": "function", "function": {"name": "odd", "parameters": {"type": "object", "properties": {"x": {"not": {}}}}}}]"#;
    std::fs::write(place.at("odd.json"), odd).expect("written");
    let refused = place.toolken(&["pack", "new", "odd", "--tools", "odd.json"]).output().expect("it starts");
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("`odd`"));
    assert!(!place.at("odd").exists(), "a refused pack leaves nothing behind");
}

/// Names that calls cannot have are others here, in the examples too; and a pack whose definitions have changed since its fit says so.
#[test]
fn a_pack_says_what_it_changed_and_what_was_changed() {
    let place = place();
    let named = |name: &str| {
        format!(
            r#"[{{"name": "{name}", "input_schema": {{"type": "object", "properties": {{"x": {{"type": "integer"}}}}}}}}]"#
        )
    };
    std::fs::write(place.at("named.json"), named("get weather")).expect("written");
    std::fs::write(
        place.at("named.jsonl"),
        "{\"user\": \"Rain?\", \"tool\": \"get weather\", \"arguments\": {\"x\": 1}}\n",
    )
    .expect("written");
    let arguments = ["pack", "new", "named", "--tools", "named.json", "--examples", "named.jsonl"];
    let made = place.toolken(&arguments).output().expect("it starts");
    let told = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success() && told.contains("`get weather` goes by `get_weather`"), "{told}");
    let examples = std::fs::read_to_string(place.at("named/examples.jsonl")).expect("examples");
    assert!(examples.contains("get_weather"), "{examples}");
    assert!(std::fs::read_to_string(place.at("named/tools.toml")).expect("tools").contains("integer"));
    let twice = ["pack", "new", "twice", "--tools", "named.json", "--tools", "named.json"];
    let refused = place.toolken(&twice).output().expect("it starts");
    assert!(
        !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("two of the tools")
    );

    let copied = Command::new("cp").args(["-r", "home", "changed"]).current_dir(place.at("")).status();
    assert!(copied.expect("cp runs").success());
    let stale = || place.done(&["pack", "show", "changed"]).contains("not those that its head was fitted to");
    assert!(!stale());
    let mut examples = std::fs::read_to_string(place.at("changed/examples.jsonl")).expect("examples");
    examples += "{\"user\": \"Lights!\", \"tool\": \"lamp\"}\n";
    std::fs::write(place.at("changed/examples.jsonl"), examples).expect("written");
    assert!(stale());
}

#[test]
fn a_tool_is_added_without_reading_the_old_examples_again_and_taken_out_again() {
    let place = place();
    let copied = Command::new("cp").args(["-r", "home", "grown"]).current_dir(place.at("")).status();
    assert!(copied.expect("cp runs").success());
    let tool = r#"[{"type": "function", "function": {"name": "door", "description": "Opens a door.", "parameters": {}}}]"#;
    std::fs::write(place.at("door.json"), tool).expect("written");
    std::fs::write(place.at("door.jsonl"), "{\"user\": \"Open the door.\", \"tool\": \"door\"}\n")
        .expect("written");
    let said = place.done(&[
        "pack",
        "add-tool",
        "grown",
        "--tools",
        "door.json",
        "--examples",
        "door.jsonl",
        "--model",
        "model",
    ]);
    let read: usize = said
        .split("Read ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .and_then(|n| n.parse().ok())
        .expect("a count");
    assert!((1..10).contains(&read), "{said}");
    assert!(place.done(&["pack", "show", "grown"]).contains("door"));

    let unknown = place.toolken(&["pack", "remove-tool", "grown", "gate"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(!unknown.status.success() && said.contains("`gate`") && said.contains("door"), "{said}");
    let all = ["pack", "remove-tool", "grown", "clock", "lamp", "rain", "door"];
    assert!(!place.toolken(&all).output().expect("it starts").status.success());
    let said = place.done(&["pack", "remove-tool", "grown", "door", "--model", "model"]);
    assert!(said.contains("Read 0 contexts"), "{said}");
    for file in ["tools.toml", "examples.jsonl"] {
        let of = |pack: &str| std::fs::read_to_string(place.at(&format!("{pack}/{file}"))).expect("a pack");
        assert_eq!(of("grown"), of("home"), "{file}");
    }
    assert!(!place.done(&["pack", "show", "grown"]).contains("not those that its head was fitted to"));
}

/// Of many tools a part says what λ is to be; all have rows, and held-out figures are of all of them.
#[test]
fn many_tools_are_fitted_from_what_a_part_of_them_says() {
    let place = place();
    let name = |i: usize| format!("open_{i}");
    let tool =
        |i: usize| json!({"name": name(i), "description": format!("Opens door {i}."), "parameters": {}});
    let tools: Vec<Value> = (0..80).map(tool).collect();
    std::fs::write(place.at("doors.json"), json!(tools).to_string()).expect("written");
    let line = |i: usize| {
        json!({"user": format!("Door {}, please.", i % 80), "tool": name(i % 80)}).to_string() + "\n"
    };
    std::fs::write(place.at("doors.jsonl"), (0..160).map(line).collect::<String>()).expect("written");
    place.done(&["pack", "new", "doors", "--tools", "doors.json", "--examples", "doors.jsonl"]);
    let fitted = place.done(&["pack", "fit", "doors", "--model", "model", "--json"]);
    let report: Value = serde_json::from_str(fitted.trim()).expect("JSON");
    assert_eq!((report["tried_on"].as_u64(), report["tools"].as_array().map(Vec::len)), (Some(64), Some(80)));
    let turns = report["turns"].as_u64().expect("a count");
    assert!((20..200).contains(&turns), "a fold of five, the shipped talk in it: {turns}");
    assert!(report["lambda"].as_f64().expect("a number") > 0.0 && report["unseen"].is_object(), "{fitted}");
    let tried = place.done(&["pack", "try", "doors", "Door 3, please.", "--model", "model"]);
    assert!(tried.contains("open_"), "{tried}");
}

/// What a false call costs decides the threshold, and a pack that grows keeps it.
#[test]
fn the_threshold_goes_by_what_a_false_call_costs() {
    let place = place();
    let copied = Command::new("cp").args(["-r", "home", "shy"]).current_dir(place.at("")).status();
    assert!(copied.expect("cp runs").success());
    let threshold = |cost: &str| {
        let fitted =
            place.done(&["pack", "fit", "shy", "--model", "model", "--json", "--false-call-cost", cost]);
        let report: Value = serde_json::from_str(fitted.trim()).expect("JSON");
        report["bias"].as_f64().expect("a threshold")
    };
    let (free, one, dear) = (threshold("0"), threshold("1"), threshold("1e6"));
    assert!(free >= one && one >= dear && free > dear, "{free}, {one}, {dear}");
    let said = place.done(&["pack", "remove-tool", "shy", "rain", "--model", "model"]);
    assert!(said.contains("a false call costs 1000000 right ones"), "{said}");
    let refused = ["pack", "fit", "shy", "--model", "model", "--false-call-cost", "-1"];
    let refused = place.toolken(&refused).output().expect("it starts");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("expected 0 or more"));
}

/// A conversation has as many turns as its assistant has, and a turn that says something first still calls. What examples say of
/// arguments is checked, and read.
#[test]
fn a_report_counts_every_turn_and_reads_arguments() {
    let place = place();
    let call = |name: &str, arguments: Value| json!([{"id": "call00000", "type": "function", "function": {"name": name, "arguments": arguments.to_string()}}]);
    let chat = |said: &str| {
        json!({"messages": [
            {"role": "assistant", "content": "Hello! What can I do?"},
            {"role": "user", "content": said},
            {"role": "assistant", "content": "Sure.", "tool_calls": call("lamp", json!({"on": true}))},
            {"role": "tool", "tool_call_id": "call00000", "content": "ok"},
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": "And the time?"},
            {"role": "assistant", "content": "", "tool_calls": call("clock", json!({"zone": "UTC"}))},
        ]})
    };
    let dimmed = json!({"user": "Lamp to three.", "tool": "lamp", "arguments": {"level": 3, "on": true}});
    let lines = [chat("Lights on."), chat("It is dark."), dimmed].map(|line| line.to_string() + "\n");
    std::fs::write(place.at("chats.jsonl"), lines.concat()).expect("written");
    place.done(&["pack", "new", "chats", "--tools", "tools.json", "--examples", "chats.jsonl"]);
    let fitted = place.done(&["pack", "fit", "chats", "--model", "model", "--json"]);
    let report: Value = serde_json::from_str(fitted.trim()).expect("JSON");
    let counted: Vec<u64> = (report["tools"].as_array().expect("tools").iter())
        .filter_map(|tool| tool["examples"].as_u64())
        .collect();
    assert_eq!(counted, [2, 3, 0], "clock, lamp and rain: {report}");
    let restraint = &report["restraint"];
    assert_eq!(
        (restraint["calls"].as_u64(), restraint["places"].as_u64()),
        (Some(2), Some(2)),
        "{restraint}"
    );

    let odd = json!({"user": "Lamp!", "tool": "lamp", "arguments": {"on": "yes"}}).to_string();
    std::fs::write(place.at("odd.jsonl"), odd).expect("written");
    let new = ["pack", "new", "odder", "--tools", "tools.json", "--examples", "odd.jsonl"];
    let refused = place.toolken(&new).output().expect("it starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("example 1") && said.contains("`lamp`"), "{said}");
}
