//! A generation under way, apart from whatever computes it: what was said, called and decided so far, and what follows from each
//! token that is chosen. A model of our own and an engine elsewhere go by the same rules, which stand here once.

use crate::DecodeError;
use crate::extended::{Answer, Callable, Extended, Kind};
use crate::prepared::Prepared;
use crate::request::Prompt;
use crate::row::message::Framed;
use crate::settings::{Calling, Settings};
use crate::trace::{
    Alternative, Attempt, By, CallOutcome, Counts, Decision, Event, Finish, Generation, Token,
};
use crate::transcript::Transcript;
use lm::{Tokenizer, ToolCall};
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

/// Hears what happens.
pub(crate) type Tell<'t> = &'t mut dyn FnMut(usize, Event);

/// What there is of a generation.
pub(crate) struct Draft {
    pub prepared: Arc<Prepared>,
    pub transcript: Transcript,
    /// The calls of this turn that the caller is to run.
    pub made: Vec<ToolCall>,
    /// The conversation's text up to the end of the last of them.
    pub turn: Option<String>,
    /// A number was just put in: it may not be lengthened.
    pub after_number: bool,
    pub counts: Counts,
    decisions: Vec<Decision>,
    pub finish: Option<Finish>,
    started: Instant,
}

/// A call as it is made.
pub(crate) struct OpenCall {
    /// Row of the head.
    pub tool: usize,
    /// The decision for it; `None` if it is not worth a trace.
    pub decision: Option<Decision>,
    /// Its arguments so far.
    pub bytes: Vec<u8>,
    /// Tokens of the arguments.
    pub tokens: usize,
    started: Instant,
}

impl OpenCall {
    /// A call that was just decided on; its time runs from here.
    pub fn new(tool: usize, decision: Option<Decision>) -> Self {
        Self { tool, decision, bytes: Vec::new(), tokens: 0, started: Instant::now() }
    }

    /// Takes a word of the arguments.
    pub fn push(&mut self, word: u32, tokenizer: &Tokenizer) {
        self.tokens += 1;
        self.bytes.extend_from_slice(tokenizer.token_bytes(word));
    }

    /// Takes a word of arguments that end at `)`: whether they have ended.
    ///
    /// # Errors
    /// Why the call fails: the text has ended before.
    pub fn push_bracketed(&mut self, word: u32, tokenizer: &Tokenizer) -> Result<bool, String> {
        if tokenizer.ends_text(word) {
            return Err(TEXT_ENDED.to_owned());
        }
        let before = self.bytes.len();
        self.push(word, tokenizer);
        let closing = self.bytes[before..].iter().position(|&byte| byte == b')');
        if let Some(at) = closing {
            self.bytes.truncate(before + at);
        }
        Ok(closing.is_some())
    }

    /// The arguments as text.
    pub fn arguments(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn attempt(&self, extended: &Extended, outcome: CallOutcome) -> Attempt {
        Attempt {
            tool: extended.callables[self.tool].tool.name.clone(),
            arguments: self.arguments(),
            tokens: self.tokens,
            outcome,
            micros: micros(self.started),
        }
    }

    /// Tells that the call has ended, and gives its decision with it.
    fn ended(self, attempt: Attempt, index: usize, tell: Tell) -> Option<Decision> {
        tell(index, Event::CallEnd(attempt.clone()));
        let mut decision = self.decision;
        if let Some(decision) = &mut decision {
            decision.attempts.push(attempt);
        }
        decision
    }
}

/// Why a call fails that has no closing bracket.
pub(crate) const TEXT_ENDED: &str = "the text ended before the call's closing bracket";

/// Why a call fails whose arguments do not end within their cap.
pub(crate) fn without_end(most: usize) -> String {
    format!("the call has no closing bracket within its cap of {most} tokens")
}

/// Why a call fails for which there is no room.
pub(crate) fn context_full(context: usize) -> String {
    format!("the call does not fit the context of {context} tokens")
}

/// What follows a call whose result was to stand in the text.
pub(crate) enum Spliced {
    /// It stands, and these tokens of its result are read next; or the generation has ended with it.
    Done(Vec<u32>),
    /// It was undone: the decision is open for the next best token.
    Undone(Option<Decision>),
}

impl Draft {
    /// Nothing yet, after a prompt.
    pub fn new(prepared: Arc<Prepared>) -> Self {
        Self {
            transcript: Transcript::new(&prepared.text, &prepared.request.settings),
            made: Vec::new(),
            turn: None,
            after_number: false,
            counts: Counts { prompt: prepared.ids.len(), ..Counts::default() },
            decisions: Vec::new(),
            finish: None,
            started: Instant::now(),
            prepared,
        }
    }

    /// Which of the requests it is.
    pub fn index(&self) -> usize {
        self.prepared.index
    }

    fn settings(&self) -> &Settings {
        &self.prepared.request.settings
    }

    /// Whether the next token is a tool, whatever the words say.
    pub fn forced(&self) -> bool {
        self.settings().calling == Calling::Force && self.counts.chosen == 0
    }

    /// Whether tools are candidates here at all.
    pub fn may_call(&self) -> bool {
        let in_line = |start: &String| self.transcript.is_in_line(start);
        self.settings().calling != Calling::Off && self.settings().in_lines.as_ref().is_none_or(in_line)
    }

    /// Whether this tool's calls have a place here: after a call in a message there is no text that a result could stand in.
    pub fn has_place(&self, callable: &Callable) -> bool {
        self.turn.is_none() || matches!(callable.kind, Kind::Message(_))
    }

    /// The words that are none here.
    pub fn banned<'d>(&'d self, extended: &'d Extended) -> impl Iterator<Item = u32> + 'd {
        let lengthening = if self.after_number { extended.number_continuations.as_slice() } else { &[] };
        self.prepared.request.disabled_words.iter().chain(lengthening).copied()
    }

    /// Tokens that may be chosen yet, where all are counted together.
    pub fn left(&self) -> usize {
        let chosen = self.counts.chosen + self.counts.arguments;
        self.settings().max_total.map_or(usize::MAX, |most| most.saturating_sub(chosen))
    }

    /// Tokens that the arguments of a call may have; the call itself is one more.
    pub fn most_arguments(&self) -> usize {
        self.settings().max_argument_tokens.min(self.left().saturating_sub(1))
    }

    /// Why no call can be made any more, if none can: one that is wanted ends the generation.
    pub fn no_more_calls(&self) -> Option<Finish> {
        if self.counts.calls >= self.settings().max_calls {
            Some(Finish::MaxCalls)
        } else {
            (self.left() < 2).then_some(Finish::MaxTokens)
        }
    }

    /// The error of a text whose schema cannot be enforced any further.
    pub fn schema_ends(&self, message: String) -> DecodeError {
        DecodeError::Schema { index: self.index(), message }
    }

    /// A decision at this place. `called` if it is for a tool.
    pub fn decision(
        &self,
        called: bool,
        p_tool: f32,
        alternatives: Vec<Alternative>,
        tools: Vec<Alternative>,
    ) -> Decision {
        Decision {
            position: self.counts.chosen,
            at: self.transcript.len(),
            by: match (called && self.forced(), self.settings().temperature > 0.0) {
                (true, _) => By::Forced,
                (false, true) => By::Sampled,
                (false, false) => By::Greedy,
            },
            p_tool,
            alternatives,
            tools,
            attempts: Vec::new(),
            chosen: None,
        }
    }

    /// Ends the generation with a decision that comes to nothing.
    pub fn leave(&mut self, decision: Option<Decision>, finish: Finish) {
        self.decisions.extend(decision);
        self.finish = Some(finish);
    }

    /// A word is taken: what is to be read next, the word first, unless the generation has ended with it.
    pub fn word(&mut self, word: u32, decision: Option<Decision>, extended: &Extended) -> Vec<u32> {
        self.after_number = false;
        if self.turn.is_some() {
            // After a call the turn makes another one, or ends.
            self.leave(decision, Finish::Calls);
            return Vec::new();
        }
        let tokenizer = extended.tokenizer();
        self.conclude(decision, || Token::Word(tokenizer.token_text(word).into_owned()));
        if tokenizer.ends_text(word) {
            self.finish = Some(Finish::EndOfText);
            return Vec::new();
        }
        let text = if tokenizer.is_control(word) { &[] } else { tokenizer.token_bytes(word) };
        let mut ids = vec![word];
        let stop = self.transcript.push(text).or_else(|| self.insert(&mut ids, extended));
        self.proceed(stop);
        ids
    }

    /// Puts in what the request wants after the text so far, its tokens behind `ids`.
    fn insert(&mut self, ids: &mut Vec<u32>, extended: &Extended) -> Option<String> {
        let insertion = self.prepared.request.insert.as_ref()?.after(&self.transcript.text())?;
        let read = extended.encode_segment(&insertion.text).ok()?;
        self.counts.results += read.len();
        self.after_number = insertion.numeric;
        ids.extend(read);
        self.transcript.push(insertion.text.as_bytes())
    }

    /// A call has ended whose result is to stand in the text: it is put there, or the call is undone.
    pub fn splice(
        &mut self,
        call: OpenCall,
        result: Result<Answer, String>,
        extended: &Extended,
        tell: Tell,
    ) -> Spliced {
        let Callable { tool, kind, .. } = &extended.callables[call.tool];
        self.counts.arguments += call.tokens;
        let space = self.transcript.space();
        let spliced = result.and_then(|answer| {
            let ids = extended.encode_segment(&format!("{space}{}", answer.text));
            Ok((answer, ids.map_err(|e| e.to_string())?))
        });
        let outcome = match &spliced {
            Ok((answer, _)) => CallOutcome::Result(answer.text.clone()),
            Err(reason) => CallOutcome::Error(reason.clone()),
        };
        let written =
            matches!(kind, Kind::Splice).then(|| format!("{}{})", tool.opening(), call.arguments()));
        let attempt = call.attempt(extended, outcome);
        let decision = call.ended(attempt, self.prepared.index, tell);
        let Ok((answer, ids)) = spliced else {
            self.counts.failed_calls += 1;
            if self.left() > 0 {
                return Spliced::Undone(decision);
            }
            self.leave(decision, Finish::MaxTokens);
            return Spliced::Done(Vec::new());
        };
        self.counts.calls += 1;
        self.counts.results += ids.len();
        self.after_number = answer.numeric;
        let stop = self.transcript.push_result(space, written, &answer.text);
        self.conclude(decision, || Token::Tool(tool.name.clone()));
        self.proceed(stop);
        Spliced::Done(ids)
    }

    /// A complete call in a message stands, and the caller runs it. Where the turn may make more, it goes on after the template's
    /// text behind the call, whose tokens these are; else it has ended.
    pub fn stand(
        &mut self,
        call: OpenCall,
        framed: Framed,
        extended: &Extended,
        tell: Tell,
    ) -> Option<Vec<u32>> {
        let name = extended.callables[call.tool].tool.name.clone();
        let arguments = call.arguments();
        self.counts.arguments += call.tokens;
        let attempt = call.attempt(extended, CallOutcome::Client(framed.id.clone()));
        let decision = call.ended(attempt, self.prepared.index, tell);
        self.conclude(decision, || Token::Tool(name.clone()));
        self.after_number = false;
        self.counts.calls += 1;
        self.counts.chosen += 1;
        let value: Value = serde_json::from_str(&arguments).unwrap_or_default();
        let made = ToolCall::new(Some(framed.id), name, value);
        let repeated = self.made.iter().any(|earlier| earlier.function == made.function);
        self.made.push(made);
        let parallel = matches!(&self.prepared.request.prompt, Prompt::Chat(chat) if chat.parallel_calls);
        let more = parallel
            && !repeated
            && self.no_more_calls().is_none()
            && self.counts.chosen < self.settings().max_tokens;
        let tokenizer = extended.tokenizer();
        let rest = tokenizer.encode_rendered_continuation(&framed.after).ok().filter(|_| more);
        let Some(mut rest) = rest else {
            self.finish = Some(Finish::Calls);
            return None;
        };
        // The rest of the template's text ends the turn.
        if let Some(end) = rest.iter().position(|&id| tokenizer.ends_text(id)) {
            rest.truncate(end);
        }
        let turn = framed.before + &tokenizer.shielded(&arguments) + &tokenizer.decode_continuation(&rest);
        self.turn = Some(turn);
        Some(rest)
    }

    /// A limit cuts off a call in a message: it does not stand, and the generation ends, since its beginning was given out.
    pub fn cut_off(&mut self, call: OpenCall, finish: Finish, extended: &Extended, tell: Tell) {
        self.counts.arguments += call.tokens;
        self.counts.failed_calls += 1;
        let reason = "a limit cut it off before its JSON was complete".to_owned();
        let attempt = call.attempt(extended, CallOutcome::Error(reason));
        let decision = call.ended(attempt, self.prepared.index, tell);
        self.leave(decision, finish);
    }

    fn conclude(&mut self, decision: Option<Decision>, chosen: impl FnOnce() -> Token) {
        self.decisions.extend(decision.map(|decision| Decision { chosen: Some(chosen()), ..decision }));
    }

    /// After a token was chosen: the generation may have to end.
    fn proceed(&mut self, stop: Option<String>) {
        self.counts.chosen += 1;
        self.finish = match stop {
            Some(string) => Some(Finish::Stop { string }),
            None if self.counts.chosen >= self.settings().max_tokens || self.left() == 0 => {
                Some(Finish::MaxTokens)
            }
            None => None,
        };
    }

    /// Tells of the text that no later token can change.
    pub fn tell_text(&mut self, tell: Tell) {
        let delta = self.transcript.take_delta(self.finish.is_some());
        if !delta.is_empty() {
            tell(self.index(), Event::Text(delta));
        }
    }

    /// What came of it, once it is finished.
    pub fn take_generation(&mut self) -> Option<Generation> {
        Some(Generation {
            finish: self.finish.take()?,
            text: self.transcript.text(),
            tokens: self.counts,
            decisions: std::mem::take(&mut self.decisions),
            micros: micros(self.started),
        })
    }
}

pub(crate) fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
