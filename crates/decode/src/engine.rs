//! The loop: every live row names its next tokens, the model reads them in one batch, every row decides.

use crate::DecodeError;
use crate::draft::Tell;
use crate::extended::Extended;
use crate::prefix::{Prefix, common};
use crate::prepared::Prepared;
use crate::remote::{self, Served};
use crate::request::{Request, Template};
use crate::row::{Row, Surroundings};
use crate::trace::{Event, Generation};
use head::Head;
use lm::{FrozenLm, Matrix, Sequence};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroUsize;
use tools::ToolSet;

/// Rows that decode together unless [`Engine::batch`] says otherwise.
const BATCH: NonZeroUsize = NonZeroUsize::new(8).unwrap();
/// Tokens that two prompts must share, beyond what is known of them, for a pass of its own.
const WORTH: usize = 8;

/// Generates with a frozen model, a tool head and the tools it names.
///
/// It keeps the KV state of a beginning that the last prompts share and of every tool's worked calls, so that runs with the
/// same templates compute them once.
pub struct Engine<'a> {
    extended: Extended<'a>,
    batch: NonZeroUsize,
    prompts: Prefix,
    demos: HashMap<usize, Prefix>,
    served: Option<Served>,
}

impl<'a> Engine<'a> {
    /// An engine for a head and its tools.
    ///
    /// # Errors
    /// As [`Extended::new`].
    pub fn new(lm: &'a dyn FrozenLm, head: &Head, tools: &ToolSet) -> Result<Self, DecodeError> {
        Ok(Self::over(Extended::new(lm, head, tools, None)?))
    }

    /// An engine without tools: the plain language model.
    pub fn words_only(lm: &'a dyn FrozenLm) -> Self {
        Self::over(Extended::words_only(lm, None))
    }

    fn over(extended: Extended<'a>) -> Self {
        Self {
            batch: BATCH,
            prompts: Prefix::new(extended.lm),
            demos: HashMap::new(),
            served: None,
            extended,
        }
    }

    /// How many requests decode together (8 by default). It does not change what comes of them.
    #[must_use]
    pub fn batch(mut self, rows: NonZeroUsize) -> Self {
        self.batch = rows;
        self
    }

    /// Generates with an engine elsewhere, which serves the model with the head's tools in its vocabulary. The model given
    /// before is then asked for its tokenizer alone, and as many requests as are [batched](Engine::batch) are sent at once.
    ///
    /// Greedily the engine's choices are those that the model would make here, but for rounding. Draws are its own. A trace
    /// tells of the alternatives that the engine tells of, and P(tool) is that of the tools among them.
    ///
    /// # Errors
    /// [`DecodeError::Mismatch`] for a tool of the head that the engine's vocabulary does not have.
    pub fn served_by(mut self, served: Served) -> Result<Self, DecodeError> {
        served.check(&self.extended)?;
        self.served = Some(served);
        Ok(self)
    }

    /// Prompts with worked calls, by tool, for [`Arguments::Demos`](crate::Arguments::Demos).
    ///
    /// A call's arguments are then written after the template with the request's question in it, the text so far with
    /// its earlier calls written out (`<add>(1, 2) = 3`), and `<add>(`.
    ///
    /// # Errors
    /// [`DecodeError::Mismatch`] for a name that is not in the head.
    pub fn demos(mut self, demos: BTreeMap<String, Template>) -> Result<Self, DecodeError> {
        self.extended.set_demos(demos)?;
        self.demos.clear();
        Ok(self)
    }

    /// Generates for every request, in the order given.
    ///
    /// # Errors
    /// [`DecodeError::Request`] for the first bad request, before anything is generated;
    /// later only what the model or its weights are to blame for.
    pub fn run(&mut self, requests: &[Request]) -> Result<Vec<Generation>, DecodeError> {
        self.run_with(requests, &mut |_, _| ())
    }

    /// As [`Engine::run`], telling `on_event` what happens as it happens, and to which of the requests.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub fn run_with(
        &mut self,
        requests: &[Request],
        on_event: &mut dyn FnMut(usize, Event),
    ) -> Result<Vec<Generation>, DecodeError> {
        let prepare =
            |(index, request): (usize, &Request)| Prepared::new(index, request.clone(), &self.extended);
        let mut prepared: Vec<Prepared> =
            requests.iter().enumerate().map(prepare).collect::<Result<_, _>>()?;
        if let Some(served) = &self.served {
            return remote::run(&self.extended, served, prepared, self.batch, on_event);
        }
        // Those that begin alike follow each other, so that what they share is read once.
        prepared.sort_by(|a, b| a.ids.cmp(&b.ids));
        let mut waiting = prepared.into_iter();
        let mut rows: Vec<Row> = Vec::new();
        let mut done = BTreeMap::new();
        loop {
            while rows.len() < self.batch.get()
                && let Some(prepared) = waiting.next()
            {
                let sequence = self.begin(&prepared.ids, waiting.as_slice().first())?;
                rows.push(Row::new(prepared, sequence, &self.extended));
            }
            if rows.is_empty() {
                return Ok(done.into_values().collect());
            }
            self.step(&mut rows, on_event)?;
            rows.retain_mut(|row| {
                let Some(generation) = row.take_generation() else {
                    return true;
                };
                on_event(row.index(), Event::Done(Box::new(generation.clone())));
                done.insert(row.index(), generation);
                false
            });
        }
    }

    /// A sequence that has read what a prompt, given as ids, shares with the one after it or with those before. The last prompt is
    /// kept whole, for a run that comes after this one.
    fn begin(&mut self, ids: &[u32], next: Option<&Prepared>) -> Result<Sequence, DecodeError> {
        // Each is left a token to read; a prompt that does not fit is never read.
        let all_but_last = &ids[..ids.len() - 1];
        let (shared, worth) = match next {
            Some(next) => (common(all_but_last, &next.ids[..next.ids.len() - 1]), WORTH),
            None => (all_but_last.len(), 1),
        };
        if ids.len() <= self.extended.context() && shared >= self.prompts.shared_with(ids) + worth {
            self.prompts.read(self.extended.lm, &ids[..shared])?;
        }
        Ok(self.prompts.fork(ids))
    }

    /// Reads every row's next tokens in one batch, and lets each row decide.
    fn step(&mut self, rows: &mut [Row], on_event: Tell) -> Result<(), DecodeError> {
        let lm = self.extended.lm;
        let mut live: Vec<&mut Row> = rows.iter_mut().filter(|row| !row.is_finished()).collect();
        if live.is_empty() {
            return Ok(()); // prompts that do not fit are finished before they begin
        }
        let mut batch: Vec<(&mut Sequence, &[u32])> =
            live.iter_mut().map(|row| row.input(usize::MAX)).collect();
        let ends = batch.iter().scan(0, |read, (_, ids)| {
            *read += ids.len();
            Some(*read - 1)
        });
        let ends: Vec<usize> = ends.collect();
        let hidden: Matrix = lm.extend(&mut batch)?.select(ends); // (rows, d)
        let mut words = lm.logits(&hidden)?; // (rows, V)
        let kept = &VecDeque::new();
        let mut around = Surroundings { extended: &self.extended, demos: &mut self.demos, kept, on_event };
        for (i, row) in live.into_iter().enumerate() {
            row.decide(hidden.row(i), words.row_mut(i), &mut around)?;
        }
        Ok(())
    }
}
