//! Many requests at an engine: so many at a time, each in a thread of its own that mostly waits.

use super::Served;
use super::row::Row;
use crate::DecodeError;
use crate::draft::Tell;
use crate::extended::Extended;
use crate::prepared::Prepared;
use crate::trace::{Event, Generation, Told};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

/// Says what happens to one request.
pub(super) struct Teller {
    pub request: usize,
    pub to: Sender<(usize, Told)>,
    /// Set when nobody wants to hear of it any more.
    pub cancelled: Arc<AtomicBool>,
}

impl Teller {
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Tells what has happened, but for the end.
    pub fn tell(&self, event: Event) {
        self.send(Ok(event));
    }

    /// Tells the end.
    pub fn done(&self, outcome: Result<Generation, DecodeError>) {
        self.send(outcome.map(|generation| Event::Done(Box::new(generation))));
    }

    fn send(&self, told: Told) {
        // Whoever would hear it has gone: after an error of another request.
        let _ = self.to.send((self.request, told));
    }
}

/// Generates for every request, in their order.
///
/// # Errors
/// The engine's first; what was under way is then given up.
pub(crate) fn run(
    extended: &Extended<'_>,
    served: &Served,
    prepared: Vec<Prepared>,
    batch: NonZeroUsize,
    on_event: Tell,
) -> Result<Vec<Generation>, DecodeError> {
    let workers = batch.get().min(prepared.len());
    let waiting = Mutex::new(prepared.into_iter());
    let (to, from) = channel();
    let given_up = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (to, waiting, given_up) = (to.clone(), &waiting, &given_up);
            scope.spawn(move || {
                loop {
                    // Taken in a statement of its own: the others must not wait until this one is done.
                    let next = waiting.lock().map(|mut waiting| waiting.next());
                    let Ok(Some(prepared)) = next else { return };
                    let cancelled = Arc::clone(given_up);
                    let teller = Teller { request: prepared.index, to: to.clone(), cancelled };
                    teller.done(Row::new(prepared, extended, served, &teller).run());
                }
            });
        }
        drop(to);
        let mut done = BTreeMap::new();
        for (request, told) in from {
            let event = told.inspect_err(|_| {
                // No more are begun, and those that are ask for nothing more.
                given_up.store(true, Ordering::Relaxed);
                if let Ok(mut waiting) = waiting.lock() {
                    waiting.by_ref().for_each(drop);
                }
            })?;
            if let Event::Done(generation) = &event {
                done.insert(request, (**generation).clone());
            }
            on_event(request, event);
        }
        Ok(done.into_values().collect())
    })
}
