//! A call that stands in a message of its own, its JSON written under the engine's own support of schemas.

use super::row::Row;
use super::run::Told;
use super::{Completion, End};
use crate::DecodeError;
use crate::closed::closed;
use crate::numbers::bounded;
use crate::row::arguments::context_full;
use crate::row::message::{Framed, Shown};
use crate::row::micros;
use crate::trace::{Attempt, CallOutcome, Decision, Finish};
use lm::ToolCall;
use serde_json::Value;
use std::time::Instant;

impl Row<'_, '_> {
    /// Has the engine write the arguments. A complete call stands, and the caller runs it.
    ///
    /// # Errors
    /// The engine's.
    pub fn call_in_message(
        &mut self,
        tool: usize,
        mut decision: Decision,
        started: Instant,
    ) -> Result<(), DecodeError> {
        let callable = &self.extended.callables[tool];
        let definition = callable.tool.clone();
        let content = self.transcript.text();
        let turn = self.turn.as_deref();
        let shown = Shown { calls: &callable.taught.calls, context: self.context() };
        let framed = Framed::new(&self.prepared, &content, &self.made, turn, callable, shown, self.extended);
        let framed = framed.and_then(|framed| {
            let before: &[u32] = if framed.anew { &[] } else { &self.ids };
            let prompt = [before, &framed.ids].concat();
            match prompt.len() {
                len if framed.ids.is_empty() || len >= self.context() => Err(context_full(self.context())),
                _ => Ok((framed, prompt)),
            }
        });
        let (framed, prompt) = match framed {
            Ok(framed) => framed,
            Err(reason) => {
                self.end_call(tool, decision, String::new(), 0, Err(reason), started);
                return Ok(());
            }
        };
        let (schema, bias) = (bounded(&closed(&definition.parameters)), self.no_tools());
        let room = self.context() - prompt.len();
        let completed = self.complete(Completion {
            prompt: &prompt,
            max_tokens: self.prepared.request.settings.max_argument_tokens.min(room),
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
            bias: &bias,
            stop_tokens: &[],
            stop: &[],
            schema: Some(&schema),
            top: 0,
        })?;
        let tokenizer = self.extended.tokenizer();
        let written: Vec<u32> = (completed.tokens.iter().map(|token| token.id))
            .take_while(|&id| !tokenizer.ends_text(id))
            .collect();
        let bytes: Vec<u8> =
            written.iter().flat_map(|&id| tokenizer.token_bytes(id).iter().copied()).collect();
        let arguments = String::from_utf8_lossy(&bytes).trim().to_owned();
        let value = serde_json::from_str(&arguments).ok().filter(Value::is_object);
        let Some(value) = value else {
            let reason = match completed.end {
                End::Length => "a limit cut it off before its JSON was complete",
                End::Text | End::Stop => {
                    "the engine wrote no JSON object, though it was given the tool's schema"
                }
            };
            if completed.end != End::Length {
                let tokens = written.len();
                self.end_call(tool, decision, arguments, tokens, Err(reason.to_owned()), started);
                return Ok(());
            }
            let outcome = CallOutcome::Error(reason.to_owned());
            let attempt = Attempt {
                tool: definition.name,
                arguments,
                tokens: written.len(),
                outcome,
                micros: micros(started),
            };
            self.tell(Told::CallEnd(attempt.clone()));
            decision.attempts.push(attempt);
            self.counts.arguments += written.len();
            self.counts.failed_calls += 1;
            self.give_up(decision, Finish::MaxTokens);
            return Ok(());
        };
        self.tell(Told::CallStart(definition.name.clone()));
        self.tell(Told::Arguments(arguments.clone()));
        let attempt = Attempt {
            tool: definition.name.clone(),
            arguments: arguments.clone(),
            tokens: written.len(),
            outcome: CallOutcome::Client(framed.id.clone()),
            micros: micros(started),
        };
        self.tell(Told::CallEnd(attempt.clone()));
        decision.attempts.push(attempt);
        self.conclude(decision, tool);
        self.counts.arguments += written.len();
        self.counts.calls += 1;
        self.counts.chosen += 1;
        let made = ToolCall::new(Some(framed.id), definition.name, value);
        let repeated = self.made.iter().any(|earlier| earlier.function == made.function);
        self.made.push(made);
        let so_far = framed.before + &self.extended.tokenizer().shielded(&arguments);
        if framed.defined {
            self.counts.aside += prompt.len();
        }
        let read = if framed.defined { None } else { Some([&prompt[..], &written].concat()) };
        self.go_on_after_call(so_far, &framed.after, read, repeated);
        Ok(())
    }

    /// The turn goes on after a call, if it may make more. `read` is the text so far in tokens, if arguments were written in it.
    fn go_on_after_call(&mut self, so_far: String, after: &str, read: Option<Vec<u32>>, repeated: bool) {
        let (tokenizer, request) = (self.extended.tokenizer(), &self.prepared.request);
        let parallel = matches!(&request.prompt, crate::Prompt::Chat(chat) if chat.parallel_calls);
        let more = parallel
            && !repeated
            && self.counts.calls < request.settings.max_calls
            && self.counts.chosen < request.settings.max_tokens;
        let Ok(mut ids) = tokenizer.encode_rendered_continuation(after) else {
            self.finish = Some(Finish::Calls);
            return;
        };
        // The rest of the template's text ends the turn.
        if let Some(end) = ids.iter().position(|&id| tokenizer.ends_text(id)) {
            ids.truncate(end);
        }
        let turn = so_far + &tokenizer.decode_continuation(&ids);
        match read.map_or_else(|| tokenizer.encode_rendered(&turn), |read| Ok([read, ids].concat())) {
            Ok(ids) => self.ids = ids,
            Err(_) => {
                self.finish = Some(Finish::Calls);
                return;
            }
        }
        self.turn = Some(turn);
        if !more || self.ids.len() >= self.context() {
            self.finish = Some(Finish::Calls);
        }
    }
}
