//! A pack on messages it has not seen, decided as the server decides; and the model's own function calling beside it.

use crate::FitError;
use crate::examples::object;
use decode::{
    Alternative, Arguments, Conversation, Decision, Event, Extended, Prompt, Request, Session,
    SessionSettings, Settings, Token,
};
use lm::{ChatTemplate, FrozenLm, Message};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tools::ToolSet;

/// Tokens that a turn may say before it calls.
const TURN: usize = 24;
/// Tools that are told of beside the one that was called.
const RIVALS: usize = 5;
/// Tokens of a native turn, arguments included.
const NATIVE_TURN: usize = 128;

/// A user's message and the tool it wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What was said before: instructions, earlier turns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Message>,
    /// The message.
    pub user: String,
    /// The tool; none if none.
    #[serde(default)]
    pub tool: Option<String>,
    /// The arguments that the call is to have: an object, or an array of objects of which each is as good; none if any will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
}

impl Question {
    /// The arguments that are as good as each other; none if any will do.
    fn accepted(&self) -> Option<&[Value]> {
        match self.expected.as_ref()? {
            Value::Array(several) => Some(several),
            one => Some(std::slice::from_ref(one)),
        }
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// The message and what it wants.
    #[serde(flatten)]
    pub question: Question,
    /// The first tool that was called.
    pub called: Option<String>,
    /// Its arguments, as written.
    pub arguments: Option<String>,
    /// P(tool), over words and tools, bias and offsets in, where it was called; where nothing was, the largest of the turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_tool: Option<f32>,
    /// The best tools there with their probabilities, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Alternative>,
    /// The best word there: a tool is called where it beats that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<Alternative>,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens that the model read of it: less where the beginning was known.
    pub read_tokens: usize,
    /// Tokens that were generated.
    pub generated_tokens: usize,
    /// Seconds until the tool was known, or the turn had none.
    pub decision_seconds: f64,
    /// Seconds, arguments included.
    pub seconds: f64,
}

/// Figures over messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Messages.
    pub messages: usize,
    /// Share with the right tool or rightly none.
    pub accuracy: f64,
    /// Of those that want a tool, the share with the right one.
    pub recall: f64,
    /// Of those that want none, the share with one.
    pub false_calls: f64,
    /// Mean tokens of a prompt.
    pub prompt_tokens: f64,
    /// Mean tokens that the model read of it.
    pub read_tokens: f64,
    /// Mean seconds until the decision.
    pub decision_seconds: f64,
    /// Mean seconds, arguments included.
    pub seconds: f64,
    /// Of the messages that say what arguments they want; none if none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<ArgumentFigures>,
}

/// Figures over messages that say what arguments they want. Strings are compared without regard to case, numbers by value; a call of
/// another tool is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArgumentFigures {
    /// Messages.
    pub messages: usize,
    /// Share of the messages whose call has these arguments and no others.
    pub exact: f64,
    /// Share of the messages whose call has these arguments, whatever else was filled in.
    pub values: f64,
}

impl ArgumentFigures {
    fn of(decided: &[Decided]) -> Option<Self> {
        let asked: Vec<(&Decided, &[Value])> =
            decided.iter().filter_map(|d| Some((d, d.question.accepted()?))).collect();
        let share = |right: &dyn Fn(&Value, &Value) -> bool| {
            let hits = asked.iter().filter(|(d, accepted)| {
                d.called == d.question.tool
                    && (d.arguments.as_deref().and_then(|text| serde_json::from_str(text).ok()))
                        .is_some_and(|written: Value| accepted.iter().any(|wanted| right(wanted, &written)))
            });
            hits.count() as f64 / asked.len() as f64
        };
        (!asked.is_empty()).then(|| Self {
            messages: asked.len(),
            exact: share(&|wanted, written| same(wanted, written)),
            values: share(&|wanted, written| {
                (wanted.as_object().into_iter().flatten())
                    .all(|(key, value)| written.get(key).is_some_and(|found| same(value, found)))
            }),
        })
    }
}

/// Equal but for case in strings and the way a number is written.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.trim().to_lowercase() == b.trim().to_lowercase(),
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

impl Evaluation {
    /// The figures of what was decided.
    pub fn of(decided: &[Decided]) -> Self {
        let share =
            |part: usize, whole: usize| if whole == 0 { f64::NAN } else { part as f64 / whole as f64 };
        let mean = |value: &dyn Fn(&Decided) -> f64| {
            decided.iter().map(value).sum::<f64>() / decided.len().max(1) as f64
        };
        let right = |d: &&Decided| d.called == d.question.tool;
        let (wants, none): (Vec<&Decided>, Vec<&Decided>) =
            decided.iter().partition(|d| d.question.tool.is_some());
        Self {
            messages: decided.len(),
            accuracy: share(decided.iter().filter(right).count(), decided.len()),
            recall: share(wants.iter().filter(|d| right(d)).count(), wants.len()),
            false_calls: share(none.iter().filter(|d| !right(d)).count(), none.len()),
            prompt_tokens: mean(&|d| d.prompt_tokens as f64),
            read_tokens: mean(&|d| d.read_tokens as f64),
            decision_seconds: mean(&|d| d.decision_seconds),
            seconds: mean(&|d| d.seconds),
            arguments: ArgumentFigures::of(decided),
        }
    }
}

/// Reads messages for these tools: JSON lines `{"user", "tool"}`, with `"before": [messages]` where others came first, and
/// `"expected": {…}` where the call's arguments are known.
///
/// # Errors
/// [`FitError::File`] with the line, for a tool that is not among these too; a file without a message.
pub fn questions(path: &Path, tools: &ToolSet) -> Result<Vec<Question>, FitError> {
    let text = files::read_text(path).map_err(|e| FitError::io(path, e))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let questions: Vec<Question> = lines
        .map(|(i, line)| {
            let fault =
                |message: String| FitError::File { path: path.to_owned(), line: Some(i + 1), message };
            let value = object(line).map_err(fault)?;
            let question: Question = serde_json::from_value(value)
                .map_err(|e| fault(format!("{e}; expected {{\"user\": …, \"tool\": …}}")))?;
            if let Some(name) = question.tool.as_deref().filter(|name| tools.index(name).is_none()) {
                let known = tools.names().collect::<Vec<_>>().join(", ");
                return Err(fault(format!("there is no tool `{name}` in the pack; its tools are {known}")));
            }
            if !question.accepted().unwrap_or_default().iter().all(Value::is_object) {
                return Err(fault(
                    "`expected`: expected an object of arguments, or an array of them".to_owned(),
                ));
            }
            Ok(question)
        })
        .collect::<Result<_, _>>()?;
    if questions.is_empty() {
        let message = "no message: expected {\"user\": …, \"tool\": …} on each line".to_owned();
        return Err(FitError::File { path: path.to_owned(), line: None, message });
    }
    Ok(questions)
}

/// Decides every message with the vocabulary that the head extends, one at a time; `arguments` says where those of a call are
/// written.
///
/// # Errors
/// The model's.
pub fn evaluate(
    lm: &dyn FrozenLm,
    extended: &Arc<Extended<'_>>,
    questions: &[Question],
    arguments: Arguments,
    on_each: &mut dyn FnMut(&Decided),
) -> Result<Vec<Decided>, FitError> {
    let settings = Settings {
        arguments,
        max_tokens: TURN,
        max_argument_tokens: 256,
        record_above: 0.0,
        rival_tools: RIVALS,
        ..Settings::default()
    };
    run(lm, extended, &[], &settings, questions, on_each, |generation, _| {
        let call = generation.client_calls().map(|(_, call)| call).chain(generation.calls()).next();
        call.map(|call| (call.tool.clone(), call.arguments.clone()))
    })
}

/// Decides every message as the model itself does it: all tools listed in the prompt, the call written as text.
///
/// # Errors
/// The model's; if its chat template has no place for tools.
pub fn native_calls(
    lm: &dyn FrozenLm,
    tools: &ToolSet,
    questions: &[Question],
    on_each: &mut dyn FnMut(&Decided),
) -> Result<Vec<Decided>, FitError> {
    ChatTemplate::of(lm.tokenizer())?.can_list_tools()?;
    let listed: Vec<Value> = tools.iter().map(tools::Tool::definition).collect();
    let extended = Arc::new(Extended::words_only(lm, None));
    let settings = Settings { max_tokens: NATIVE_TURN, ..Settings::default() };
    run(lm, &extended, &listed, &settings, questions, on_each, |_, text| written_call(text))
}

/// The first call in a text: JSON with a name, between `<tool_call>` tags, in a code block, or by itself.
fn written_call(text: &str) -> Option<(String, String)> {
    for (at, _) in text.match_indices('{') {
        let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
        if let Some(Ok(value)) = values.next()
            && let Some(name) = value["name"].as_str()
        {
            return Some((name.to_owned(), value["arguments"].to_string()));
        }
    }
    // A call whose JSON is broken is still a call.
    let (_, rest) = text.split_once("<tool_call>")?;
    let (_, rest) = rest.split_once("\"name\"")?;
    let name = rest.split('"').nth(1)?;
    Some((name.to_owned(), rest.to_owned()))
}

fn run(
    lm: &dyn FrozenLm,
    extended: &Arc<Extended<'_>>,
    listed: &[Value],
    settings: &Settings,
    questions: &[Question],
    on_each: &mut dyn FnMut(&Decided),
    call: impl Fn(&decode::Generation, &str) -> Option<(String, String)>,
) -> Result<Vec<Decided>, FitError> {
    let template = ChatTemplate::of(lm.tokenizer())?;
    let kept = SessionSettings { prefill: usize::MAX, kept_tokens: 16_384 };
    let mut session = Session::new(lm, kept);
    let mut decided = Vec::with_capacity(questions.len());
    for (key, question) in questions.iter().enumerate() {
        let started = Instant::now();
        let before = session.counts();
        let conversation = Conversation {
            template: template.clone(),
            messages: [&question.before[..], &[Message::user(question.user.as_str())]].concat(),
            tools: listed.to_vec(),
            parallel_calls: false,
        };
        let request = Request { settings: settings.clone(), ..Request::new(Prompt::Chat(conversation)) };
        session.admit(key, request, Arc::clone(extended))?;
        let (mut outcome, mut known) = (None, None);
        while !session.is_empty() {
            session.step(&mut |_, told| match told {
                Ok(Event::CallStart(_)) => drop(known.get_or_insert_with(|| started.elapsed())),
                Ok(Event::Done(generation)) => outcome = Some(Ok(generation)),
                Ok(_) => {}
                Err(error) => outcome = Some(Err(error)),
            });
        }
        let Some(generation) = outcome.transpose()? else { continue };
        let called = call(&generation, &generation.text);
        let tokens = generation.tokens;
        let stands =
            |decision: &&Decision| decision.attempts.iter().any(|call| call.outcome.error().is_none());
        let made = generation.decisions.iter().find(stands);
        let near = || generation.decisions.iter().max_by(|a, b| a.p_tool.total_cmp(&b.p_tool));
        let decision = made.or_else(near);
        let is_word = |best: &&Alternative| matches!(best.token, Token::Word(_));
        let word = decision.and_then(|decision| decision.alternatives.iter().find(is_word).cloned());
        let seconds = started.elapsed().as_secs_f64();
        let reused = (session.counts().reused - before.reused) as usize;
        let one = Decided {
            question: question.clone(),
            called: called.as_ref().map(|(tool, _)| tool.clone()),
            arguments: called.map(|(_, arguments)| arguments),
            p_tool: decision.map(|decision| decision.p_tool),
            tools: decision.map_or_else(Vec::new, |decision| decision.tools.clone()),
            word,
            prompt_tokens: tokens.prompt,
            read_tokens: tokens.prompt - reused + tokens.aside,
            generated_tokens: tokens.chosen + tokens.arguments,
            decision_seconds: known.map_or(seconds, |known| known.as_secs_f64()),
            seconds,
        };
        on_each(&one);
        decided.push(one);
    }
    Ok(decided)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn calls_are_found_however_a_model_writes_them() {
        let call = |text| written_call(text).map(|(name, _)| name);
        assert_eq!(
            call("<tool_call>\n{\"name\": \"a\", \"arguments\": {\"x\": {}}}\n</tool_call>").as_deref(),
            Some("a")
        );
        assert_eq!(call("Sure:\n```json\n{\"name\": \"b\", \"arguments\": {}}\n```").as_deref(), Some("b"));
        assert_eq!(call("<tool_call>\n{\"name\": \"c\", \"arguments\": {").as_deref(), Some("c"));
        assert_eq!(call("I cannot do that. {x}"), None);
    }

    #[test]
    fn arguments_are_compared_with_those_wanted() {
        let decided = |expected: Value, called: &str, arguments: &str| Decided {
            question: Question {
                before: vec![],
                user: "u".into(),
                tool: Some("t".into()),
                expected: Some(expected),
            },
            called: Some(called.into()),
            arguments: Some(arguments.into()),
            p_tool: None,
            tools: vec![],
            word: None,
            prompt_tokens: 0,
            read_tokens: 0,
            generated_tokens: 0,
            decision_seconds: 0.0,
            seconds: 0.0,
        };
        for (expected, called, arguments, exact, values) in [
            (json!({"a": 1, "b": ["X"]}), "t", r#"{"b": ["x"], "a": 1.0}"#, 1.0, 1.0),
            (json!({"a": 1}), "t", r#"{"a": 1, "b": null}"#, 0.0, 1.0),
            (json!([{"a": 1}, {"a": 2}]), "t", r#"{"a": 2}"#, 1.0, 1.0),
            (json!({"a": 1}), "t", r#"{"a": "1"}"#, 0.0, 0.0),
            (json!({"a": ["x", "y"]}), "t", r#"{"a": ["x"]}"#, 0.0, 0.0),
            (json!({}), "t", "{}", 1.0, 1.0),
            (json!({"a": 1}), "other", r#"{"a": 1}"#, 0.0, 0.0),
            (json!({"a": 1}), "t", "{\"a\":", 0.0, 0.0),
        ] {
            let figures = Evaluation::of(&[decided(expected.clone(), called, arguments)]).arguments.unwrap();
            assert_eq!((figures.exact, figures.values), (exact, values), "{expected} {called} {arguments}");
        }
    }

    #[test]
    fn expected_arguments_that_are_no_object_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["3", "[3]", "\"x\""] {
            std::fs::write(
                file.path(),
                format!("{{\"user\": \"u\", \"tool\": \"t\", \"expected\": {text}}}\n"),
            )
            .unwrap();
            let t = tools::Tool::client("t", "", json!({"type": "object"}));
            let error = questions(file.path(), &ToolSet::new(vec![t]).unwrap()).unwrap_err().to_string();
            assert!(error.contains("line 1") && error.contains("object of arguments"), "{error}");
        }
        std::fs::write(file.path(), "\n{\"user\": \"u\", \"tool\": \"x\"}\n").unwrap();
        let error = questions(file.path(), &ToolSet::default()).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("no tool `x`"), "{error}");
        std::fs::write(file.path(), "\n").unwrap();
        assert!(questions(file.path(), &ToolSet::default()).is_err());
    }
}
