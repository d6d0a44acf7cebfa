//! What examples teach of arguments: calls that a model reads before it writes its own, and how far to trust its wish to fill in
//! what need not be there.

use crate::report::Restraint;
use crate::written::written;
use crate::{Example, Examples, FitError, UserMessage};
use decode::{Boundary, Conversation, DecodeError, Extended, Grammars, Taught, WorkedCall};
use lm::{ChatTemplate, FrozenLm, Message, Role, python_json};
use serde_json::Value;
use std::collections::BTreeMap;
use tools::ToolSet;

/// Worked calls that are shown of a tool: so many examples of it, in their order.
const SHOWN: usize = 4;
/// Calls that are read to choose the margin, at most; and of one tool.
const READ: (usize, usize) = (48, 2);
/// How far from 0 a margin is expected to be before anything is known: the standard deviation of a normal prior, in log odds.
const EXPECTED: f64 = 2.0;

/// What is known of the arguments of these tools: their examples' calls, the first four of each, and the fit's
/// [margin](Restraint::margin).
pub fn taught(examples: &Examples, tools: &ToolSet, margin: f32) -> BTreeMap<String, Taught> {
    let mut known = calls(examples, tools, SHOWN);
    let taught = |name: &str| {
        let calls = known.remove(name).unwrap_or_default();
        (name.to_owned(), Taught { calls, margin })
    };
    tools.names().map(taught).collect()
}

/// The first calls of each tool in these examples: those whose message asks for one call, and whose arguments are known and what the
/// tool takes.
fn calls(examples: &Examples, tools: &ToolSet, most: usize) -> BTreeMap<String, Vec<WorkedCall>> {
    let mut calls: BTreeMap<String, Vec<WorkedCall>> = BTreeMap::new();
    let Ok(grammars) = Grammars::of_bytes() else { return calls };
    for (user, name, arguments) in examples.0.iter().filter_map(known) {
        let calls = calls.entry(name.to_owned()).or_default();
        if let Some(tool) = tools.by_name(name).filter(|_| calls.len() < most)
            && let Ok(arguments) = written(&grammars, &tool.parameters, arguments)
        {
            calls.push(WorkedCall { user: user.to_owned(), arguments });
        }
    }
    calls
}

/// Chooses the margin on calls of the examples, each read after others of its tool. None where no call has a place at which
/// there might have been another parameter.
///
/// # Errors
/// The model's.
pub(crate) fn restraint(
    lm: &dyn FrozenLm,
    extended: &Extended<'_>,
    examples: &Examples,
    tools: &ToolSet,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Option<Restraint>, FitError> {
    let template = ChatTemplate::of(lm.tokenizer())?;
    let known = calls(examples, tools, usize::MAX);
    let open = |name: &str| tools.by_name(name).is_some_and(|tool| leaves_open(&tool.parameters));
    let choice: Vec<(&String, &Vec<WorkedCall>)> = known.iter().filter(|(name, _)| open(name)).collect();
    let of = |back: usize| {
        choice
            .iter()
            .filter(move |(_, calls)| calls.len() > back)
            .map(move |(name, calls)| (*name, *calls, calls.len() - back))
    };
    let mut read: Vec<_> = (1..=READ.1).flat_map(of).take(READ.0).collect();
    read.sort_by_key(|(name, _, _)| *name);
    let mut places: Vec<Boundary> = Vec::new();
    let mut sequence = lm.begin();
    for (done, (name, calls, at)) in read.iter().enumerate() {
        let shown: Vec<WorkedCall> = calls
            .iter()
            .enumerate()
            .filter(|(i, _)| i != at)
            .map(|(_, call)| call.clone())
            .take(SHOWN)
            .collect();
        let conversation = Conversation {
            template: template.clone(),
            messages: vec![Message::user(calls[*at].user.as_str())],
            tools: Vec::new(),
            parallel_calls: false,
        };
        let arguments = python_json(&calls[*at].arguments);
        match extended.boundaries(conversation, name, &shown, &arguments, &mut sequence) {
            Ok(found) => places.extend(found),
            // As when it is made: a call that the template or the context does not take fails by itself.
            Err(DecodeError::Request { .. }) => {}
            Err(e) => return Err(e.into()),
        }
        progress(done + 1, read.len());
    }
    let margin = calibrated(&places);
    let right = |margin: f32| {
        let right = places.iter().filter(|place| (place.odds > margin) == place.goes_on).count();
        right as f64 / places.len() as f64
    };
    Ok((!places.is_empty()).then(|| Restraint {
        calls: read.len(),
        places: places.len(),
        right_without: right(0.0),
        right: right(margin),
        margin,
    }))
}

/// The likeliest margin m ≥ 0, where each place goes on with probability σ(odds − m) and m itself is from a normal distribution about
/// 0: the root of Σ σ(odds − m) − Σ goes on = m / σ².
fn calibrated(places: &[Boundary]) -> f32 {
    let wanted = places.iter().filter(|place| place.goes_on).count() as f64;
    let too_low = |margin: f64| {
        let expected: f64 =
            places.iter().map(|place| 1.0 / (1.0 + (margin - f64::from(place.odds)).exp())).sum();
        expected - wanted > margin / (EXPECTED * EXPECTED)
    };
    let (mut low, mut high) = (0.0, 64.0);
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if too_low(middle) { low = middle } else { high = middle }
    }
    low as f32
}

/// Whether somewhere in a schema there is a property that need not be there.
fn leaves_open(schema: &Value) -> bool {
    match schema {
        Value::Object(object) => {
            let required = |name: &String| {
                schema["required"]
                    .as_array()
                    .is_some_and(|names| names.iter().any(|required| required == name))
            };
            let properties = object.get("properties").and_then(Value::as_object);
            properties.is_some_and(|properties| !properties.keys().all(required))
                || object.values().any(leaves_open)
        }
        Value::Array(values) => values.iter().any(leaves_open),
        _ => false,
    }
}

/// Refuses arguments that the tool of an example does not take.
pub(crate) fn check(examples: &Examples, tools: &ToolSet) -> Result<(), FitError> {
    let grammars = Grammars::of_bytes().map_err(FitError::Input)?;
    for (i, example) in examples.0.iter().enumerate() {
        let Example::Message(UserMessage { tool, arguments: Some(arguments), .. }) = example else {
            continue;
        };
        let fault = |what: String| FitError::Input(format!("example {}: {what}", i + 1));
        let Some(tool) = tool.as_deref().and_then(|name| tools.by_name(name)) else {
            return Err(fault("there are `arguments` and no tool that they are of".to_owned()));
        };
        written(&grammars, &tool.parameters, arguments)
            .map_err(|why| fault(format!("`arguments` of `{}`: {why}", tool.name)))?;
    }
    Ok(())
}

/// What a user said first, and the one call that answers it.
fn known(example: &Example) -> Option<(&str, &str, &Value)> {
    match example {
        Example::Message(message) => {
            Some((message.user.as_str(), message.tool.as_deref()?, message.arguments.as_ref()?))
        }
        Example::Chat(chat) => {
            // What follows earlier turns may mean them.
            let first = chat.messages.iter().position(|message| message.role == Role::User)?;
            match &chat.messages.get(first + 1)?.tool_calls[..] {
                [call] => {
                    let said = &chat.messages[first].content;
                    Some((said.as_str(), call.function.name.as_str(), &call.function.arguments))
                }
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tools::Tool;

    fn tools() -> ToolSet {
        let timer = json!({"type": "object", "properties": {
            "seconds": {"type": "integer", "minimum": 1}, "label": {"type": "string"},
            "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
        }, "required": ["seconds"], "$defs": {"step": {"type": "object", "properties": {
            "at": {"type": "integer"}, "say": {"type": "string"}}}}});
        ToolSet::new(vec![Tool::client("timer", "Starts a timer.", timer)]).unwrap()
    }

    fn message(arguments: Value) -> Example {
        Example::Message(UserMessage {
            user: "Five minutes for the tea.".into(),
            tool: Some("timer".into()),
            assistant: None,
            arguments: Some(arguments),
        })
    }

    #[test]
    fn arguments_are_shown_in_the_order_in_which_they_are_written() {
        let said = json!({"steps": [{"say": "é \"stir\"", "at": 60}], "label": "tea", "seconds": 300});
        let calls = calls(&Examples(vec![message(said)]), &tools(), 1);
        let text = calls["timer"][0].arguments.to_string();
        assert_eq!(text, r#"{"seconds":300,"label":"tea","steps":[{"at":60,"say":"é \"stir\""}]}"#);
    }

    #[test]
    fn arguments_that_the_tool_does_not_take_are_refused() {
        for (arguments, fine) in [
            (json!({"seconds": 300}), true),
            (json!({"seconds": 300.0}), true),
            (json!({"seconds": 3e20}), false),
            (json!({"seconds": "300"}), false),
            (json!({"seconds": 0}), false),
            (json!({"label": "tea"}), false),
            (json!({"seconds": 300, "volume": 3}), false),
            (json!([300]), false),
        ] {
            let example = message(arguments.clone());
            let examples = Examples(vec![example]);
            assert_eq!(check(&examples, &tools()).is_ok(), fine, "{arguments}");
            let shown = &taught(&examples, &tools(), 1.5)["timer"];
            assert_eq!((shown.calls.len(), shown.margin), (usize::from(fine), 1.5));
        }
        let Example::Message(mut none) = message(json!({"seconds": 1})) else { unreachable!() };
        none.tool = None;
        assert!(check(&Examples(vec![Example::Message(none)]), &tools()).is_err());
    }

    #[test]
    fn conversations_and_messages_are_shown_up_to_a_number() {
        let chat: Example = serde_json::from_value(json!({"messages": [
            {"role": "user", "content": "Tea!"},
            {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "timer", "arguments": "{\"seconds\": 180}"}}]},
            {"role": "tool", "content": "ok"},
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": "Two more."},
            {"role": "assistant", "tool_calls": [
                {"type": "function", "function": {"name": "timer", "arguments": "{\"seconds\": 1}"}},
                {"type": "function", "function": {"name": "timer", "arguments": "{\"seconds\": 2}"}}]},
        ]}))
        .unwrap();
        let many = std::iter::once(chat).chain((1..9).map(|n| message(json!({"seconds": n})))).collect();
        let taught = taught(&Examples(many), &tools(), 0.0);
        let seconds: Vec<u64> =
            taught["timer"].calls.iter().map(|call| call.arguments["seconds"].as_u64().unwrap()).collect();
        assert_eq!(
            seconds,
            [180, 1, 2, 3],
            "two calls in one turn are none that the message asks for by itself"
        );
    }

    #[test]
    fn the_margin_is_what_many_places_say_and_little_of_what_few_say() {
        let place = |odds, goes_on| Boundary { odds, goes_on };
        // ln 3 too eager: at odds of 3 : 1 half of the calls go on.
        let even = [place(3f32.ln(), true), place(3f32.ln(), false)];
        assert!((calibrated(&even.repeat(10_000)) - 3f32.ln()).abs() < 1e-3);
        assert!((0.2..0.8).contains(&calibrated(&even)), "two places");
        assert_eq!(
            calibrated(&[place(1.0, true), place(-9.0, true)]),
            0.0,
            "never more eager than the model"
        );
        let alone = calibrated(&[place(2.0, false)]);
        assert!((1.5..3.0).contains(&alone), "one place is no reason to leave everything out: {alone}");
        assert_eq!(calibrated(&[]), 0.0);
    }
}
