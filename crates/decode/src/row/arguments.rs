//! Argument mode: a call is opened, its arguments are written with the tools off, it runs, and it stands or is undone.

use super::message::MessageCall;
use super::{Pending, Row, Surroundings, WordChances};
use crate::DecodeError;
use crate::choose::{Ballot, Scores};
use crate::draft::{OpenCall, context_full, without_end};
use crate::extended::{Callable, Extended};
use crate::prefix::{Prefix, common};
use crate::request::{Request, Template};
use crate::settings::Arguments;
use crate::splice::space_after;
use crate::transcript::Transcript;
use lm::Sequence;
use std::collections::hash_map::Entry;

/// A call under way.
pub(super) struct Call {
    pub open: OpenCall,
    /// What is left of the decision for it.
    pub ballot: Ballot,
    pub chances: Option<WordChances>,
    /// Tokens of the row's sequence at the decision: where undoing goes back to.
    pub read: usize,
    /// Of a call that stands in a message of its own.
    pub message: Option<MessageCall>,
    /// The sequence of a prompt with worked calls; without one the arguments are written in the row's own.
    pub own: Option<Sequence>,
}

impl Call {
    /// A call decided on after `read` tokens of the row's sequence.
    pub fn new(tool: usize, pending: Pending, read: usize) -> Self {
        let Pending { ballot, decision, chances } = pending;
        Self { open: OpenCall::new(tool, decision), ballot, chances, read, message: None, own: None }
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
        callable.demos.as_ref().filter(|_| self.draft.prepared.request.settings.arguments == Arguments::Demos)
    }

    /// The tokens after which the arguments follow; else why the call fails at once.
    pub(super) fn opening(&self, callable: &Callable, extended: &Extended) -> Result<Vec<u32>, String> {
        let opening = Opening::of(&self.draft.prepared.request, &self.draft.transcript, callable, extended)?;
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
        let tool = call.open.tool;
        self.input = match self.demos(&extended.callables[tool]) {
            Some(template) => {
                let prefix = match around.demos.entry(tool) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => {
                        let worked = extended.encode_raw(template.prefix())?;
                        let mut prefix = Prefix::new(extended.lm);
                        prefix.read(extended.lm, &worked[..common(&worked, &ids)])?;
                        entry.insert(prefix)
                    }
                };
                let own = call.own.insert(prefix.fork(&ids));
                self.draft.counts.aside += ids.len() - own.ids().len();
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
        let most = self.draft.most_arguments();
        let read = call.own.as_ref().unwrap_or(&self.sequence).ids().len();
        let result = match call.open.push_bracketed(word, extended.tokenizer()) {
            Err(reason) => Err(reason),
            Ok(true) => extended.callables[call.open.tool].run(&call.open.arguments()),
            Ok(false) if call.open.tokens >= most => Err(without_end(most)),
            Ok(false) if read >= extended.context() => Err(context_full(extended.context())),
            Ok(false) => {
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
}
