//! Continuous batching at an engine: requests come and go, each in a thread of its own, and whoever holds the session hears of
//! all of them.

use super::Served;
use super::row::Row;
use super::run::Teller;
use crate::DecodeError;
use crate::extended::Extended;
use crate::prepared::Prepared;
use crate::request::Request;
use crate::trace::{Event, Told};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// How long a step waits for something to happen: what else its caller has to do, it does as often.
const STEP: Duration = Duration::from_millis(20);

/// Requests under way at an engine.
pub(crate) struct Elsewhere {
    served: Served,
    to: Sender<(usize, Told)>,
    from: Receiver<(usize, Told)>,
    /// By key: whether nobody wants it any more.
    running: HashMap<usize, Arc<AtomicBool>>,
}

impl Elsewhere {
    pub fn new(served: Served) -> Self {
        let (to, from) = channel();
        Self { served, to, from, running: HashMap::new() }
    }

    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Begins a request.
    ///
    /// # Errors
    /// [`DecodeError::Request`] for a bad one, [`DecodeError::Mismatch`] for tools that the engine does not have.
    pub fn admit(
        &mut self,
        key: usize,
        request: Request,
        extended: Arc<Extended<'static>>,
    ) -> Result<(), DecodeError> {
        self.served.check(&extended)?;
        let prepared = Prepared::new(key, request, &extended)?;
        let (served, cancelled) = (self.served.clone(), Arc::new(AtomicBool::new(false)));
        let teller = Teller { request: key, to: self.to.clone(), cancelled: Arc::clone(&cancelled) };
        let work = move || {
            let run = || Row::new(prepared, &extended, &served, &teller).run();
            // Whatever happens in there, somebody waits for an end.
            let done = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
                Err(DecodeError::Engine {
                    index: key,
                    message: "the request ended by a fault of this program".into(),
                })
            });
            teller.done(done);
        };
        std::thread::Builder::new().name("request".into()).spawn(work).map_err(|e| DecodeError::Engine {
            index: key,
            message: format!("no thread can be made for it: {e}"),
        })?;
        self.running.insert(key, cancelled);
        Ok(())
    }

    /// Drops a request: what the engine still writes of it is not heard, and nothing more is asked for. It counts until the engine has
    /// ended what it was asked.
    pub fn cancel(&mut self, key: usize) {
        if let Some(cancelled) = self.running.get(&key) {
            cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Waits a little for something to happen, and tells all that has.
    pub fn step(&mut self, tell: &mut dyn FnMut(usize, Told)) {
        let mut next = self.from.recv_timeout(STEP).ok();
        while let Some((key, told)) = next {
            if let Some(cancelled) = self.running.get(&key).map(|it| it.load(Ordering::Relaxed)) {
                if matches!(told, Ok(Event::Done(_)) | Err(_)) {
                    self.running.remove(&key);
                }
                if !cancelled {
                    tell(key, told);
                }
            }
            next = self.from.try_recv().ok();
        }
    }
}

/// Whoever held the rows has gone: nothing more is asked for them.
impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.running.values().for_each(|cancelled| cancelled.store(true, Ordering::Relaxed));
    }
}
