//! Chat templates against what Python's jinja2, set up as `transformers` sets it up, makes of the same conversations.

use lm::{Chat, ChatTemplate, Gguf, LmError, Message, Tokenizer, ToolCall};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toolken_lm as lm;

#[derive(Deserialize)]
struct Oracle {
    /// The template, where it is our own.
    template: Option<String>,
    bos: String,
    eos: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    messages: Vec<Message>,
    tools: Vec<serde_json::Value>,
    add_generation_prompt: bool,
    expected: String,
}

fn oracle(name: &str) -> Oracle {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/oracle/chat.json"));
    let json = std::fs::read(path).expect("the oracle is in the repository");
    let mut all: BTreeMap<String, Oracle> = serde_json::from_slice(&json).expect("JSON");
    all.remove(name).expect("a template of the oracle")
}

fn tokenizer(model: &str) -> Tokenizer {
    let path = lm::resolve(model, &mut |_| ()).expect("the model is fetched by the product's own code");
    Tokenizer::from_gguf(&Gguf::open(path).expect("a GGUF")).expect("a tokenizer")
}

fn agrees(template: &ChatTemplate, oracle: &Oracle) {
    assert!(!oracle.cases.is_empty());
    for (i, case) in oracle.cases.iter().enumerate() {
        let Case { messages, tools, add_generation_prompt, expected } = case;
        let chat = Chat { messages, tools, add_generation_prompt: *add_generation_prompt };
        assert_eq!(template.render(&chat).expect("rendered"), *expected, "case {i}");
    }
}

fn own() -> (ChatTemplate, Oracle) {
    let oracle = oracle("own");
    let source = oracle.template.as_deref().expect("our own");
    (ChatTemplate::new(source, Some(&oracle.bos), Some(&oracle.eos)).expect("a template"), oracle)
}

#[test]
fn smollm2_renders_as_in_python() {
    let template = ChatTemplate::of(&tokenizer("smollm2-135m")).expect("a template");
    agrees(&template, &oracle("smollm2-135m"));
    assert!(!template.carries_calls());
}

/// Whoever needs tools in the prompt is told where they would be dropped.
#[test]
fn a_template_without_a_place_for_tools_says_so() {
    let template = ChatTemplate::of(&tokenizer("smollm2-135m")).expect("a template");
    let parameters = serde_json::json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let tool = serde_json::json!({
        "type": "function",
        "function": {"name": "one", "description": "b", "parameters": parameters},
    });
    let messages = [Message::user("x")];
    let chat = Chat { tools: &[tool], ..Chat::turn(&messages) };
    assert!(!template.render(&chat).expect("rendered without them").contains("one"));
    let error = template.can_list_tools().expect_err("no place").to_string();
    assert!(error.contains("no place for tools"), "{error}");
    let (own, _) = own();
    own.can_list_tools().expect("it lists them");
    assert!(own.render(&chat).expect("rendered").contains("one"));
}

#[test]
fn a_template_of_macros_loops_and_filters_renders_as_in_python() {
    let (template, oracle) = own();
    agrees(&template, &oracle);
    assert!(template.carries_calls());
}

#[test]
#[ignore = "needs larger models: just conformance DIR"]
fn qwen2_renders_as_in_python() {
    let template = ChatTemplate::of(&tokenizer("qwen2.5-coder-0.5b")).expect("a template");
    agrees(&template, &oracle("qwen2.5-coder-0.5b"));
    assert!(template.carries_calls());
    template.can_list_tools().expect("it lists them");
}

#[test]
#[ignore = "needs larger models: just conformance DIR"]
fn a_base_model_has_no_template_and_says_so() {
    let error = ChatTemplate::of(&tokenizer("gemma-3-270m")).expect_err("a base model").to_string();
    assert!(error.contains("instruction-tuned"), "{error}");
}

/// A template that does not know calls must not lose them.
#[test]
fn calls_are_not_lost_where_the_template_knows_none() {
    let template = ChatTemplate::of(&tokenizer("smollm2-135m")).expect("a template");
    let call = |name: &str| ToolCall::new(None, name, serde_json::json!({"a": "b"}));
    let messages = [
        Message::user("x"),
        Message::calls("I look.", vec![call("one"), call("two")]),
        Message::tool(None, "one", "first"),
        Message::tool(None, "two", "second"),
    ];
    let text = template.render(&Chat::turn(&messages)).expect("rendered");
    let expected = "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\nI look.\n\
        <tool_call>\n{\"name\": \"one\", \"arguments\": {\"a\": \"b\"}}\n</tool_call>\n\
        <tool_call>\n{\"name\": \"two\", \"arguments\": {\"a\": \"b\"}}\n</tool_call><|im_end|>\n\
        <|im_start|>user\n<tool_response>\nfirst\n</tool_response>\n<tool_response>\nsecond\n</tool_response><|im_end|>\n\
        <|im_start|>assistant\n";
    assert!(text.ends_with(expected), "{text}");
}

/// With its arguments in place, a call's frame is the rendered call.
#[test]
fn a_frame_and_arguments_make_the_rendered_call() {
    let smol = ChatTemplate::of(&tokenizer("smollm2-135m")).expect("a template");
    let source = "{% for m in messages %}<{{ m.role }}>\n{{ m.content }}{% for call in m.tool_calls %}{% set f = call.function %}\
        \n{\"call\": \"{{ f.name }}\", \"with\": {{ f.arguments | tojson }}}{% endfor %}{% endfor %}\
        {% if add_generation_prompt %}<assistant>\n{% endif %}";
    let json = ChatTemplate::new(source, None, None).expect("a template");
    for template in [smol, json] {
        for content in ["", "I look."] {
            let messages = [Message::user("x")];
            let frame = template
                .call_frame(&messages, content, &[], Some("c1".into()), "look", &[])
                .expect("a frame");
            let call = ToolCall::new(Some("c1".into()), "look", serde_json::json!({}));
            let whole = [messages[0].clone(), Message::calls(content, vec![call])];
            let text = template.render(&Chat::whole(&whole)).expect("rendered");
            let opened = template.render(&Chat::turn(&messages)).expect("rendered");
            assert!(frame.before.starts_with(opened.trim_end()), "{}", frame.before);
            assert!(text.starts_with(&format!("{}{{}}", frame.before)), "{text}\n{frame:?}");
        }
    }
}

/// Ours shows arguments a second time as `name=value`, which no grammar of JSON describes.
#[test]
fn a_template_with_another_form_of_arguments_is_refused() {
    let error = own()
        .0
        .call_frame(&[Message::user("x")], "", &[], None, "look", &[])
        .expect_err("refused")
        .to_string();
    assert!(error.contains("as a JSON object"), "{error}");
}

#[test]
fn templates_that_are_wrong_say_where() {
    let error = ChatTemplate::new("a\n{% if %}", None, None).expect_err("no Jinja").to_string();
    assert!(error.contains("line 2"), "{error}");
    let refuses = "{{ raise_exception('roles must alternate') }}";
    let render = |source: &str| {
        ChatTemplate::new(source, None, None).expect("a template").render(&Chat::turn(&[Message::user("x")]))
    };
    let error = render(refuses).expect_err("refused").to_string();
    assert!(error.contains("roles must alternate"), "{error}");
    let endless = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
    assert!(matches!(render(endless), Err(LmError::Chat(_))));
    let long = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}";
    assert!(matches!(render(long), Err(LmError::Chat(_))));
    assert_eq!(render("{{ strftime_now('%Y') | length }}").expect("a year"), "4");
}
