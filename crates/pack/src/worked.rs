//! Worked calls: what examples say of arguments, which a model reads before it writes its own.

use crate::context::python_json;
use crate::{Example, Examples, FitError};
use decode::{Grammars, WorkedCall};
use lm::Role;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tools::ToolSet;

/// Worked calls that are shown of a tool: so many examples of it, in their order.
const SHOWN: usize = 4;
/// References within references at most.
const DEEPEST: usize = 32;

/// The calls of these examples that are worked for a model, by tool: those whose message asks for one call, and whose arguments
/// are known and what the tool takes.
pub fn worked(examples: &Examples, tools: &ToolSet) -> BTreeMap<String, Vec<WorkedCall>> {
    let mut calls: BTreeMap<String, Vec<WorkedCall>> = BTreeMap::new();
    for (user, name, arguments) in examples.0.iter().flat_map(known) {
        let shown = calls.entry(name.to_owned()).or_default();
        if let Some(tool) = tools.by_name(name).filter(|_| shown.len() < SHOWN)
            && let Ok(arguments) = written(&tool.parameters, arguments)
        {
            shown.push(WorkedCall { user: user.to_owned(), arguments });
        }
    }
    calls
}

/// Refuses arguments that the tool of an example does not take.
pub(crate) fn check(example: &Example, tools: &ToolSet) -> Result<(), FitError> {
    let Example::Message(message) = example else { return Ok(()) };
    let Some(arguments) = &message.arguments else { return Ok(()) };
    let Some(tool) = message.tool.as_deref().and_then(|name| tools.by_name(name)) else {
        return Err(FitError::Input("there are `arguments` and no tool that they are of".to_owned()));
    };
    match written(&tool.parameters, arguments) {
        Ok(_) => Ok(()),
        Err(why) => Err(FitError::Input(format!(
            "`arguments` are not what `{}` takes: {why}; its parameters are {}",
            tool.name, tool.parameters
        ))),
    }
}

/// What users said, and the one call that answers it.
fn known(example: &Example) -> Vec<(&str, &str, &Value)> {
    match example {
        Example::Message(message) => {
            let call = message.tool.as_deref().zip(message.arguments.as_ref());
            call.into_iter().map(|(tool, arguments)| (message.user.as_str(), tool, arguments)).collect()
        }
        Example::Chat(chat) => (chat.messages.windows(2))
            .filter_map(|pair| match (&pair[0], &pair[1].tool_calls[..]) {
                (said, [call]) if said.role == Role::User => {
                    Some((said.content.as_str(), call.function.name.as_str(), &call.function.arguments))
                }
                _ => None,
            })
            .collect(),
    }
}

/// The arguments as a model has to write them: in the schema's order.
///
/// # Errors
/// That the schema does not allow them.
fn written(schema: &Value, arguments: &Value) -> Result<Value, String> {
    let ordered = in_order(arguments, schema, schema, 0);
    let text = python_json(&ordered);
    match Grammars::of_bytes()?.compile_parameters(schema)?.admits(&text) {
        true => Ok(ordered),
        false => Err(format!("the schema does not allow {text}")),
    }
}

/// A value with its properties in the order in which the schema lists them.
fn in_order(value: &Value, schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > DEEPEST {
        return value.clone();
    }
    if let Some(target) = schema["$ref"].as_str().and_then(|r| root.pointer(r.strip_prefix('#')?)) {
        return in_order(value, target, root, depth + 1);
    }
    let branches = ["anyOf", "oneOf", "allOf"].iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    let value = branches.fold(value.clone(), |value, branch| in_order(&value, branch, root, depth + 1));
    match value {
        Value::Array(items) => {
            items.iter().map(|item| in_order(item, &schema["items"], root, depth + 1)).collect()
        }
        Value::Object(mut object) => {
            let mut ordered = Map::new();
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                if let Some(value) = object.shift_remove(name) {
                    ordered.insert(name.clone(), in_order(&value, schema, root, depth + 1));
                }
            }
            ordered.extend(object);
            Value::Object(ordered)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::UserMessage;
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
        let calls = worked(&Examples(vec![message(said)]), &tools());
        let text = calls["timer"][0].arguments.to_string();
        assert_eq!(text, r#"{"seconds":300,"label":"tea","steps":[{"at":60,"say":"é \"stir\""}]}"#);
    }

    #[test]
    fn arguments_that_the_tool_does_not_take_are_refused() {
        for (arguments, fine) in [
            (json!({"seconds": 300}), true),
            (json!({"seconds": "300"}), false),
            (json!({"seconds": 0}), false),
            (json!({"label": "tea"}), false),
            (json!({"seconds": 300, "volume": 3}), false),
            (json!([300]), false),
        ] {
            let example = message(arguments.clone());
            assert_eq!(check(&example, &tools()).is_ok(), fine, "{arguments}");
            assert_eq!(worked(&Examples(vec![example]), &tools())["timer"].len(), usize::from(fine));
        }
        let Example::Message(mut none) = message(json!({"seconds": 1})) else { unreachable!() };
        none.tool = None;
        assert!(check(&Example::Message(none), &tools()).is_err());
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
        let calls = worked(&Examples(many), &tools());
        let seconds: Vec<u64> =
            calls["timer"].iter().map(|call| call.arguments["seconds"].as_u64().unwrap()).collect();
        assert_eq!(
            seconds,
            [180, 1, 2, 3],
            "two calls in one turn are none that the message asks for by itself"
        );
    }
}
