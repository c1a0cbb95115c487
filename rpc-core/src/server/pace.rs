//! Notices handlers that hold a worker.

use crate::{Method, Observers, observer::target, server::sample::OneIn};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Notices handlers, and streams that they returned, of which one poll holds a worker for long: all other calls that
/// the worker could serve wait meanwhile. It names them in the log, once a minute each, and tells the observers each
/// time.
///
/// Looking at the clock costs as much as a short handler, so the time is taken of one poll in so many. Work that blocks
/// does so every time, and is found. (`tokio::task::block_in_place` is found as well: it gives its worker away, but not
/// those who wait in the same task.)
#[derive(Debug, Default)]
pub(crate) struct Pace {
    observers: Observers,
    /// When each method was last named; no more of them than this server has.
    named: Mutex<HashMap<&'static str, Instant>>,
}

impl Pace {
    /// No handler computes for so long between two awaits without a reason to think of.
    const LONG: Duration = Duration::from_millis(100);
    const EVERY: Duration = Duration::from_secs(60);
    /// A prime, so that no pattern of polls hides from it.
    const SAMPLE: u32 = 13;

    pub(crate) fn new(observers: Observers) -> Self {
        Self { observers, named: Mutex::default() }
    }

    /// Polls something that belongs to a call of `method`.
    #[inline]
    pub(crate) fn timed<R>(&self, method: &'static Method, poll: impl FnOnce() -> R) -> R {
        if !TIMED.with(OneIn::is_it) {
            return poll();
        }
        let begun = now();
        let polled = poll();
        let held = now().duration_since(begun);
        if held >= Self::LONG {
            self.tell(method, held);
        }
        polled
    }

    #[cold]
    fn tell(&self, method: &'static Method, held: Duration) {
        self.observers.tell(|observer| observer.blocked(method, held));
        if self.is_due(method.path) {
            let name = method.path.rsplit(['.', '/']).nth(1).unwrap_or_default();
            tracing::warn!(
                target: target::SERVER,
                method = method.path,
                "{name}/{} held a worker for {:.1} s: use tokio::task::spawn_blocking for work that blocks",
                method.name,
                held.as_secs_f64()
            );
        }
    }

    fn is_due(&self, path: &'static str) -> bool {
        let now = now();
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let due = named.get(path).is_none_or(|last| now.duration_since(*last) >= Self::EVERY);
        if due {
            named.insert(path, now);
        }
        due
    }
}

thread_local! {
    /// Of which polls the time is taken.
    static TIMED: OneIn = const { OneIn::new(Pace::SAMPLE) };
}

#[expect(clippy::disallowed_methods, reason = "a worker is held in real time, whatever clock a test has paused")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Observer};
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    };

    static SLOW: Method = Method::new("t.T", "Slow", "/t.T/Slow", Kind::Unary);
    static FAST: Method = Method::new("t.T", "Fast", "/t.T/Fast", Kind::Unary);

    #[derive(Default)]
    struct Blocked(AtomicU32);

    impl Observer for Blocked {
        fn blocked(&self, method: &'static Method, held: Duration) {
            assert_eq!(method.path, SLOW.path);
            assert!(held >= Pace::LONG);
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn one_poll_in_so_many_is_timed_and_what_holds_a_worker_is_told_of() {
        let blocked = Arc::new(Blocked::default());
        let pace = Pace::new(blocked.clone().into());
        for _ in 0..2 * Pace::SAMPLE {
            pace.timed(&FAST, || ());
        }
        for _ in 0..2 * Pace::SAMPLE {
            pace.timed(&SLOW, || {
                let end = now() + Pace::LONG;
                while now() < end {}
            });
        }
        assert_eq!(blocked.0.load(Relaxed), 2);
        assert!(!pace.is_due(SLOW.path) && pace.is_due(FAST.path) && !pace.is_due(FAST.path));
    }
}
