//! The thread that owns the batch: jobs come from a fair queue, outputs go to whoever asked.

use crate::error::ApiError;
use crate::metrics::Metrics;
use decode::{DecodeError, Event, Extended, Request, Served, Session, SessionSettings};
use lm::FrozenLm;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a job tells, in order: [`Event::Done`] or a failure is the last.
pub(crate) type Output = Result<Event, Failure>;

/// Why there is no generation.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The request is at fault: what it is, and what to do.
    Request(String),
    /// The server is, its model or its engine.
    Fault(String),
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Request { message, .. } => Self::Request(message),
            error @ DecodeError::Schema { .. } => Self::Request(error.to_string()),
            // An engine's URL may hold keys.
            error @ DecodeError::Engine { .. } => {
                tracing::error!("{error}");
                Self::Fault("the engine failed; the server's log says how".to_owned())
            }
            fault => Self::Fault(fault.to_string()),
        }
    }
}

impl Failure {
    /// The answer to whoever asked; a request's fault is in this parameter.
    pub fn answer(self, param: &str) -> ApiError {
        match self {
            Self::Request(message) => ApiError::bad(param, message),
            Self::Fault(message) => ApiError::internal(message),
        }
    }
}

/// A generation to make.
struct Job {
    request: Request,
    extended: Arc<Extended<'static>>,
    outputs: UnboundedSender<Output>,
}

/// Jobs that wait: a line for each client, served in turn.
struct Queue<J = Job> {
    lines: VecDeque<(String, VecDeque<J>)>,
    waiting: usize,
    stopping: bool,
}

impl<J> Default for Queue<J> {
    fn default() -> Self {
        Self { lines: VecDeque::new(), waiting: 0, stopping: false }
    }
}

impl<J> Queue<J> {
    fn push(&mut self, client: &str, job: J) {
        self.waiting += 1;
        match self.lines.iter_mut().find(|(name, _)| name == client) {
            Some((_, line)) => line.push_back(job),
            None => self.lines.push_back((client.to_owned(), VecDeque::from([job]))),
        }
    }

    /// Drops the jobs that are not wanted any more.
    fn retain(&mut self, wanted: impl Fn(&J) -> bool) {
        for (_, line) in &mut self.lines {
            line.retain(&wanted);
        }
        self.lines.retain(|(_, line)| !line.is_empty());
        self.waiting = self.lines.iter().map(|(_, line)| line.len()).sum();
    }

    /// The first of the next line, which then goes to the end.
    fn pop(&mut self) -> Option<J> {
        let (client, mut line) = self.lines.pop_front()?;
        let job = line.pop_front();
        if !line.is_empty() {
            self.lines.push_back((client, line));
        }
        self.waiting -= usize::from(job.is_some());
        job
    }
}

/// The way to the thread.
pub(crate) struct Scheduler {
    queue: Arc<(Mutex<Queue>, Condvar)>,
    capacity: usize,
    metrics: Arc<Metrics>,
}

impl Scheduler {
    /// Starts the thread.
    pub fn start(
        model: &'static dyn FrozenLm,
        batch: usize,
        capacity: usize,
        metrics: Arc<Metrics>,
        served: Option<Served>,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let queue = Arc::new((Mutex::new(Queue::default()), Condvar::new()));
        let (theirs, counters) = (Arc::clone(&queue), Arc::clone(&metrics));
        let thread = std::thread::Builder::new()
            .name("scheduler".into())
            .spawn(move || run(model, batch.max(1), &theirs, &counters, served))?;
        Ok((Self { queue, capacity, metrics }, thread))
    }

    /// Puts a job into the client's line. Dropping the receiver cancels it. What goes on with a turn whose tools have run is taken
    /// however full the queue is: sent again, the turn would run them again.
    pub fn submit(
        &self,
        client: &str,
        request: Request,
        extended: Arc<Extended<'static>>,
        goes_on: bool,
    ) -> Result<UnboundedReceiver<Output>, ApiError> {
        let (outputs, receiver) = unbounded_channel();
        let mut queue = lock(&self.queue.0);
        if queue.stopping {
            return Err(ApiError::new(
                axum::http::StatusCode::SERVICE_UNAVAILABLE,
                "the server is shutting down",
            ));
        }
        if queue.waiting >= self.capacity {
            let before = queue.waiting;
            queue.retain(|job| !job.outputs.is_closed());
            Metrics::add(&self.metrics.cancelled, before - queue.waiting);
        }
        if queue.waiting >= self.capacity && !goes_on {
            Metrics::add(&self.metrics.refused, 1);
            return Err(ApiError::busy());
        }
        Metrics::add(&self.metrics.requests, 1);
        queue.push(client, Job { request, extended, outputs });
        Metrics::set(&self.metrics.waiting, queue.waiting);
        self.queue.1.notify_one();
        Ok(receiver)
    }

    /// Lets the thread end when its jobs have.
    pub fn stop(&self) {
        lock(&self.queue.0).stopping = true;
        self.queue.1.notify_one();
    }
}

/// A queue is never left half changed: a poisoned lock holds a sound one.
fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(
    model: &'static dyn FrozenLm,
    batch: usize,
    shared: &(Mutex<Queue>, Condvar),
    metrics: &Metrics,
    served: Option<Served>,
) {
    let mut rows = Rows::new(model, served, metrics);
    loop {
        let mut jobs = Vec::new();
        {
            let mut queue = lock(&shared.0);
            while rows.session.is_empty() && queue.waiting == 0 {
                if queue.stopping {
                    return;
                }
                queue = shared.1.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            while rows.session.len() + jobs.len() < batch {
                let Some(job) = queue.pop() else { break };
                jobs.push(job);
            }
            Metrics::set(&metrics.waiting, queue.waiting);
        }
        jobs.into_iter().for_each(|job| rows.admit(job));
        rows.cancel_those_that_left();
        rows.step();
    }
}

/// The generations under way, and where each is told.
struct Rows<'m> {
    model: &'static dyn FrozenLm,
    served: Option<Served>,
    session: Session<'static>,
    outputs: HashMap<usize, UnboundedSender<Output>>,
    next: usize,
    metrics: &'m Metrics,
}

impl<'m> Rows<'m> {
    fn new(model: &'static dyn FrozenLm, served: Option<Served>, metrics: &'m Metrics) -> Self {
        let session = begin(model, served.as_ref());
        Self { model, served, session, outputs: HashMap::new(), next: 0, metrics }
    }

    fn admit(&mut self, Job { request, extended, outputs }: Job) {
        if outputs.is_closed() {
            Metrics::add(&self.metrics.cancelled, 1);
            return;
        }
        let key = self.next;
        self.next += 1;
        let admitted = catch_unwind(AssertUnwindSafe(|| self.session.admit(key, request, extended)));
        let fault = match admitted {
            Ok(Ok(())) => {
                self.outputs.insert(key, outputs);
                return;
            }
            Ok(Err(error)) => error.into(),
            Err(_) => Failure::Fault("the request could not be read".to_owned()),
        };
        Metrics::add(&self.metrics.failed, 1);
        let _ = outputs.send(Err(fault)); // whoever asked may have left
    }

    fn cancel_those_that_left(&mut self) {
        let left = |(key, outputs): (&usize, &UnboundedSender<Output>)| outputs.is_closed().then_some(*key);
        for key in self.outputs.iter().filter_map(left).collect::<Vec<_>>() {
            self.session.cancel(key);
            self.outputs.remove(&key);
            Metrics::add(&self.metrics.cancelled, 1);
        }
        Metrics::set(&self.metrics.running, self.session.len());
    }

    fn step(&mut self) {
        let mut ended = Vec::new();
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            self.session.step(&mut |key, told| match told {
                Ok(Event::Done(_)) | Err(_) => ended.push((key, told.map_err(Failure::from))),
                Ok(event) => {
                    if let Some(outputs) = self.outputs.get(&key) {
                        let _ = outputs.send(Ok(event)); // a closed one is cancelled before the next step
                    }
                }
            });
        }));
        let (metrics, counts) = (self.metrics, self.session.counts());
        Metrics::add(&metrics.steps, 1);
        Metrics::set(&metrics.reused_tokens, counts.reused as usize);
        Metrics::set(&metrics.read_tokens, counts.read as usize);
        Metrics::set(&metrics.running, self.session.len());
        for (key, last) in ended {
            let Some(outputs) = self.outputs.remove(&key) else { continue };
            if let Ok(Event::Done(generation)) = &last {
                let tokens = generation.tokens;
                Metrics::add(&metrics.finished, 1);
                Metrics::add(&metrics.prompt_tokens, tokens.prompt);
                Metrics::add(&metrics.generated_tokens, tokens.chosen + tokens.arguments);
            } else {
                Metrics::add(&metrics.failed, 1);
            }
            let _ = outputs.send(last);
        }
        if stepped.is_ok() {
            return;
        }
        // A fault of the program: whose request met it can't be told, so all rows end, and the next find a new session.
        tracing::error!("a step panicked; {} generations end", self.outputs.len());
        for (_, outputs) in self.outputs.drain() {
            Metrics::add(&metrics.failed, 1);
            let _ = outputs.send(Err(Failure::Fault("the engine failed".to_owned())));
        }
        self.session = begin(self.model, self.served.as_ref());
    }
}

fn begin(model: &'static dyn FrozenLm, served: Option<&Served>) -> Session<'static> {
    let session = Session::new(model, SessionSettings::default());
    match served {
        Some(served) => session.served_by(served.clone()),
        None => session,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client with many jobs does not keep the others waiting.
    #[test]
    fn clients_are_served_in_turn() {
        let mut queue = Queue::default();
        for (client, job) in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)] {
            queue.push(client, job);
        }
        assert_eq!(queue.waiting, 6);
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!((order.as_slice(), queue.waiting), (&[1, 4, 5, 2, 6, 3][..], 0));
    }

    #[test]
    fn jobs_that_nobody_waits_for_make_room() {
        let mut queue = Queue::default();
        for (client, job) in [("a", 1), ("a", 2), ("b", 3), ("c", 4)] {
            queue.push(client, job);
        }
        queue.retain(|job| job % 2 == 0);
        assert_eq!((queue.waiting, queue.lines.len()), (2, 2));
        assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<i32>>(), [2, 4]);
    }

    #[test]
    fn only_a_request_is_told_that_it_is_at_fault() {
        let status = |error: DecodeError| Failure::from(error).answer("messages").status.as_u16();
        assert_eq!(status(DecodeError::Request { index: 0, message: "too long".into() }), 400);
        assert_eq!(status(DecodeError::Engine { index: 0, message: "no answer".into() }), 500);
        assert_eq!(status(DecodeError::Unfinished { index: 0 }), 500);
    }
}
