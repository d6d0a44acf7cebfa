//! What is sent to each engine, and what is made of what its documentation shows.

use crate::server::{ADD, END, Face, MULTIPLY, Server};
use crate::{connected, tool_tokens, unloaded};
use decode::{Completed, Completion, Emitted, End, Remote};
use serde_json::{Value, json};
use std::sync::Arc;

fn wanted<'a>(schema: Option<&'a Value>, stop: &'a [String]) -> Completion<'a> {
    Completion {
        prompt: &[256, 65, 58],
        max_tokens: 7,
        temperature: 0.0,
        top_p: 1.0,
        seed: u64::MAX,
        bias: &[(48, f32::NEG_INFINITY), (ADD, -1.5)],
        stop_tokens: &[ADD, MULTIPLY],
        stop,
        schema,
        top: 3,
    }
}

fn remote(server: &Server) -> Arc<dyn Remote> {
    let engine = connected(server);
    let model = unloaded(&engine);
    engine.serving(lm::FrozenLm::tokenizer(&model), &tool_tokens()).expect("the export").engine
}

#[test]
fn llama_cpp_is_sent_ids_biases_and_texts_to_stop_at() {
    let server = Server::start(Face::Llama);
    let schema = json!({"type": "object"});
    let completed = remote(&server).complete(&wanted(Some(&schema), &["\n".to_owned()])).unwrap();
    assert_eq!((completed.tokens[0].id, completed.end), (END, End::Text));
    let asked = server.script.lock().unwrap().asked[0].clone();
    assert_eq!(asked["prompt"], json!([256, 65, 58]));
    assert_eq!(asked["logit_bias"], json!([[48, false], [ADD, -1.5]]));
    assert_eq!(asked["stop"], json!(["\n", "<tool:add>", "<tool:multiply>"]));
    assert_eq!(asked["n_predict"], 7);
    assert_eq!(asked["json_schema"], schema);
    assert_eq!(asked["seed"], u32::MAX);
    assert_eq!((&asked["return_tokens"], &asked["cache_prompt"]), (&json!(true), &json!(true)));
}

#[test]
fn vllm_is_sent_ids_biases_within_its_range_and_tokens_to_stop_at() {
    let server = Server::start(Face::Vllm);
    let schema = json!({"type": "object"});
    remote(&server).complete(&wanted(Some(&schema), &["\n".to_owned()])).unwrap();
    let asked = server.script.lock().unwrap().asked[0].clone();
    assert_eq!(asked["model"], "exported");
    assert_eq!(asked["prompt"], json!([256, 65, 58]));
    assert_eq!(asked["logit_bias"], json!({"48": -100.0, "258": -1.5}));
    assert_eq!(asked["stop_token_ids"], json!([ADD, MULTIPLY]));
    assert_eq!(asked["stop"], json!(["\n"]));
    assert_eq!(asked["response_format"]["json_schema"]["schema"], schema);
    assert_eq!(asked["seed"], i64::MAX);
    assert_eq!(asked["return_token_ids"], true);
}

#[track_caller]
fn read(face: Face, path: &'static str, answer: Value) -> Result<Completed, String> {
    let bytes = answer.to_string().into_bytes();
    let server = Server::start(face).instead(move |at| (at == path).then(|| (200, bytes.clone())));
    remote(&server).complete(&wanted(None, &[]))
}

fn ids(completed: &Completed) -> Vec<u32> {
    completed.tokens.iter().map(|token| token.id).collect()
}

/// A position in the middle of a character is left out of the probabilities, and so is a stopping word; an impossible token has
/// no logarithm.
#[test]
fn llama_cpps_probabilities_are_matched_with_their_tokens() {
    let place = |id: u32| {
        let top = json!([{"id": id, "logprob": -0.5}, {"id": 9, "logprob": null}]);
        json!({"id": id, "token": "x", "bytes": [120], "logprob": -0.5, "top_logprobs": top})
    };
    let answer = json!({"tokens": [7, 195, 188, 8, ADD], "stop_type": "word",
        "completion_probabilities": [place(7), place(188), place(8)]});
    let completed = read(Face::Llama, "/completion", answer).unwrap();
    assert_eq!((ids(&completed), completed.end), (vec![7, 195, 188, 8, ADD], End::Stop));
    let told: Vec<usize> = completed.tokens.iter().map(|token| token.top.len()).collect();
    assert_eq!(told, [1, 0, 1, 1, 0]);
    let own: Vec<bool> = completed.tokens.iter().map(|token| token.logprob == Some(-0.5)).collect();
    assert_eq!(own, [true, false, true, true, false]);
}

#[test]
fn vllms_answers_are_read_whether_ids_stand_beside_the_text_or_in_the_logprobs() {
    let path = "/v1/completions";
    let stopped = json!({"choices": [{"index": 0, "text": " It is", "finish_reason": "stop", "stop_reason": ADD,
        "token_ids": [7, 8], "logprobs": null}]});
    let completed = read(Face::Vllm, path, stopped).unwrap();
    assert_eq!((ids(&completed), completed.end), (vec![7, 8, ADD], End::Stop));

    let named = json!({"choices": [{"index": 0, "text": " It", "finish_reason": "length", "stop_reason": null,
        "logprobs": {"tokens": ["token_id:7", "token_id:8"], "token_logprobs": [-0.1, -0.2], "text_offset": [0, 3],
            "top_logprobs": [{"token_id:7": -0.1, "token_id:258": -3.0}, {"token_id:258": -2.5, "token_id:8": -0.2}]}}]});
    let completed = read(Face::Vllm, path, named).unwrap();
    let expected = [
        Emitted { id: 7, logprob: None, top: vec![(7, -0.1), (ADD, -3.0)] },
        Emitted { id: 8, logprob: None, top: vec![(8, -0.2), (ADD, -2.5)] },
    ];
    assert_eq!((completed.tokens.as_slice(), completed.end), (&expected[..], End::Length));

    let ended = json!({"choices": [{"index": 0, "text": "", "finish_reason": "stop", "stop_reason": null,
        "token_ids": [END], "logprobs": null}]});
    assert_eq!(read(Face::Vllm, path, ended).unwrap().end, End::Text);

    let plain = json!({"choices": [{"index": 0, "text": " It", "finish_reason": "stop", "logprobs": null}]});
    let error = read(Face::Vllm, path, plain).unwrap_err();
    assert!(error.contains("token ids"), "{error}");
}

/// What vLLM 0.32.0 (its build for processors, f32) was asked and answered while `toolken ask` had it find the square root of 1764 with
/// an export of SmolLM2-135M: up to a tool's token, the arguments, a token after the result, the rest; and a completion under a schema.
const VLLM: &str = include_str!("vllm-0.32.0.jsonl");

#[test]
fn what_vllm_answered_is_read() {
    let ends = [End::Stop, End::Stop, End::Length, End::Stop, End::Length];
    let lines: Vec<Value> =
        VLLM.lines().map(|line| serde_json::from_str(line).expect("an exchange")).collect();
    assert_eq!(lines.len(), ends.len());
    for (line, end) in lines.iter().zip(ends) {
        let choice = &line["answer"]["choices"][0];
        let said: Vec<u32> = serde_json::from_value(choice["token_ids"].clone()).expect("ids");
        let completed = read(Face::Vllm, "/v1/completions", line["answer"].clone()).unwrap();
        assert_eq!((ids(&completed), &completed.end), (said, &end), "{}", choice["text"]);
        let wanted = line["request"]["logprobs"].as_u64().unwrap_or(0) as usize;
        assert!(completed.tokens.iter().all(|token| token.top.len() == wanted), "{}", choice["text"]);
    }
}

#[test]
fn vllm_is_sent_what_it_has_taken() {
    let schema = json!({"type": "object"});
    let fields = |request: &Value| -> Vec<String> {
        let mut names: Vec<_> = request.as_object().expect("an object").keys().cloned().collect();
        names.sort();
        names
    };
    let lines: Vec<Value> =
        VLLM.lines().map(|line| serde_json::from_str(line).expect("an exchange")).collect();
    for (line, schema, top) in [(&lines[0], None, 5), (&lines[1], None, 0), (&lines[4], Some(&schema), 0)] {
        let server = Server::start(Face::Vllm);
        let wanted = Completion { top, ..wanted(schema, &[]) };
        remote(&server).complete(&wanted).unwrap();
        assert_eq!(fields(&server.script.lock().unwrap().asked[0]), fields(&line["request"]));
    }
}
