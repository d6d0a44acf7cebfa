//! A call that stands in a message of its own, its JSON written under the engine's own support of schemas.

use super::row::{Row, TOLD};
use super::{Completion, End};
use crate::DecodeError;
use crate::boundary::held_back;
use crate::draft::{OpenCall, context_full};
use crate::extended::Callable;
use crate::grammar::Grammar;
use crate::row::message::{Framed, Shown};
use crate::schema::{ahead, required_first};
use crate::settings::Arguments;
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
        let schema = required_first(&grammar.schema);
        let margin = match self.prepared().request.settings.arguments {
            Arguments::Examples => callable.taught.margin,
            _ => 0.0,
        };
        let completed = self.complete(Completion {
            prompt: &prompt,
            max_tokens: self.draft.most_arguments().min(room),
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
            bias: &bias,
            stop_tokens: &[],
            stop: &[],
            schema: Some(&schema),
            top: if margin > 0.0 { TOLD } else { 0 },
        })?;
        let (extended, teller) = (self.extended, self.teller());
        let tokenizer = extended.tokenizer();
        let mut tokens = completed.tokens;
        tokens
            .truncate(tokens.iter().position(|token| tokenizer.ends_text(token.id)).unwrap_or(tokens.len()));
        tokens.iter().for_each(|token| call.push(token.id, tokenizer));
        if margin > 0.0
            && let Some(ended) = held_back(&tokens, tokenizer, margin, |text| has_all_required(text, &schema))
        {
            call.bytes = ended;
        }
        let is_object = serde_json::from_str::<Value>(&call.arguments()).is_ok_and(|value| value.is_object());
        match completed.end {
            _ if is_object => call.bytes = call.bytes.trim_ascii().to_vec(),
            End::Length => {
                self.draft.cut_off(call, Finish::MaxTokens, extended, &mut |_, event| teller.tell(event));
                return Ok(());
            }
            End::Text | End::Stop => {
                let reason = "the engine wrote no JSON object, though it was given the tool's schema";
                self.end_call(call, Err(reason.to_owned()));
                return Ok(());
            }
        }
        teller.tell(Event::CallStart(callable.tool.name.clone()));
        teller.tell(Event::Arguments(call.arguments()));
        let defined = framed.defined;
        if defined {
            self.draft.counts.aside += prompt.len();
        }
        let Some(rest) = self.draft.stand(call, framed, extended, &mut |_, event| teller.tell(event)) else {
            return Ok(());
        };
        let written = tokens.iter().map(|token| token.id);
        let ids = if defined {
            tokenizer.encode_rendered(self.draft.turn.as_deref().unwrap_or_default())
        } else {
            Ok(prompt.into_iter().chain(written).chain(rest).collect())
        };
        match ids {
            Ok(ids) => self.goes_on_after(ids),
            Err(_) => self.draft.finish = Some(Finish::Calls),
        }
        Ok(())
    }

    /// What is read before a call's arguments, as the template frames it, and all that is read then.
    fn framed(&self, callable: &Callable) -> Result<(Framed, Vec<u32>), String> {
        let mut shown = Shown::of(callable, self.context());
        // In the order in which engines write them: what a model expects to write later it leaves out.
        let required = &callable.tool.parameters["required"];
        shown.definition = required_first(&shown.definition);
        for call in shown.calls.to_mut() {
            if let Value::Object(arguments) = &mut call.arguments {
                *arguments = ahead(std::mem::take(arguments), required);
            }
        }
        let framed = Framed::new(&self.draft, &shown, self.extended)?;
        let before: &[u32] = if framed.anew { &[] } else { &self.ids };
        let prompt = [before, &framed.ids].concat();
        match prompt.len() {
            len if framed.ids.is_empty() || len >= self.context() => Err(context_full(self.context())),
            _ => Ok((framed, prompt)),
        }
    }
}

/// Whether a text is an object with all that its schema says must be there, as far as it is said in the schema itself.
fn has_all_required(text: &[u8], schema: &Value) -> bool {
    let Ok(Value::Object(object)) = serde_json::from_slice(text) else { return false };
    let combined = ["$ref", "allOf", "anyOf", "oneOf"].iter().any(|key| schema.get(key).is_some());
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    !combined && required.iter().filter_map(Value::as_str).all(|name| object.contains_key(name))
}
