//! Load, leaving clients, and the end.

use crate::client::Answer;
use crate::{place, user};
use serde_json::json;
use std::io::{Read, Write};

const CHAT: &str = "/v1/chat/completions";

#[test]
fn too_many_requests_are_told_to_come_back() {
    let server = place().serve(&["--pack", "home", "--batch", "1", "--queue", "2", "--max-tokens", "2000"]);
    let body = json!({"messages": user("Long"), "max_tokens": 1500, "tool_choice": "none"}).to_string();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..12).map(|_| scope.spawn(|| server.ask("POST", CHAT, &body))).collect();
        asked.into_iter().map(|one| one.join().expect("no panic")).collect()
    });
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(!refused.is_empty() && answers.iter().all(|answer| matches!(answer.status, 200 | 429)));
    for answer in refused {
        assert!(answer.head.contains("retry-after:"), "{}", answer.head);
        assert_eq!(answer.json()["error"]["code"], "rate_limit_exceeded");
    }
    let texts: Vec<_> =
        answers.iter().filter(|a| a.status == 200).map(|a| a.json()["choices"].clone()).collect();
    assert!(texts.windows(2).all(|pair| pair[0] == pair[1]), "the same request has the same answer");
    assert_eq!(server.metric("requests_refused_total") as usize, 12 - texts.len());
}

/// Different requests at once, each with the answer it has alone.
#[test]
fn answers_are_not_mixed() {
    let server = place().serve(&["--pack", "home"]);
    let body =
        |i: usize| json!({"messages": user(&format!("Number {i}")), "max_tokens": 40, "tool_choice": "none"});
    let alone: Vec<_> = (0..10).map(|i| server.chat(body(i))["choices"].clone()).collect();
    std::thread::scope(|scope| {
        for (i, expected) in alone.iter().enumerate() {
            let server = &server;
            scope.spawn(move || assert_eq!(&server.chat(body(i))["choices"], expected, "request {i}"));
        }
    });
    assert!(server.metric("reused_tokens_total") > 0, "beginnings that were read before are not read again");
}

#[test]
fn a_client_that_leaves_takes_its_generation_with_it() {
    let server = place().serve(&["--pack", "home", "--max-tokens", "3500"]);
    let body = json!({"messages": user("Long"), "max_tokens": 3500, "tool_choice": "none", "stream": true})
        .to_string();
    let mut stream = server.open("POST", CHAT, "", body.len());
    stream.write_all(body.as_bytes()).expect("sent");
    let mut first = [0; 64];
    assert!(stream.read(&mut first).expect("an answer") > 0);
    assert_eq!(server.metric("running"), 1);
    drop(stream);
    server.until("the generation ends", |server| server.metric("running") == 0);
    assert_eq!(server.metric("requests_cancelled_total"), 1);
    assert_eq!(server.metric("requests_finished_total"), 0);
}

#[test]
fn asked_to_stop_it_finishes_what_it_began() {
    let mut server = place().serve(&["--pack", "home"]);
    let body = json!({"messages": user("Long"), "max_tokens": 500, "tool_choice": "none", "stream": true})
        .to_string();
    let mut stream = server.open("POST", CHAT, "", body.len());
    stream.write_all(body.as_bytes()).expect("sent");
    let mut first = [0; 1];
    stream.read_exact(&mut first).expect("an answer");
    server.terminate();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("all of it");
    assert!(rest.contains("data: [DONE]"), "{rest:.200}");
    assert!(server.wait().success());
}
