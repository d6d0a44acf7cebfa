//! An engine that serves another model than the export is found out before anything is generated.

use crate::server::{ADD, Face, MULTIPLY, Server};
use crate::{connected, tool_tokens, unloaded};
use serde_json::json;
use toolken_engine::{EngineError, ToolTokens};

#[track_caller]
fn other(server: &Server, tools: &ToolTokens, part: &str) {
    let engine = connected(server);
    let model = unloaded(&engine);
    match engine.serving(lm::FrozenLm::tokenizer(&model), tools) {
        Err(EngineError::OtherModel { message, .. }) => assert!(message.contains(part), "{message}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[test]
fn the_export_is_known_by_its_vocabulary_and_its_tools() {
    for face in [Face::Llama, Face::Vllm] {
        let server = Server::start(face);
        let engine = connected(&server);
        let model = unloaded(&engine);
        let known = ToolTokens { ids: Some(vec![ADD, MULTIPLY]), ..tool_tokens() };
        let served = engine.serving(lm::FrozenLm::tokenizer(&model), &known).expect("the export");
        assert_eq!(served.tools, [("add".to_owned(), ADD), ("multiply".to_owned(), MULTIPLY)]);
        assert_eq!(served.context, 512);

        let moved = ToolTokens { ids: Some(vec![ADD, 300]), ..tool_tokens() };
        other(&server, &moved, "is 259, the export's 300");
        let mut unknown = tool_tokens();
        unknown.spelled.push(("sqrt".into(), "<tool:sqrt>".into()));
        other(&server, &unknown, "`sqrt`");

        let reads_otherwise = Server::start(face).instead(|path| {
            (path == "/tokenize").then(|| (200, json!({"tokens": [1, 2, 3]}).to_string().into_bytes()))
        });
        other(&reads_otherwise, &tool_tokens(), "expected [84, 104");
    }
    let small = Server::start(Face::Llama).instead(|path| {
        let listed = json!({"data": [{"id": "m", "meta": {"n_vocab": 259}}]});
        (path == "/v1/models").then(|| (200, listed.to_string().into_bytes()))
    });
    other(&small, &tool_tokens(), "vocabulary of 259");
}
