//! Argument mode of a call that stands in a message of its own: JSON under the tool's schema, in the form in which the chat
//! template shows calls. The caller runs the call and renders the result into the next turn's prompt.

use super::arguments::Call;
use super::{Row, Surroundings};
use crate::DecodeError;
use crate::boundary::{Within, hold_back};
use crate::choose::Scores;
use crate::draft::{Draft, context_full};
use crate::extended::{Callable, Extended};
use crate::grammar::{Constraint, Grammar};
use crate::prefix::{begin, common};
use crate::request::{Prompt, WorkedCall};
use crate::settings::Arguments;
use crate::trace::{Event, Finish};
use lm::{CallFrame, LmError, Message, Role, Sequence, Tokenizer, ToolCall};
use serde_json::Value;
use std::borrow::Cow;

/// Tokens before the limit from which on a call is brought to its end, in shares of the limit and at most.
const HASTE: (usize, usize) = (4, 64);
/// The share of the context that worked calls leave free.
const ROOM: usize = 4;
/// Letters or digits in a row of which a few repeat: no value that is meant looks so, and a small model would write on to the limit.
const LOOP: usize = 48;

/// What such a call needs.
pub(super) struct MessageCall {
    constraint: Constraint,
    framed: Framed,
    /// Bytes of the arguments that were given out.
    given: usize,
    /// It was brought to its end because its limit was near, or it went in circles: it is valid, but not all that the model would
    /// have written.
    hastened: bool,
}

/// What may be shown of a tool before a call of it, in a context of so many tokens.
pub(crate) struct Shown<'a> {
    pub name: &'a str,
    pub definition: Value,
    pub calls: Cow<'a, [WorkedCall]>,
    pub context: usize,
}

impl<'a> Shown<'a> {
    /// A tool's definition, and the worked calls that it was taught.
    pub fn of(callable: &'a Callable, context: usize) -> Self {
        let (tool, calls) = (&callable.tool, Cow::Borrowed(&callable.taught.calls[..]));
        Self { name: &tool.name, definition: tool.definition(), calls, context }
    }
}

/// What is read before a call's arguments, as the template writes it.
pub(crate) struct Framed {
    pub id: String,
    /// The conversation's text up to the arguments.
    pub before: String,
    /// What the template writes after the arguments.
    pub after: String,
    /// What is to be read.
    pub ids: Vec<u32>,
    /// The tokens are those of the whole conversation, to be read anew, and do not follow the text so far: the template writes
    /// what was said otherwise than the model wrote it, or the arguments are written after the tool's definition.
    pub anew: bool,
    /// The latter: when the call is complete, the conversation is read on without the definition.
    pub defined: bool,
}

impl Framed {
    /// Frames a call after what a draft has so far.
    ///
    /// # Errors
    /// Why the call fails at once.
    pub fn new(draft: &Draft, shown: &Shown<'_>, extended: &Extended) -> Result<Self, String> {
        let Draft { prepared, made, turn, .. } = draft;
        let content = draft.transcript.text();
        let Prompt::Chat(chat) = &prepared.request.prompt else {
            return Err("the request is no conversation".to_owned());
        };
        let earlier = chat.messages.iter().map(|message| message.tool_calls.len()).sum::<usize>();
        // Some templates insist on nine letters and digits.
        let id = format!("call{:05}", earlier + made.len());
        let frame = |messages: &[Message], tools: &[Value]| {
            chat.template.call_frame(messages, &content, made, Some(id.clone()), shown.name, tools)
        };
        let CallFrame { before, after } = frame(&chat.messages, &[]).map_err(|e| e.to_string())?;
        let so_far = turn.clone().unwrap_or_else(|| prepared.text.clone() + &content);
        let tokenizer = extended.tokenizer();
        let place = prepared.request.settings.arguments;
        let defined = matches!(place, Arguments::Definition | Arguments::Examples);
        let (ids, anew) = if defined {
            let definition = std::slice::from_ref(&shown.definition);
            let after_definition = |messages: &[Message]| {
                frame(messages, definition).and_then(|frame| tokenizer.encode_rendered(&frame.before))
            };
            // As many worked calls as the template takes and leave room for arguments.
            let most = if place == Arguments::Examples { shown.calls.len() } else { 0 };
            let fitting = (1..=most).rev().find_map(|count| {
                let ids =
                    after_definition(&with_worked(&chat.messages, shown.name, &shown.calls[..count])).ok()?;
                (ids.len() + shown.context / ROOM < shown.context).then_some(ids)
            });
            (fitting.map_or_else(|| after_definition(&chat.messages), Ok), true)
        } else {
            match before.strip_prefix(&so_far) {
                Some(rest) => (tokenizer.encode_rendered_continuation(rest), false),
                None => (tokenizer.encode_rendered(&before), true),
            }
        };
        let ids = ids.map_err(|e: LmError| e.to_string())?;
        Ok(Self { id, before, after, ids, anew, defined })
    }
}

/// The conversation with a tool's worked calls as its first turns, behind instructions.
fn with_worked(messages: &[Message], tool: &str, shown: &[WorkedCall]) -> Vec<Message> {
    let instructions = messages.iter().take_while(|message| message.role == Role::System).count();
    let (instructions, said) = messages.split_at(instructions);
    let worked = shown.iter().enumerate().flat_map(|(i, worked)| {
        let id = Some(format!("work{i:05}"));
        let call = ToolCall::new(id, tool, worked.arguments.clone());
        [Message::user(worked.user.as_str()), Message::calls("", vec![call])]
    });
    instructions.iter().cloned().chain(worked).chain(said.iter().cloned()).collect()
}

/// A call about to be opened.
pub(super) struct Opening {
    message: MessageCall,
    ids: Vec<u32>,
    /// Where the conversation is read anew, as much of it as was read before.
    own: Option<Sequence>,
}

impl Row {
    /// What is to be read before a call's arguments; else why the call fails at once.
    pub(super) fn open_message(
        &self,
        callable: &Callable,
        grammar: &Grammar,
        around: &Surroundings,
    ) -> Result<Opening, String> {
        let extended = around.extended;
        let draft = &self.draft;
        let shown = Shown::of(callable, extended.context());
        let mut framed = Framed::new(draft, &shown, extended)?;
        let mut ids = std::mem::take(&mut framed.ids);
        let own = framed.anew.then(|| {
            let own = begin(extended.lm, around.kept.iter().chain([&self.sequence]), &ids);
            ids.drain(..own.ids().len());
            own
        });
        let read = own.as_ref().unwrap_or(&self.sequence).ids().len();
        if ids.is_empty() || read + ids.len() >= extended.context() {
            return Err(context_full(extended.context()));
        }
        let message = MessageCall { constraint: grammar.begin(), framed, given: 0, hastened: false };
        Ok(Opening { message, ids, own })
    }

    /// Argument mode: the row reads the opening next.
    pub(super) fn begin_json(&mut self, mut call: Call, opening: Opening) {
        if opening.message.framed.defined {
            self.draft.counts.aside += opening.ids.len();
        }
        call.message = Some(opening.message);
        call.own = opening.own;
        self.input = opening.ids;
        self.call = Some(call);
    }

    /// Argument mode: takes one more word, and ends the call when its JSON is complete.
    pub(super) fn write_json(
        &mut self,
        mut call: Call,
        words: &mut [f32],
        around: &mut Surroundings,
    ) -> Result<(), DecodeError> {
        let extended = around.extended;
        let prepared = self.prepared();
        let settings = &prepared.request.settings;
        let Some(message) = &mut call.message else { return Ok(()) };
        message.constraint.mask(words).map_err(|message| self.draft.schema_ends(message))?;
        // The last word need not be read.
        let opened = call.own.as_ref().unwrap_or(&self.sequence).ids().len() - call.open.tokens;
        let room = (extended.context() + 1).saturating_sub(opened);
        let (open, most) = (&mut call.open, self.draft.most_arguments().min(room));
        if message.hastened || open.tokens + (most / HASTE.0).min(HASTE.1) >= most || circles(&open.bytes) {
            message.hastened = true;
            nearest_end(words, extended.tokenizer(), Within::text(&open.bytes).string());
        }
        if settings.arguments == Arguments::Examples {
            let margin = extended.callables[open.tool].taught.margin;
            hold_back(words, extended.tokenizer(), &open.bytes, margin);
        }
        let scores = Scores::new(words, &[]).ok_or_else(|| self.no_word())?;
        let word = scores.ballot(settings, false, &mut self.rng).word;
        let complete = message.constraint.push(word).map_err(|message| self.draft.schema_ends(message))?;
        open.push(word, extended.tokenizer());
        let valid = match std::str::from_utf8(&open.bytes) {
            Ok(text) => text.len(),
            Err(e) => e.valid_up_to(),
        };
        let delta = String::from_utf8_lossy(&open.bytes[message.given..valid]).into_owned();
        message.given = valid;
        if !delta.is_empty() {
            (around.on_event)(self.index(), Event::Arguments(delta));
        }
        if complete {
            self.end_message(call, word, around);
        } else if call.open.tokens >= most {
            self.draft.cut_off(call.open, Finish::MaxTokens, extended, around.on_event);
        } else {
            self.input = vec![word];
            self.call = Some(call);
        }
        Ok(())
    }

    /// A complete call stands. The turn goes on after it, if it may make more.
    fn end_message(&mut self, call: Call, last: u32, around: &mut Surroundings) {
        let extended = around.extended;
        let Some(MessageCall { framed, hastened, .. }) = call.message else { return };
        let defined = framed.defined;
        let rest = self.draft.stand(call.open, framed, extended, around.on_event);
        match call.own {
            Some(own) if defined => self.spent = Some(own),
            Some(own) => self.sequence = own,
            None => {}
        }
        if hastened {
            self.draft.finish = Some(Finish::MaxTokens);
            return;
        }
        let Some(rest) = rest else { return };
        let ids = if defined {
            // The text has the call, and not the definition it was written after.
            let turn = self.draft.turn.as_deref().unwrap_or_default();
            extended.tokenizer().encode_rendered(turn).map(|whole| {
                let read = common(self.sequence.ids(), &whole).min(whole.len().saturating_sub(1));
                self.sequence.truncate(read);
                whole[read..].to_vec()
            })
        } else {
            Ok([&[last], &rest[..]].concat())
        };
        match ids {
            Ok(ids) => self.read(ids, extended),
            Err(_) => self.draft.finish = Some(Finish::Calls),
        }
        if self.draft.finish.is_some() {
            self.draft.finish = Some(Finish::Calls); // no room for another call
        }
    }
}

/// Whether a text ends in [`LOOP`] letters or digits of which one to four repeat.
fn circles(text: &[u8]) -> bool {
    let end = &text[text.len().saturating_sub(LOOP)..];
    end.len() == LOOP
        && end.iter().all(u8::is_ascii_alphanumeric)
        && (1..=4).any(|period| end[period..] == end[..LOOP - period])
}

/// Leaves only those words that come nearest to the end of a JSON text, of those that may be written at all: within a string the
/// quote that closes it, with the brackets after it if they close too; elsewhere the brackets, before an empty string.
fn nearest_end(words: &mut [f32], tokenizer: &Tokenizer, in_string: bool) {
    let closes = |bytes: &[u8]| bytes.iter().all(|byte| b"}]".contains(byte));
    let rank = |id: usize| -> u8 {
        match (tokenizer.token_bytes(id as u32), in_string) {
            ([], _) => 3,
            ([b'"', rest @ ..], true) if closes(rest) => u8::from(rest.is_empty()),
            ([b'"', ..], true) => 2,
            (bytes, false) if closes(bytes) => 0,
            // An empty string; or the end of a number.
            ([b'"'] | [b',', ..], false) => 1,
            ([b'"', ..], false) => 2,
            _ => 3,
        }
    };
    let open = |words: &[f32], id: usize| words[id] > f32::NEG_INFINITY;
    let Some(best) = (0..words.len()).filter(|&id| open(words, id)).map(rank).min() else { return };
    for id in 0..words.len() {
        if open(words, id) && rank(id) > best {
            words[id] = f32::NEG_INFINITY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_goes_in_circles() {
        for (text, found) in [
            (format!(r#"{{"amount": "1{}"#, "0".repeat(48)), true),
            (format!(r#"{{"amount": "1{}"#, "0".repeat(47)), false),
            (format!(r#"{{"n": 1{}"#, "234".repeat(16)), true),
            (format!(r#"{{"text": "{}"#, "-".repeat(80)), false),
            (format!(r#"{{"text": "{}"#, "0123456789".repeat(8)), false),
            (String::new(), false),
        ] {
            assert_eq!(circles(text.as_bytes()), found, "{text}");
        }
    }
}
