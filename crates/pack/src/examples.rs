//! Examples of a pack: what users say when they want a tool, and what they say when they want none.

use crate::{FitError, error::write};
use lm::{Message, Role};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use tools::ToolSet;

/// The most bytes of an examples file.
const LARGEST_FILE: u64 = 64 << 20;
/// Ordinary conversation of our own writing.
const TALK: &str = include_str!("talk.jsonl");

/// One example, a line of `examples.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Example {
    /// A user's message, and the tool that answers it: `{"user": "…", "tool": "…"}`. Without a tool none is wanted.
    Message(UserMessage),
    /// A conversation in the layout of OpenAI's fine-tuning files: `{"messages": […]}`, with `tool_calls`.
    Chat(ChatExample),
}

/// A user's message and what it asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserMessage {
    /// What the user says.
    pub user: String,
    /// The tool that is to be called; none if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What the assistant says where no tool is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assistant: Option<String>,
    /// The arguments that the tool is to be called with: what the model is shown before it writes those of another call.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "arguments")]
    pub arguments: Option<Value>,
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatExample {
    /// The messages, calls included.
    pub messages: Vec<Message>,
}

/// The examples of a pack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examples(pub Vec<Example>);

/// Ordinary conversation in which no tool is wanted: of our own writing, part of every fit.
///
/// Some of it a tool could do: what is to be translated is talk unless there is a translator. Such a line gives way where a
/// word of its `unless` occurs in the name or description of one of the tools.
pub fn talk(tools: &ToolSet) -> Examples {
    let about: Vec<String> =
        tools.iter().map(|tool| format!("{} {}", tool.name, tool.description).to_lowercase()).collect();
    let stays = |unless: &[String]| !unless.iter().any(|word| about.iter().any(|text| text.contains(word)));
    let lines = TALK.lines().filter_map(|line| serde_json::from_str::<Talk>(line).ok());
    Examples(lines.filter(|line| stays(&line.unless)).filter_map(Talk::example).collect())
}

/// A line of the shipped talk.
#[derive(Deserialize)]
struct Talk {
    #[serde(default)]
    unless: Vec<String>,
    #[serde(flatten)]
    example: serde_json::Map<String, Value>,
}

impl Talk {
    fn example(self) -> Option<Example> {
        serde_json::from_value(self.example.into()).ok()
    }
}

impl Examples {
    /// Reads a file of JSON lines.
    ///
    /// # Errors
    /// [`FitError::File`] with the line; the system's.
    pub fn read(path: &Path) -> Result<Self, FitError> {
        let size = std::fs::metadata(path).map_err(|e| FitError::io(path, e))?.len();
        if size > LARGEST_FILE {
            let message = format!("{size} bytes, at most {LARGEST_FILE} are read");
            return Err(FitError::File { path: path.to_owned(), line: None, message });
        }
        Self::parse(path, &files::read_text(path).map_err(|e| FitError::io(path, e))?)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, FitError> {
        let mut examples = Vec::new();
        let text = text.trim_start_matches('\u{feff}');
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let fault =
                |message: String| FitError::File { path: path.to_owned(), line: Some(i + 1), message };
            let value = object(line).map_err(fault)?;
            let example = if value.get("messages").is_some() {
                serde_json::from_value(value).map(Example::Chat)
            } else {
                serde_json::from_value(value).map(Example::Message)
            };
            let example = example.map_err(|e| {
                fault(format!(
                    "{e}; expected {{\"user\": …, \"tool\": …, \"arguments\": …}} or {{\"messages\": […]}}"
                ))
            })?;
            if example.is_empty() {
                return Err(fault("`user` is empty".to_owned()));
            }
            examples.push(example);
        }
        Ok(Self(examples))
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// The system's.
    pub fn save(&self, path: &Path) -> Result<(), FitError> {
        let mut text = String::new();
        for example in &self.0 {
            let line = serde_json::to_string(example).map_err(|e| FitError::Input(e.to_string()))?;
            text += &(line + "\n");
        }
        write(path, text.as_bytes())
    }

    /// Messages that are examples of two tools, or of one and of none: each with both. A row cannot learn both.
    pub fn contradictions(&self) -> Vec<(&str, [Option<&str>; 2])> {
        let mut wanted: HashMap<&str, Option<&str>> = HashMap::new();
        let mut found = Vec::new();
        for example in &self.0 {
            let Example::Message(UserMessage { user, tool, .. }) = example else { continue };
            let (user, tool) = (user.trim(), tool.as_deref());
            match wanted.insert(user, tool) {
                Some(other) if other != tool => found.push((user, [other, tool])),
                _ => {}
            }
        }
        found
    }

    /// Refuses an example that names a tool which is not in the pack, or arguments that its tool does not take.
    ///
    /// # Errors
    /// The first, with what there is.
    pub fn check(&self, tools: &ToolSet) -> Result<(), FitError> {
        for (i, example) in self.0.iter().enumerate() {
            if example.is_empty() {
                return Err(FitError::Input(format!("example {}: `user` is empty", i + 1)));
            }
            if let Some(name) = example.tools().find(|name| tools.index(name).is_none()) {
                let known = tools.names().collect::<Vec<_>>().join(", ");
                return Err(FitError::Input(format!(
                    "example {}: there is no tool `{name}` in the pack; its tools are {known}",
                    i + 1
                )));
            }
        }
        crate::taught::check(self, tools)
    }
}

/// A line's JSON object.
pub(crate) fn object(line: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(line).map_err(|e| {
        // It says a line of its own, which is always the first.
        let fault = e.to_string().replace(" at line 1 column", " at column");
        format!("no JSON: {fault}; expected an object on each line")
    })?;
    match value {
        Value::Object(_) => Ok(value),
        Value::Array(_) => Err("an array: expected an object on each line (JSON lines)".to_owned()),
        _ => Err("expected a JSON object".to_owned()),
    }
}

/// Arguments: an object, or JSON of one in a string, as OpenAI's API has them.
fn arguments<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    let given = Option::<Value>::deserialize(from)?;
    let written = match &given {
        Some(Value::String(text)) => serde_json::from_str(text).ok(),
        _ => given.clone(),
    };
    match (given, written) {
        (None, _) => Ok(None),
        (_, Some(object @ Value::Object(_))) => Ok(Some(object)),
        (Some(given), _) => Err(serde::de::Error::custom(format!(
            "`arguments` is {given}: expected an object, or JSON of one in a string"
        ))),
    }
}

impl Example {
    /// Whether nothing is said.
    fn is_empty(&self) -> bool {
        matches!(self, Self::Message(message) if message.user.trim().is_empty())
    }

    /// Calls tools by other names than it did.
    pub fn rename_tools(&mut self, renamed: &dyn Fn(&str) -> Option<String>) {
        let rename = |name: &mut String| {
            if let Some(new) = renamed(name) {
                *name = new;
            }
        };
        match self {
            Self::Message(message) => message.tool.iter_mut().for_each(rename),
            Self::Chat(chat) => {
                for message in &mut chat.messages {
                    message.tool_calls.iter_mut().for_each(|call| rename(&mut call.function.name));
                }
            }
        }
    }

    /// The tools that it calls.
    pub fn tools(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Message(message) => Box::new(message.tool.as_deref().into_iter()),
            Self::Chat(chat) => Box::new(
                (chat.messages.iter().filter(|message| message.role == Role::Assistant))
                    .flat_map(|message| message.tool_calls.iter().map(|call| call.function.name.as_str())),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_talk_is_read_whole_and_calls_nothing() {
        let all = talk(&ToolSet::default());
        assert_eq!(all.0.len(), TALK.lines().count(), "every line is an example");
        assert!(all.0.iter().all(|example| example.tools().next().is_none()));
        let mut seen = std::collections::HashSet::new();
        assert!(all.0.iter().all(|example| seen.insert(format!("{example:?}"))), "no line stands twice");
    }

    #[test]
    fn talk_gives_way_to_a_tool_that_does_it() {
        let says = |talk: &Examples, part: &str| format!("{:?}", talk.0).contains(part);
        let translator =
            tools::Tool::client("to_french", "Translates a text.", serde_json::json!({"type": "object"}));
        let with = talk(&ToolSet::new(vec![translator]).unwrap());
        let without = talk(&ToolSet::default());
        assert!(says(&without, "Translate \\\"good night") && !says(&with, "Translate \\\"good night"));
        assert!(says(&with, "Tell me a joke"), "what it does not do stays");
    }

    #[test]
    fn a_message_that_wants_two_things_is_found() {
        let lines = r#"{"user": "a", "tool": "x"}
            {"user": "a ", "tool": "x"}
            {"user": "b", "tool": "x"}
            {"user": "b"}"#;
        let examples = Examples::parse(Path::new("x.jsonl"), lines).unwrap();
        assert_eq!(examples.contradictions(), [("b", [Some("x"), None])]);
    }

    #[test]
    fn arguments_may_be_json_in_a_string_as_the_api_has_them() {
        let read = |arguments: &str| {
            let line = format!(r#"{{"user": "u", "tool": "t", "arguments": {arguments}}}"#);
            Examples::parse(Path::new("x.jsonl"), &line).unwrap()
        };
        assert_eq!(read(r#""{\"n\": 3}""#), read(r#"{"n": 3}"#));
    }

    #[test]
    fn lines_that_are_no_examples_are_named() {
        for (text, part) in [
            ("{\"user\": \"hi\"}\n{", "line 2"),
            ("{\"user\": \"\"}", "`user` is empty"),
            ("{\"text\": \"hi\"}", "expected"),
            ("[{\"user\": \"hi\"}]", "an array"),
            ("user,tool", "an object on each line"),
            ("{\"user\": \"a\", \"tool\": \"b\", \"arguments\": \"{\"}", "`arguments` is"),
            ("{\"messages\": 3}", "line 1"),
        ] {
            let error = Examples::parse(Path::new("x.jsonl"), text).unwrap_err().to_string();
            assert!(error.contains(part) && error.starts_with("x.jsonl"), "{error}");
        }
    }
}
