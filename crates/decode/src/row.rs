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
use crate::choose::{Ballot, Scores, best};
use crate::draft::{Draft, Spliced, Tell};
use crate::extended::{Answer, Extended, Kind};
use crate::grammar::Constraint;
use crate::prefix::Prefix;
use crate::prepared::Prepared;
use crate::trace::{Alternative, Decision, Event, Finish, Generation, TopToken};
use arguments::Call;
use lm::Sequence;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// A tool whose logit is this far below the best word's, e⁻⁸ of its probability, need not be exact in a trace.
const UNSEEN: f32 = 8.0;

/// What a row needs of its surroundings to decide.
pub(crate) struct Surroundings<'s, 'a> {
    pub extended: &'s Extended<'a>,
    /// The worked calls' beginnings, by row of the head; filled as they are needed.
    pub demos: &'s mut HashMap<usize, Prefix>,
    /// Sequences that were read before, and may begin as others do.
    pub kept: &'s VecDeque<Sequence>,
    pub on_event: Tell<'s>,
}

/// A request under way.
pub(crate) struct Row {
    draft: Draft,
    rng: ChaCha8Rng,
    /// The prompt and the text so far, as far as the model has read them.
    sequence: Sequence,
    /// What it reads next, in the call's own sequence if that has one.
    input: Vec<u32>,
    call: Option<Call>,
    /// The sequence in which the last call's arguments were written, where that is not the text's own.
    spent: Option<Sequence>,
    /// What the whole text must be.
    constraint: Option<Constraint>,
}

/// A decision that is being carried out.
struct Pending {
    ballot: Ballot,
    /// Its trace; `None` if it is not worth one.
    decision: Option<Decision>,
    /// What is told of the word, if it comes to that.
    chances: Option<WordChances>,
}

/// A word's log probability, with the best tokens beside it.
struct WordChances {
    logprob: f32,
    top: Vec<TopToken>,
}

impl Row {
    /// A row that will read its prompt, of which `sequence` has read a part.
    pub fn new(prepared: Prepared, sequence: Sequence, extended: &Extended) -> Self {
        let rest = prepared.ids[sequence.ids().len()..].to_vec();
        let mut row = Self {
            rng: ChaCha8Rng::seed_from_u64(prepared.request.settings.seed),
            sequence,
            input: Vec::new(),
            call: None,
            spent: None,
            constraint: prepared.grammar.as_ref().map(|grammar| grammar.begin()),
            draft: Draft::new(Arc::new(prepared)),
        };
        row.read(rest, extended);
        row
    }

    /// Which of the requests it is.
    pub fn index(&self) -> usize {
        self.draft.index()
    }

    /// The request, apart from the row: to be read while the row changes.
    fn prepared(&self) -> Arc<Prepared> {
        Arc::clone(&self.draft.prepared)
    }

    pub fn is_finished(&self) -> bool {
        self.draft.finish.is_some()
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
        self.draft.tell_text(around.on_event);
        Ok(())
    }

    /// What came of it, once it is finished.
    pub fn take_generation(&mut self) -> Option<Generation> {
        self.draft.take_generation()
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
        for id in self.draft.banned(extended) {
            if let Some(score) = words.get_mut(id as usize) {
                *score = f32::NEG_INFINITY;
            }
        }
        // Before a text that is to be JSON a call in a message of its own may still be made. It competes with what the model would say
        // freely, not with the few words that JSON leaves.
        let free = self.constraint.as_ref().and_then(|_| best(words));
        if let Some(constraint) = &mut self.constraint {
            constraint.mask(words).map_err(|message| self.draft.schema_ends(message))?;
        }
        let best_word = best(words).ok_or_else(|| self.no_word())?;
        let begun = self.constraint.is_some() && self.draft.counts.chosen > 0 && self.draft.turn.is_none();
        let forced = self.draft.forced();
        let mut tools = Vec::new();
        if !begun && self.draft.may_call() {
            // Greedily a tool that is below the best word is not called: only the trace may show it.
            let exact = forced
                || settings.temperature > 0.0
                || settings.logprobs.is_some()
                || settings.rival_tools > 0;
            let floor = (!exact).then_some(best_word.1 - UNSEEN);
            tools = extended.tool_scores(hidden, prepared.bias, &prepared.disabled_tools, floor);
            for (callable, score) in extended.callables.iter().zip(&mut tools) {
                // A result in the text would be no JSON.
                let in_json = free.is_some_and(|(_, free)| {
                    !matches!(callable.kind, Kind::Message(_)) || (!forced && *score <= free)
                });
                if in_json || !self.draft.has_place(callable) {
                    *score = f32::NEG_INFINITY;
                }
            }
        }
        let scores = Scores::beside(words, best_word, &tools);
        let ballot = scores.ballot(settings, forced, &mut self.rng);
        let decision = self.record(scores, &ballot, extended);
        let chances = settings.logprobs.map(|count| {
            let total = scores.log_sum_exp();
            let (_, top) = scores.distribution(count);
            let top = top.into_iter().map(|(pick, p)| extended.top_token(pick, p.ln())).collect();
            WordChances { logprob: (f64::from(scores.word(ballot.word)) - total) as f32, top }
        });
        self.carry_out(Pending { ballot, decision, chances }, around)
    }

    fn no_word(&self) -> DecodeError {
        DecodeError::NoWord { index: self.index(), position: self.draft.counts.chosen }
    }

    /// The trace of a decision, if it is a call or a tool came near.
    fn record(&self, scores: Scores, ballot: &Ballot, extended: &Extended) -> Option<Decision> {
        let settings = &self.draft.prepared.request.settings;
        let calls = !ballot.tools.is_empty();
        if !calls && !scores.tools_may_reach(settings.record_above) {
            return None;
        }
        let (p_tool, top) = scores.distribution(settings.alternatives);
        (calls || p_tool >= settings.record_above).then(|| {
            let named = |(pick, p)| Alternative { token: extended.token(pick), p };
            let rivals = scores.best_tools(settings.rival_tools);
            self.draft.decision(
                calls,
                p_tool,
                top.into_iter().map(named).collect(),
                rivals.into_iter().map(named).collect(),
            )
        })
    }

    /// Takes the best token that is left: starts a call, or puts down the word.
    fn carry_out(&mut self, mut pending: Pending, around: &mut Surroundings) -> Result<(), DecodeError> {
        while let Some(tool) = pending.ballot.tools.pop_front() {
            if let Some(finish) = self.draft.no_more_calls() {
                self.draft.leave(pending.decision, finish);
                return Ok(());
            }
            let callable = &around.extended.callables[tool];
            let start = Event::CallStart(callable.tool.name.clone());
            let call = Call::new(tool, pending, self.sequence.ids().len());
            let result = match &callable.kind {
                Kind::Message(grammar) => match self.open_message(callable, grammar, around) {
                    Ok(opening) => {
                        (around.on_event)(self.index(), start);
                        self.begin_json(call, opening);
                        return Ok(());
                    }
                    Err(reason) => Err(reason),
                },
                Kind::Literal => {
                    (around.on_event)(self.index(), start);
                    callable.run("")
                }
                Kind::Splice => {
                    (around.on_event)(self.index(), start);
                    match self.opening(callable, around.extended) {
                        Ok(ids) => return self.begin_arguments(call, ids, around),
                        Err(reason) => Err(reason),
                    }
                }
            };
            match self.end_call(call, result, around) {
                Some(failed) => pending = failed,
                None => return Ok(()),
            }
        }
        self.take_word(pending, around)
    }

    /// Undoes what was read for a call. Splices its result, or gives back the decision for its next best token.
    fn end_call(
        &mut self,
        call: Call,
        result: Result<Answer, String>,
        around: &mut Surroundings,
    ) -> Option<Pending> {
        let Call { open, ballot, chances, read, .. } = call;
        self.sequence.truncate(read);
        match self.draft.splice(open, result, around.extended, around.on_event) {
            Spliced::Done(ids) => {
                self.read(ids, around.extended);
                None
            }
            Spliced::Undone(decision) => Some(Pending { ballot, decision, chances }),
        }
    }

    /// Puts down the word that is left when no tool is.
    fn take_word(&mut self, pending: Pending, around: &mut Surroundings) -> Result<(), DecodeError> {
        let Pending { ballot: Ballot { word, .. }, decision, chances } = pending;
        let ends = around.extended.tokenizer().ends_text(word);
        let said = !ends && self.draft.turn.is_none();
        if let Some(WordChances { logprob, top }) = chances.filter(|_| said) {
            (around.on_event)(self.index(), Event::Word { id: word, logprob, top });
        }
        // What a limit of the parser's ends is not complete.
        let complete = match self.constraint.as_mut().filter(|_| said) {
            Some(constraint) => constraint.push(word).map_err(|message| self.draft.schema_ends(message))?,
            None => false,
        };
        let ids = self.draft.word(word, decision, around.extended);
        self.read(ids, around.extended);
        if complete && matches!(self.draft.finish, None | Some(Finish::MaxTokens)) {
            self.draft.finish = Some(Finish::EndOfText);
        }
        Ok(())
    }

    /// Reads `ids` next, if the generation goes on and they fit.
    fn read(&mut self, ids: Vec<u32>, extended: &Extended) {
        let (len, max) = (self.sequence.ids().len() + ids.len(), extended.context());
        if self.draft.finish.is_some() {
            return;
        }
        if len > max {
            self.draft.finish = Some(Finish::ContextFull { len, max });
        } else {
            self.input = ids;
        }
    }
}
