//! Who is at work, and how long what is ready waits.

use super::codel::{self, CoDel};
use crate::{
    Cancel, Priority, Request, Tasks,
    server::{Admission, sample::OneIn},
};
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;

/// Counts the calls at work in one server, and knows whether it takes more.
///
/// How long what is ready waits for a worker is measured by a task that does nothing else: a *marker*, sent every few
/// milliseconds while calls come. A call that has its own task waits in the same line before it is polled for the first
/// time, and is refused then; so what stood in line before the overload was known is refused as well, and costs little.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Calls that have begun, and calls that have ended, since the server did.
    began: AtomicUsize,
    ended: AtomicUsize,
    /// Handlers that go on without their caller.
    kept: AtomicUsize,
    /// Ordinary calls that may be at work at once; `usize::MAX` is any number.
    limit: usize,
    /// How many priorities are refused, from the least urgent on.
    refused: AtomicU8,
    /// Whether some were lately: then every call looks at the clock, or a burst would be in before it is noticed.
    alert: AtomicBool,
    /// `None` where nothing is to be found out.
    watch: Option<Mutex<Watch>>,
}

/// What is known of the line.
#[derive(Debug)]
struct Watch {
    codel: CoDel,
    /// The markers that stand in it, the oldest first. The line is not as straight as it should be (tokio has one for
    /// each worker, and another for what is too much), so one that is overtaken says nothing any more.
    markers: VecDeque<Sent>,
    last: Instant,
    tasks: Tasks,
}

/// When a marker was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    /// Calls that had ended by then: all others that have begun when it is back were at work, or came before it.
    ended: usize,
}

impl Gate {
    /// One call in so many looks at the clock, which costs as much as a short handler.
    const SAMPLE: u32 = 16;
    /// How many handlers may be at work whose caller has left, or a peer that calls and cancels in a loop would have
    /// any number of them. Beyond that no call is let in that might become another. As many as calls on one connection.
    const MOST_KEPT: usize = 4096;

    /// A gate whose markers are tasks of `tasks`, which it does not keep alive.
    pub(crate) fn new(admission: Admission, tasks: &Tasks) -> Self {
        let (limit, watch) = match admission {
            Admission::Off => (usize::MAX, None),
            Admission::AtMost(calls) => (calls.get(), None),
            Admission::Adaptive => (usize::MAX, Some(Mutex::new(Watch::new(tasks.handle())))),
        };
        let [began, ended, kept] = [const { AtomicUsize::new(0) }; 3];
        Self { began, ended, kept, limit, refused: AtomicU8::new(0), alert: AtomicBool::new(false), watch }
    }

    /// A place for a call, if there is one.
    #[inline]
    pub(super) fn enter(self: &Arc<Self>, request: &Request) -> Option<Permit<'_>> {
        let before = self.began.fetch_add(1, Relaxed);
        // What is known may be old: whoever would be refused looks first.
        if self.watch.is_some() && (self.alert.load(Relaxed) || LOOKS.with(OneIn::is_it)) {
            self.look(Instant::now());
        }
        let at_work = before.wrapping_sub(self.ended.load(Relaxed));
        let mut room = request.method.cancel == Cancel::Drop || self.kept.load(Relaxed) < Self::MOST_KEPT;
        // Who asks how urgent a call is looks through its baggage.
        if at_work >= self.limit / 2 || self.refused.load(Relaxed) > 0 {
            room &= self.has_room(at_work, request.context.priority());
        }
        if !room {
            // Those who are refused are no crowd.
            self.began.fetch_sub(1, Relaxed);
            return None;
        }
        Some(Permit(self))
    }

    #[cold]
    fn has_room(&self, at_work: usize, priority: Priority) -> bool {
        // Half of what there is, rounded up, three quarters, all, and a quarter more.
        let limit = match priority {
            Priority::Sheddable => self.limit.div_ceil(2),
            Priority::SheddablePlus => self.limit - self.limit / 4,
            Priority::Critical => self.limit,
            Priority::CriticalPlus => self.limit.saturating_add(self.limit.div_ceil(4)),
        };
        at_work < limit && priority as u8 >= self.refused.load(Relaxed)
    }

    /// A place for what goes on although its call is over.
    #[cold]
    pub(crate) fn keep(self: &Arc<Self>) -> Kept {
        self.began.fetch_add(1, Relaxed);
        self.kept.fetch_add(1, Relaxed);
        Kept(self.clone())
    }

    #[cold]
    fn look(self: &Arc<Self>, now: Instant) {
        // Where another thread is at it: one sample less.
        let Some(Ok(mut watch)) = self.watch.as_ref().map(Mutex::try_lock) else { return };
        let since_last = now.saturating_duration_since(watch.last);
        match watch.markers.front().copied() {
            Some(oldest) => self.judge(&mut watch, oldest, now, codel::Marker::InLine),
            None if since_last >= Watch::OLD => self.refused.store(0, Relaxed),
            None => {}
        }
        if since_last >= Watch::PACE * (1 + watch.markers.len() as u32) {
            let sent = Sent { at: now, ended: self.ended.load(Relaxed) };
            watch.last = now;
            watch.markers.push_back(sent);
            let tasks = watch.tasks.clone();
            drop(watch);
            tasks.spawn(Marker { gate: self.clone(), sent, polled: Polled::Never });
        }
    }

    fn judge(&self, watch: &mut Watch, sent: Sent, now: Instant, marker: codel::Marker) {
        let crowd = self.began.load(Relaxed).wrapping_sub(sent.ended);
        let refused = watch.codel.see(now, now.saturating_duration_since(sent.at), crowd, marker);
        self.refused.store(refused, Relaxed);
        self.alert.store(watch.codel.is_alert(now), Relaxed);
    }

    #[cfg(test)]
    pub(super) fn at_work(&self) -> usize {
        self.began.load(Relaxed) - self.ended.load(Relaxed)
    }
}

impl Watch {
    /// How often a marker is sent; less often while others are in line.
    const PACE: Duration = Duration::from_millis(5);
    /// After so long without one, nothing is known any more.
    const OLD: Duration = Duration::from_millis(100);

    fn new(tasks: Tasks) -> Self {
        let workers = match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.metrics().num_workers(),
            Err(_) => std::thread::available_parallelism().map_or(1, usize::from),
        };
        Self { codel: CoDel::new(workers), markers: VecDeque::new(), last: Instant::now(), tasks }
    }
}

/// A place among the calls at work, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit<'a>(&'a Gate);

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Relaxed);
    }
}

/// The place of a handler that goes on without its caller.
#[derive(Debug)]
pub(crate) struct Kept(Arc<Gate>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Relaxed);
        self.0.kept.fetch_sub(1, Relaxed);
    }
}

/// A task that does nothing but wait for its turn.
struct Marker {
    gate: Arc<Gate>,
    sent: Sent,
    polled: Polled,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Polled {
    Never,
    Once,
    Twice,
}

impl Future for Marker {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.polled == Polled::Once {
            self.polled = Polled::Twice;
            return Poll::Ready(());
        }
        // A task that was just started runs next, before those that have waited for longer. One that wakes itself goes
        // to the end of the line.
        self.polled = Polled::Once;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        let Some(watch) = &self.gate.watch else { return };
        let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
        let overtaken = watch.markers.partition_point(|other| other.at < self.sent.at);
        if watch.markers.get(overtaken).is_none_or(|other| other.at != self.sent.at) {
            return;
        }
        watch.markers.drain(..=overtaken);
        if self.polled == Polled::Twice {
            self.gate.judge(&mut watch, self.sent, Instant::now(), codel::Marker::Back);
        }
    }
}

thread_local! {
    /// Which calls look at the clock.
    static LOOKS: OneIn = const { OneIn::new(Gate::SAMPLE) };
}
