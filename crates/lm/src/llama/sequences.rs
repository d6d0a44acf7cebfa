//! Many sequences over one context: reading them together, copying, cutting back, and reading again what had to make way.

use super::context::{Context, Failure, Room, Token, Weights};
use super::residents::{Claim, Residents};
use crate::{LmError, Matrix};
use std::sync::Arc;

/// Bytes of keys and values that are kept without need, for sequences that are read on.
const SPARE: usize = 1 << 30;

/// One sequence's share of a call.
pub struct Job<'a> {
    /// Its claim, if it has one; after the call, that under which it was read.
    pub claim: &'a mut Option<Claim>,
    /// Tokens read before.
    pub before: &'a [u32],
    /// Tokens to read.
    pub new: &'a [u32],
}

/// A token of the next pass, and the row of the result that its state goes to; none for one that is read again.
struct Waiting {
    token: Token,
    row: Option<usize>,
}

/// A context and who is in it.
///
/// Attention looks at every cell up to the last one that is taken, whoever's it is. So no more is kept than is read on: at
/// first what one pass read, and twice as much each time that a sequence is missed.
pub struct Sequences {
    weights: Arc<Weights>,
    /// None only after no memory was left for it.
    context: Option<Context>,
    room: Room,
    token_bytes: usize,
    residents: Residents,
    /// Cells that stay held when others are wanted.
    keep: usize,
    /// Hidden states of the last pass that computed words, and the words.
    known: Option<(Matrix, Matrix)>,
    /// What states are multiplied by, so that W_v h is what the model says.
    pub scale: f32,
    /// A pass can end at the hidden states.
    pub ends_early: bool,
}

impl Sequences {
    /// Over a new context.
    ///
    /// # Errors
    /// [`LmError::Engine`] if there is no memory for it.
    pub fn new(weights: Arc<Weights>, room: Room) -> Result<Self, LmError> {
        let context = Context::new(&weights, room).map_err(LmError::Engine)?;
        Ok(Self {
            token_bytes: weights.facts().token_bytes,
            weights,
            context: Some(context),
            room,
            residents: Residents::new(room.sequences, room.cells),
            keep: room.pass,
            known: None,
            scale: 1.0,
            ends_early: true,
        })
    }

    /// Reads the tokens of all jobs: their states, `(new tokens of all, width)`.
    ///
    /// # Errors
    /// If llama.cpp fails; the sequences are then no longer in the context.
    pub fn read(&mut self, jobs: &mut [Job<'_>], width: usize) -> Result<Matrix, LmError> {
        let rows = jobs.iter().map(|job| job.new.len()).sum();
        let mut out = Matrix::zeros(rows, width);
        let outcome = self.make_ready(jobs).and_then(|()| self.read_all(jobs, &mut out));
        if let Err(error) = outcome {
            for job in jobs {
                job.claim.take().into_iter().for_each(|claim| self.release(claim));
            }
            return Err(error);
        }
        Ok(out)
    }

    /// Makes the context as large as these jobs, and what was missed before, ask for.
    fn make_ready(&mut self, jobs: &[Job<'_>]) -> Result<(), LmError> {
        let here = |claim: &Option<Claim>| claim.and_then(|claim| self.residents.len(claim)).is_some();
        let missed = jobs.iter().any(|job| !job.before.is_empty() && !here(job.claim));
        let longest = jobs.iter().map(|job| job.before.len() + job.new.len()).max().unwrap_or(0);
        let mut cells = self.room.cells;
        if missed {
            if self.keep < cells {
                self.keep = (2 * self.keep).min(cells);
            } else if 2 * cells * self.token_bytes <= SPARE {
                (cells, self.keep) = (2 * cells, 2 * cells);
            }
        }
        while cells < longest {
            cells *= 2;
        }
        if cells > self.room.cells || self.context.is_none() {
            self.grow(cells)?;
        }
        for claim in jobs.iter().filter_map(|job| *job.claim) {
            self.residents.touch(claim);
        }
        Ok(())
    }

    fn grow(&mut self, cells: usize) -> Result<(), LmError> {
        let larger = Room { cells, ..self.room };
        // The old one goes first: there may not be memory for both.
        self.context = None;
        self.known = None;
        let (room, error) = match Context::new(&self.weights, larger) {
            Ok(context) => {
                self.context = Some(context);
                (larger, None)
            }
            Err(error) => {
                self.context = Context::new(&self.weights, self.room).ok();
                (self.room, Some(error))
            }
        };
        self.room = room;
        self.residents.reset(room.cells);
        match error {
            Some(error) => Err(LmError::Engine(format!(
                "a context of {cells} tokens does not fit ({error}): shorten the text, or use a smaller model"
            ))),
            None => Ok(()),
        }
    }

    fn read_all(&mut self, jobs: &mut [Job<'_>], out: &mut Matrix) -> Result<(), LmError> {
        let mut waiting: Vec<Waiting> = Vec::with_capacity(self.room.pass);
        // Sequences of the next pass, and how many of its tokens are theirs.
        let mut shares: Vec<(Claim, usize)> = Vec::new();
        let mut first_row = 0;
        for job in jobs.iter_mut().filter(|job| !job.new.is_empty()) {
            let here = job.claim.and_then(|claim| Some((claim, self.residents.len(claim)?)));
            let (claim, mut at) = match here {
                Some(here) => here,
                None => (self.claim(&mut waiting, &mut shares, out)?, 0),
            };
            *job.claim = Some(claim);
            let (before, end) = (job.before.len(), job.before.len() + job.new.len());
            while at < end {
                let fits = self.fits(claim, &shares, waiting.len());
                let take = fits.min(end - at);
                if take == 0 {
                    self.pass(&mut waiting, &mut shares, Some(claim), out)?;
                    continue;
                }
                for position in at..at + take {
                    let new = position.checked_sub(before);
                    let id = new.map_or_else(|| job.before[position], |i| job.new[i]);
                    let token = Token { id, position, sequence: claim.number() };
                    waiting.push(Waiting { token, row: new.map(|i| first_row + i) });
                }
                shares.push((claim, take));
                at += take;
            }
            first_row += job.new.len();
        }
        self.pass(&mut waiting, &mut shares, None, out)
    }

    /// A number for a sequence that has none; another makes way for it if need be.
    fn claim(
        &mut self,
        waiting: &mut Vec<Waiting>,
        shares: &mut Vec<(Claim, usize)>,
        out: &mut Matrix,
    ) -> Result<Claim, LmError> {
        loop {
            if let Some(claim) = self.residents.claim() {
                return Ok(claim);
            }
            let busy: Vec<Claim> = shares.iter().map(|(claim, _)| *claim).collect();
            match self.residents.oldest(&busy) {
                Some(oldest) => self.release(oldest),
                None => self.pass(waiting, shares, None, out)?,
            }
        }
    }

    /// How many more tokens of a sequence the next pass can take.
    fn fits(&self, claim: Claim, shares: &[(Claim, usize)], waiting: usize) -> usize {
        let pass = self.room.pass - waiting;
        let all: usize = shares
            .iter()
            .map(|(claim, _)| *claim)
            .chain([claim])
            .fold(0, |sum, claim| sum + self.residents.len(claim).unwrap_or(0));
        if all + self.room.pass <= self.room.cells {
            return pass;
        }
        let mut claims: Vec<Claim> = shares.iter().map(|(claim, _)| *claim).collect();
        claims.push(claim);
        pass.min(self.room.cells.saturating_sub(self.residents.held_by(&claims) + waiting))
    }

    /// Reads what waits; `next`, whose tokens come after, keeps its place too.
    fn pass(
        &mut self,
        waiting: &mut Vec<Waiting>,
        shares: &mut Vec<(Claim, usize)>,
        next: Option<Claim>,
        out: &mut Matrix,
    ) -> Result<(), LmError> {
        if waiting.is_empty() {
            return Ok(());
        }
        let count = waiting.len();
        let busy: Vec<Claim> = shares.iter().map(|(claim, _)| *claim).chain(next).collect();
        self.make_way(count, self.keep.max(count), &busy);
        let tokens: Vec<Token> = waiting.iter().map(|waiting| waiting.token).collect();
        // A token a sequence is a step of generation, which wants the words; llama.cpp has them at hand.
        let words = shares.len() == count;
        let context = self.context.as_mut().ok_or_else(no_context)?;
        let mut outcome = context.read(&tokens, words || !self.ends_early);
        if outcome == Err(Failure::Full) {
            // Cells that are empty may be none that this model's memory can use.
            self.make_way(count, 0, &busy);
            let context = self.context.as_mut().ok_or_else(no_context)?;
            outcome = context.read(&tokens, words || !self.ends_early);
        }
        outcome.map_err(|failure| {
            LmError::Engine(match failure {
                Failure::Full => format!(
                    "there is no room for {count} tokens beside those that they follow: read fewer sequences at a time"
                ),
                Failure::Other(why) => format!("reading {count} tokens failed: {why}"),
            })
        })?;
        for (claim, count) in shares.drain(..) {
            self.residents.append(claim, count);
        }
        let (width, scale) = (out.cols(), self.scale);
        let context = self.context.as_mut().ok_or_else(no_context)?;
        let hidden = context.hidden();
        if hidden.len() != count * width {
            return Err(LmError::Engine(format!("{} numbers for {count} states of {width}", hidden.len())));
        }
        let mut states = Matrix::new(count, width, hidden.to_vec());
        if let Some(bad) = states.data().iter().position(|x| !x.is_finite()) {
            let token = &waiting[bad / width].token;
            return Err(LmError::Engine(format!(
                "the state after token {} at position {} is not finite: the file's weights are damaged",
                token.id, token.position
            )));
        }
        if scale != 1.0 {
            states.data_mut().iter_mut().for_each(|x| *x *= scale);
        }
        for (i, row) in waiting.iter().enumerate().filter_map(|(i, waiting)| Some((i, waiting.row?))) {
            out.row_mut(row).copy_from_slice(states.row(i));
        }
        if words {
            let logits = context.words();
            let vocab = logits.len() / count;
            self.known = Some((states, Matrix::new(count, vocab, logits.to_vec())));
        }
        waiting.clear();
        Ok(())
    }

    /// Releases the sequences that were not used for the longest, until `count` more cells leave no more than `keep` held.
    fn make_way(&mut self, count: usize, keep: usize, busy: &[Claim]) {
        while self.residents.held() + count > keep.min(self.residents.cells()) {
            match self.residents.oldest(busy) {
                Some(oldest) => self.release(oldest),
                None => return,
            }
        }
    }

    /// A copy of a sequence, if it is here and there is a number for one.
    pub fn copy(&mut self, claim: Claim) -> Option<Claim> {
        self.residents.len(claim)?;
        let copy = self.residents.copy(claim).or_else(|| {
            let oldest = self.residents.oldest(&[claim])?;
            self.release(oldest);
            self.residents.copy(claim)
        })?;
        self.context.as_mut()?.copy(claim.number(), copy.number());
        Some(copy)
    }

    /// Forgets all but the first `len` tokens of a sequence, or the sequence.
    pub fn truncate(&mut self, claim: Claim, len: usize) {
        let Some(held) = self.residents.len(claim) else { return };
        if len >= held {
            return;
        }
        let cut =
            len > 0 && self.context.as_mut().is_some_and(|context| context.truncate(claim.number(), len));
        if cut {
            self.residents.truncate(claim, len);
        } else {
            self.release(claim);
        }
    }

    /// The sequence is no longer in the context.
    pub fn release(&mut self, claim: Claim) {
        if self.residents.len(claim).is_some() {
            if let Some(context) = &mut self.context {
                context.truncate(claim.number(), 0);
            }
            self.residents.release(claim);
        }
    }

    /// Words that the last pass computed, if these are its states.
    pub fn known_words(&self, hidden: &Matrix) -> Option<Matrix> {
        let (states, words) = self.known.as_ref()?;
        let place = |i: usize| (0..states.rows()).find(|&row| states.row(row) == hidden.row(i));
        let places: Vec<usize> = (0..hidden.rows()).map(place).collect::<Option<_>>()?;
        Some(words.select(places))
    }

    /// One pass over some tokens from nothing, to its states and, with `words`, their logits; for a look at the model.
    ///
    /// # Errors
    /// If llama.cpp fails.
    pub fn look(&mut self, ids: &[u32], words: bool) -> Result<(Vec<f32>, Vec<f32>), LmError> {
        let tokens: Vec<Token> =
            ids.iter().enumerate().map(|(position, &id)| Token { id, position, sequence: 0 }).collect();
        let context = self.context.as_mut().ok_or_else(no_context)?;
        context.clear();
        context.read(&tokens, words).map_err(|failure| LmError::Engine(format!("{failure:?}")))?;
        let states = context.hidden().to_vec();
        let words = if words { context.words().to_vec() } else { Vec::new() };
        context.clear();
        Ok((states, words))
    }
}

fn no_context() -> LmError {
    LmError::Engine("no memory was left for a context: end other programs, and load the model again".into())
}
