//! From examples to contexts: what the model reads, and where in it a tool is or is not to be called.

use crate::sample::sample;
use crate::written::as_written;
use crate::{Example, FitError, UserMessage};
use lm::{Chat, ChatTemplate, Message, Role, Specials, Tokenizer, ToolCall, python_json};
use serde_json::Value;
use std::collections::HashMap;
use tools::ToolSet;

/// What an assistant says before it calls a tool, here and there.
const LEADS: [&str; 5] = [
    "Let me check that.",
    "Sure, one moment.",
    "I'll look into that for you.",
    "Okay, I'll do that now.",
    "Of course. Let me take care of it.",
];
/// Results of calls whose content does not matter, and what is then answered.
const RESULTS: [(&str, &str); 7] = [
    ("{\"status\": \"ok\"}", "It was done, and all went well."),
    ("Done.", "That is done. Is there anything else?"),
    ("{\"result\": \"42\", \"unit\": \"km\"}", "The result is 42 km."),
    ("The operation was successful.", "The operation was successful."),
    ("[{'id': 1, 'name': 'first'}, {'id': 2, 'name': 'second'}]", "There are two of them, first and second."),
    ("Error: not found", "I'm sorry, the error message says that it was not found."),
    ("It is half past nine, and the sun is out.", "It is half past nine now, and the sun is out."),
];
/// Examples of a tool after whose calls it is taught that the call was made, and that are put into other surroundings.
const AFTER_CALLS: usize = 2;
/// Of so many examples without a tool one is put into other surroundings.
const SURROUNDED: usize = 3;
/// What may come before a message, for clients open conversations in many ways: instructions, and earlier turns.
const SURROUNDINGS: [&[(Role, &str)]; 5] = [
    &[(Role::System, "You are a helpful assistant.")],
    &[(Role::User, "Hello!"), (Role::Assistant, "Hello! How can I help you today?")],
    &[(Role::System, "You help people with their daily affairs. If you are not sure, say so.")],
    &[
        (Role::User, "What is the capital of Spain?"),
        (Role::Assistant, "The capital of Spain is Madrid."),
        (Role::User, "Thanks!"),
        (Role::Assistant, "You're welcome. Is there anything else?"),
    ],
    &[
        (Role::System, "Be concise."),
        (Role::User, "Who invented the telephone?"),
        (Role::Assistant, "Alexander Graham Bell is usually given the credit."),
    ],
];

/// What a server adds to a tool's result, so that the model answers from it. Without it Qwen2.5-Coder-0.5B writes the call's JSON
/// once more, whether or not the tools are listed in its prompt.
pub const AFTER_RESULT: &str = "Now tell me the outcome in plain words, without JSON.";

/// A tool's result with a note for the model.
pub fn with_note(result: &str, note: &str) -> String {
    format!("{result}\n\n{note}")
}

/// Token ids, and the positions whose next token is a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// What the model reads.
    pub ids: Vec<u32>,
    /// Index into `ids` of the hidden state that decides, and the tool to call there, if any.
    pub points: Vec<(usize, Option<usize>)>,
    /// Contexts of one group never stand on both sides of a fold.
    pub group: u32,
    /// The message that an example's turn answers; none where a context only surrounds one.
    pub answers: Option<String>,
}

impl Context {
    /// The point by which a turn is judged: where it calls a tool, else where it opens.
    pub(crate) fn judged(&self) -> usize {
        self.points.iter().position(|(_, tool)| tool.is_some()).unwrap_or(0)
    }

    /// The turn that answers a message of an example.
    fn answering(self, message: &str) -> Self {
        Self { answers: Some(message.to_owned()), ..self }
    }

    /// The ids up to the first decision's.
    pub(crate) fn until_decision(&self) -> &[u32] {
        let first = self.points.iter().map(|(at, _)| *at).min().unwrap_or_default();
        &self.ids[..=first.min(self.ids.len() - 1)]
    }
}

/// Writes contexts with one template.
pub(crate) struct Writer<'a> {
    pub tokenizer: &'a Tokenizer,
    pub template: &'a ChatTemplate,
    pub tools: &'a ToolSet,
}

impl Writer<'_> {
    /// The contexts of all examples, in order. Each example is a group.
    pub fn write(&self, examples: &[Example]) -> Result<Vec<Context>, FitError> {
        let mut contexts = Vec::new();
        let mut seen: HashMap<usize, usize> = HashMap::new();
        for (i, example) in examples.iter().enumerate() {
            let written = match example {
                Example::Message(message) => self.message(message, i as u32, &mut seen),
                Example::Chat(chat) => self.conversation(&chat.messages, i as u32),
            };
            contexts.extend(written.map_err(|e| FitError::Input(format!("example {}: {e}", i + 1)))?);
        }
        Ok(contexts)
    }

    /// A user's message that calls a tool, or none. `seen` counts each tool's messages.
    fn message(
        &self,
        message: &UserMessage,
        group: u32,
        seen: &mut HashMap<usize, usize>,
    ) -> Result<Vec<Context>, FitError> {
        let said = [Message::user(message.user.as_str())];
        let salt = salt(&message.user);
        let Some(tool) = message.tool.as_deref().and_then(|name| self.tools.index(name)) else {
            let text = message.assistant.as_deref().unwrap_or_default();
            let mut contexts = vec![self.words(&said, text, group)?.answering(&message.user)];
            if salt.is_multiple_of(SURROUNDED) {
                contexts.extend(self.surrounded(&said, salt / SURROUNDED, None, group));
            }
            return Ok(contexts);
        };
        let call = self.call(&said, LEADS[salt % LEADS.len()], tool, group)?;
        let mut contexts = vec![call.answering(&message.user)];
        let nth = seen.entry(tool).or_default();
        *nth += 1;
        if *nth <= AFTER_CALLS {
            contexts.extend(self.after_call(&said, tool, message.arguments.as_ref(), salt, group)?);
            contexts.extend(self.surrounded(&said, salt / LEADS.len(), Some(tool), group));
        }
        Ok(contexts)
    }

    fn prompt(&self, messages: &[Message]) -> Result<Vec<u32>, FitError> {
        let ids = self.tokenizer.encode_rendered(&self.template.render(&Chat::turn(messages))?)?;
        match ids.is_empty() {
            true => Err(FitError::Input("the model's chat template makes nothing of it".to_owned())),
            false => Ok(ids),
        }
    }

    /// The turn that a message opens: at its start for the decision alone.
    pub fn turn(&self, message: &str, group: u32) -> Result<Context, FitError> {
        let ids = self.prompt(&[Message::user(message)])?;
        Ok(Context { points: vec![(ids.len() - 1, None)], ids, group, answers: None })
    }

    /// The turn that a message opens after something else; none if the template does not take what comes before.
    fn surrounded(&self, said: &[Message], nth: usize, tool: Option<usize>, group: u32) -> Option<Context> {
        let before = SURROUNDINGS[nth % SURROUNDINGS.len()].iter();
        let before = before.map(|(role, content)| Message::new(*role, *content));
        let ids = self.prompt(&before.chain(said.iter().cloned()).collect::<Vec<_>>()).ok()?;
        Some(Context { points: vec![(ids.len() - 1, tool)], ids, group, answers: None })
    }

    /// A call at the start of the turn, and after a lead.
    fn call(&self, said: &[Message], lead: &str, tool: usize, group: u32) -> Result<Context, FitError> {
        let mut ids = self.prompt(said)?;
        let start = ids.len() - 1;
        ids.extend(self.tokenizer.encode_continuation(lead, Specials::Text)?);
        Ok(Context {
            points: vec![(start, Some(tool)), (ids.len() - 1, Some(tool))],
            ids,
            group,
            answers: None,
        })
    }

    /// No call: neither at the start of the turn, nor within what is said, nor at its end.
    fn words(&self, said: &[Message], text: &str, group: u32) -> Result<Context, FitError> {
        let mut ids = self.prompt(said)?;
        let start = ids.len() - 1;
        ids.extend(self.tokenizer.encode_continuation(text, Specials::Text)?);
        Ok(Context { points: (start..ids.len()).map(|at| (at, None)).collect(), ids, group, answers: None })
    }

    /// After a call of the tool no other, and after its result none.
    fn after_call(
        &self,
        said: &[Message],
        tool: usize,
        arguments: Option<&Value>,
        salt: usize,
        group: u32,
    ) -> Result<Vec<Context>, FitError> {
        let Some(definition) = self.tools.get(tool) else { return Ok(Vec::new()) };
        let made_up = || sample(&definition.parameters);
        let arguments =
            arguments.map_or_else(made_up, |arguments| as_written(&definition.parameters, arguments));
        let call = ToolCall::new(Some("call00000".into()), definition.name.as_str(), arguments);
        let mut messages = said.to_vec();
        let after = self.behind_calls(&messages, "", std::slice::from_ref(&call))?;
        messages.push(Message::calls("", vec![call]));
        let (result, answer) = RESULTS[salt % RESULTS.len()];
        let none = |ids: Vec<u32>| Context { points: vec![(ids.len() - 1, None)], ids, group, answers: None };
        let mut contexts: Vec<Context> = after.into_iter().map(none).collect();
        let told = |result: String| {
            let id = Some("call00000".to_owned());
            [&messages[..], &[Message::tool(id, definition.name.as_str(), result)]].concat()
        };
        contexts.push(self.words(&told(with_note(result, AFTER_RESULT)), answer, group)?);
        if salt.is_multiple_of(2) {
            // Servers may be told to add no note.
            contexts.push(self.words(&told(result.to_owned()), "", group)?);
        }
        Ok(contexts)
    }

    /// The ids up to the end of a turn's last call, where it makes another or ends; none if the template cannot show it.
    fn behind_calls(
        &self,
        messages: &[Message],
        content: &str,
        calls: &[ToolCall],
    ) -> Result<Option<Vec<u32>>, FitError> {
        let Some((last, earlier)) = calls.split_last() else { return Ok(None) };
        let name = &last.function.name;
        let Ok(frame) = self.template.call_frame(messages, content, earlier, last.id.clone(), name, &[])
        else {
            return Ok(None);
        };
        let arguments = python_json(&last.function.arguments);
        let mut ids = self.tokenizer.encode_rendered(&(frame.before + &arguments))?;
        let mut after = self.tokenizer.encode_rendered_continuation(&frame.after)?;
        if let Some(end) = after.iter().position(|&id| self.tokenizer.ends_text(id)) {
            after.truncate(end);
        }
        ids.extend(after);
        Ok(Some(ids))
    }

    /// Every assistant's turn of a conversation that answers a user.
    fn conversation(&self, messages: &[Message], group: u32) -> Result<Vec<Context>, FitError> {
        let mut contexts = Vec::new();
        for (at, message) in messages.iter().enumerate().filter(|(_, m)| m.role == Role::Assistant) {
            let before = &messages[..at];
            let Some(said) = before.iter().rfind(|message| message.role == Role::User) else { continue };
            let mut context = self.words(before, &message.content, group)?;
            let calls: Vec<usize> =
                message.tool_calls.iter().filter_map(|call| self.tools.index(&call.function.name)).collect();
            if let (Some(&tool), Some(point)) = (calls.first(), context.points.last_mut()) {
                point.1 = Some(tool);
            }
            contexts.push(context.answering(&said.content));
            for made in 1..=message.tool_calls.len() {
                let calls_made = &message.tool_calls[..made];
                if let Some(ids) = self.behind_calls(before, &message.content, calls_made)? {
                    contexts.push(Context {
                        points: vec![(ids.len() - 1, calls.get(made).copied())],
                        ids,
                        group,
                        answers: None,
                    });
                }
            }
        }
        Ok(contexts)
    }
}

/// What a context's variants are chosen by: the message, and not its place, so that another example changes nothing here (FNV-1a).
fn salt(message: &str) -> usize {
    message.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
        as usize
}
