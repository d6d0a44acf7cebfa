//! Continuous batching: rows come and go while others decode.

use crate::DecodeError;
use crate::draft::Tell;
use crate::extended::Extended;
use crate::prefix::{begin, common};
use crate::prepared::Prepared;
use crate::remote::{Elsewhere, Served};
use crate::request::Request;
use crate::row::{Row, Surroundings};
use crate::trace::{Event, Told};
use lm::{FrozenLm, Matrix, Sequence};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Rows under way over one model, each with its own tools. Whoever holds it calls [`Session::step`] for as long as there are
/// rows, and admits and cancels between steps.
pub struct Session<'a> {
    lm: &'a dyn FrozenLm,
    slots: Vec<Slot<'a>>,
    kept: VecDeque<Sequence>,
    settings: SessionSettings,
    reused: u64,
    read: u64,
    elsewhere: Option<There<'a>>,
}

/// Rows at an engine elsewhere, and how one is begun there: in a thread, which nothing borrowed may enter.
struct There<'a> {
    rows: Elsewhere,
    admit: Box<Admit<'a>>,
}

type Admit<'a> =
    dyn Fn(&mut Elsewhere, usize, Request, Arc<Extended<'a>>) -> Result<(), DecodeError> + Send + 'a;

/// How a session shares the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Tokens of one prompt that are read in a step at most: a long prompt does not keep the other rows waiting.
    pub prefill: usize,
    /// Tokens of finished sequences whose KV state is kept, for prompts that begin as they do.
    pub kept_tokens: usize,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { prefill: 128, kept_tokens: 8192 }
    }
}

/// What a session has done, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounts {
    /// Prompt tokens whose KV state was there already.
    pub reused: u64,
    /// Tokens that the model has read.
    pub read: u64,
}

struct Slot<'a> {
    row: Row,
    extended: Arc<Extended<'a>>,
}

impl Session<'static> {
    /// Has an engine elsewhere generate, which serves the model with the tools in its vocabulary; the model given before is
    /// then asked for its tokenizer alone. See [`Engine::served_by`](crate::Engine::served_by).
    #[must_use]
    pub fn served_by(mut self, served: Served) -> Self {
        let admit: Box<Admit<'static>> =
            Box::new(|rows, key, request, extended| rows.admit(key, request, extended));
        self.elsewhere = Some(There { rows: Elsewhere::new(served), admit });
        self
    }
}

impl<'a> Session<'a> {
    /// An empty session.
    pub fn new(lm: &'a dyn FrozenLm, settings: SessionSettings) -> Self {
        Self { lm, slots: Vec::new(), kept: VecDeque::new(), settings, reused: 0, read: 0, elsewhere: None }
    }

    /// Rows under way.
    pub fn len(&self) -> usize {
        self.slots.len() + self.elsewhere.as_ref().map_or(0, |there| there.rows.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens reused and read so far.
    pub fn counts(&self) -> SessionCounts {
        SessionCounts { reused: self.reused, read: self.read }
    }

    /// Begins a request. `key` names it in events and must differ from those under way.
    ///
    /// # Errors
    /// [`DecodeError::Request`] for a bad one; the session is as it was.
    pub fn admit(
        &mut self,
        key: usize,
        request: Request,
        extended: Arc<Extended<'a>>,
    ) -> Result<(), DecodeError> {
        if let Some(There { rows, admit }) = &mut self.elsewhere {
            return admit(rows, key, request, extended);
        }
        let prepared = Prepared::new(key, request, &extended)?;
        let live = self.slots.iter().map(|slot| slot.row.sequence());
        let sequence = begin(self.lm, live.chain(&self.kept), &prepared.ids);
        self.reused += sequence.ids().len() as u64;
        self.slots.push(Slot { row: Row::new(prepared, sequence, &extended), extended });
        Ok(())
    }

    /// Drops a request; no more is told of it.
    pub fn cancel(&mut self, key: usize) {
        if let Some(there) = &mut self.elsewhere {
            there.rows.cancel(key);
        }
        if let Some(at) = self.slots.iter().position(|slot| slot.row.index() == key) {
            let slot = self.slots.swap_remove(at);
            self.keep(slot.row.into_sequence());
        }
    }

    /// One step of every row; at an engine elsewhere, a short wait for what it has to tell. `tell` hears what happens to which
    /// request; those that are done, or that the model fails on, leave the session with it, and the others go on.
    pub fn step(&mut self, tell: &mut dyn FnMut(usize, Told)) {
        if let Some(there) = &mut self.elsewhere {
            return there.rows.step(tell);
        }
        let on_event: Tell = &mut |key, event| tell(key, Ok(event));
        let mut failed: Vec<(usize, DecodeError)> = Vec::new();
        let live: Vec<usize> = (0..self.slots.len()).filter(|&i| !self.slots[i].row.is_finished()).collect();
        let lengths: Vec<usize> = live.iter().map(|&i| self.slots[i].row.read_so_far()).collect();
        if !live.is_empty() && self.advance(&live, on_event, &mut failed).is_err() {
            // Whose fault it was shows when each is read by itself.
            for (&i, length) in live.iter().zip(lengths) {
                let key = self.slots[i].row.index();
                let untouched = self.slots[i].row.read_so_far() == length;
                let alone = if untouched {
                    self.advance(&[i], on_event, &mut failed)
                } else {
                    Err(DecodeError::Unfinished { index: key })
                };
                failed.extend(alone.err().map(|error| (key, error)));
            }
        }
        for (key, error) in failed {
            self.cancel(key);
            tell(key, Err(error));
        }
        let spent: Vec<Sequence> = self.slots.iter_mut().filter_map(|slot| slot.row.take_spent()).collect();
        spent.into_iter().for_each(|sequence| self.keep(sequence));
        let mut at = 0;
        while at < self.slots.len() {
            let Some(generation) = self.slots[at].row.take_generation() else {
                at += 1;
                continue;
            };
            let slot = self.slots.swap_remove(at);
            let key = slot.row.index();
            self.keep(slot.row.into_sequence());
            tell(key, Ok(Event::Done(Box::new(generation))));
        }
    }

    /// Reads the next tokens of the rows at these places in one batch, and lets those decide that have read all of theirs.
    ///
    /// # Errors
    /// If the batch could not be read; no row has decided then. What goes wrong with one row alone is put into `failed`.
    fn advance(
        &mut self,
        places: &[usize],
        on_event: Tell,
        failed: &mut Vec<(usize, DecodeError)>,
    ) -> Result<(), DecodeError> {
        let (lm, prefill, kept) = (self.lm, self.settings.prefill.max(1), &self.kept);
        let here = self.slots.iter_mut().enumerate().filter(|(i, _)| places.contains(i));
        let (mut rows, extendeds): (Vec<&mut Row>, Vec<&Arc<Extended>>) =
            here.map(|(_, slot)| (&mut slot.row, &slot.extended)).unzip();
        let mut batch: Vec<(&mut Sequence, &[u32])> = rows.iter_mut().map(|row| row.input(prefill)).collect();
        let lengths: Vec<usize> = batch.iter().map(|(_, ids)| ids.len()).collect();
        let states = lm.extend(&mut batch)?;
        self.read += lengths.iter().sum::<usize>() as u64;
        let mut deciding = Vec::new();
        let (mut ends, mut end) = (Vec::new(), 0);
        for ((row, extended), length) in rows.into_iter().zip(extendeds).zip(lengths) {
            end += length;
            if !row.reads_on(length) {
                deciding.push((row, extended));
                ends.push(end - 1);
            }
        }
        if deciding.is_empty() {
            return Ok(());
        }
        let hidden: Matrix = states.select(ends); // (rows, d)
        let mut together = lm.logits(&hidden); // (rows, V)
        for (i, (row, extended)) in deciding.into_iter().enumerate() {
            let demos = &mut HashMap::new();
            let mut around = Surroundings { extended, demos, kept, on_event };
            let decided = match &mut together {
                Ok(words) => row.decide(hidden.row(i), words.row_mut(i), &mut around),
                Err(_) => lm
                    .logits(&hidden.select([i]))
                    .map_err(DecodeError::from)
                    .and_then(|mut words| row.decide(hidden.row(i), words.row_mut(0), &mut around)),
            };
            failed.extend(decided.err().map(|error| (row.index(), error)));
        }
        Ok(())
    }

    /// Keeps a finished sequence, its beginning if it is longer than all that is kept, and lets go of the oldest ones for it. Where
    /// another contains it, that one counts as used.
    fn keep(&mut self, mut sequence: Sequence) {
        sequence.truncate(self.settings.kept_tokens);
        let contains =
            |whole: &Sequence, part: &Sequence| common(whole.ids(), part.ids()) == part.ids().len();
        if let Some(at) = self.kept.iter().position(|kept| contains(kept, &sequence)) {
            let used = self.kept.remove(at);
            self.kept.extend(used);
            return;
        }
        self.kept.retain(|kept| !contains(&sequence, kept));
        self.kept.push_back(sequence);
        let mut tokens: usize = self.kept.iter().map(|kept| kept.ids().len()).sum();
        while tokens > self.settings.kept_tokens {
            let Some(oldest) = self.kept.pop_front() else { break };
            tokens -= oldest.ids().len();
        }
    }
}
