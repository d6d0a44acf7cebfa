//! Both adapters against a server of a few lines on loopback: what they send, what they make of answers, and of hostile ones.
//!
//! The exchanges of llama.cpp's server are as a real one has them (`just engines` runs that). Those of vLLM are written by
//! hand from its documentation: they were not recorded.

mod exchanges;
mod hostile;
mod other_model;
mod server;

use server::{Face, Server};
use toolken_engine::{Engine, Options, ToolTokens, Unloaded, connect};

/// The tools of these tests, and how an export spells them.
fn tool_tokens() -> ToolTokens {
    let spelled = ["add", "multiply"].map(|name| (name.to_owned(), format!("<tool:{name}>")));
    ToolTokens { spelled: spelled.to_vec(), ids: None }
}

fn options() -> Options {
    Options { timeout: std::time::Duration::from_secs(20), ..Options::default() }
}

fn connected(server: &Server) -> Engine {
    connect(&server.url(), &options()).expect("an engine")
}

/// A folder with the tests' tokenizer, as a model without weights.
fn unloaded(engine: &Engine) -> Unloaded {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, server::tokenizer_json().to_string()).expect("written");
    let config = r#"{"bos_token": "<s>", "eos_token": "</s>"}"#;
    std::fs::write(path.with_file_name("tokenizer_config.json"), config).expect("written");
    Unloaded::at(folder.path(), engine, 1, "").expect("a tokenizer")
}

/// Whatever the protocol, a question is answered as by a model of our own.
#[test]
fn a_question_is_answered_through_either_protocol() {
    for face in [Face::Llama, Face::Vllm] {
        let server = Server::start(face)
            .says("A:", " It is")
            .calls(" is", "add")
            // This call cannot be parsed; then the next best tool is called, and its result is a number.
            .says("<add>(", "2, x)")
            .calls(" is", "multiply")
            .says("<multiply>(", "6, 7)")
            .says(" 42", " now");
        let engine = connected(&server);
        let model = unloaded(&engine);
        let tools = tools::ToolSet::arithmetic();
        let weights = lm::Matrix::zeros(2, 1);
        let mut head = head::Head::new(vec!["add".into(), "multiply".into()], weights).expect("a head");
        head.bias = 0.5;
        let served = engine.serving(lm::FrozenLm::tokenizer(&model), &tool_tokens()).expect("the export");
        let mut engine = decode::Engine::new(&model, &head, &tools).unwrap().served_by(served).unwrap();
        let request = decode::Request::new(decode::Prompt::Raw("Q: 6 times 7?\nA:".into()));
        let generation = engine.run(&[request]).unwrap().remove(0);
        assert_eq!(generation.text, " It is 42 now", "{face:?}");
        assert_eq!(generation.finish, decode::Finish::EndOfText);
        let attempts: Vec<_> = (generation.decisions.iter().flat_map(|decision| &decision.attempts))
            .map(|attempt| (attempt.tool.as_str(), attempt.arguments.as_str(), attempt.outcome.result()))
            .collect();
        assert_eq!(attempts, [("add", "2, x", None), ("multiply", "6, 7", Some("42"))], "{face:?}");
        assert_eq!(generation.decisions[0].alternatives[0].token, decode::Token::Tool("add".into()));
    }
}
