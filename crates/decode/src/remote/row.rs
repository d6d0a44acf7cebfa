//! One request's state machine over an engine elsewhere: as that over a model of our own, in stretches instead of tokens.

use super::choice::Chances;
use super::run::Teller;
use super::{Completed, Completion, Emitted, End, Served};
use crate::DecodeError;
use crate::choose::Pick;
use crate::draft::{Draft, OpenCall, Spliced, TEXT_ENDED, context_full, without_end};
use crate::extended::{Answer, Callable, Extended, Kind};
use crate::prepared::Prepared;
use crate::row::arguments::Opening;
use crate::trace::{Decision, Event, Finish, Generation};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How many of the best tokens are asked for where a tool was chosen: what engines give without being configured.
pub(super) const TOLD: usize = 20;
/// What lifts tools above all words where a call is asked for. Engines that know OpenAI's range add no more than this.
const LIFT: f32 = 100.0;

/// A request under way at an engine.
pub(super) struct Row<'r, 'a> {
    pub draft: Draft,
    pub extended: &'r Extended<'a>,
    served: &'r Served,
    teller: &'r Teller,
    /// By row of the head: the tool's token.
    tokens: Vec<u32>,
    /// By token: the row of the head.
    rows: HashMap<u32, usize>,
    /// The prompt and the text so far.
    pub ids: Vec<u32>,
    /// Tools that were tried in vain at the present position, by row of the head.
    failed: Vec<usize>,
    /// Their decision.
    open: Option<Decision>,
    /// Requests sent so far.
    asked: u64,
}

impl<'r, 'a> Row<'r, 'a> {
    pub fn new(
        prepared: Prepared,
        extended: &'r Extended<'a>,
        served: &'r Served,
        teller: &'r Teller,
    ) -> Self {
        let ids: HashMap<&str, u32> = served.tools.iter().map(|(name, id)| (name.as_str(), *id)).collect();
        // The engine was refused that has not all of them.
        let tokens: Vec<u32> = extended.tools().filter_map(|name| ids.get(name).copied()).collect();
        Self {
            rows: tokens.iter().enumerate().map(|(row, &id)| (id, row)).collect(),
            tokens,
            ids: prepared.ids.clone(),
            failed: Vec::new(),
            open: None,
            asked: 0,
            draft: Draft::new(Arc::new(prepared)),
            extended,
            served,
            teller,
        }
    }

    /// What comes of it.
    ///
    /// # Errors
    /// The engine's.
    pub fn run(mut self) -> Result<Generation, DecodeError> {
        loop {
            if self.ids.len() >= self.context() && self.draft.finish.is_none() {
                self.draft.finish =
                    Some(Finish::ContextFull { len: self.ids.len() + 1, max: self.context() });
            }
            self.tell_text();
            if let Some(generation) = self.draft.take_generation() {
                return Ok(generation);
            }
            self.stretch()?;
        }
    }

    fn tell_text(&mut self) {
        let teller = self.teller;
        self.draft.tell_text(&mut |_, event| teller.tell(event));
    }

    /// The request, apart from the row: to be read while the row changes.
    pub fn prepared(&self) -> Arc<Prepared> {
        Arc::clone(&self.draft.prepared)
    }

    /// The longest context: the engine may have been given less than the model takes.
    pub fn context(&self) -> usize {
        self.served.context.min(self.extended.context())
    }

    pub fn teller(&self) -> &'r Teller {
        self.teller
    }

    /// Sends a request with what is the same in all of this generation's.
    ///
    /// # Errors
    /// The engine's; an answer of no tokens, or of more than were asked for.
    pub fn complete(&mut self, wanted: Completion<'_>) -> Result<Completed, DecodeError> {
        let settings = &self.draft.prepared.request.settings;
        let wanted = Completion {
            temperature: settings.temperature,
            top_p: settings.top_p,
            seed: settings.seed.wrapping_add(self.asked),
            ..wanted
        };
        self.asked += 1;
        let index = self.draft.index();
        if self.teller.is_cancelled() {
            return Err(DecodeError::Unfinished { index });
        }
        let failed = |message: String| DecodeError::Engine { index, message };
        let completed = self.served.engine.complete(&wanted).map_err(failed)?;
        let found = completed.tokens.len();
        if found > wanted.max_tokens || (found == 0 && completed.end != End::Text) {
            let message = format!(
                "the engine answered with {found} tokens, expected 1 to {}: it is not one of those that are known here",
                wanted.max_tokens
            );
            return Err(failed(message));
        }
        Ok(completed)
    }

    /// The row of the head whose token this is.
    pub fn tool(&self, id: u32) -> Option<usize> {
        self.rows.get(&id).copied()
    }

    /// All tools' tokens, forbidden.
    pub fn no_tools(&self) -> Vec<(u32, f32)> {
        self.served.tools.iter().map(|(_, id)| (*id, f32::NEG_INFINITY)).collect()
    }

    /// Reasoning mode: words up to the next call or the end.
    fn stretch(&mut self) -> Result<(), DecodeError> {
        let prepared = self.prepared();
        let settings = &prepared.request.settings;
        let forced = self.draft.forced();
        let grammar = prepared.grammar.as_ref();
        // After one tool and so many more only words are left.
        let tools =
            grammar.is_none() && self.draft.may_call() && self.failed.len() <= settings.max_backtracks;
        let mut bias: BTreeMap<u32, f32> = self.no_tools().into_iter().collect();
        let mut lift = 0.0;
        if tools {
            let open = self.biases(&prepared);
            // The best tool's bias and its lift are no more together than engines take.
            let most = open.iter().map(|(_, bias)| *bias).fold(f32::NEG_INFINITY, f32::max);
            lift = if forced && most.is_finite() { LIFT - most } else { 0.0 };
            bias.extend(open.into_iter().map(|(id, bias)| (id, bias + lift)));
        }
        bias.extend(self.draft.banned(self.extended).map(|id| (id, f32::NEG_INFINITY)));
        let bias: Vec<(u32, f32)> = bias.into_iter().filter(|(_, bias)| *bias != 0.0).collect();
        // What holds for the next token alone is asked for by itself.
        let one = forced && grammar.is_none()
            || self.draft.after_number
            || !self.failed.is_empty()
            || self.draft.turn.is_some()
            || settings.in_lines.is_some();
        let stop_tokens = if tools { self.tokens.clone() } else { Vec::new() };
        let top = match settings.logprobs {
            Some(count) => count.max(settings.alternatives),
            None if tools => settings.alternatives,
            None => 0,
        };
        let most = (settings.max_tokens - self.draft.counts.chosen).min(self.draft.left());
        let wanted = Completion {
            prompt: &self.ids.clone(),
            max_tokens: if one { 1 } else { most.min(self.context() - self.ids.len()) },
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
            bias: &bias,
            stop_tokens: &stop_tokens,
            stop: if one { &[] } else { &settings.stop },
            schema: grammar.map(|grammar| &*grammar.schema),
            top: top.min(TOLD),
        };
        let completed = self.complete(wanted)?;
        for emitted in completed.tokens {
            match self.tool(emitted.id).filter(|_| tools) {
                Some(tool) => {
                    self.tell_text(); // what was said before the call is told before it
                    return self.decide(tool, emitted, lift, &wanted);
                }
                None if !self.take_word(&emitted, lift, &wanted) => return Ok(()),
                None => {}
            }
        }
        if self.draft.finish.is_none() && (completed.end == End::Text || grammar.is_some()) {
            self.draft.finish = Some(match completed.end {
                _ if self.draft.turn.is_some() => Finish::Calls,
                End::Length => Finish::MaxTokens,
                End::Text | End::Stop => Finish::EndOfText,
            });
        }
        Ok(())
    }

    /// The tools that may be called here, with what is added to their logits.
    fn biases(&self, prepared: &Prepared) -> Vec<(u32, f32)> {
        let offsets = self.extended.head.as_ref().map(|scores| &scores.head().offsets[..]);
        let each = self.tokens.iter().zip(&self.extended.callables).enumerate();
        each.filter(|(row, (_, callable))| {
            self.draft.has_place(callable) && !prepared.disabled_tools[*row] && !self.failed.contains(row)
        })
        .map(|(row, (&id, _))| (id, prepared.bias + offsets.map_or(0.0, |offsets| offsets[row])))
        .collect()
    }

    /// A tool has won: calls it. What it was chosen against is asked for, where the engine did not say.
    fn decide(
        &mut self,
        tool: usize,
        mut emitted: Emitted,
        lift: f32,
        wanted: &Completion<'_>,
    ) -> Result<(), DecodeError> {
        let prepared = self.prepared();
        let decision = match self.open.take() {
            Some(decision) => decision,
            None => {
                if emitted.top.is_empty() && prepared.request.settings.alternatives > 0 {
                    let prompt = self.ids.clone();
                    // Without anything to stop at: llama.cpp's server does not tell of the token that stopped it.
                    let look = Completion {
                        prompt: &prompt,
                        max_tokens: 1,
                        stop_tokens: &[],
                        stop: &[],
                        top: TOLD,
                        ..*wanted
                    };
                    let seen = self.complete(look)?;
                    emitted.top = seen.tokens.into_iter().next().map(|token| token.top).unwrap_or_default();
                }
                self.decision(&emitted, lift, wanted)
            }
        };
        if let Some(finish) = self.draft.no_more_calls() {
            self.draft.leave(Some(decision), finish);
            return Ok(());
        }
        let callable = &self.extended.callables[tool];
        let mut call = OpenCall::new(tool, Some(decision));
        // A call in a message is told of when its arguments are there: until then it may come to nothing, and text follow.
        if !matches!(callable.kind, Kind::Message(_)) {
            self.teller.tell(Event::CallStart(callable.tool.name.clone()));
        }
        match &callable.kind {
            Kind::Literal => self.end_call(call, callable.run("")),
            Kind::Splice => {
                let result = self.write_arguments(callable, &mut call)?;
                self.end_call(call, result);
            }
            Kind::Message(grammar) => self.call_in_message(call, callable, grammar)?,
        }
        Ok(())
    }

    fn decision(&self, emitted: &Emitted, lift: f32, wanted: &Completion<'_>) -> Decision {
        let settings = &self.draft.prepared.request.settings;
        let lifted = |id: u32| lift != 0.0 && self.rows.contains_key(&id);
        let unlifted: Vec<(u32, f32)> = (wanted.bias.iter())
            .map(|&(id, bias)| (id, if lifted(id) { bias - lift } else { bias }))
            .collect();
        let chances = Chances::new(&emitted.top, &Completion { bias: &unlifted, ..*wanted });
        let alternatives =
            chances.alternatives(settings.alternatives, |id| self.extended.token(self.pick(id)));
        self.draft.decision(self.tool(emitted.id).is_some(), chances.tools, alternatives, Vec::new())
    }

    fn pick(&self, id: u32) -> Pick {
        self.tool(id).map_or(Pick::Word(id), Pick::Tool)
    }

    /// Puts a word down; false if what follows it in the engine's answer is not to be read.
    fn take_word(&mut self, emitted: &Emitted, lift: f32, wanted: &Completion<'_>) -> bool {
        let (word, settings) = (emitted.id, &self.draft.prepared.request.settings);
        let decision = match self.open.take() {
            Some(decision) => Some(decision),
            None if emitted.top.is_empty() => None,
            None => Some(self.decision(emitted, lift, wanted)).filter(|decision| {
                !wanted.stop_tokens.is_empty() && decision.p_tool >= settings.record_above
            }),
        };
        self.failed.clear();
        let said = !self.extended.tokenizer().ends_text(word) && self.draft.turn.is_none();
        let among = || emitted.top.iter().find(|(id, _)| *id == word).map(|(_, logprob)| *logprob);
        if let (Some(count), true, Some(logprob)) = (settings.logprobs, said, emitted.logprob.or_else(among))
        {
            let top = emitted.top.iter().take(count);
            let top: Vec<_> =
                top.map(|&(id, logprob)| self.extended.top_token(self.pick(id), logprob)).collect();
            self.teller.tell(Event::Word { id: word, logprob, top });
        }
        let ids = self.draft.word(word, decision, self.extended);
        // The engine did not know of what was put in behind the word.
        let goes_on = ids.len() == 1 && self.draft.finish.is_none();
        self.ids.extend(ids);
        goes_on
    }

    /// Argument mode: what came of the call.
    fn write_arguments(
        &mut self,
        callable: &Callable,
        call: &mut OpenCall,
    ) -> Result<Result<Answer, String>, DecodeError> {
        let prepared = self.prepared();
        let opening = Opening::of(&prepared.request, &self.draft.transcript, callable, self.extended);
        let prompt = opening.and_then(|opening| {
            let before: &[u32] = if opening.own { &[] } else { &self.ids };
            let ids = opening.fitting(before.len(), self.extended)?;
            Ok([before, &ids].concat())
        });
        let prompt = match prompt {
            Ok(prompt) if prompt.len() < self.context() => prompt,
            Ok(_) => return Ok(Err(context_full(self.context()))),
            Err(reason) => return Ok(Err(reason)),
        };
        let most = self.draft.most_arguments();
        let (bias, room) = (self.no_tools(), self.context() - prompt.len());
        let completed = self.complete(Completion {
            prompt: &prompt,
            max_tokens: most.min(room),
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
            bias: &bias,
            stop_tokens: &[],
            stop: &[")".to_owned()],
            schema: None,
            top: 0,
        })?;
        for &Emitted { id, .. } in &completed.tokens {
            match call.push_bracketed(id, self.extended.tokenizer()) {
                Ok(true) => return Ok(callable.run(&call.arguments())),
                Ok(false) => {}
                Err(reason) => return Ok(Err(reason)),
            }
        }
        Ok(Err(match completed.end {
            End::Text => TEXT_ENDED.to_owned(),
            _ if call.tokens >= most => without_end(most),
            _ => context_full(self.context()),
        }))
    }

    /// Puts a call's result in its place, or leaves the decision open for the next best token.
    pub fn end_call(&mut self, call: OpenCall, result: Result<Answer, String>) {
        let (tool, teller) = (call.tool, self.teller);
        match self.draft.splice(call, result, self.extended, &mut |_, event| teller.tell(event)) {
            Spliced::Done(ids) => {
                self.ids.extend(ids);
                self.failed.clear();
            }
            Spliced::Undone(decision) => {
                self.failed.push(tool);
                self.open = decision;
            }
        }
    }

    /// The turn goes on after a call in a message; the others that failed at its place may be called again.
    pub fn goes_on_after(&mut self, ids: Vec<u32>) {
        self.ids = ids;
        self.failed.clear();
        if self.ids.len() >= self.context() {
            self.draft.finish = Some(Finish::Calls); // no room for another
        }
    }
}
