//! What the handlers of the service under test have lived through.

use rpc::{CallId, Context};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// How long a test waits for what should come at once.
pub const SOON: Duration = Duration::from_secs(4);

/// The memory that all handlers of one server share with the test. A job is a number the test chose.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    jobs: Mutex<HashMap<u64, Job>>,
    gate: watch::Sender<bool>,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            jobs: Mutex::default(),
            gate: watch::Sender::new(true),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }
}

/// What became of the executions of one job.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// How many began.
    pub begun: usize,
    /// How many ran to their end.
    pub ended: usize,
    /// How many were dropped before.
    pub dropped: usize,
    /// How many saw that nobody waits any more.
    pub cancelled: usize,
    /// How many items were made, or read.
    pub made: usize,
    /// What the handlers had to say.
    pub notes: Vec<String>,
    /// When the last execution was over.
    pub left: Option<Instant>,
    /// The call and the attempt of each that began.
    pub attempts: Vec<(Option<CallId>, u32)>,
}

impl Ledger {
    /// Handlers wait from now on, until [`release`](Self::release).
    pub fn hold(&self) {
        self.0.gate.send_replace(false);
    }

    /// Handlers that wait go on, and no other waits.
    pub fn release(&self) {
        self.0.gate.send_replace(true);
    }

    /// Waits while handlers are held.
    pub async fn pass(&self) {
        // The sender lives as long as `self`.
        let _ = self.0.gate.subscribe().wait_for(|open| *open).await;
    }

    /// A handler begins; it has been dropped unless it says that it [ends](Visit::end).
    pub fn enter(&self, job: u64) -> Visit {
        let context = Context::current();
        let running = self.0.running.fetch_add(1, Ordering::AcqRel) + 1;
        self.0.most.fetch_max(running, Ordering::AcqRel);
        self.change(job, |job| {
            job.begun += 1;
            job.attempts.push((context.call_id(), context.attempt()));
        });
        Visit { ledger: self.clone(), job, ended: false }
    }

    /// What became of a job.
    pub fn job(&self, job: u64) -> Job {
        self.jobs().get(&job).cloned().unwrap_or_default()
    }

    /// How many handlers are at work.
    pub fn running(&self) -> usize {
        self.0.running.load(Ordering::Acquire)
    }

    /// How many handlers were at work at once.
    pub fn most(&self) -> usize {
        self.0.most.load(Ordering::Acquire)
    }

    /// Waits until a job is as described; panics, with what it is instead, after [`SOON`].
    pub async fn until(&self, job: u64, what: &str, reached: impl Fn(&Job) -> bool) -> Job {
        self.within(SOON, job, what, reached).await
    }

    /// The same with a limit of the scenario's own.
    pub async fn within(&self, limit: Duration, job: u64, what: &str, reached: impl Fn(&Job) -> bool) -> Job {
        let ok = rpc_testkit::eventually(limit, || reached(&self.job(job))).await;
        let job = self.job(job);
        assert!(ok, "within {limit:?} the handler should have {what}: {job:?}");
        job
    }

    fn change(&self, job: u64, change: impl FnOnce(&mut Job)) {
        change(self.jobs().entry(job).or_default());
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<u64, Job>> {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One execution of a handler.
#[derive(Debug)]
pub struct Visit {
    ledger: Ledger,
    job: u64,
    ended: bool,
}

impl Visit {
    /// The handler saw that nobody waits any more.
    pub fn saw_cancellation(&self) {
        self.ledger.change(self.job, |job| job.cancelled += 1);
    }

    /// The handler has made an item, or read one.
    pub fn made(&self) {
        self.ledger.change(self.job, |job| job.made += 1);
    }

    /// What the handler has to say.
    pub fn note(&self, note: impl ToString) {
        self.ledger.change(self.job, |job| job.notes.push(note.to_string()));
    }

    /// The handler has done its work.
    pub fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let ended = self.ended;
        self.ledger.change(self.job, |job| {
            if ended {
                job.ended += 1;
            } else {
                job.dropped += 1;
            }
            job.left = Some(Instant::now());
        });
        self.ledger.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}
