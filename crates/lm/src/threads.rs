//! Work over all cores. A decoded token is some hundred products of a few microseconds each, and waking a thread costs more
//! than that: a [`Team`] waits awake.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Calls `task` with every index below `count`, in any order and on any core, and returns when all are done.
pub fn run(count: usize, task: impl Fn(usize) + Sync) {
    if count < 2 { (0..count).for_each(task) } else { team().run(count, &task) }
}

/// Calls `task` with every `width` elements of `out`, in parallel if they are `worth` it.
pub fn chunks<T: Send>(out: &mut [T], width: usize, worth: bool, task: impl Fn(usize, &mut [T]) + Sync) {
    if !worth {
        out.chunks_mut(width).enumerate().for_each(|(i, chunk)| task(i, chunk));
        return;
    }
    let out = Shared::new(out);
    run(out.len.div_ceil(width), |i| {
        let start = i * width;
        // SAFETY: every index is given out once, so no two slices overlap.
        task(i, unsafe { out.slice(start, width.min(out.len - start)) });
    });
}

/// How many threads work at a time, whoever asks.
pub fn count() -> usize {
    team().workers.len() + 1
}

/// A slice that several threads write to, each its own part.
pub struct Shared<'a, T> {
    data: *mut T,
    /// Elements in all.
    pub len: usize,
    life: PhantomData<&'a UnsafeCell<T>>,
}

// SAFETY: elements are reached through `slice` alone, whose callers promise that parts do not overlap.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// Over a slice that nobody else can reach meanwhile.
    pub fn new(data: &'a mut [T]) -> Self {
        Self { data: data.as_mut_ptr(), len: data.len(), life: PhantomData }
    }

    /// The first element.
    pub fn pointer(&self) -> *mut T {
        self.data
    }

    /// `len` elements from `start`.
    ///
    /// # Safety
    /// No two slices that live at the same time may overlap.
    ///
    /// # Panics
    /// If they are not all inside: a fault of the caller.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn slice(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start <= self.len && len <= self.len - start);
        // SAFETY: in range by the assertion, not aliased by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(start), len) }
    }
}

/// How long a thread waits awake before it sleeps: longer than what lies between two products of a token.
const AWAKE: Duration = Duration::from_micros(300);

type Task<'a> = &'a (dyn Fn(usize) + Sync);

/// Threads that wait awake for the next job.
pub struct Team {
    board: Arc<Board>,
    workers: Vec<Worker>,
    /// Held while a job runs. Whoever finds it taken does his work alone.
    free: Mutex<()>,
}

struct Worker {
    thread: Thread,
    asleep: Arc<AtomicBool>,
}

/// What the threads of a team share.
#[derive(Default)]
struct Board {
    ticket: Padded,
    /// The job of the ticket's number: a `*const Task`.
    task: AtomicPtr<()>,
    /// Indices of the job that are not done.
    left: AtomicUsize,
    panicked: AtomicBool,
}

/// Job number (32 bits), indices in it (16), and the next to be given out (16), in one word: a thread that takes an index
/// knows by the exchange alone that the job is still the one whose task it has read. On a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Padded(AtomicU64);

/// Indices in one job, at most.
const LARGEST: usize = 0xffff;

fn ticket(job: u32, count: usize) -> u64 {
    u64::from(job) << 32 | (count as u64) << 16
}

fn remaining(ticket: u64) -> Option<usize> {
    let (count, next) = (ticket >> 16 & 0xffff, ticket & 0xffff);
    (next < count).then_some(next as usize)
}

impl Board {
    /// Takes indices and does them until none is left.
    fn work(&self) {
        let mut seen = self.ticket.0.load(Ordering::Acquire);
        while let Some(index) = remaining(seen) {
            let task = self.task.load(Ordering::Relaxed) as *const Task<'_>;
            let taken =
                self.ticket.0.compare_exchange_weak(seen, seen + 1, Ordering::AcqRel, Ordering::Acquire);
            match taken {
                Ok(_) => {
                    // SAFETY: `Team::run` keeps the task alive until every index of its job is done, and this one is
                    // not: the exchange shows that the job is the one that was read.
                    let done = catch_unwind(AssertUnwindSafe(|| unsafe { (*task)(index) }));
                    if done.is_err() {
                        self.panicked.store(true, Ordering::Relaxed);
                    }
                    self.left.fetch_sub(1, Ordering::Release);
                    seen = self.ticket.0.load(Ordering::Acquire);
                }
                Err(now) => seen = now,
            }
        }
    }

    fn serve(&self, asleep: &AtomicBool) {
        loop {
            self.work();
            let waiting = Instant::now();
            let mut idle = true;
            while idle && waiting.elapsed() < AWAKE {
                for _ in 0..64 {
                    std::hint::spin_loop();
                    if remaining(self.ticket.0.load(Ordering::Relaxed)).is_some() {
                        idle = false;
                        break;
                    }
                }
            }
            if idle {
                asleep.store(true, Ordering::SeqCst);
                // Looked at once more, in one order with the store above: whoever posts now sees a sleeper.
                while remaining(self.ticket.0.load(Ordering::SeqCst)).is_none() {
                    std::thread::park();
                }
                asleep.store(false, Ordering::SeqCst);
            }
        }
    }
}

impl Team {
    fn new(threads: usize) -> Self {
        let board = Arc::new(Board::default());
        let mut workers = Vec::new();
        for index in 1..threads {
            let (board, asleep) = (board.clone(), Arc::new(AtomicBool::new(false)));
            let own = asleep.clone();
            let name = format!("lm-team-{index}");
            // A machine that gives no more threads is served by fewer.
            if let Ok(handle) = std::thread::Builder::new().name(name).spawn(move || board.serve(&own)) {
                workers.push(Worker { thread: handle.thread().clone(), asleep });
            }
        }
        Self { board, workers, free: Mutex::new(()) }
    }

    fn run(&self, count: usize, task: Task<'_>) {
        let free = self.free.try_lock();
        if self.workers.is_empty() || count > LARGEST || free.is_err() {
            (0..count).for_each(task);
            return;
        }
        let board = &self.board;
        board.task.store((&raw const task).cast_mut().cast(), Ordering::Relaxed);
        board.left.store(count, Ordering::Relaxed);
        let job = (board.ticket.0.load(Ordering::Relaxed) >> 32) as u32;
        board.ticket.0.store(ticket(job.wrapping_add(1), count), Ordering::SeqCst);
        for worker in self.workers.iter().filter(|worker| worker.asleep.load(Ordering::SeqCst)) {
            worker.thread.unpark();
        }
        board.work();
        let mut spins = 0_u32;
        while board.left.load(Ordering::Acquire) > 0 {
            spins += 1;
            // Another program may have taken the core of a thread that we wait for.
            if spins.is_multiple_of(1024) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
        if board.panicked.swap(false, Ordering::Relaxed) {
            drop(free);
            resume_unwind(Box::new("a task of a team panicked"));
        }
    }
}

/// The team of this process, of as many threads as rayon has where it is first asked for: where a model is loaded.
fn team() -> &'static Team {
    static TEAM: OnceLock<Team> = OnceLock::new();
    TEAM.get_or_init(|| Team::new(rayon::current_num_threads()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_done_once_by_teams_of_any_size() {
        for threads in [1, 2, 3, 8] {
            let team = Team::new(threads);
            for count in [0, 1, 2, 3, 7, 64, 1000, LARGEST, LARGEST + 1] {
                let done: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                team.run(count, &|i| {
                    done[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(done.iter().all(|n| n.load(Ordering::Relaxed) == 1), "{threads} threads, {count}");
            }
        }
    }

    #[test]
    fn many_short_jobs_with_pauses_are_all_done() {
        let team = Team::new(4);
        let sum = AtomicUsize::new(0);
        for job in 0..3_000 {
            if job % 1_000 == 0 {
                std::thread::sleep(AWAKE * 3); // the threads fall asleep and are woken
            }
            team.run(5, &|i| {
                sum.fetch_add(i, Ordering::Relaxed);
            });
        }
        assert_eq!(sum.load(Ordering::Relaxed), 3_000 * 10);
    }

    #[test]
    fn jobs_inside_jobs_and_from_several_threads_are_done() {
        let team = Team::new(2);
        let sum = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        team.run(4, &|_| {
                            team.run(3, &|_| {
                                sum.fetch_add(1, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(sum.load(Ordering::Relaxed), 3 * 200 * 12);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_goes_on() {
        let team = Team::new(3);
        let panicked = catch_unwind(AssertUnwindSafe(|| team.run(9, &|i| assert!(i != 4))));
        assert!(panicked.is_err());
        let sum = AtomicUsize::new(0);
        team.run(9, &|i| {
            sum.fetch_add(i, Ordering::Relaxed);
        });
        assert_eq!(sum.load(Ordering::Relaxed), 36);
    }

    #[test]
    fn chunks_cover_a_slice_with_a_short_last_one() {
        let mut out = vec![0; 103];
        chunks(&mut out, 10, true, |i, chunk| chunk.fill(i + 1));
        assert!(out.iter().enumerate().all(|(at, &v)| v == at / 10 + 1));
    }
}
