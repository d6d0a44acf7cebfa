//! Calls in messages of their own: JSON under the tool's schema, returned to the caller.

use crate::elsewhere::{same_with, served, tells_the_same};
use crate::mock::Mock;
use lm::{ChatTemplate, FrozenLm, Message};
use serde_json::{Value, json};
use std::sync::Arc;
use toolken_decode::{
    Arguments, Conversation, Engine, Event, Extended, Finish, Generation, Prompt, Request, Session,
    SessionSettings, Settings, Taught, WorkedCall,
};
use tools::{Tool, ToolSet};

const TEMPLATE: &str = "{% for t in tools or [] %}[{{ t.function.description }}]{% endfor %}{% for m in messages %}{{ m.role }}: {{ m.content }}{% for c in m.tool_calls or [] %}\
    <c>{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments | tojson }}}</c>{% endfor %}</s>\
    {% endfor %}{% if add_generation_prompt %}bot: {% endif %}";

fn chat(mock: &Mock, messages: Vec<Message>, settings: Settings) -> Request {
    let template = ChatTemplate::new(TEMPLATE, None, None).unwrap().shielding(mock.tokenizer());
    let conversation = Conversation { template, messages, tools: Vec::new(), parallel_calls: true };
    Request { settings, ..Request::new(Prompt::Chat(conversation)) }
}

/// A tool named `lamp` with these properties, all required.
fn lamp(properties: Value) -> ToolSet {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    let schema = json!({"type": "object", "properties": properties, "required": required});
    ToolSet::new(vec![Tool::client("lamp", "", schema)]).unwrap()
}

fn run(mock: &Mock, tools: &ToolSet, request: Request) -> Generation {
    Engine::new(mock, &mock.head(), tools).unwrap().run(&[request]).unwrap().remove(0)
}

fn calls(generation: &Generation) -> Vec<(String, Value)> {
    let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    generation.client_calls().map(|(_, call)| (call.tool.clone(), read(&call.arguments))).collect()
}

/// What the model wants to write is not JSON at all; what comes out is, and by the schema.
#[test]
fn arguments_are_written_under_the_schema() {
    let mock =
        Mock::new(&["lamp"]).scores("bot: ", &[("@lamp", 5.0)]).scores("on\": ", &[("z", 9.0), ("f", 5.0)]);
    let tools = lamp(json!({"on": {"type": "boolean"}}));
    let generation = run(&mock, &tools, chat(&mock, vec![Message::user("Hi")], Settings::default()));
    assert_eq!(generation.finish, Finish::Calls);
    assert_eq!(calls(&generation), [("lamp".to_owned(), json!({"on": false}))]);
    assert_eq!(generation.text, "");
}

/// A model that never closes its string: the call ends in time all the same, is valid, and is said to be cut off.
#[test]
fn arguments_come_to_an_end_before_their_limit() {
    let mock = Mock::new(&["lamp"])
        .scores("bot: ", &[("@lamp", 5.0)])
        .scores("a", &[("a", 5.0)])
        .scores("\": \"", &[("a", 5.0)]);
    let tools =
        lamp(json!({"colour": {"type": "string"}, "list": {"type": "array", "items": {"type": "integer"}}}));
    let settings = Settings { max_argument_tokens: 80, ..Settings::default() };
    let generation = run(&mock, &tools, chat(&mock, vec![Message::user("Hi")], settings));
    assert_eq!(generation.finish, Finish::MaxTokens);
    let [(tool, arguments)] = &calls(&generation)[..] else { panic!("{generation:?}") };
    assert_eq!(tool, "lamp");
    let colour = arguments["colour"].as_str().unwrap();
    assert!(colour.len() > 30 && colour.bytes().all(|byte| byte == b'a'), "{arguments}");
    assert_eq!(arguments["list"], json!([]));
}

/// The context is a limit like others: arguments are brought to their end before it.
#[test]
fn arguments_come_to_an_end_before_the_context_is_full() {
    let mock = Mock::new(&["lamp"])
        .scores("bot: ", &[("@lamp", 5.0)])
        .scores("a", &[("a", 5.0)])
        .scores("\": \"", &[("a", 5.0)]);
    let tools = lamp(json!({"colour": {"type": "string"}}));
    let mut whole = 0;
    for room in 1..120 {
        let settings = Settings { arguments: Arguments::InPlace, ..Settings::default() };
        let request = chat(&mock, vec![Message::user("Hi")], settings);
        let prompt = run(&mock, &tools, request.clone()).tokens.prompt;
        let extended = Extended::new(&mock, &mock.head(), &tools, None).unwrap().within(prompt + room);
        let mut session = Session::new(&mock, SessionSettings::default());
        session.admit(0, request, Arc::new(extended)).unwrap();
        let mut done = None;
        while !session.is_empty() {
            session.step(&mut |_, told| {
                if let Event::Done(generation) = told.unwrap() {
                    done = Some(generation);
                }
            });
        }
        let generation = done.unwrap();
        let made = calls(&generation).len();
        assert!(made == 1 || generation.tokens.failed_calls == 1, "{room}: {generation:?}");
        assert_eq!(
            generation.finish == Finish::MaxTokens,
            made == 1 || generation.tokens.arguments > 0,
            "{room}: {generation:?}"
        );
        whole += made;
    }
    assert!(whole > 60, "{whole}");
}

/// An answer that is to be JSON may be put off by a call, if that beats what the model would freely say; the few words that JSON
/// begins with are no rivals.
#[test]
fn a_call_may_come_before_an_answer_in_json() {
    let tools = lamp(json!({"on": {"type": "boolean"}}));
    let answered = |lamp: f32| {
        let mock = Mock::new(&["lamp"]).scores("bot: ", &[("@lamp", lamp), ("z", 4.0)]);
        let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
        let request = chat(&mock, vec![Message::user("Hi")], Settings::default());
        run(&mock, &tools, Request { schema: Some(schema), ..request })
    };
    let called = answered(5.0);
    assert_eq!((called.finish.clone(), calls(&called).len()), (Finish::Calls, 1), "{called:?}");
    let said = answered(3.0);
    assert_eq!((said.text.as_str(), calls(&said).len()), ("{}", 0), "{said:?}");
}

/// A limit that is too narrow for any valid call: none is returned.
#[test]
fn a_call_that_no_haste_can_save_is_not_returned() {
    let mock = Mock::new(&["lamp"]).scores("bot: ", &[("@lamp", 5.0)]);
    let tools = lamp(json!({"colour": {"enum": ["ultramarine"]}}));
    let settings = Settings { max_argument_tokens: 10, ..Settings::default() };
    let generation = run(&mock, &tools, chat(&mock, vec![Message::user("Hi")], settings));
    assert_eq!((generation.finish.clone(), calls(&generation)), (Finish::MaxTokens, vec![]));
    assert_eq!(generation.tokens.failed_calls, 1);
}

/// Whoever writes a control token into a message writes text.
#[test]
fn control_tokens_in_a_message_are_text() {
    let mock = Mock::new(&["lamp"]);
    let tools = lamp(json!({}));
    let prompt = |text: &str| {
        run(&mock, &tools, chat(&mock, vec![Message::user(text)], Settings::default())).tokens.prompt
    };
    assert_eq!(prompt("a</s>b"), prompt("a") + "</s>b".len());
    assert_eq!(prompt("<|mark|>"), prompt("") + "<|mark|>".len());
}

/// Worked calls are turns behind the instructions, where the template takes them and there is room; they speak of arguments alone.
#[test]
fn arguments_can_be_written_after_worked_calls() {
    let worked = "user: Dark!</s>assistant: <c>{\"name\": \"lamp\", \"arguments\": {\"on\": false}}</c></s>";
    let opened = "user: Hi</s>assistant: <c>{\"name\": \"lamp\", \"arguments\": {\"on\": ";
    let mock = |context| {
        Mock::new(&["lamp"])
            .context(context)
            .scores("user: Hi</s>bot: ", &[("@lamp", 5.0)])
            .scores("on\": ", &[("t", 5.0)])
            .scores(&format!("system: Be brief.</s>{worked}{opened}"), &[("f", 5.0)])
    };
    let tools = lamp(json!({"on": {"type": "boolean"}}));
    let written = |context, shown: &str, template: &str| {
        let mock = mock(context);
        let calls_shown = vec![WorkedCall { user: shown.into(), arguments: json!({"on": false}) }];
        let extended = Extended::new(&mock, &mock.head(), &tools, None).unwrap();
        let extended = Arc::new(
            extended.taught([("lamp".to_owned(), Taught { calls: calls_shown, margin: 0.0 })].into()),
        );
        let mut session = Session::new(&mock, SessionSettings::default());
        let settings = Settings { arguments: Arguments::Examples, ..Settings::default() };
        let messages = vec![Message::system("Be brief."), Message::user("Hi")];
        let mut request = chat(&mock, messages, settings);
        let Prompt::Chat(chat) = &mut request.prompt else { unreachable!() };
        chat.template = ChatTemplate::new(template, None, None).unwrap();
        chat.parallel_calls = false;
        session.admit(0, request, extended).unwrap();
        let mut made = Vec::new();
        while !session.is_empty() {
            session.step(&mut |_, told| {
                if let Event::Done(generation) = told.unwrap() {
                    made = calls(&generation);
                }
            });
        }
        made.remove(0).1["on"].as_bool().unwrap()
    };
    assert!(!written(1_000, "Dark!", TEMPLATE));
    assert!(written(1_000, "Night!", TEMPLATE), "what is shown is what counts");
    let room = "system: Be brief.</s>".len() + opened.len() + worked.len();
    assert!(written(room, "Dark!", TEMPLATE), "without room they are left out");
    let strict = "{% if messages | length > 3 %}{{ raise_exception('too many turns') }}{% endif %}"
        .to_owned()
        + TEMPLATE;
    assert!(written(1_000, "Dark!", &strict), "a template that does not take them goes without");
}

/// A turn of several calls, with words before them, is the same at an engine elsewhere, whatever the limits, and is told in the same
/// order. (Where arguments are written after a definition, an engine keeps its own count of what is read beside the text.)
#[test]
fn an_engine_elsewhere_makes_the_same_calls() {
    let call =
        |name: &str, on: &str| format!("<c>{{\"name\": \"{name}\", \"arguments\": {{\"on\": {on}}}}}</c>");
    let first = format!("Well, {}", call("lamp", "true"));
    let mock = Mock::new(&["lamp", "fan"])
        .says("bot: ", "Well, ")
        .scores("Well, ", &[("@lamp", 5.0)])
        .scores(&first, &[("@fan", 5.0)])
        .scores(&format!("{first}{}", call("fan", "false")), &[("@lamp", 5.0)])
        .scores("on\": ", &[("t", 5.0)])
        .scores("\"fan\", \"arguments\": {\"on\": ", &[("f", 5.0)]);
    let schema = json!({"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]});
    let tools = ["lamp", "fan"].map(|name| Tool::client(name, "", schema.clone()));
    let tools = ToolSet::new(tools.to_vec()).unwrap();
    let said = |settings: Settings| {
        let request = chat(&mock, vec![Message::user("Hi")], settings);
        let mut here = run(&mock, &tools, request.clone());
        let made = (here.finish.clone(), calls(&here).len());
        if request.settings.arguments == Arguments::InPlace {
            same_with(&mock, &tools, std::slice::from_ref(&request), std::slice::from_ref(&here));
            if here.finish == Finish::Calls {
                tells_the_same(&mock, &tools, &request);
            }
        }
        here.decisions.clear();
        (made.0, made.1, here.text)
    };
    let all = Settings::default;
    for arguments in [Arguments::InPlace, Arguments::Definition] {
        // The third call would be the first again, and the turn ends with it.
        assert_eq!(said(Settings { arguments, ..all() }), (Finish::Calls, 3, "Well, ".to_owned()));
        assert_eq!(said(Settings { arguments, max_calls: 1, ..all() }).1, 1);
        assert_eq!(said(Settings { arguments, max_tokens: 7, ..all() }).1, 1);
    }
    // What is left of a limit on all tokens bounds a call, and ends the turn.
    let one = "{\"on\": true}".len();
    let (finish, made, _) = said(Settings { max_total: Some(8 + 2 * one), ..all() });
    assert_eq!((finish, made), (Finish::MaxTokens, 1), "the second call does not fit");
    let (finish, made, text) = said(Settings { max_total: Some(8 + one / 2), ..all() });
    assert_eq!((finish, made, text.as_str()), (Finish::MaxTokens, 0, "Well, "));
    assert_eq!(said(Settings { max_total: Some(3), ..all() }), (Finish::MaxTokens, 0, "Wel".to_owned()));
}

/// A parameter that may be left out is left out unless it is more likely by the margin; one that must be there is written whatever the
/// margin. What the model holds of such places can be asked for.
#[test]
fn an_object_goes_on_only_if_that_is_likelier_by_a_margin() {
    let mock = Mock::new(&["lamp"])
        .scores("bot: ", &[("@lamp", 5.0)])
        .scores("on\": ", &[("t", 5.0)])
        .scores("true", &[(",", 3.0), ("}", 1.5)])
        .scores("dim\": ", &[("1", 5.0)])
        .scores("dim\": 1", &[("2", 1.0), ("}", 0.9), (",", 0.9)])
        .scores("dim\": 12", &[(",", 1.0), ("}", 0.9)]);
    let schema = json!({"type": "object", "properties": {
        "on": {"type": "boolean"}, "dim": {"type": "integer"}, "red": {"type": "boolean"}}, "required": ["on"]});
    let tools = |required: Value| {
        let mut schema = schema.clone();
        schema["required"] = required;
        ToolSet::new(vec![Tool::client("lamp", "", schema)]).unwrap()
    };
    let conversation = || match chat(&mock, vec![Message::user("Hi")], Settings::default()).prompt {
        Prompt::Chat(chat) => chat,
        _ => unreachable!(),
    };
    let written = |tools: &ToolSet, arguments, margin| {
        let taught = Taught { calls: Vec::new(), margin };
        let extended = Extended::new(&mock, &mock.head(), tools, None).unwrap();
        let extended = Arc::new(extended.taught([("lamp".to_owned(), taught)].into()));
        let mut session = Session::new(&mock, SessionSettings::default());
        let settings = Settings { arguments, ..Settings::default() };
        session.admit(0, chat(&mock, vec![Message::user("Hi")], settings), extended).unwrap();
        let mut made = Vec::new();
        while !session.is_empty() {
            session.step(&mut |_, told| {
                if let Event::Done(generation) = told.unwrap() {
                    made = calls(&generation);
                }
            });
        }
        made.remove(0).1
    };
    let free = tools(json!(["on"]));
    // A number's next digit beats what follows it, if not by much: the margin must not turn 12 into 1 or 1 into 12.
    assert_eq!(written(&free, Arguments::Examples, 0.0)["dim"], json!(12));
    assert_eq!(written(&free, Arguments::Examples, 1.4)["dim"], json!(12));
    assert_eq!(written(&free, Arguments::Examples, 1.6), json!({"on": true}));
    assert_eq!(written(&free, Arguments::Definition, 1.6)["dim"], json!(12), "it goes with the worked calls");
    assert_eq!(
        written(&tools(json!(["on", "dim"])), Arguments::Examples, 9.0),
        json!({"on": true, "dim": 12})
    );

    // An engine elsewhere writes without the margin; where its object should have ended, it ends.
    let there = |tools: &ToolSet, margin| {
        let mock: &'static Mock = Box::leak(Box::new(mock.copy()));
        let taught = Taught { calls: Vec::new(), margin };
        let extended = Extended::new(mock, &mock.head(), tools, None).unwrap();
        let extended = Arc::new(extended.taught([("lamp".to_owned(), taught)].into()));
        let mut session = Session::new(mock, SessionSettings::default()).served_by(served(mock, 1000));
        let settings = Settings { arguments: Arguments::Examples, ..Settings::default() };
        session.admit(0, chat(mock, vec![Message::user("Hi")], settings), extended).unwrap();
        let mut made = Vec::new();
        while !session.is_empty() {
            session.step(&mut |_, told| {
                if let Event::Done(generation) = told.unwrap() {
                    made = calls(&generation);
                }
            });
        }
        made.remove(0).1
    };
    for margin in [0.0, 1.4, 1.6] {
        assert_eq!(there(&free, margin), written(&free, Arguments::Examples, margin), "{margin}");
    }
    assert_eq!(there(&tools(json!(["on", "dim"])), 9.0), json!({"on": true, "dim": 12}));
    // What must be there comes first.
    let first = there(&tools(json!(["dim"])), 0.0);
    assert_eq!(first.as_object().unwrap().keys().next().unwrap(), "dim");

    let extended = Extended::new(&mock, &mock.head(), &free, None).unwrap();
    let mut sequence = mock.begin();
    let mut places = |arguments: &str| {
        let places = extended.boundaries(conversation(), "lamp", &[], arguments, &mut sequence).unwrap();
        places.iter().map(|place| (place.odds, place.goes_on)).collect::<Vec<_>>()
    };
    assert_eq!(places("{\"on\": true}"), [(1.5, false)]);
    assert_eq!(places("{\"on\": true, \"dim\": 1}"), [(1.5, true), (0.0, false)]);
    assert_eq!(
        places("{\"on\": true, \"red\": true}"),
        [(1.5, true)],
        "the last has nothing left to leave out"
    );
    assert_eq!(places("{\"off\": 1}"), [], "what the tool does not take says nothing");
}

/// The definition is before the model while it writes arguments, and gone when it decides again; in a session it is read once.
#[test]
fn arguments_can_be_written_after_the_tools_definition() {
    let opened = "user: Hi</s>assistant: <c>{\"name\": \"lamp\", \"arguments\": {\"on\": ";
    let mock = Mock::new(&["lamp", "fan"])
        .scores("bot: ", &[("@lamp", 5.0)])
        .scores("on\": ", &[("t", 5.0)])
        .scores(&format!("[dark]{opened}"), &[("f", 5.0)])
        .scores(&format!("[dark]{opened}false}}}}</c>"), &[("@fan", 5.0)]);
    let schema = json!({"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]});
    let tools = ["lamp", "fan"].map(|name| Tool::client(name, "dark", schema.clone()));
    let tools = ToolSet::new(tools.to_vec()).unwrap();
    let request = |arguments| {
        let settings = Settings { arguments, ..Settings::default() };
        chat(&mock, vec![Message::user("Hi")], settings)
    };
    let lamp = |on: bool| [("lamp".to_owned(), json!({ "on": on }))];
    let generation = run(&mock, &tools, request(Arguments::InPlace));
    assert_eq!((&calls(&generation)[..], generation.tokens.aside), (&lamp(true)[..], 0));
    let generation = run(&mock, &tools, request(Arguments::Definition));
    assert_eq!(calls(&generation), lamp(false));
    assert_eq!(generation.finish, Finish::Calls);

    let extended = Arc::new(Extended::new(&mock, &mock.head(), &tools, None).unwrap());
    let mut session = Session::new(&mock, SessionSettings::default());
    let mut aside = Vec::new();
    for key in 0..2 {
        session.admit(key, request(Arguments::Definition), Arc::clone(&extended)).unwrap();
        while !session.is_empty() {
            session.step(&mut |_, told| {
                if let Event::Done(generation) = told.unwrap() {
                    assert_eq!(calls(&generation), lamp(false));
                    aside.push(generation.tokens.aside);
                }
            });
        }
    }
    assert_eq!(aside[0], generation.tokens.aside);
    assert!(aside[0] > opened.len() / 2 && aside[1] == 1, "{aside:?}");
}
