//! One request's state machine over an engine elsewhere: as that over a model of our own, in stretches instead of tokens.

use super::choice::Chances;
use super::run::{Teller, Told};
use super::{Completed, Completion, Emitted, End, Served};
use crate::DecodeError;
use crate::extended::{Answer, Callable, Extended, Kind};
use crate::prepared::Prepared;
use crate::row::arguments::{Opening, context_full};
use crate::row::micros;
use crate::settings::Calling;
use crate::trace::{Attempt, By, CallOutcome, Counts, Decision, Finish, Generation, Token};
use crate::transcript::Transcript;
use lm::ToolCall;
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

/// How many of the best tokens are asked for where a tool was chosen: what engines give without being configured.
const TOLD: usize = 20;
/// What lifts tools above all words where a call is asked for. Engines that know OpenAI's range add no more than this.
const LIFT: f32 = 100.0;

/// A request under way at an engine.
pub(super) struct Row<'r, 'a> {
    pub prepared: Prepared,
    pub extended: &'r Extended<'a>,
    served: &'r Served,
    teller: &'r Teller,
    /// By row of the head: the tool's token.
    tokens: Vec<u32>,
    /// By token: the row of the head.
    rows: HashMap<u32, usize>,
    /// The prompt and the text so far.
    pub ids: Vec<u32>,
    pub transcript: Transcript,
    /// The calls of this turn that the caller is to run.
    pub made: Vec<ToolCall>,
    /// The conversation's text up to the end of the last of them.
    pub turn: Option<String>,
    after_number: bool,
    /// Tools that were tried in vain at the present position, by row of the head.
    failed: Vec<usize>,
    /// Their decision.
    open: Option<Decision>,
    pub counts: Counts,
    decisions: Vec<Decision>,
    pub finish: Option<Finish>,
    /// Requests sent so far.
    asked: u64,
    started: Instant,
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
            transcript: Transcript::new(&prepared.text, &prepared.request.settings),
            made: Vec::new(),
            turn: None,
            after_number: false,
            failed: Vec::new(),
            open: None,
            counts: Counts { prompt: prepared.ids.len(), ..Counts::default() },
            decisions: Vec::new(),
            finish: None,
            asked: 0,
            started: Instant::now(),
            prepared,
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
        while self.finish.is_none() {
            match self.ids.len() {
                len if len >= self.context() => {
                    self.finish = Some(Finish::ContextFull { len: len + 1, max: self.context() });
                }
                _ => self.stretch()?,
            }
            self.tell_text();
        }
        self.tell_text();
        Ok(Generation {
            finish: self.finish.take().unwrap_or(Finish::MaxTokens),
            text: self.transcript.text(),
            tokens: self.counts,
            decisions: std::mem::take(&mut self.decisions),
            micros: micros(self.started),
        })
    }

    /// The longest context: the engine may have been given less than the model takes.
    pub fn context(&self) -> usize {
        self.served.context.min(self.extended.context())
    }

    pub fn tell(&self, told: Told) {
        self.teller.tell(told);
    }

    fn tell_text(&mut self) {
        let delta = self.transcript.take_delta(self.finish.is_some());
        if !delta.is_empty() {
            self.tell(Told::Text(delta));
        }
    }

    /// Sends a request with what is the same in all of this generation's.
    ///
    /// # Errors
    /// The engine's; an answer of no tokens, or of more than were asked for.
    pub fn complete(&mut self, wanted: Completion<'_>) -> Result<Completed, DecodeError> {
        let settings = &self.prepared.request.settings;
        let wanted = Completion {
            temperature: settings.temperature,
            top_p: settings.top_p,
            seed: settings.seed.wrapping_add(self.asked),
            ..wanted
        };
        self.asked += 1;
        let index = self.prepared.index;
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
        let settings = self.prepared.request.settings.clone();
        let forced = settings.calling == Calling::Force && self.counts.chosen == 0;
        let schema = self.prepared.request.schema.clone();
        let elsewhere = settings.in_lines.as_ref().is_some_and(|start| !self.transcript.is_in_line(start));
        let off = settings.calling == Calling::Off || elsewhere || schema.is_some();
        // After one tool and so many more only words are left.
        let tools = !off && self.failed.len() <= settings.max_backtracks;
        let mut bias: BTreeMap<u32, f32> = self.no_tools().into_iter().collect();
        if tools {
            let offsets = self.extended.head.as_ref().map(|scores| &scores.head().offsets[..]);
            for (row, &id) in self.tokens.iter().enumerate() {
                // After a call in a message there is no text that a result could stand in.
                let fits =
                    self.turn.is_none() || matches!(self.extended.callables[row].kind, Kind::Message(_));
                if fits && !self.prepared.disabled_tools[row] && !self.failed.contains(&row) {
                    let offset = offsets.map_or(0.0, |offsets| offsets[row]);
                    bias.insert(id, self.prepared.bias + offset + if forced { LIFT } else { 0.0 });
                }
            }
        }
        let lengthening = if self.after_number { self.extended.number_continuations.as_slice() } else { &[] };
        let banned = self.prepared.request.disabled_words.iter().chain(lengthening);
        bias.extend(banned.map(|&id| (id, f32::NEG_INFINITY)));
        let bias: Vec<(u32, f32)> = bias.into_iter().filter(|(_, bias)| *bias != 0.0).collect();
        // What holds for the next token alone is asked for by itself.
        let one = forced
            || self.after_number
            || !self.failed.is_empty()
            || self.turn.is_some()
            || settings.in_lines.is_some();
        let stop_tokens = if tools { self.tokens.clone() } else { Vec::new() };
        let top = match settings.logprobs {
            Some(count) => count.max(settings.alternatives),
            None if tools => settings.alternatives,
            None => 0,
        };
        let wanted = Completion {
            prompt: &self.ids.clone(),
            max_tokens: if one {
                1
            } else {
                (settings.max_tokens - self.counts.chosen).min(self.context() - self.ids.len())
            },
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
            bias: &bias,
            stop_tokens: &stop_tokens,
            stop: if one { &[] } else { &settings.stop },
            schema: schema.as_ref(),
            top: top.min(TOLD),
        };
        let completed = self.complete(wanted)?;
        for emitted in completed.tokens {
            match self.tool(emitted.id).filter(|_| tools) {
                Some(tool) => return self.decide(tool, emitted, forced, &wanted),
                None if !self.take_word(&emitted, forced, &wanted) => return Ok(()),
                None => {}
            }
        }
        if self.finish.is_none() && (completed.end == End::Text || schema.is_some()) {
            self.finish = Some(match completed.end {
                End::Length => Finish::MaxTokens,
                End::Text | End::Stop => Finish::EndOfText,
            });
        }
        Ok(())
    }

    /// A tool has won: calls it. What it was chosen against is asked for, where the engine did not say.
    fn decide(
        &mut self,
        tool: usize,
        mut emitted: Emitted,
        forced: bool,
        wanted: &Completion<'_>,
    ) -> Result<(), DecodeError> {
        let settings = self.prepared.request.settings.clone();
        let decision = match self.open.take() {
            Some(decision) => decision,
            None => {
                if emitted.top.is_empty() && settings.alternatives > 0 {
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
                self.decision(&emitted, forced, wanted)
            }
        };
        if self.counts.calls >= settings.max_calls {
            self.decisions.push(decision);
            self.finish = Some(Finish::MaxCalls);
            return Ok(());
        }
        let callable = &self.extended.callables[tool];
        let started = Instant::now();
        // A call in a message is told of when its arguments are there: until then it may come to nothing, and text follow.
        if !matches!(callable.kind, Kind::Message(_)) {
            self.tell(Told::CallStart(callable.tool.name.clone()));
        }
        match &callable.kind {
            Kind::Literal => self.end_call(tool, decision, String::new(), 0, callable.run(""), started),
            Kind::Splice => {
                let (arguments, tokens, result) = self.write_arguments(callable)?;
                self.end_call(tool, decision, arguments, tokens, result, started);
            }
            Kind::Message(_) => self.call_in_message(tool, decision, started)?,
        }
        Ok(())
    }

    fn decision(&self, emitted: &Emitted, forced: bool, wanted: &Completion<'_>) -> Decision {
        let settings = &self.prepared.request.settings;
        let unlifted: Vec<(u32, f32)> = (wanted.bias.iter())
            .map(|&(id, bias)| (id, if forced && bias.is_finite() { bias - LIFT } else { bias }))
            .collect();
        let chances = Chances::new(&emitted.top, &Completion { bias: &unlifted, ..*wanted });
        Decision {
            position: self.counts.chosen,
            at: self.transcript.len(),
            by: match (self.tool(emitted.id).is_some() && forced, settings.temperature > 0.0) {
                (true, _) => By::Forced,
                (false, true) => By::Sampled,
                (false, false) => By::Greedy,
            },
            p_tool: chances.tools,
            alternatives: chances.alternatives(settings.alternatives, self.extended, |id| self.tool(id)),
            tools: Vec::new(),
            attempts: Vec::new(),
            chosen: None,
        }
    }

    /// Puts a word down; false if what follows it in the engine's answer is not to be read.
    fn take_word(&mut self, emitted: &Emitted, forced: bool, wanted: &Completion<'_>) -> bool {
        let (word, tokenizer) = (emitted.id, self.extended.tokenizer());
        let settings = &self.prepared.request.settings;
        let ends = tokenizer.ends_text(word);
        let decision = match self.open.take() {
            Some(decision) => Some(decision),
            None if emitted.top.is_empty() => None,
            None => Some(self.decision(emitted, forced, wanted)).filter(|decision| {
                !wanted.stop_tokens.is_empty() && decision.p_tool >= settings.record_above
            }),
        };
        self.failed.clear();
        self.after_number = false;
        if self.turn.is_some() {
            // After a call the turn makes another one, or ends.
            self.decisions.extend(decision);
            self.finish = Some(Finish::Calls);
            return false;
        }
        if let (Some(count), false, Some(own)) =
            (settings.logprobs, ends, emitted.top.iter().find(|(id, _)| *id == word))
        {
            let token = |id: u32| match self.tool(id) {
                Some(row) => Token::Tool(self.extended.callables[row].tool.name.clone()),
                None => Token::Word(tokenizer.token_text(id).into_owned()),
            };
            let top = emitted.top.iter().take(count).map(|&(id, logprob)| (token(id), logprob)).collect();
            self.tell(Told::Word(word, own.1, top));
        }
        let chosen = Token::Word(tokenizer.token_text(word).into_owned());
        self.decisions.extend(decision.map(|decision| Decision { chosen: Some(chosen), ..decision }));
        if ends {
            self.finish = Some(Finish::EndOfText);
            return false;
        }
        let text = if tokenizer.is_control(word) { &[] } else { tokenizer.token_bytes(word) };
        let mut stop = self.transcript.push(text);
        let mut ids = vec![word];
        let mut goes_on = true;
        if stop.is_none()
            && let Some(insertion) =
                self.prepared.request.insert.as_ref().and_then(|insert| insert.after(&self.transcript.text()))
            && let Ok(read) = self.extended.encode_segment(&insertion.text)
        {
            self.counts.results += read.len();
            self.after_number = insertion.numeric;
            ids.extend(read);
            stop = self.transcript.push(insertion.text.as_bytes());
            goes_on = false;
        }
        self.proceed(stop, ids);
        goes_on && self.finish.is_none()
    }

    /// After a token was chosen: ends, or goes on after `ids`.
    fn proceed(&mut self, stop: Option<String>, ids: Vec<u32>) {
        self.counts.chosen += 1;
        self.ids.extend(ids);
        match stop {
            Some(string) => self.finish = Some(Finish::Stop { string }),
            None if self.counts.chosen >= self.prepared.request.settings.max_tokens => {
                self.finish = Some(Finish::MaxTokens);
            }
            None => {}
        }
    }

    /// Argument mode: the arguments, the number of their tokens, and what came of the call.
    fn write_arguments(
        &mut self,
        callable: &Callable,
    ) -> Result<(String, usize, Result<Answer, String>), DecodeError> {
        let opening = Opening::of(&self.prepared.request, &self.transcript, callable, self.extended);
        let prompt = opening.and_then(|opening| {
            let before: &[u32] = if opening.own { &[] } else { &self.ids };
            let ids = opening.fitting(before.len(), self.extended)?;
            Ok([before, &ids].concat())
        });
        let prompt = match prompt {
            Ok(prompt) if prompt.len() < self.context() => prompt,
            Ok(_) => return Ok((String::new(), 0, Err(context_full(self.context())))),
            Err(reason) => return Ok((String::new(), 0, Err(reason))),
        };
        let most = self.prepared.request.settings.max_argument_tokens;
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
        let tokenizer = self.extended.tokenizer();
        let (mut arguments, mut tokens, mut closing) = (Vec::new(), 0, None);
        let mut ended = completed.end == End::Text;
        for &Emitted { id, .. } in &completed.tokens {
            if tokenizer.ends_text(id) {
                ended = true;
                break;
            }
            let before = arguments.len();
            tokens += 1;
            arguments.extend_from_slice(tokenizer.token_bytes(id));
            closing = arguments[before..].iter().position(|&byte| byte == b')').map(|at| before + at);
            if closing.is_some() {
                break;
            }
        }
        arguments.truncate(closing.unwrap_or(arguments.len()));
        let arguments = String::from_utf8_lossy(&arguments).into_owned();
        let result = match closing {
            Some(_) => callable.run(&arguments),
            None if ended => Err("the text ended before the call's closing bracket".to_owned()),
            None if tokens >= most => {
                Err(format!("the call has no closing bracket within its cap of {most} tokens"))
            }
            None => Err(context_full(self.context())),
        };
        Ok((arguments, tokens, result))
    }

    /// Puts a call's result in its place, or leaves the decision open for the next best token.
    pub fn end_call(
        &mut self,
        tool: usize,
        mut decision: Decision,
        arguments: String,
        tokens: usize,
        result: Result<Answer, String>,
        started: Instant,
    ) {
        let callable = &self.extended.callables[tool];
        self.counts.arguments += tokens;
        let space = self.transcript.space();
        let spliced = result.and_then(|answer| {
            let ids = self.extended.encode_segment(&format!("{space}{}", answer.text));
            Ok((answer, ids.map_err(|e| e.to_string())?))
        });
        let attempt = Attempt {
            tool: callable.tool.name.clone(),
            arguments,
            tokens,
            outcome: match &spliced {
                Ok((answer, _)) => CallOutcome::Result(answer.text.clone()),
                Err(reason) => CallOutcome::Error(reason.clone()),
            },
            micros: micros(started),
        };
        self.tell(Told::CallEnd(attempt.clone()));
        let written = matches!(callable.kind, Kind::Splice)
            .then(|| format!("{}{})", callable.tool.opening(), attempt.arguments));
        decision.attempts.push(attempt);
        let Ok((answer, ids)) = spliced else {
            self.counts.failed_calls += 1;
            self.failed.push(tool);
            self.open = Some(decision);
            return;
        };
        self.counts.calls += 1;
        self.counts.results += ids.len();
        self.conclude(decision, tool);
        self.after_number = answer.numeric;
        let stop = self.transcript.push_result(space, written, &answer.text);
        self.proceed(stop, ids);
    }

    /// Notes a decision for a tool whose call stands.
    pub fn conclude(&mut self, decision: Decision, tool: usize) {
        let chosen = Some(Token::Tool(self.extended.callables[tool].tool.name.clone()));
        self.decisions.push(Decision { chosen, ..decision });
        self.failed.clear();
        self.after_number = false;
    }

    /// Notes a decision that came to nothing.
    pub fn give_up(&mut self, decision: Decision, finish: Finish) {
        self.decisions.push(decision);
        self.finish = Some(finish);
    }
}
