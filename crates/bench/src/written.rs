//! Calls that a model writes in words: found in the text, run, and answered in the text.

use decode::{Insert, Insertion};
use fancy_regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::LazyLock;
use tools::{Outcome, ToolSet};

/// A call that was made, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallMade {
    /// The tool's name as it was written.
    pub tool: String,
    /// The arguments as they were written.
    pub arguments: String,
    /// Its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl CallMade {
    /// Runs a call in JSON; of one that is none its fault is what comes of it.
    pub fn run_json(tools: &ToolSet, call: &JsonCall) -> Self {
        let tool = call.name.as_str();
        let arguments = match &call.arguments {
            Ok(arguments) => arguments,
            Err((written, reason)) => {
                let (tool, arguments) = (tool.to_owned(), written.clone());
                return Self { tool, arguments, result: None, error: Some(reason.clone()) };
            }
        };
        let text = tools.by_name(tool).map_or_else(|| arguments.to_string(), |tool| tool.in_order(arguments));
        Self::run(tools, tool, &text)
    }

    /// Runs a call.
    pub fn run(tools: &ToolSet, tool: &str, arguments: &str) -> Self {
        let outcome = match tools.by_name(tool) {
            None => Err(format!("there is no tool `{tool}`")),
            Some(tool) => match tool.run(arguments) {
                Ok(Outcome::Done { text, .. }) => Ok(text),
                Ok(Outcome::Client) => Err("the caller must run this tool".into()),
                Err(e) => Err(e.to_string()),
            },
        };
        let (result, error) = match outcome {
            Ok(text) => (Some(text), None),
            Err(reason) => (None, Some(reason)),
        };
        Self { tool: tool.to_owned(), arguments: arguments.to_owned(), result, error }
    }
}

/// How calls in words look, and where their results go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `2+3=<add>(2, 3)` goes on with `=5`. A call that fails is left as it is: the model writes its result.
    InLine,
    /// `Action: <add>(2, 3)` goes on with `Observation: 5` on the next line, or with the error.
    Action,
}

static IN_LINE: LazyLock<Regex> = LazyLock::new(|| pattern(r"<([A-Za-z_][A-Za-z0-9_]*)>\(([^<>()\n]*)\)"));
static ACTION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"Action:\s*<?([A-Za-z_][A-Za-z0-9_]*)>?\(([^<>()\n]*)\)"));

fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of this file")
}

impl Form {
    /// The calls of a whole text, run again: tools always answer alike.
    pub fn calls(self, tools: &ToolSet, text: &str) -> Vec<CallMade> {
        let found = self.pattern().captures_iter(text).filter_map(Result::ok);
        found
            .map(|captures| {
                let part = |i| captures.get(i).map_or("", |m| m.as_str());
                CallMade::run(tools, part(1), part(2))
            })
            .collect()
    }

    /// What answers the calls of a generation as they are written.
    pub fn insert(self, tools: &ToolSet) -> Insert {
        let tools = tools.clone();
        Insert::new(move |text| self.answer(&tools, text))
    }

    fn pattern(self) -> &'static Regex {
        match self {
            Self::InLine => &IN_LINE,
            Self::Action => &ACTION,
        }
    }

    /// What follows a text, if it ends in a call.
    fn answer(self, tools: &ToolSet, text: &str) -> Option<Insertion> {
        // A token that closes the call may hold an equals sign or a line's end too.
        let ends = text.trim_end_matches(['=', ' ', '\n']);
        if !ends.ends_with(')') {
            return None;
        }
        let tail = &ends[ends.rfind('\n').map_or(0, |at| at + 1)..];
        let call = self.pattern().captures_iter(tail).filter_map(Result::ok).last()?;
        if call.get(0)?.end() != tail.len() {
            return None;
        }
        let made = CallMade::run(tools, call.get(1)?.as_str(), call.get(2)?.as_str());
        let after = &text[ends.len()..];
        match self {
            Self::InLine => {
                let result = made.result?;
                let equals = if after.contains('=') { "" } else { "=" };
                Some(Insertion { text: format!("{equals}{result}"), numeric: true })
            }
            Self::Action => {
                let line = if after.contains('\n') { "" } else { "\n" };
                let outcome = made.result.or(made.error.map(|reason| format!("error: {reason}")))?;
                Some(Insertion { text: format!("{line}Observation: {outcome}\nThought:"), numeric: false })
            }
        }
    }
}

/// A call in JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonCall {
    /// The tool's name as it was written.
    pub name: String,
    /// Its arguments; of a call that is no JSON what was written, and what is wrong with it.
    pub arguments: Result<Value, (String, String)>,
}

static BROKEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"^\{\s*"name"\s*:\s*"([^"\n]*)"\s*,\s*"(?:arguments|parameters)"\s*:([^\n]*)"#)
});

/// The calls of a model's turn in JSON, `{"name": …, "arguments": {…}}`, in tags or bare, those too that begin so and are no
/// JSON.
pub fn json_calls(text: &str) -> Vec<JsonCall> {
    let mut calls = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find('{').map(|at| from + at) {
        let mut stream = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        let call = match stream.next() {
            Some(Ok(value)) => whole_call(&value).map(|call| (call, stream.byte_offset())),
            Some(Err(error)) => broken_call(&text[start..], &error),
            None => None,
        };
        from = start
            + match call {
                Some((call, length)) => {
                    calls.push(call);
                    length
                }
                None => 1,
            };
    }
    calls
}

fn whole_call(value: &Value) -> Option<JsonCall> {
    let name = value.get("name")?.as_str()?.to_owned();
    Some(JsonCall { name, arguments: Ok(value.get("arguments").or(value.get("parameters"))?.clone()) })
}

/// What begins as a call and is no JSON, and how much of the text that is.
fn broken_call(text: &str, error: &serde_json::Error) -> Option<(JsonCall, usize)> {
    let found = BROKEN.captures(text).ok().flatten()?;
    let (name, written) = (found.get(1)?.as_str().to_owned(), found.get(2)?.as_str().trim().to_owned());
    let reason = format!("the call is no JSON: {error}");
    Some((JsonCall { name, arguments: Err((written, reason)) }, found.get(0)?.end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answered(form: Form, text: &str) -> Option<String> {
        form.answer(&ToolSet::arithmetic(), text).map(|insertion| insertion.text)
    }

    #[test]
    fn calls_in_a_line_go_on_with_their_result() {
        for (text, expected) in [
            ("So 2+3=<add>(2, 3)", Some("=5")),
            ("So 2+3=<add>(2,3)=", Some("5")),
            ("So <add>(2,3) =", Some("5")),
            ("So 2+3=<add>(2, 3", None),
            ("So (2+3)", None),
            ("<add>(2, 3)=5 (five)", None),
            ("<add>(2, 3)=5", None),
            ("<sine>(2)", None),
            ("<add>(two, 3)", None),
            ("<add>(<add>(1, 1), 3)", None),
        ] {
            assert_eq!(answered(Form::InLine, text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn actions_go_on_with_an_observation_or_an_error() {
        let thought = |outcome: &str| format!("\nObservation: {outcome}\nThought:");
        assert_eq!(answered(Form::Action, "Thought: sum\nAction: <add>(2, 3)"), Some(thought("5")));
        assert_eq!(
            answered(Form::Action, "Action: add(2, 3)\n").as_deref(),
            Some("Observation: 5\nThought:")
        );
        let error = answered(Form::Action, "Action: <sine>(2)").expect("an error to see");
        assert!(error.contains("error: there is no tool `sine`"), "{error}");
        assert_eq!(answered(Form::Action, "Thought: f(2)"), None);
        let calls = Form::Action
            .calls(&ToolSet::arithmetic(), "Action: add(2, 3)\nObservation: 5\nAction: sqrt(-1)\n");
        assert_eq!(calls[0].result.as_deref(), Some("5"));
        assert!(calls[1].error.is_some());
    }

    #[test]
    fn json_calls_are_found_in_tags_fences_and_bare() {
        let call = |name: &str, arguments| JsonCall { name: name.to_owned(), arguments: Ok(arguments) };
        assert_eq!(
            json_calls("<tool_call>\n{\"name\": \"add\", \"arguments\": {\"args\": [2, 3]}}\n</tool_call>"),
            [call("add", json!({"args": [2, 3]}))]
        );
        assert_eq!(
            json_calls(
                "{x} ```json\n{\"name\": \"ln\", \"arguments\": {\"x\": \"5\"}} {\"name\": \"log\", \"arguments\": {}}```"
            ),
            [call("ln", json!({"x": "5"})), call("log", json!({}))]
        );
        for text in
            ["", "{", "{\"name\": 1}", "{\"name\": \"add\"}", "{\"name\": \"Ann\", \"age\": }", "{{{{"]
        {
            assert_eq!(json_calls(text), [], "{text}");
        }
    }

    #[test]
    fn a_call_that_is_no_json_has_failed_and_was_made() {
        let text = "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"args\": [2, 2 * 3]}}\n{\"name\": \"ln\", \"arguments\": {\"x\": \"5\"}}";
        let calls = json_calls(text);
        let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(names, ["add", "ln"]);
        let made = CallMade::run_json(&ToolSet::arithmetic(), &calls[0]);
        assert_eq!((made.tool.as_str(), made.arguments.as_str()), ("add", "{\"args\": [2, 2 * 3]}}"));
        assert!(made.error.is_some_and(|error| error.contains("no JSON")));
        let open = json_calls("{\"name\": \"add\", \"arguments\": {\"args\": [2, 3]");
        assert!(matches!(&open[..], [JsonCall { arguments: Err(_), .. }]), "{open:?}");
    }
}
