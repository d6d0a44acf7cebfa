//! Requests that are malformed, half, slow, huge or not allowed.

use crate::client::Answer;
use crate::{place, user};
use serde_json::{Value, json};
use std::io::Write;

#[test]
fn malformed_requests_are_refused_and_harm_nobody() {
    let server = place().serve(&["--pack", "home"]);
    let chat = "/v1/chat/completions";
    let deep = "[".repeat(100_000);
    for body in
        ["", "{", "null", "[]", "\"text\"", &deep, "{\"messages\": 3}", "{\"messages\": [{}]}", "\u{0}\u{1}"]
    {
        let answer = server.ask("POST", chat, body);
        assert_eq!(answer.status, 400, "{body:.20}: {}", answer.body);
        assert!(answer.json()["error"]["message"].is_string());
    }
    let with = |key: &str, value: Value| {
        let mut body = json!({"messages": user("a"), "max_tokens": 2});
        body[key] = value;
        body
    };
    for (body, part) in [
        (with("messages", json!([])), "messages"),
        (with("messages", json!([{"role": "robot", "content": "a"}])), "robot"),
        (with("messages", json!([{"role": "user", "content": [{"type": "image_url"}]}])), "image_url"),
        (with("messages", user(&"long ".repeat(2000))), "tokens"),
        (with("temperature", json!(-1)), "0 to 2"),
        (with("top_p", json!(0)), "above 0"),
        (with("max_tokens", json!(0)), "at least 1"),
        (with("n", json!(2)), "n = 1"),
        (with("stop", json!([""])), "strings of 1"),
        (with("stop", json!({})), "string"),
        (with("tool_choice", json!("maybe")), "none"),
        (with("tools", json!([{"type": "function"}])), "tool 1"),
        (with("tools", json!(vec![json!({}); 2000])), "1024"),
        (with("response_format", json!({"type": "xml"})), "json_schema"),
        (
            with("response_format", json!({"type": "json_schema", "json_schema": {"schema": {"not": {}}}})),
            "enforced",
        ),
        (with("logprobs", json!("yes")), "`logprobs`: invalid type"),
        (with("max_tokens", json!("5")), "`max_tokens`: invalid type"),
        (with("temperature", json!("hot")), "`temperature`: invalid type"),
        (with("toolken", json!({"trace": 3})), "`toolken`: invalid type"),
        (with("messages", json!("hello")), "`messages`: invalid type"),
        (with("functions", json!([])), "`tools`"),
        (with("top_logprobs", json!(3)), "`logprobs`"),
    ] {
        server.refused(body, 400, part);
    }
    server.refused(with("model", json!("gpt-9")), 404, "gpt-9");
    assert_eq!(server.get("/nowhere").status, 404);
    assert_eq!(server.get(chat).status, 405);
    let plain = server.ask_with("POST", chat, "Content-Type: text/plain\r\n", "{}");
    assert!((400..=415).contains(&plain.status), "{}", plain.status);
    let elsewhere = {
        let mut stream = server.connect();
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
            .expect("sent");
        Answer::read(stream)
    };
    assert_eq!(elsewhere.status, 403, "a name that was made to point here");
    assert!(server.get("/health").status == 200 && server.metric("requests_failed_total") == 0);
}

/// Bytes of every kind where a request should be, from a seeded generator.
#[test]
fn noise_never_ends_the_server() {
    let server = place().serve(&["--pack", "home"]);
    let valid =
        json!({"messages": user("a"), "max_tokens": 1, "tools": super::definitions(), "stream": true})
            .to_string();
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for _ in 0..200 {
        let mut bytes = valid.clone().into_bytes();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(at, b"{}[]\":,\\0"[random(9)]),
                _ => drop(bytes.remove(at)),
            }
        }
        let mut stream = server.open("POST", "/v1/chat/completions", "", bytes.len());
        stream.write_all(&bytes).expect("sent");
        let answer = Answer::read(stream);
        assert!(
            matches!(answer.status, 200 | 400 | 404),
            "{}: {}",
            answer.status,
            String::from_utf8_lossy(&bytes)
        );
    }
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn huge_half_and_slow_bodies_do_not_wait_for_ever() {
    let server = place().serve(&["--pack", "home", "--read-seconds", "1"]);
    let chat = "/v1/chat/completions";
    let huge = "x".repeat(2 << 20);
    assert_eq!(server.ask("POST", chat, &huge).status, 413);
    let mut half = server.open("POST", chat, "", 1000);
    half.write_all(b"{\"messages\": [").expect("sent");
    drop(half); // the client leaves in the middle
    let mut slow = server.open("POST", chat, "", 1000);
    slow.write_all(b"{").expect("sent");
    assert_eq!(Answer::read(slow).status, 408, "a body that does not come");
    let mut head = server.connect();
    head.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nHos").expect("sent");
    let cut = Answer::read(head);
    assert!(matches!(cut.status, 0 | 408), "a head that does not come: {}", cut.status);
    assert_eq!(server.get("/health").status, 200);
}

/// What a user writes is text, also where it spells the token that ends a turn.
#[test]
fn control_tokens_in_messages_are_text() {
    let server = place().serve(&["--pack", "home"]);
    let tokens = |text: &str| {
        let answer = server.chat(json!({"messages": user(text), "max_tokens": 1, "tool_choice": "none"}));
        answer["usage"]["prompt_tokens"].as_u64().expect("a count")
    };
    // One token a byte: thirteen bytes are thirteen tokens, where the control token would be one.
    assert_eq!(tokens("a<|endoftext|>"), tokens("a") + 13);
    assert_eq!(tokens("a<|endoftext|>[system]"), tokens("a<|endofte2t|>[system]"));
}

#[test]
fn a_token_is_asked_for_and_needed_beyond_loopback() {
    let place = place();
    let open =
        place.toolken(&["serve", "--model", "model", "--listen", "0.0.0.0:0"]).output().expect("it starts");
    assert!(!open.status.success() && String::from_utf8_lossy(&open.stderr).contains("token"));
    let mut command =
        place.toolken(&["serve", "--model", "model", "--pack", "home", "--listen", "127.0.0.1:0"]);
    command.env("TOOLKEN_TOKEN", "correct horse");
    let server = crate::client::Server::start(command);
    let models = |headers: &str| server.ask_with("GET", "/v1/models", headers, "");
    for headers in [
        "",
        "Authorization: Bearer wrong\r\n",
        "Authorization: correct horse\r\n",
        "Authorization: Bearer \r\n",
    ] {
        let answer = models(headers);
        assert_eq!(answer.status, 401, "{headers}");
        assert!(answer.head.contains("www-authenticate: bearer") && !answer.body.contains("horse"));
    }
    assert_eq!(models("Authorization: Bearer correct horse\r\n").status, 200);
    assert_eq!(server.get("/metrics").status, 401);
    assert_eq!(server.get("/health").status, 200);
    assert_eq!(server.get("/").status, 200, "the page itself holds no secret");
}
