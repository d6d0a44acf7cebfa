//! Argument mode: a call is opened, its arguments are written with the tools off, it runs, and it stands or is undone.

use super::message::MessageCall;
use super::{Pending, Row, Surroundings, micros};
use crate::DecodeError;
use crate::choose::{Pick, Scores};
use crate::extended::{Answer, Callable, Extended, Kind};
use crate::prefix::{Prefix, common};
use crate::request::{Request, Template};
use crate::settings::Arguments;
use crate::splice::space_after;
use crate::trace::{Attempt, CallOutcome, Event};
use crate::transcript::Transcript;
use lm::Sequence;
use std::collections::hash_map::Entry;
use std::time::Instant;

/// A call under way.
pub(super) struct Call {
    /// Row of the head.
    pub tool: usize,
    pub pending: Pending,
    /// Tokens of the row's sequence at the decision: where undoing goes back to.
    read: usize,
    /// Of a call that stands in a message of its own.
    pub message: Option<MessageCall>,
    /// The sequence of a prompt with worked calls; without one the arguments are written in the row's own.
    pub own: Option<Sequence>,
    pub arguments: Vec<u8>,
    pub tokens: usize,
    pub started: Instant,
}

impl Call {
    /// A call decided on after `read` tokens of the row's sequence; its time runs from here.
    pub fn new(tool: usize, pending: Pending, read: usize) -> Self {
        Self {
            tool,
            pending,
            read,
            message: None,
            own: None,
            arguments: Vec::new(),
            tokens: 0,
            started: Instant::now(),
        }
    }
}

/// What is read before a call's arguments: `<add>(`, and with worked calls all that stands before it.
pub(crate) struct Opening {
    ids: Vec<u32>,
    /// Whether it is a prompt of its own; else it follows the text so far.
    pub own: bool,
}

impl Opening {
    /// The opening of a call after the text so far.
    ///
    /// # Errors
    /// Why the call fails at once.
    pub fn of(
        request: &Request,
        transcript: &Transcript,
        callable: &Callable,
        extended: &Extended,
    ) -> Result<Self, String> {
        let opening = callable.tool.opening();
        let demos = callable.demos.as_ref().filter(|_| request.settings.arguments == Arguments::Demos);
        let ids = match demos {
            Some(template) => {
                let mut prompt = template.render(request.question.as_deref().unwrap_or_default());
                prompt.push_str(&transcript.with_calls());
                let space = space_after(prompt.as_bytes());
                extended.encode_raw(&format!("{prompt}{space}{opening}"))
            }
            None => extended.encode_segment(&format!("{}{opening}", transcript.space())),
        };
        Ok(Self { ids: ids.map_err(|e| e.to_string())?, own: demos.is_some() })
    }

    /// The tokens, if they fit behind `before` others.
    ///
    /// # Errors
    /// That they don't.
    pub fn fitting(self, before: usize, extended: &Extended) -> Result<Vec<u32>, String> {
        match before + self.ids.len() {
            len if len > extended.context() => Err(context_full(extended.context())),
            _ => Ok(self.ids),
        }
    }
}

impl Row {
    /// The prompt with worked calls of this tool, if that is where arguments are written.
    fn demos<'c>(&self, callable: &'c Callable) -> Option<&'c Template> {
        callable.demos.as_ref().filter(|_| self.prepared.request.settings.arguments == Arguments::Demos)
    }

    /// The tokens after which the arguments follow; else why the call fails at once.
    pub(super) fn opening(&self, callable: &Callable, extended: &Extended) -> Result<Vec<u32>, String> {
        let opening = Opening::of(&self.prepared.request, &self.transcript, callable, extended)?;
        let before = if opening.own { 0 } else { self.sequence.ids().len() };
        opening.fitting(before, extended)
    }

    /// Argument mode: the row reads the opening next.
    pub(super) fn begin_arguments(
        &mut self,
        mut call: Call,
        ids: Vec<u32>,
        around: &mut Surroundings,
    ) -> Result<(), DecodeError> {
        let extended = around.extended;
        self.input = match self.demos(&extended.callables[call.tool]) {
            Some(template) => {
                let prefix = match around.demos.entry(call.tool) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => {
                        let worked = extended.encode_raw(template.prefix())?;
                        let mut prefix = Prefix::new(extended.lm);
                        prefix.read(extended.lm, &worked[..common(&worked, &ids)])?;
                        entry.insert(prefix)
                    }
                };
                let own = call.own.insert(prefix.fork(&ids));
                self.counts.aside += ids.len() - own.ids().len();
                ids[own.ids().len()..].to_vec()
            }
            None => ids,
        };
        self.call = Some(call);
        Ok(())
    }

    /// Argument mode: takes one more word, and at `)` runs the tool.
    pub(super) fn write_argument(
        &mut self,
        mut call: Call,
        words: &[f32],
        around: &mut Surroundings,
    ) -> Result<(), DecodeError> {
        let extended = around.extended;
        let prepared = self.prepared();
        let settings = &prepared.request.settings;
        let scores = Scores::new(words, &[]).ok_or_else(|| self.no_word())?;
        let word = scores.ballot(settings, false, &mut self.rng).word;
        let result = if extended.tokenizer().ends_text(word) {
            Err("the text ended before the call's closing bracket".to_string())
        } else {
            let before = call.arguments.len();
            call.tokens += 1;
            call.arguments.extend_from_slice(extended.tokenizer().token_bytes(word));
            let closing = call.arguments[before..].iter().position(|&byte| byte == b')');
            let read = call.own.as_ref().unwrap_or(&self.sequence).ids().len();
            if let Some(at) = closing {
                call.arguments.truncate(before + at);
                extended.callables[call.tool].run(&String::from_utf8_lossy(&call.arguments))
            } else if call.tokens >= settings.max_argument_tokens {
                Err(format!(
                    "the call has no closing bracket within its cap of {} tokens",
                    settings.max_argument_tokens
                ))
            } else if read >= extended.context() {
                Err(context_full(extended.context()))
            } else {
                self.input = vec![word];
                self.call = Some(call);
                return Ok(());
            }
        };
        match self.end_call(call, result, around) {
            Some(failed) => self.carry_out(failed, around),
            None => Ok(()),
        }
    }

    /// Undoes what was read for the call. Splices its result, or gives back the decision for its next best token.
    pub(super) fn end_call(
        &mut self,
        call: Call,
        result: Result<Answer, String>,
        around: &mut Surroundings,
    ) -> Option<Pending> {
        let Call { tool: row, mut pending, read, arguments, tokens, started, .. } = call;
        let extended = around.extended;
        let Callable { tool, kind, .. } = &extended.callables[row];
        self.sequence.truncate(read);
        self.counts.arguments += tokens;
        let space = self.transcript.space();
        let spliced = result.and_then(|answer| {
            let ids =
                extended.encode_segment(&format!("{space}{}", answer.text)).map_err(|e| e.to_string())?;
            Ok((answer, ids))
        });
        let attempt = Attempt {
            tool: tool.name.clone(),
            arguments: String::from_utf8_lossy(&arguments).into_owned(),
            tokens,
            outcome: match &spliced {
                Ok((answer, _)) => CallOutcome::Result(answer.text.clone()),
                Err(reason) => CallOutcome::Error(reason.clone()),
            },
            micros: micros(started),
        };
        (around.on_event)(Event::CallEnd { request: self.index(), attempt: &attempt });
        let written =
            matches!(kind, Kind::Splice).then(|| format!("{}{})", tool.opening(), attempt.arguments));
        if let Some(decision) = &mut pending.decision {
            decision.attempts.push(attempt);
        }
        let Ok((answer, ids)) = spliced else {
            self.counts.failed_calls += 1;
            return Some(pending);
        };
        self.counts.calls += 1;
        self.counts.results += ids.len();
        self.after_number = answer.numeric;
        let stop = self.transcript.push_result(space, written, &answer.text);
        self.conclude(pending.decision, Pick::Tool(row), extended);
        self.proceed(stop.as_deref(), ids, extended);
        None
    }
}

pub(crate) fn context_full(context: usize) -> String {
    format!("the call does not fit the context of {context} tokens")
}
