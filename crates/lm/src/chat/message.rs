//! Messages in the layout of OpenAI's chat API, as requests and fine-tuning files have them.

use crate::tokenizer::Shield;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::borrow::Cow;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions for the whole conversation.
    #[serde(alias = "developer")]
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    #[serde(alias = "function")]
    Tool,
}

/// One message.
///
/// Reading is lenient where the API is: a content that is null or missing is empty, and one given in parts is joined if all
/// of them are text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    #[serde(default, deserialize_with = "text")]
    pub content: String,
    /// The calls that an assistant makes in this turn.
    #[serde(default, deserialize_with = "null_is_none", skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool's result answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// A tool's or speaker's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A call in an assistant's message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What its result refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `function`, the only type there is.
    #[serde(rename = "type", default = "function")]
    pub kind: String,
    /// What is called.
    pub function: Function,
}

/// A function's name and arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// The name.
    pub name: String,
    /// The arguments as a JSON object: templates expect the object, the API sends it as text, and both are read.
    #[serde(default = "no_arguments", deserialize_with = "arguments")]
    pub arguments: Value,
}

impl Message {
    /// A message that is text alone.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None, name: None }
    }

    /// Instructions.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new(Role::System, content)
    }

    /// What a person says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    /// What the model said.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(Role::Assistant, content)
    }

    /// What the model said, and the calls it then made.
    pub fn calls(content: impl Into<String>, calls: Vec<ToolCall>) -> Self {
        Self { tool_calls: calls, ..Self::assistant(content) }
    }

    /// The result of the call `id` to the tool `name`.
    pub fn tool(id: Option<String>, name: impl Into<String>, content: impl Into<String>) -> Self {
        Self { tool_call_id: id, name: Some(name.into()), ..Self::new(Role::Tool, content) }
    }
}

impl Message {
    /// Whether nothing in it spells a control token.
    pub(super) fn is_shielded(&self, shield: &Shield) -> bool {
        // Calls are rare and small: they are looked at where they are copied.
        let texts = [Some(&self.content), self.name.as_ref(), self.tool_call_id.as_ref()];
        self.tool_calls.is_empty()
            && texts.into_iter().flatten().all(|text| matches!(shield.text(text), Cow::Borrowed(_)))
    }

    /// The message with marks in the control tokens that it spells.
    pub(super) fn shielded(&self, shield: &Shield) -> Self {
        let text = |text: &String| shield.text(text).into_owned();
        let call = |call: &ToolCall| ToolCall {
            id: call.id.as_ref().map(text),
            kind: text(&call.kind),
            function: Function {
                name: text(&call.function.name),
                arguments: shielded(&call.function.arguments, shield),
            },
        };
        Self {
            role: self.role,
            content: text(&self.content),
            tool_calls: self.tool_calls.iter().map(call).collect(),
            tool_call_id: self.tool_call_id.as_ref().map(text),
            name: self.name.as_ref().map(text),
        }
    }
}

/// A value with marks in the control tokens that its texts and keys spell.
pub(super) fn shielded(value: &Value, shield: &Shield) -> Value {
    match value {
        Value::String(text) => Value::String(shield.text(text).into_owned()),
        Value::Array(items) => items.iter().map(|item| shielded(item, shield)).collect(),
        Value::Object(object) => (object.iter())
            .map(|(key, value)| (shield.text(key).into_owned(), shielded(value, shield)))
            .collect(),
        other => other.clone(),
    }
}

impl ToolCall {
    /// A call with its arguments, a JSON object.
    pub fn new(id: Option<String>, name: impl Into<String>, arguments: Value) -> Self {
        Self { id, kind: function(), function: Function { name: name.into(), arguments } }
    }
}

fn function() -> String {
    "function".to_owned()
}

fn no_arguments() -> Value {
    Value::Object(serde_json::Map::new())
}

fn null_is_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ToolCall>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        Value::Array(parts) => parts
            .iter()
            .map(|part| match (&part["type"], &part["text"]) {
                (Value::String(kind), Value::String(text)) if kind == "text" || kind == "input_text" => {
                    Ok(text.as_str())
                }
                (kind, _) => {
                    Err(D::Error::custom(format!("a content part of type {kind}: only text parts are read")))
                }
            })
            .collect(),
        _ => Err(D::Error::custom("expected a message's content as a string, a list of text parts, or null")),
    }
}

fn arguments<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let expected = "expected a call's arguments as a JSON object, or as text that holds one";
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(no_arguments()),
        Value::String(text) if text.trim().is_empty() => Ok(no_arguments()),
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(Value::Object(object)) => Ok(Value::Object(object)),
            Ok(_) => Err(D::Error::custom(expected)),
            Err(e) => Err(D::Error::custom(format!("{expected}; the text is no JSON: {e}"))),
        },
        Value::Object(object) => Ok(Value::Object(object)),
        _ => Err(D::Error::custom(expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_layouts_of_the_api_are_read() {
        let read = |value: Value| serde_json::from_value::<Message>(value);
        assert_eq!(read(json!({"role": "user", "content": "Hi"})).unwrap(), Message::user("Hi"));
        let parts = json!({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]});
        assert_eq!(read(parts).unwrap(), Message::user("ab"));
        let call = json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"b\": 1, \"a\": [2]}"}}]});
        let expected = ToolCall::new(Some("c1".into()), "f", json!({"b": 1, "a": [2]}));
        assert_eq!(read(call).unwrap(), Message::calls("", vec![expected]));
        let result = json!({"role": "tool", "tool_call_id": "c1", "content": "3", "tool_calls": null});
        assert_eq!(
            read(result).unwrap(),
            Message { name: None, ..Message::tool(Some("c1".into()), "", "3") }
        );
    }

    #[test]
    fn what_cannot_be_rendered_is_refused_with_a_reason() {
        let refused = |value: Value, reason: &str| {
            let error = serde_json::from_value::<Message>(value).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        };
        refused(json!({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}), "image_url");
        refused(json!({"role": "user", "content": 3}), "a list of text parts");
        refused(json!({"role": "robot", "content": ""}), "robot");
        let calling = |arguments: Value| json!({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]});
        refused(calling(json!("{\"a\": ")), "no JSON");
        refused(calling(json!("[1]")), "a JSON object");
        refused(calling(json!(1)), "a JSON object");
    }
}
