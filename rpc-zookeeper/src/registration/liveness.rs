//! Whether the program that has registered still runs.
//!
//! The session lives on a thread of its own, so a program whose own threads all hang would stay on the list for ever. A
//! task among its other tasks therefore gives a beat every second, and here is who listens.

use rpc_core::Tasks;
use std::time::Duration;
use tokio::{
    sync::watch,
    time::{Interval, MissedTickBehavior, interval, sleep},
};

const BEAT: Duration = Duration::from_secs(1);

/// The beat of the runtime on which it was begun, until this is dropped.
#[derive(Debug)]
pub(crate) struct Heart {
    beats: watch::Receiver<()>,
    _task: Tasks,
}

/// Whether the beat is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Beating,
    Silent,
}

/// Who listens to a [`Heart`], on the runtime where it is made.
#[derive(Debug)]
pub(super) struct Listener {
    heart: Heart,
    every: Interval,
    /// How many times in a row there was nothing to hear.
    missed: u32,
}

impl Heart {
    pub(crate) fn begin() -> Self {
        let (beat, beats) = watch::channel(());
        let tasks = Tasks::owner();
        tasks.spawn(async move {
            while beat.send(()).is_ok() {
                sleep(BEAT).await;
            }
        });
        Self { beats, _task: tasks }
    }

    pub(super) fn listen(self) -> Listener {
        let mut every = interval(BEAT);
        // When the whole process was stopped, nothing was missed.
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Listener { heart: self, every, missed: 0 }
    }
}

impl Listener {
    /// So many beats may fail: handlers should not block, but some do for a moment.
    const MISSED: u32 = 5;

    /// Waits until the beat stops, or comes back. May be dropped and called again.
    pub(super) async fn changed(&mut self) -> Life {
        loop {
            self.every.tick().await;
            // An error: its runtime has ended.
            let heard = self.heart.beats.has_changed().unwrap_or(false);
            self.heart.beats.mark_unchanged();
            let before = self.missed;
            self.missed = if heard { 0 } else { before.saturating_add(1) };
            match self.missed {
                0 if before >= Self::MISSED => return Life::Beating,
                Self::MISSED => return Life::Silent,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, timeout};

    #[tokio::test(start_paused = true)]
    async fn silence_is_told_once_and_so_is_its_end() {
        let (beat, beats) = watch::channel(());
        let mut listener = Heart { beats, _task: Tasks::owner() }.listen();
        for _ in 0..20 {
            beat.send(()).unwrap();
            timeout(BEAT, listener.changed()).await.expect_err("all is well");
        }
        let begun = Instant::now();
        assert_eq!(listener.changed().await, Life::Silent);
        let after = begun.elapsed();
        assert!((4..=6).contains(&after.as_secs()), "{after:?}");
        timeout(BEAT * 60, listener.changed()).await.expect_err("that is known");
        beat.send(()).unwrap();
        assert_eq!(listener.changed().await, Life::Beating);
        drop(beat);
        assert_eq!(listener.changed().await, Life::Silent, "its runtime has ended");
    }

    /// Time that passes while nothing runs at all, as when the process is stopped, is one beat that is missed.
    #[tokio::test(start_paused = true)]
    async fn a_process_that_was_stopped_goes_on_as_before() {
        let mut listener = Heart::begin().listen();
        timeout(BEAT * 10, listener.changed()).await.expect_err("all is well");
        tokio::time::advance(BEAT * 60).await;
        timeout(BEAT * 10, listener.changed()).await.expect_err("all is well");
    }
}
