//! Many requests at an engine: so many at a time, each in a thread of its own that mostly waits.

use super::Served;
use super::row::Row;
use crate::DecodeError;
use crate::extended::Extended;
use crate::prepared::Prepared;
use crate::trace::{Attempt, Event, Generation, TopToken};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

/// An [`Event`] on its way from a request's thread.
pub(super) enum Told {
    Text(String),
    CallStart(String),
    Word(u32, f32, Vec<TopToken>),
    Arguments(String),
    CallEnd(Attempt),
    Done(Result<Generation, DecodeError>),
}

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
    pub fn tell(&self, event: Event<'_>) {
        self.send(match event {
            Event::Text { delta, .. } => Told::Text(delta.to_owned()),
            Event::CallStart { tool, .. } => Told::CallStart(tool.to_owned()),
            Event::Word { id, logprob, top, .. } => Told::Word(id, logprob, top.to_vec()),
            Event::Arguments { delta, .. } => Told::Arguments(delta.to_owned()),
            Event::CallEnd { attempt, .. } => Told::CallEnd(attempt.clone()),
            Event::Done { .. } => return,
        });
    }

    /// Tells the end.
    pub fn done(&self, outcome: Result<Generation, DecodeError>) {
        self.send(Told::Done(outcome));
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
    on_event: &mut dyn FnMut(Event<'_>),
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
            match told {
                Told::Done(Ok(generation)) => {
                    on_event(Event::Done { request, generation: &generation });
                    done.insert(request, generation);
                }
                Told::Done(Err(error)) => {
                    // No more are begun, and those that are ask for nothing more.
                    given_up.store(true, Ordering::Relaxed);
                    if let Ok(mut waiting) = waiting.lock() {
                        waiting.by_ref().for_each(drop);
                    }
                    return Err(error);
                }
                told => event(request, &told, on_event),
            }
        }
        Ok(done.into_values().collect())
    })
}

/// Tells what has happened, but for the end.
pub(super) fn event(request: usize, told: &Told, on_event: &mut dyn FnMut(Event<'_>)) {
    match told {
        Told::Text(delta) => on_event(Event::Text { request, delta }),
        Told::CallStart(tool) => on_event(Event::CallStart { request, tool }),
        Told::Word(id, logprob, top) => on_event(Event::Word { request, id: *id, logprob: *logprob, top }),
        Told::Arguments(delta) => on_event(Event::Arguments { request, delta }),
        Told::CallEnd(attempt) => on_event(Event::CallEnd { request, attempt }),
        Told::Done(_) => {}
    }
}
