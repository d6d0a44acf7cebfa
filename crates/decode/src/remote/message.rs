//! A call that stands in a message of its own, its JSON written under the engine's own support of schemas.

use super::row::Row;
use super::{Completion, End};
use crate::DecodeError;
use crate::draft::{OpenCall, context_full};
use crate::extended::Callable;
use crate::grammar::Grammar;
use crate::row::message::{Framed, Shown};
use crate::trace::{Event, Finish};
use serde_json::Value;

impl Row<'_, '_> {
    /// Has the engine write the arguments. A complete call stands, and the caller runs it.
    ///
    /// # Errors
    /// The engine's.
    pub fn call_in_message(
        &mut self,
        mut call: OpenCall,
        callable: &Callable,
        grammar: &Grammar,
    ) -> Result<(), DecodeError> {
        let (framed, prompt) = match self.framed(callable) {
            Ok(framed) => framed,
            Err(reason) => {
                self.end_call(call, Err(reason));
                return Ok(());
            }
        };
        let (bias, room) = (self.no_tools(), self.context() - prompt.len());
        let completed = self.complete(Completion {
            prompt: &prompt,
            max_tokens: self.draft.most_arguments().min(room),
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
            bias: &bias,
            stop_tokens: &[],
            stop: &[],
            schema: Some(&grammar.schema),
            top: 0,
        })?;
        let (extended, teller) = (self.extended, self.teller());
        let tokenizer = extended.tokenizer();
        let written: Vec<u32> = (completed.tokens.iter().map(|token| token.id))
            .take_while(|&id| !tokenizer.ends_text(id))
            .collect();
        written.iter().for_each(|&id| call.push(id, tokenizer));
        let is_object = serde_json::from_str::<Value>(&call.arguments()).is_ok_and(|value| value.is_object());
        match completed.end {
            _ if is_object => call.bytes = call.bytes.trim_ascii().to_vec(),
            End::Length => {
                self.draft.cut_off(call, Finish::MaxTokens, extended, &mut |event| teller.tell(event));
                return Ok(());
            }
            End::Text | End::Stop => {
                let reason = "the engine wrote no JSON object, though it was given the tool's schema";
                self.end_call(call, Err(reason.to_owned()));
                return Ok(());
            }
        }
        let request = self.draft.index();
        teller.tell(Event::CallStart { request, tool: &callable.tool.name });
        teller.tell(Event::Arguments { request, delta: &call.arguments() });
        let defined = framed.defined;
        if defined {
            self.draft.counts.aside += prompt.len();
        }
        let Some(rest) = self.draft.stand(call, framed, extended, &mut |event| teller.tell(event)) else {
            return Ok(());
        };
        let ids = if defined {
            tokenizer.encode_rendered(self.draft.turn.as_deref().unwrap_or_default())
        } else {
            Ok([&prompt[..], &written, &rest].concat())
        };
        match ids {
            Ok(ids) => self.goes_on_after(ids),
            Err(_) => self.draft.finish = Some(Finish::Calls),
        }
        Ok(())
    }

    /// What is read before a call's arguments, as the template frames it, and all that is read then.
    fn framed(&self, callable: &Callable) -> Result<(Framed, Vec<u32>), String> {
        let shown = Shown { calls: &callable.taught.calls, context: self.context() };
        let framed = Framed::new(&self.draft, callable, shown, self.extended)?;
        let before: &[u32] = if framed.anew { &[] } else { &self.ids };
        let prompt = [before, &framed.ids].concat();
        match prompt.len() {
            len if framed.ids.is_empty() || len >= self.context() => Err(context_full(self.context())),
            _ => Ok((framed, prompt)),
        }
    }
}
