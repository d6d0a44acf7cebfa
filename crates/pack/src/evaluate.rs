//! A pack on messages it has not seen, through the engine that serves it; and the model's own function calling beside it.

use crate::FitError;
use decode::{Arguments, Conversation, Extended, Prompt, Request, Session, SessionSettings, Settings};
use head::Head;
use lm::{ChatTemplate, FrozenLm, Message};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tools::ToolSet;

/// Tokens that a turn may say before it calls.
const TURN: usize = 24;
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
        }
    }
}

/// Reads messages: JSON lines `{"user", "tool"}`, with `"before": [messages]` where others came first.
///
/// # Errors
/// [`FitError::File`] with the line.
pub fn questions(path: &Path) -> Result<Vec<Question>, FitError> {
    let text = std::fs::read_to_string(path).map_err(|e| FitError::io(path, e))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| {
            let fault = |e: serde_json::Error| FitError::File {
                path: path.to_owned(),
                line: Some(i + 1),
                message: format!("{e}; expected {{\"user\": …, \"tool\": …}}"),
            };
            serde_json::from_str(line).map_err(fault)
        })
        .collect()
}

/// Decides every message with the head, one at a time; `arguments` says where those of a call are written.
///
/// # Errors
/// As [`Extended::new`], and the model's.
pub fn evaluate(
    lm: &dyn FrozenLm,
    tools: &ToolSet,
    head: &Head,
    questions: &[Question],
    arguments: Arguments,
    on_each: &mut dyn FnMut(&Decided),
) -> Result<Vec<Decided>, FitError> {
    let extended = Arc::new(Extended::new(lm, head, tools, None)?);
    let settings = Settings { arguments, max_tokens: TURN, max_argument_tokens: 256, ..Settings::default() };
    run(lm, &extended, &[], &settings, questions, on_each, |generation, _| {
        let call = generation.client_calls().map(|(_, call)| call).chain(generation.calls()).next();
        call.map(|call| (call.tool.clone(), call.arguments.clone()))
    })
}

/// Decides every message as the model itself does it: all tools listed in the prompt, the call written as text.
///
/// # Errors
/// The model's.
pub fn native_calls(
    lm: &dyn FrozenLm,
    tools: &ToolSet,
    questions: &[Question],
    on_each: &mut dyn FnMut(&Decided),
) -> Result<Vec<Decided>, FitError> {
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
            session.step(
                &mut |event| {
                    if let decode::Event::CallStart { .. } = event {
                        known.get_or_insert_with(|| started.elapsed());
                    }
                },
                &mut |_, result| outcome = Some(result),
            );
        }
        let Some(generation) = outcome.transpose()? else { continue };
        let called = call(&generation, &generation.text);
        let tokens = generation.tokens;
        let seconds = started.elapsed().as_secs_f64();
        let reused = (session.counts().reused - before.reused) as usize;
        let one = Decided {
            question: question.clone(),
            called: called.as_ref().map(|(tool, _)| tool.clone()),
            arguments: called.map(|(_, arguments)| arguments),
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
}
