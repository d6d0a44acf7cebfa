//! What is chosen and where results go.

use crate::elsewhere::served;
use crate::mock::{Mock, ask, ask_with};
use std::collections::BTreeMap;
use toolken_decode::{
    Arguments, Calling, Counts, DecodeError, Engine, Finish, Insert, Insertion, Prompt, Request, Settings,
    Template,
};

/// Adds 2 and 3 after `A:`, then goes on.
fn adder() -> Mock {
    Mock::new(&["add", "multiply"])
        .scores("A:", &[("@add", 5.0), (" ", 3.0)])
        .says(" <add>(", "2, 3)")
        .says("A: 5", " in all.")
        .says("A: ", "five.")
}

#[test]
fn words_alone() {
    let mock = Mock::new(&["add"]).says("A:", " five.");
    let generation = mock.run(ask("Q: 2+3?\nA:"));
    assert_eq!(generation.text, " five.");
    assert_eq!(generation.finish, Finish::EndOfText);
    let prompt = 1 + "Q: 2+3?\nA:".len();
    assert_eq!(generation.tokens, Counts { prompt, chosen: 6, ..Counts::default() });
    assert_eq!(generation.decisions, []);
}

#[test]
fn a_call_leaves_its_result_and_nothing_else() {
    let generation = adder().run(ask("Q: 2+3?\nA:"));
    assert_eq!(generation.text, " 5 in all.");
    assert_eq!(generation.finish, Finish::EndOfText);
    let calls: Vec<_> = generation
        .calls()
        .map(|call| (call.tool.as_str(), call.arguments.as_str(), call.outcome.result()))
        .collect();
    assert_eq!(calls, [("add", "2, 3", Some("5"))]);
    let expected =
        Counts { prompt: 11, chosen: 9, results: 2, arguments: 5, aside: 0, calls: 1, failed_calls: 0 };
    assert_eq!(generation.tokens, expected);
}

#[test]
fn calls_follow_each_other_with_the_space_that_the_text_asks_for() {
    let mock = Mock::new(&["add", "multiply"])
        .says("A:", " 2+3=")
        .scores("2+3=", &[("@add", 5.0)])
        .says("=<add>(", "2, 3)")
        .says("2+3=5", ", twice is")
        .scores("=5, twice is", &[("@multiply", 5.0)])
        .says(" is <multiply>(", "5, 2)")
        .scores(" is 10", &[("@add", 5.0)])
        .says("10 <add>(", "10, 1)")
        .says(" is 10 11", ".");
    let generation = mock.run(ask("A:"));
    assert_eq!(generation.text, " 2+3=5, twice is 10 11.");
    assert_eq!(generation.calls().count(), 3);
}

#[test]
fn a_tie_goes_to_the_word_and_bias_and_offsets_tip_it() {
    let mock = Mock::new(&["add"])
        .scores("A:", &[("@add", 3.0), (" ", 3.0)])
        .says(" <add>(", "1, 1)")
        .says("A: ", "two");
    assert_eq!(mock.run(ask("A:")).text, " two");
    let bias = |bias| ask_with("A:", Settings { bias: Some(bias), ..Settings::default() });
    assert_eq!(mock.run(bias(0.1)).text, " 2");
    assert_eq!(mock.run(bias(-0.1)).text, " two");

    let tools = mock.tool_set();
    let mut head = mock.head();
    head.offsets[0] = 0.2;
    assert_eq!(Engine::new(&mock, &head, &tools).unwrap().run(&[ask("A:")]).unwrap()[0].text, " 2");
    head.bias = -0.3;
    assert_eq!(Engine::new(&mock, &head, &tools).unwrap().run(&[ask("A:")]).unwrap()[0].text, " two");
    // A request's own bias stands in the place of the head's.
    assert_eq!(Engine::new(&mock, &head, &tools).unwrap().run(&[bias(0.0)]).unwrap()[0].text, " 2");
}

#[test]
fn disabled_stays_disabled_whatever_the_bias() {
    let mock = Mock::new(&["add", "multiply"])
        .scores("A:", &[("@add", 5.0), ("@multiply", 4.0), ("x", 3.0), ("y", 2.0)])
        .says("<multiply>(", "2, 3)");
    let mut request = ask_with("A:", Settings { bias: Some(1e6), max_tokens: 1, ..Settings::default() });
    request.disabled_tools = vec!["add".into()];
    assert_eq!(mock.run(request.clone()).text, " 6");
    request.disabled_tools.push("multiply".into());
    assert_eq!(mock.run(request.clone()).text, "x");
    request.disabled_words = vec![mock.word("x")];
    assert_eq!(mock.run(request.clone()).text, "y");
    request.settings.calling = Calling::Force; // there is none to force
    assert_eq!(mock.run(request).text, "y");
}

#[test]
fn tools_can_be_switched_off() {
    let off = Settings { calling: Calling::Off, ..Settings::default() };
    let mock = adder();
    assert_eq!(mock.run(ask_with("A:", off)).text, " five.");
    assert_eq!(Engine::words_only(&mock).run(&[ask("A:")]).unwrap()[0].text, " five.");
}

#[test]
fn tools_can_be_kept_to_some_lines() {
    let mock = Mock::new(&["add"])
        .scores("A:", &[("@add", 5.0), ("x", 3.0)])
        .scores("A:x", &[("\n", 3.0)])
        .scores("A:x\n", &[("@add", 5.0), ("!", 3.0)])
        .scores("A:x\n!", &[("@add", 5.0), ("x", 3.0)])
        .says("<add>(", "2, 3)");
    let lines = Settings { in_lines: Some("!".into()), ..Settings::default() };
    let here = mock.run(ask_with("A:", lines.clone()));
    assert_eq!(here.text, "x\n! 5");
    let (head, tools) = (mock.head(), mock.tool_set());
    let mut there = Engine::new(&mock, &head, &tools).unwrap().served_by(served(&mock, 60)).unwrap();
    assert_eq!(there.run(&[ask_with("A:", lines)]).unwrap()[0].text, here.text, "by another engine");
}

#[test]
fn a_forced_call_comes_first_and_only_first() {
    let mock = Mock::new(&["add", "multiply"])
        .scores("A:", &[("@multiply", -3.0), ("@add", -4.0), ("x", 9.0)])
        .says("<multiply>(", "2, 3)")
        .scores("A: 6", &[("@add", 1.0), ("!", 2.0)]);
    assert_eq!(mock.run(ask("A:")).text, "x");
    let force = Settings { calling: Calling::Force, ..Settings::default() };
    assert_eq!(mock.run(ask_with("A:", force)).text, " 6!");
}

#[test]
fn a_number_is_not_lengthened_for_one_token() {
    let lengthening = [("7", 9.0), ("42", 8.0), (".5", 7.0), (".", 1.0)];
    let mock = Mock::new(&["add"])
        .scores("A:", &[("@add", 5.0)])
        .says(" <add>(", "2, 3)")
        .scores("A: 5", &lengthening)
        .scores("A: 5.", &lengthening)
        .scores("A: 5.7", &[(".", 1.0)]);
    assert_eq!(mock.run(ask("A:")).text, " 5.7.");
}

#[test]
fn literal_tools_put_down_their_own_text() {
    let mock = Mock::new(&["[WALK]", "<sofa>", "[END]"])
        .scores("Plan:\n", &[("@[WALK]", 5.0)])
        .scores("[WALK]", &[("@<sofa>", 5.0)])
        .says("<sofa>", "\n")
        .scores("<sofa>\n", &[("@[END]", 5.0)]);
    let generation =
        mock.run(ask_with("Plan:\n", Settings { stop: vec!["[END]".into()], ..Settings::default() }));
    assert_eq!(generation.text, "[WALK] <sofa>\n");
    assert_eq!(generation.finish, Finish::Stop { string: "[END]".into() });
    assert_eq!(generation.tokens.arguments, 0);
    assert!(generation.calls().all(|call| call.arguments.is_empty()));
}

fn demos() -> BTreeMap<String, Template> {
    let demo =
        |name: &str| Template::new(format!("Use <{name}>.\nQ: 1 1?\nA:<{name}>(1, 1)\nQ: [QUESTION]\nA:"));
    ["add", "multiply"].map(|name| (name.to_string(), demo(name))).into()
}

/// The model of the demos test: it writes arguments only where everything before them is as it should be.
fn demo_reader() -> Mock {
    Mock::new(&["add", "multiply"])
        .says("Think. Q: 2 3?\nA:", " It is")
        .scores(" It is", &[("@add", 5.0)])
        .says("Use <add>.\nQ: 1 1?\nA:<add>(1, 1)\nQ: 2 3?\nA: It is <add>(", "2, 3)")
        .says("Think. Q: 2 3?\nA: It is 5", ", twice=")
        .scores(", twice=", &[("@multiply", 5.0)])
        .says("Use <multiply>.\nQ: 1 1?\nA:<multiply>(1, 1)\nQ: 2 3?\nA: It is <add>(2, 3) = 5, twice=<multiply>(", "5, 2)")
        .says("Think. Q: 2 3?\nA: It is 5, twice=10", ".")
}

fn demo_request() -> Request {
    let settings = Settings { arguments: Arguments::Demos, ..Settings::default() };
    Request { question: Some("2 3?".into()), ..ask_with("Think. Q: 2 3?\nA:", settings) }
}

#[test]
fn worked_calls_stand_before_the_arguments_and_earlier_calls_are_written_out() {
    let mock = demo_reader();
    let (head, tools) = (mock.head(), mock.tool_set());
    let mut engine = Engine::new(&mock, &head, &tools).unwrap().demos(demos()).unwrap();
    let generation = engine.run(&[demo_request()]).unwrap().remove(0);
    assert_eq!(generation.text, " It is 5, twice=10.");
    assert_eq!(generation.tokens.failed_calls, 0);
}

#[test]
fn worked_calls_are_read_once() {
    let mock = demo_reader();
    let (head, tools) = (mock.head(), mock.tool_set());
    let mut engine = Engine::new(&mock, &head, &tools).unwrap().demos(demos()).unwrap();
    engine.run(&[demo_request()]).unwrap();
    let first = mock.tokens_read();
    engine.run(&[demo_request()]).unwrap();
    let second = mock.tokens_read();
    // The start token and the template up to the question, for two tools; and all of the prompt but its last token.
    let worked = 2
        + "Use <add>.\nQ: 1 1?\nA:<add>(1, 1)\nQ: ".len()
        + "Use <multiply>.\nQ: 1 1?\nA:<multiply>(1, 1)\nQ: ".len();
    let prompt = "Think. Q: 2 3?\nA:".len();
    assert_eq!(first - second, worked + prompt);
}

#[test]
fn raw_prompts_open_with_the_start_token_and_hold_no_special_ones() {
    let mock = Mock::new(&["add"]).says("<s>A:", "start").says("<|mark|>A:", "same text");
    assert_eq!(mock.run(ask("A:")).text, "start");
    let raw = mock.run(ask("<|mark|>A:"));
    let rendered = mock.run(Request::new(Prompt::Rendered("<|mark|>A:".into())));
    assert_eq!((raw.tokens.prompt, rendered.tokens.prompt), (1 + "<|mark|>A:".len(), 1 + "A:".len()));
}

#[test]
fn a_control_token_is_read_but_is_no_text() {
    let mock =
        Mock::new(&["add"]).says("A:", "a").scores("A:a", &[("<|mark|>", 5.0)]).says("A:a<|mark|>", "b");
    assert_eq!(mock.run(ask("A:")).text, "ab");
}

#[test]
fn requests_that_do_not_fit_the_tools_are_refused_by_name() {
    let mock = adder();
    let (head, tools) = (mock.head(), mock.tool_set());
    let mut engine = Engine::new(&mock, &head, &tools).unwrap();
    let mut refused = |request: Request| match engine.run(&[ask("A:"), request]) {
        Err(DecodeError::Request { index: 1, message }) => message,
        other => panic!("{other:?}"),
    };
    assert!(refused(Request { disabled_tools: vec!["sin".into()], ..ask("A:") }).contains("`sin`"));
    assert!(refused(demo_request()).contains("`add`"), "no worked calls");
    let mut engine = engine.demos(demos()).unwrap();
    let no_question = engine.run(&[Request { question: None, ..demo_request() }]).unwrap_err();
    assert!(no_question.to_string().contains("no question"), "{no_question}");
    let unknown = BTreeMap::from([("sin".to_string(), Template::new(""))]);
    assert!(
        matches!(engine.demos(unknown), Err(DecodeError::Mismatch(message)) if message.contains("`sin`"))
    );
}

#[test]
fn heads_and_tools_that_do_not_belong_together_are_refused() {
    let mock = adder();
    let mismatch = |head: &head::Head, tools: &tools::ToolSet| match Engine::new(&mock, head, tools) {
        Err(DecodeError::Mismatch(message)) => message,
        _ => panic!("they fit"),
    };
    let none = tools::ToolSet::new(Vec::new()).unwrap();
    assert!(mismatch(&mock.head(), &none).contains("`add`"));
    let schema = serde_json::json!({"type": "object", "properties": {"x": {"not": {}}}});
    let client = tools::ToolSet::new(vec![tools::Tool::client("add", "", schema)]).unwrap();
    assert!(mismatch(&mock.head(), &client).contains("the tool `add`: its schema cannot be enforced"));
    let narrow = head::Head::new(vec!["add".into()], lm::Matrix::zeros(1, 3)).unwrap();
    assert!(mismatch(&narrow, &mock.tool_set()).contains("width"));
}

/// A program that answers calls written in words: what it puts in is read, counted, and not lengthened.
#[test]
fn text_is_put_in_where_the_request_wants_it() {
    let insert = Insert::new(|text| {
        text.ends_with("add(2, 3)").then(|| Insertion { text: "=5".into(), numeric: true })
    });
    let mock = Mock::new(&[])
        .says("A:", " add(2, 3)")
        .scores("add(2, 3)=5", &[("7", 9.0), (".", 1.0)])
        .says("=5.", " So");
    let request = Request { insert: Some(insert.clone()), ..ask("A:") };
    let generation = Engine::words_only(&mock).run(std::slice::from_ref(&request)).unwrap().remove(0);
    assert_eq!(generation.text, " add(2, 3)=5. So");
    assert_eq!(generation.tokens.results, 2);
    // A stop string may end in what is put in, and several requests do not get in each other's way.
    let stopping =
        Request { settings: Settings { stop: vec!["=5".into()], ..Settings::default() }, ..request.clone() };
    let both = Engine::words_only(&mock).run(&[stopping, request]).unwrap();
    assert_eq!(both[0].text, " add(2, 3)");
    assert_eq!(both[0].finish, Finish::Stop { string: "=5".into() });
    assert_eq!(both[1].text, generation.text);
}
