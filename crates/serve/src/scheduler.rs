//! The thread that owns the batch: jobs come from a fair queue, outputs go to whoever asked.

use crate::error::ApiError;
use crate::metrics::Metrics;
use decode::{
    Attempt, DecodeError, Event, Extended, Generation, Request, Served, Session, SessionSettings, TopToken,
};
use lm::FrozenLm;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a job tells, in order; `Done` or `Failed` is the last.
#[derive(Debug)]
pub(crate) enum Output {
    Text(String),
    Word { id: u32, logprob: f32, top: Vec<TopToken> },
    CallStart(String),
    Arguments(String),
    CallEnd(Attempt),
    Done(Box<Generation>),
    Failed(Failure),
}

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
            queue.retain(|job| !job.outputs.is_closed());
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
    let begin = || {
        let session = Session::new(model, SessionSettings::default());
        match &served {
            Some(served) => session.served_by(served.clone()),
            None => session,
        }
    };
    let mut session = begin();
    let mut running: HashMap<usize, UnboundedSender<Output>> = HashMap::new();
    let mut next_key = 0;
    loop {
        let mut jobs = Vec::new();
        {
            let mut queue = lock(&shared.0);
            while session.is_empty() && queue.waiting == 0 {
                if queue.stopping {
                    return;
                }
                queue = shared.1.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            while session.len() + jobs.len() < batch {
                let Some(job) = queue.pop() else { break };
                jobs.push(job);
            }
            Metrics::set(&metrics.waiting, queue.waiting);
        }
        for Job { request, extended, outputs } in jobs {
            if outputs.is_closed() {
                Metrics::add(&metrics.cancelled, 1);
                continue;
            }
            let key = next_key;
            next_key += 1;
            let admitted = catch_unwind(AssertUnwindSafe(|| session.admit(key, request, extended)));
            let fault = match admitted {
                Ok(Ok(())) => {
                    running.insert(key, outputs);
                    continue;
                }
                Ok(Err(error)) => error.into(),
                Err(_) => Failure::Fault("the request could not be read".to_owned()),
            };
            Metrics::add(&metrics.failed, 1);
            let _ = outputs.send(Output::Failed(fault)); // whoever asked may have left
        }
        let left: Vec<usize> =
            running.iter().filter(|(_, out)| out.is_closed()).map(|(key, _)| *key).collect();
        for key in left {
            session.cancel(key);
            running.remove(&key);
            Metrics::add(&metrics.cancelled, 1);
        }
        Metrics::set(&metrics.running, session.len());
        let mut done = Vec::new();
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            session.step(&mut |event| forward(&running, event), &mut |key, result| done.push((key, result)))
        }));
        Metrics::add(&metrics.steps, 1);
        let counts = session.counts();
        Metrics::set(&metrics.reused_tokens, counts.reused as usize);
        Metrics::set(&metrics.read_tokens, counts.read as usize);
        Metrics::set(&metrics.running, session.len());
        for (key, result) in done {
            let Some(outputs) = running.remove(&key) else { continue };
            let output = match result {
                Ok(generation) => {
                    Metrics::add(&metrics.finished, 1);
                    Metrics::add(&metrics.prompt_tokens, generation.tokens.prompt);
                    Metrics::add(
                        &metrics.generated_tokens,
                        generation.tokens.chosen + generation.tokens.arguments,
                    );
                    Output::Done(Box::new(generation))
                }
                Err(error) => {
                    Metrics::add(&metrics.failed, 1);
                    Output::Failed(error.into())
                }
            };
            let _ = outputs.send(output);
        }
        if stepped.is_ok() {
            continue;
        }
        // A fault of the program: whose request met it can't be told, so all rows end, and the next find a new session.
        let fault = Failure::Fault("the engine failed".to_owned());
        tracing::error!("a step panicked; {} generations end", running.len());
        for (_, outputs) in running.drain() {
            Metrics::add(&metrics.failed, 1);
            let _ = outputs.send(Output::Failed(fault.clone()));
        }
        session = begin();
    }
}

fn forward(running: &HashMap<usize, UnboundedSender<Output>>, event: Event<'_>) {
    let (key, output) = match event {
        Event::Text { request, delta } => (request, Output::Text(delta.to_owned())),
        Event::Word { request, id, logprob, top } => {
            (request, Output::Word { id, logprob, top: top.to_vec() })
        }
        Event::CallStart { request, tool } => (request, Output::CallStart(tool.to_owned())),
        Event::Arguments { request, delta } => (request, Output::Arguments(delta.to_owned())),
        Event::CallEnd { request, attempt } => (request, Output::CallEnd(attempt.clone())),
        Event::Done { .. } => return,
    };
    if let Some(outputs) = running.get(&key) {
        let _ = outputs.send(output); // a closed one is cancelled before the next step
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
