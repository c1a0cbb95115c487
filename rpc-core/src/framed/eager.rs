//! Handlers that need not wait are over before a task for them would have begun.

use crate::Tasks;
use std::{
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};
use tokio::time::Instant;

/// Polls a handler once where its request was read, and gives it a task of its own only when it waits for something.
///
/// A handler that computes without waiting would hold up the other calls on its connection that way, where in tasks
/// they run on other cores. So the time is taken now and then, and when one takes longer than a task costs many times
/// over, the next calls on the connection get tasks at once, after which it is tried again: few calls the first time,
/// since it may have been a busy machine that took the processor away, and twice as many each time that it was not.
/// Trust comes back after a few in a row that were short: a server that refuses most calls, which takes no time, works
/// on others.
#[derive(Debug)]
pub struct Eager<F> {
    /// How many calls are given tasks before the next is tried in place.
    distrust: u32,
    /// How many they will be when the next that is timed takes long.
    doubt: u32,
    /// How many calls are tried in place before one is timed.
    untimed: u32,
    /// How many in a row were short of those that were timed.
    short: u32,
    /// Where the last handler that was over at once has been: the next one goes there.
    spare: Option<Pin<Box<F>>>,
}

impl<F: Future<Output = ()> + Send + 'static> Eager<F> {
    /// Longer than this, and a handler should not run here. (A task costs about a microsecond.)
    const SHORT: Duration = Duration::from_micros(500);
    /// Calls that get tasks behind the first that took long, and at most.
    const DOUBT: (u32, u32) = (32, 1024);
    /// Looking at the clock costs as much as a short handler, so the time is taken of one call in so many.
    const SAMPLE: u32 = 8;
    /// So many short ones in a row, and the next are not all timed.
    const TRUSTED: u32 = 8;

    /// Trusts the first handler.
    pub const fn trusting() -> Self {
        Self { distrust: 0, doubt: Self::DOUBT.0, untimed: 0, short: Self::TRUSTED, spare: None }
    }

    /// Runs a handler. Whoever calls this drives the connection, and sees to it that handlers end with it.
    pub fn run(&mut self, handler: F, tasks: &Tasks) {
        if self.distrust > 0 {
            self.distrust -= 1;
            return tasks.spawn_call(Box::pin(handler));
        }
        let mut handler = match self.spare.take() {
            Some(mut place) => {
                place.set(handler);
                place
            }
            None => Box::pin(handler),
        };
        let begun = (self.untimed == 0).then(Instant::now);
        // Nobody is woken: if it waits, its task polls it again and is.
        let waits = handler.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
        match begun {
            Some(begun) => self.judge(begun.elapsed()),
            None => self.untimed -= 1,
        }
        if waits {
            tasks.spawn_call(handler);
        } else {
            self.spare = Some(handler);
        }
    }

    /// What follows from the time that a handler took.
    fn judge(&mut self, took: Duration) {
        if took > Self::SHORT {
            self.distrust = self.doubt;
            self.doubt = (self.doubt * 2).min(Self::DOUBT.1);
            (self.untimed, self.short) = (0, 0);
            return;
        }
        self.short += u32::from(self.short < Self::TRUSTED);
        if self.short == Self::TRUSTED {
            self.doubt = Self::DOUBT.0;
            self.untimed = Self::SAMPLE - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BoxFuture;

    #[tokio::test]
    async fn what_need_not_wait_is_over_at_once_and_what_must_goes_on_in_a_task() {
        let (tasks, mut eager) = (Tasks::owner(), Eager::<BoxFuture<'static, ()>>::trusting());
        for _ in 0..3 {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            eager.run(Box::pin(async move { sender.send(()).unwrap() }), &tasks);
            assert!(tasks.is_empty());
            receiver.await.unwrap();

            let (sender, receiver) = tokio::sync::oneshot::channel();
            let (answer, answered) = tokio::sync::oneshot::channel();
            eager.run(Box::pin(async move { answer.send(receiver.await.unwrap()).unwrap() }), &tasks);
            assert_eq!(tasks.len(), 1);
            sender.send(7).unwrap();
            assert_eq!(answered.await, Ok(7));
            tasks.finished().await;
        }
    }

    #[tokio::test]
    async fn after_one_that_computes_for_long_others_get_tasks_at_once() {
        let (tasks, mut eager) = (Tasks::owner(), Eager::<BoxFuture<'static, ()>>::trusting());
        let long = async {
            let begun = Instant::now();
            while begun.elapsed() < 2 * Eager::<BoxFuture<'static, ()>>::SHORT {}
        };
        eager.run(Box::pin(long), &tasks);
        eager.run(Box::pin(async {}), &tasks);
        assert_eq!(tasks.len(), 1);
    }

    #[test]
    fn whoever_takes_long_again_is_distrusted_for_longer_and_forgiven_when_not() {
        type Any = Eager<BoxFuture<'static, ()>>;
        let mut eager = Any::trusting();
        let distrust: Vec<_> = (0..7)
            .map(|_| {
                eager.judge(Any::SHORT * 2);
                eager.distrust
            })
            .collect();
        assert_eq!(distrust, [32, 64, 128, 256, 512, 1024, 1024]);
        // Refusals are short, and say nothing of those that are not refused.
        (0..Any::TRUSTED - 1).for_each(|_| eager.judge(Any::SHORT));
        eager.judge(Any::SHORT * 2);
        assert_eq!((eager.distrust, eager.untimed), (1024, 0));
        (0..Any::TRUSTED).for_each(|_| eager.judge(Any::SHORT));
        assert_eq!(eager.untimed, Any::SAMPLE - 1);
        eager.judge(Any::SHORT * 2);
        assert_eq!(eager.distrust, 32);
    }
}
