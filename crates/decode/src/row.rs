//! One request's state machine: it names the tokens to be read next, and decides once they have been read.
//!
//! ```text
//!             word                              literal
//!           ┌──────┐                  ┌──────────────────────────┐
//! prompt ─> deciding ── a tool wins ──┤                          ├── result ─> deciding
//!           └──────┘                  └─ arguments … `)` ── run ─┘
//!               ^                            │
//!               └──── next best token ── undone on failure
//! ```

pub(crate) mod arguments;
pub(crate) mod message;

use crate::DecodeError;
use crate::choose::{Ballot, Pick, Scores, best};
use crate::extended::{Extended, Kind};
use crate::grammar::Constraint;
use crate::prefix::Prefix;
use crate::prepared::Prepared;
use crate::settings::Calling;
use crate::trace::{Alternative, By, Counts, Decision, Event, Finish, Generation};
use crate::transcript::Transcript;
use arguments::Call;
use lm::{Sequence, ToolCall};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// A tool whose logit is this far below the best word's, e⁻⁸ of its probability, need not be exact in a trace.
const UNSEEN: f32 = 8.0;

/// What a row needs of its surroundings to decide.
pub(crate) struct Surroundings<'s, 'a> {
    pub extended: &'s Extended<'a>,
    /// The worked calls' beginnings, by row of the head; filled as they are needed.
    pub demos: &'s mut HashMap<usize, Prefix>,
    /// Sequences that were read before, and may begin as others do.
    pub kept: &'s VecDeque<Sequence>,
    pub on_event: &'s mut dyn FnMut(Event),
}

/// A request under way.
pub(crate) struct Row {
    prepared: Arc<Prepared>,
    rng: ChaCha8Rng,
    /// The prompt and the text so far, as far as the model has read them.
    sequence: Sequence,
    /// What it reads next, in the call's own sequence if that has one.
    input: Vec<u32>,
    call: Option<Call>,
    /// The sequence in which the last call's arguments were written, where that is not the text's own.
    spent: Option<Sequence>,
    transcript: Transcript,
    /// What the whole text must be.
    constraint: Option<Constraint>,
    /// The calls of this turn that the caller is to run.
    made: Vec<ToolCall>,
    /// The conversation's text up to the end of the last of them.
    turn: Option<String>,
    /// A number was just put in: it may not be lengthened.
    after_number: bool,
    counts: Counts,
    decisions: Vec<Decision>,
    finish: Option<Finish>,
    started: Instant,
}

/// A decision that is being carried out.
struct Pending {
    ballot: Ballot,
    /// Its trace; `None` if it is not worth one.
    decision: Option<Decision>,
}

impl Row {
    /// A row that will read its prompt, of which `sequence` has read a part.
    pub fn new(prepared: Prepared, sequence: Sequence, extended: &Extended) -> Self {
        let prepared = Arc::new(prepared);
        let Prepared { request, ids, text, grammar, .. } = &*prepared;
        let rest = ids[sequence.ids().len()..].to_vec();
        let mut row = Self {
            prepared: Arc::clone(&prepared),
            rng: ChaCha8Rng::seed_from_u64(request.settings.seed),
            sequence,
            input: Vec::new(),
            call: None,
            spent: None,
            transcript: Transcript::new(text, &request.settings),
            constraint: grammar.as_ref().map(|grammar| grammar.begin()),
            made: Vec::new(),
            turn: None,
            after_number: false,
            counts: Counts { prompt: ids.len(), ..Counts::default() },
            decisions: Vec::new(),
            finish: None,
            started: Instant::now(),
        };
        row.read(rest, extended);
        row
    }

    /// Which of the requests it is.
    pub fn index(&self) -> usize {
        self.prepared.index
    }

    /// The request, apart from the row: to be read while the row changes.
    fn prepared(&self) -> Arc<Prepared> {
        Arc::clone(&self.prepared)
    }

    pub fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// The sequence to extend and the tokens to extend it by; never empty.
    pub fn input(&mut self, most: usize) -> (&mut Sequence, &[u32]) {
        let own = self.call.as_mut().and_then(|call| call.own.as_mut());
        (own.unwrap_or(&mut self.sequence), &self.input[..most.min(self.input.len())])
    }

    /// Notes that the first `read` tokens of the input have been read; true if there are more, so that nothing can be
    /// decided yet.
    pub fn reads_on(&mut self, read: usize) -> bool {
        self.input.drain(..read.min(self.input.len()));
        !self.input.is_empty()
    }

    /// Tokens that the model has read in the sequence which it reads in at present.
    pub fn read_so_far(&self) -> usize {
        let own = self.call.as_ref().and_then(|call| call.own.as_ref());
        own.unwrap_or(&self.sequence).ids().len()
    }

    /// The prompt and the text so far, as far as the model has read them.
    pub fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// What the row has read and needs no more: a later prompt may begin with it.
    pub fn take_spent(&mut self) -> Option<Sequence> {
        self.spent.take()
    }

    /// The tokens read, once the row is finished: what a later prompt may begin with.
    pub fn into_sequence(self) -> Sequence {
        self.sequence
    }

    /// Goes on after the input has been read: `hidden` is the state after its last token, shape (d), and `words` the
    /// words' logits there, shape (V).
    pub fn decide(
        &mut self,
        hidden: &[f32],
        words: &mut [f32],
        around: &mut Surroundings,
    ) -> Result<(), DecodeError> {
        self.input.clear();
        match self.call.take() {
            Some(call) if call.message.is_some() => self.write_json(call, words, around)?,
            Some(call) => self.write_argument(call, words, around)?,
            None => self.choose(hidden, words, around)?,
        }
        let delta = self.transcript.take_delta(self.is_finished());
        if !delta.is_empty() {
            (around.on_event)(Event::Text { request: self.index(), delta: &delta });
        }
        Ok(())
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

    /// Reasoning mode: ranks words and tools.
    fn choose(
        &mut self,
        hidden: &[f32],
        words: &mut [f32],
        around: &mut Surroundings,
    ) -> Result<(), DecodeError> {
        let extended = around.extended;
        let prepared = self.prepared();
        let settings = &prepared.request.settings;
        let lengthening = if self.after_number { extended.number_continuations.as_slice() } else { &[] };
        self.after_number = false;
        for &id in prepared.request.disabled_words.iter().chain(lengthening) {
            if let Some(score) = words.get_mut(id as usize) {
                *score = f32::NEG_INFINITY;
            }
        }
        // Before a text that is to be JSON a call in a message of its own may still be made. It competes with what the model would say
        // freely, not with the few words that JSON leaves.
        let free = self.constraint.as_ref().and_then(|_| best(words));
        if let Some(constraint) = &mut self.constraint
            && constraint.mask(words).is_err()
        {
            return Err(self.no_word());
        }
        let best_word = best(words).ok_or_else(|| self.no_word())?;
        let begun = self.constraint.is_some() && self.counts.chosen > 0 && self.turn.is_none();
        let forced = settings.calling == Calling::Force && self.counts.chosen == 0;
        let elsewhere = settings.in_lines.as_ref().is_some_and(|start| !self.transcript.is_in_line(start));
        let mut tools = match settings.calling {
            _ if begun || elsewhere => Vec::new(),
            Calling::Off => Vec::new(),
            Calling::Auto | Calling::Force => {
                // Greedily a tool that is below the best word is not called: only the trace may show it.
                let exact = forced
                    || settings.temperature > 0.0
                    || settings.logprobs.is_some()
                    || settings.rival_tools > 0;
                let floor = (!exact).then_some(best_word.1 - UNSEEN);
                extended.tool_scores(hidden, prepared.bias, &prepared.disabled_tools, floor)
            }
        };
        if free.is_some() || self.turn.is_some() {
            let message = |row: usize| matches!(extended.callables[row].kind, Kind::Message(_));
            for (row, score) in tools.iter_mut().enumerate() {
                // A result in the text would be no JSON; and after a call in a message there is no text.
                if !message(row) || free.is_some_and(|(_, free)| !forced && *score <= free) {
                    *score = f32::NEG_INFINITY;
                }
            }
        }
        let scores = Scores::beside(words, best_word, &tools);
        let ballot = scores.ballot(settings, forced, &mut self.rng);
        let decision = self.record(scores, &ballot, forced, extended);
        if self.turn.is_some() && ballot.tools.is_empty() {
            // After a call the turn makes another one, or ends.
            self.decisions.extend(decision);
            self.finish = Some(Finish::Calls);
            return Ok(());
        }
        if let (Some(count), true) = (settings.logprobs, ballot.tools.is_empty()) {
            let total = scores.log_sum_exp();
            let (_, top) = scores.distribution(count);
            let top: Vec<_> = top.into_iter().map(|(pick, p)| (extended.token(pick), p.ln())).collect();
            let logprob = (f64::from(scores.word(ballot.word)) - total) as f32;
            if !extended.tokenizer().ends_text(ballot.word) {
                (around.on_event)(Event::Word { request: self.index(), id: ballot.word, logprob, top: &top });
            }
        }
        self.carry_out(Pending { ballot, decision }, around)
    }

    fn no_word(&self) -> DecodeError {
        DecodeError::NoWord { index: self.index(), position: self.counts.chosen }
    }

    /// The trace of a decision, if it is a call or a tool came near.
    fn record(&self, scores: Scores, ballot: &Ballot, forced: bool, extended: &Extended) -> Option<Decision> {
        let settings = &self.prepared.request.settings;
        let calls = !ballot.tools.is_empty();
        if !calls && !scores.tools_may_reach(settings.record_above) {
            return None;
        }
        let (p_tool, top) = scores.distribution(settings.alternatives);
        (calls || p_tool >= settings.record_above).then(|| Decision {
            position: self.counts.chosen,
            at: self.transcript.len(),
            by: match (calls && forced, settings.temperature > 0.0) {
                (true, _) => By::Forced,
                (false, true) => By::Sampled,
                (false, false) => By::Greedy,
            },
            p_tool,
            alternatives: top
                .into_iter()
                .map(|(pick, p)| Alternative { token: extended.token(pick), p })
                .collect(),
            tools: (scores.best_tools(settings.rival_tools).into_iter())
                .map(|(pick, p)| Alternative { token: extended.token(pick), p })
                .collect(),
            attempts: Vec::new(),
            chosen: None,
        })
    }

    /// Takes the best token that is left: starts a call, or puts down the word.
    fn carry_out(&mut self, mut pending: Pending, around: &mut Surroundings) -> Result<(), DecodeError> {
        while let Some(tool) = pending.ballot.tools.pop_front() {
            if self.counts.calls >= self.prepared.request.settings.max_calls {
                self.decisions.extend(pending.decision);
                self.finish = Some(Finish::MaxCalls);
                return Ok(());
            }
            let callable = &around.extended.callables[tool];
            let start = Event::CallStart { request: self.index(), tool: &callable.tool.name };
            if let Kind::Message(grammar) = &callable.kind {
                let call = Call::new(tool, pending, self.sequence.ids().len());
                match self.open_message(callable, grammar, around) {
                    Ok(opening) => {
                        (around.on_event)(start);
                        self.begin_json(call, opening);
                        return Ok(());
                    }
                    Err(reason) => match self.end_call(call, Err(reason), around) {
                        Some(failed) => pending = failed,
                        None => return Ok(()),
                    },
                }
                continue;
            }
            (around.on_event)(start);
            let call = Call::new(tool, pending, self.sequence.ids().len());
            let result = match callable.kind {
                Kind::Literal => callable.run(""),
                Kind::Splice | Kind::Message(_) => match self.opening(callable, around.extended) {
                    Ok(ids) => return self.begin_arguments(call, ids, around),
                    Err(reason) => Err(reason),
                },
            };
            match self.end_call(call, result, around) {
                Some(failed) => pending = failed,
                None => return Ok(()),
            }
        }
        self.take_word(pending, around.extended)
    }

    /// Puts down the word that is left when no tool is.
    fn take_word(&mut self, pending: Pending, extended: &Extended) -> Result<(), DecodeError> {
        let word = pending.ballot.word;
        let tokenizer = extended.tokenizer();
        if self.turn.is_some() {
            // The call that was wanted after a call could not be made: the turn ends with those that were.
            self.decisions.extend(pending.decision);
            self.finish = Some(Finish::Calls);
            return Ok(());
        }
        let complete = match &mut self.constraint {
            // What a limit of the parser's ends is not complete.
            Some(constraint) if !tokenizer.ends_text(word) => match constraint.push(word) {
                Ok(complete) => complete,
                Err(_) => return Err(self.no_word()),
            },
            _ => false,
        };
        if tokenizer.ends_text(word) {
            self.conclude(pending.decision, Pick::Word(word), extended);
            self.finish = Some(Finish::EndOfText);
            return Ok(());
        }
        let text = if tokenizer.is_control(word) { &[] } else { tokenizer.token_bytes(word) };
        let stop = self.transcript.push(text);
        self.conclude(pending.decision, Pick::Word(word), extended);
        let mut ids = vec![word];
        let stop = stop.or_else(|| self.insert(&mut ids, extended));
        self.proceed(stop.as_deref(), ids, extended);
        if complete && matches!(self.finish, None | Some(Finish::MaxTokens)) {
            self.finish = Some(Finish::EndOfText);
        }
        Ok(())
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

    fn conclude(&mut self, decision: Option<Decision>, chosen: Pick, extended: &Extended) {
        self.decisions
            .extend(decision.map(|decision| Decision { chosen: Some(extended.token(chosen)), ..decision }));
    }

    /// After a token was chosen: ends, or reads it.
    fn proceed(&mut self, stop: Option<&str>, ids: Vec<u32>, extended: &Extended) {
        self.counts.chosen += 1;
        match stop {
            Some(stop) => self.finish = Some(Finish::Stop { string: stop.to_string() }),
            None if self.counts.chosen >= self.prepared.request.settings.max_tokens => {
                self.finish = Some(Finish::MaxTokens)
            }
            None => self.read(ids, extended),
        }
    }

    /// Reads `ids` next, if they fit.
    fn read(&mut self, ids: Vec<u32>, extended: &Extended) {
        let (len, max) = (self.sequence.ids().len() + ids.len(), extended.context());
        if len > max {
            self.finish = Some(Finish::ContextFull { len, max });
        } else {
            self.input = ids;
        }
    }
}

pub(crate) fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
