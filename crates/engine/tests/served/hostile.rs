//! Engines that are absent, slow, broken or hostile: each is an error that says what was found, and never more.

use crate::server::{ADD, Face, Server};
use crate::{connected, options, tool_tokens, unloaded};
use decode::{Completion, Remote};
use std::sync::Arc;
use std::time::Duration;
use toolken_engine::{EngineError, Options, connect};

#[track_caller]
fn refused(url: &str, part: &str) {
    match connect(url, &Options { timeout: Duration::from_secs(1), ..options() }) {
        Err(EngineError::Unusable { message, .. }) => assert!(message.contains(part), "{message}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("an engine at {url}"),
    }
}

#[test]
fn who_does_not_answer_as_an_engine_is_refused() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    refused(&format!("http://127.0.0.1:{port}"), "cannot be reached");
    refused("no url", "");
    let with = |status: u16, body: &'static [u8]| {
        Server::start(Face::Llama).instead(move |_| Some((status, body.to_vec())))
    };
    for (status, body, part) in [
        (200, &b"<html>"[..], "no JSON"),
        (200, b"{}", "no context"),
        (200, b"[]", "no context"),
        (401, br#"{"error": {"message": "Invalid API Key"}}"#, "Invalid API Key"),
        (503, br#"{"error": {"message": "Loading model"}}"#, "Loading model"),
        (302, b"", "status 302"),
        (404, b"", "status 404: nothing"),
        (500, b"\xff\xfe", "status 500"),
        (0, b"", "within 1 s"),
    ] {
        refused(&with(status, body).url(), part);
    }
    let no_model = Server::start(Face::Vllm).instead(|path| match path {
        "/v1/models" => Some((200, br#"{"data": []}"#.to_vec())),
        _ => None,
    });
    refused(&no_model.url(), "no model");
    let options = Options { model: Some("other".into()), ..options() };
    let error = connect(&Server::start(Face::Vllm).url(), &options).err().unwrap().to_string();
    assert!(error.contains("\"other\"") && error.contains("exported"), "{error}");
}

#[test]
fn answers_of_the_wrong_shape_are_told_apart() {
    for (face, answers) in [
        (
            Face::Llama,
            &[
                (r#"{"content": "text"}"#, "`tokens`"),
                (r#"{"tokens": 7, "stop_type": "eos"}"#, "no list"),
                (r#"{"tokens": [-1], "stop_type": "eos"}"#, "no token id"),
                (r#"{"tokens": [4294967296], "stop_type": "eos"}"#, "no token id"),
                (r#"{"tokens": ["x"], "stop_type": "eos"}"#, "no token id"),
                (r#"{"tokens": [1], "stop_type": "tired"}"#, "stop_type"),
                (r#"{"tokens": [1]}"#, "stop_type"),
                ("null", "`tokens`"),
                ("", "no JSON"),
            ][..],
        ),
        (
            Face::Vllm,
            &[
                (r#"{}"#, "`choices`"),
                (r#"{"choices": []}"#, "no choice"),
                (r#"{"choices": [{"token_ids": [1]}]}"#, "finish_reason"),
                (r#"{"choices": [{"token_ids": [1], "finish_reason": "abort"}]}"#, "abort"),
                (r#"{"choices": [{"token_ids": [1.5], "finish_reason": "stop"}]}"#, "no token id"),
                (
                    r#"{"choices": [{"token_ids": [1], "finish_reason": "stop", "stop_reason": -3}]}"#,
                    "no token id",
                ),
                (r#"{"choices": [{"logprobs": {"tokens": ["It"]}, "finish_reason": "stop"}]}"#, "no ids"),
                (r#"{"choices": {"0": 1}}"#, "no choice"),
            ][..],
        ),
    ] {
        for &(answer, part) in answers {
            let server = Server::start(face);
            let remote = remote(&server);
            server.script.lock().unwrap().instead =
                Some(Box::new(move |_| Some((200, answer.as_bytes().to_vec()))));
            let error = remote.complete(&wanted()).unwrap_err();
            assert!(error.contains(part), "{error}");
            assert!(error.contains(&server.url()), "{error}");
        }
    }
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let server = Server::start(Face::Llama);
    let remote = remote(&server);
    server.script.lock().unwrap().instead = Some(Box::new(|_| Some((200, vec![b' '; 70 << 20]))));
    let error = remote.complete(&wanted()).unwrap_err();
    assert!(error.contains("longer than 64 MB"), "{error}");
}

/// A long error is shown in part, on one line.
#[test]
fn what_an_engine_says_is_cut() {
    let server = Server::start(Face::Llama);
    let remote = remote(&server);
    let long = "no\n".repeat(100_000);
    server.script.lock().unwrap().instead = Some(Box::new(move |_| Some((400, long.clone().into_bytes()))));
    let error = remote.complete(&wanted()).unwrap_err();
    assert!(error.contains("status 400") && error.len() < 600 && !error.contains('\n'), "{error}");
}

fn remote(server: &Server) -> Arc<dyn Remote> {
    let engine = connected(server);
    let model = unloaded(&engine);
    engine.serving(lm::FrozenLm::tokenizer(&model), &tool_tokens()).expect("the export").engine
}

fn wanted() -> Completion<'static> {
    Completion {
        prompt: &[65],
        max_tokens: 4,
        temperature: 0.0,
        top_p: 1.0,
        seed: 0,
        bias: &[],
        stop_tokens: &[ADD],
        stop: &[],
        schema: None,
        top: 0,
    }
}
