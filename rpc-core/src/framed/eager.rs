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
/// they run on other cores. So the time is taken now and then, and when one takes longer than a task costs many times over, the
/// next thousand calls on the connection get tasks at once, after which it is tried again.
#[derive(Debug)]
pub struct Eager<F> {
    /// How many calls are given tasks before the next is tried in place.
    distrust: u32,
    /// How many calls have been tried in place.
    tried: u32,
    /// Where the last handler that was over at once has been: the next one goes there.
    spare: Option<Pin<Box<F>>>,
}

impl<F: Future<Output = ()> + Send + 'static> Eager<F> {
    /// Longer than this, and a handler should not run here. (A task costs about a microsecond; a busy machine may take
    /// the processor away for longer than any handler takes, and that should not count too often.)
    const SHORT: Duration = Duration::from_micros(500);
    const DISTRUST: u32 = 1000;
    /// Looking at the clock costs as much as a short handler, so the time is taken of the first call in so many.
    const SAMPLE: u32 = 8;

    /// Trusts the first handler.
    pub const fn trusting() -> Self {
        Self { distrust: 0, tried: 0, spare: None }
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
        let begun = self.tried.is_multiple_of(Self::SAMPLE).then(Instant::now);
        self.tried = self.tried.wrapping_add(1);
        // Nobody is woken: if it waits, its task polls it again and is.
        let waits = handler.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
        if begun.is_some_and(|begun| begun.elapsed() > Self::SHORT) {
            self.distrust = Self::DISTRUST;
        }
        if waits {
            tasks.spawn_call(handler);
        } else {
            self.spare = Some(handler);
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
}
