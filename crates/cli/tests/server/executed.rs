//! Calls that the server runs itself, on an MCP server that behaves and misbehaves.

use crate::{place, user};
use serde_json::{Value, json};

/// Calls one tool of the test's MCP server; what the trace says of it.
fn ran(server: &crate::client::Server, tool: &str) -> Value {
    let tools: Vec<Value> = [tool]
        .iter()
        .map(|name| json!({"type": "function", "function": {"name": name, "parameters": {}}}))
        .collect();
    let answer = server.chat(json!({
        "messages": user("Do it"), "tools": tools, "max_tokens": 80, "toolken": {"trace": true},
        "tool_choice": {"type": "function", "function": {"name": tool}},
    }));
    let choice = &answer["choices"][0];
    assert!(
        choice["message"].get("tool_calls").is_none(),
        "what runs here is not the client's to run: {answer}"
    );
    answer["toolken"]["ran"][0].clone()
}

#[test]
fn whatever_a_tool_does_the_answer_is_orderly() {
    let server = place().serve(&["--pack", "remote", "--execute", "*", "--tool-seconds", "2"]);
    let fine = ran(&server, "fine");
    assert_eq!(fine["failed"], false, "{fine}");
    let zone =
        serde_json::from_str::<Value>(fine["arguments"].as_str().expect("text")).expect("JSON")["zone"]
            .clone();
    assert_eq!(fine["result"], format!("it is noon in {}", zone.as_str().expect("a zone")));
    let said_no = ran(&server, "says_no");
    assert_eq!(
        (&said_no["failed"], &said_no["result"]),
        (&json!(true), &json!("Error: there is no such zone"))
    );
    let huge = ran(&server, "huge");
    let text = huge["result"].as_str().expect("text");
    assert!(text.len() < 5000 && text.contains("[cut after 4096 bytes]"), "{}", &text[..80]);
    for (tool, part) in [
        ("hangs", "within 2 s"),
        ("crashes", "MCP server"),
        ("endless", "MCP server"),
        ("garbage", "MCP server"),
    ] {
        let call = ran(&server, tool);
        assert_eq!(call["failed"], true, "{call}");
        assert!(call["result"].as_str().expect("text").contains(part), "{call}");
        assert_eq!(ran(&server, "fine")["failed"], false, "after {tool} the next call finds a new server");
    }
    assert!(server.metric("tool_calls_total") >= 11 && server.metric("tool_failures_total") >= 5);
}

#[test]
fn a_tool_sees_no_secret_of_the_server() {
    let names = |server: &crate::client::Server| -> Vec<String> {
        let result = ran(server, "environment")["result"].as_str().expect("text").to_owned();
        result.split(',').map(str::to_owned).collect()
    };
    let without = names(&place().serve(&["--pack", "remote", "--execute", "*"]));
    assert!(without.contains(&"PATH".to_owned()) && !without.contains(&"A_SECRET".to_owned()), "{without:?}");
    let with = names(&place().serve(&["--pack", "remote", "--execute", "*", "--pass-env", "A_SECRET"]));
    assert!(with.contains(&"A_SECRET".to_owned()), "{with:?}");
}

#[test]
fn nothing_runs_that_was_not_allowed() {
    let server = place().serve(&["--pack", "remote", "--execute", "says_*"]);
    let tools = json!([{"type": "function", "function": {"name": "fine", "parameters": {}}}]);
    let answer = server.chat(json!({"messages": user("Do it"), "tools": tools, "tool_choice": "required", "parallel_tool_calls": false}));
    assert_eq!(answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "fine");
    assert_eq!(server.metric("tool_calls_total"), 0);
    // A client may keep a call to itself that the server would run.
    let kept = json!([{"type": "function", "function": {"name": "says_no", "parameters": {}}}]);
    let body = json!({"messages": user("Do it"), "tools": kept, "tool_choice": "required", "parallel_tool_calls": false, "toolken": {"return_calls": true}});
    assert_eq!(server.chat(body)["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "says_no");
    assert_eq!(server.metric("tool_calls_total"), 0);
}
