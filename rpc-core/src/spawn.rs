//! Tasks that belong to a call.

use crate::{Context, Status, Tasks, observer::target, transport::Drain};
use futures_util::task::AtomicWaker;
use pin_project_lite::pin_project;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{self, Poll, ready},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Runs a future beside the handler of this call, as part of it: in its [`Context`] (deadline, trace, baggage), and for
/// as long as it lasts.
///
/// It ends, at its next `.await`, when the call does: when the reply has been made, or the stream that was returned has
/// ended or been dropped; when the caller leaves, or the deadline passes. (A handler that runs on without its caller,
/// see [`Cancel`](crate::Cancel), keeps its tasks until it ends.) The server owns it, so a drain waits for it. Dropping
/// the [`Task`] leaves it running.
///
/// A panic becomes `Internal`: for whoever awaits the task, and if nobody does, for the stream that the call returns,
/// which does not end as if all were well. Nor does it when the server has ended the task.
///
/// Outside of a call nobody would own the task: nothing runs then, and awaiting it says `FailedPrecondition`.
///
/// ```
/// # use rpc_core::{Status, Streaming, spawn};
/// async fn follow(number: String) -> Result<Streaming<String>, Status> {
///     let (sender, stream) = Streaming::channel(16);
///     spawn(async move {
///         for step in ["accepted", "cooking", "on its way"] {
///             // An error: the reader has left.
///             if sender.send(Ok(format!("{number}: {step}"))).await.is_err() {
///                 break;
///             }
///         }
///     });
///     Ok(stream)
/// }
/// ```
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    let context = Context::current();
    let Some((house, nursery)) = context.home().map(|home| (home.house.clone(), home.nursery())) else {
        return Task::refused();
    };
    let (answer, task) = oneshot::channel();
    let work = Watched { future: context.scope(future), answer: Some(answer), nursery: nursery.clone() };
    let call = nursery.clone();
    let work = async move {
        // `None`: the call has ended first.
        let _ = call.ended.run_until_cancelled(work).await;
    };
    house.tasks.spawn(work.in_current_span());
    Task { answer: task, nursery }
}

/// Runs a future that outlives the call which starts it: for what is to be done after the answer. It keeps the trace
/// and nothing else, above all no deadline. The server owns it: a drain waits for it as for a call, and it ends with
/// the server.
///
/// Outside of a call nothing runs; see [`spawn`].
pub fn spawn_detached<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    let context = Context::current();
    let Some(house) = context.home().map(|home| home.house.clone()) else { return Task::refused() };
    let detached = context.trace().map_or_else(Context::default, |trace| Context::default().with_trace(trace));
    let detached = detached.at_home(house.clone());
    let (answer, task) = oneshot::channel();
    let nursery = Arc::<Nursery>::default();
    let work = Watched { future: detached.scope(future), answer: Some(answer), nursery: nursery.clone() };
    house.tasks.spawn(work.in_current_span());
    Task { answer: task, nursery }
}

/// A task that was started by [`spawn`] or [`spawn_detached`]: awaiting it gives what its future gave.
///
/// # Errors
/// `Internal` when the future panicked, `Cancelled` when its call or its server ended first, `FailedPrecondition` when
/// it was started outside of a call.
pub struct Task<T> {
    answer: oneshot::Receiver<Result<T, Status>>,
    nursery: Arc<Nursery>,
}

impl<T> Task<T> {
    fn refused() -> Self {
        tracing::error!(
            target: target::SERVER,
            "a task was started outside of a call, where nobody would own it; it does not run"
        );
        let (answer, task) = oneshot::channel();
        let _ = answer.send(Err(Status::new(
            crate::Code::FailedPrecondition,
            "a task was started outside of a call, where nobody would own it",
        )));
        Self { answer: task, nursery: Arc::default() }
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(cx));
        Poll::Ready(answer.unwrap_or_else(|_| Err(Status::cancelled("the call that the task belongs to has ended"))))
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        // It panicked before it was let go: nobody has heard of that yet.
        self.answer.close();
        if let Ok(Err(_)) = self.answer.try_recv() {
            self.nursery.panicked.store(true, SeqCst);
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}

/// What the calls of one server share: who owns what they leave running, and its end.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) tasks: Tasks,
    pub(crate) drain: Option<Drain>,
}

/// Where the tasks of one call live. Made by the first of them, so that calls without any pay for a pointer.
pub(crate) struct Home {
    house: Arc<House>,
    nursery: OnceLock<Arc<Nursery>>,
    ended: AtomicBool,
}

/// The tasks of one call.
#[derive(Default)]
struct Nursery {
    ended: CancellationToken,
    /// How many are being polled.
    polling: AtomicUsize,
    /// One panicked, and nobody waits for it.
    panicked: AtomicBool,
    /// One was ended by the server, and not by the end of the call.
    cut: AtomicBool,
    /// The stream of replies, which has ended and waits for those that are being polled.
    last: AtomicWaker,
}

impl Home {
    pub(crate) fn new(house: Arc<House>) -> Self {
        Self { house, nursery: OnceLock::new(), ended: AtomicBool::new(false) }
    }

    /// How the server ends.
    pub(crate) fn drain(&self) -> Option<&Drain> {
        self.house.drain.as_ref()
    }

    fn nursery(&self) -> Arc<Nursery> {
        let nursery = self.nursery.get_or_init(Arc::default).clone();
        // Whoever starts a task when its call has ended is too late.
        if self.ended.load(SeqCst) {
            nursery.ended.cancel();
        }
        nursery
    }

    /// The call has ended, and its tasks end with it.
    pub(crate) fn end(&self) {
        self.ended.store(true, SeqCst);
        if let Some(nursery) = self.nursery.get() {
            nursery.ended.cancel();
        }
    }

    /// The stream of replies has ended well, as it says. Whether one of the tasks, of which it may have come, panicked
    /// (one that is being polled may be about to) or was cut.
    pub(crate) fn poll_end(&self, cx: &mut task::Context<'_>) -> Poll<Result<(), Status>> {
        let Some(nursery) = self.nursery.get() else { return Poll::Ready(Ok(())) };
        nursery.last.register(cx.waker());
        if nursery.polling.load(SeqCst) > 0 {
            return Poll::Pending;
        }
        Poll::Ready(match (nursery.panicked.load(SeqCst), nursery.cut.load(SeqCst)) {
            (true, _) => Err(panicked()),
            (false, true) => Err(Status::unavailable("the server ended while a task of the call was at work")),
            (false, false) => Ok(()),
        })
    }
}

impl Clone for Home {
    fn clone(&self) -> Self {
        // Made now, if it was not yet: two contexts of one call must not come to have a nursery each.
        Self { house: self.house.clone(), nursery: OnceLock::from(self.nursery()), ended: AtomicBool::new(false) }
    }
}

pin_project! {
    /// A future whose panics are answers.
    struct Watched<F: Future> {
        #[pin]
        future: F,
        answer: Option<oneshot::Sender<Result<F::Output, Status>>>,
        nursery: Arc<Nursery>,
    }

    impl<F: Future> PinnedDrop for Watched<F> {
        // Before what it holds is dropped: that may be what feeds the stream of replies, whose end is asked about then.
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.answer.is_some() && !this.nursery.ended.is_cancelled() {
                this.nursery.cut.store(true, SeqCst);
            }
        }
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = self.project();
        this.nursery.polling.fetch_add(1, SeqCst);
        let polled = catch_unwind(AssertUnwindSafe(|| this.future.poll(cx)));
        let outcome = match polled {
            Ok(polled) => polled.map(Ok),
            Err(_) => {
                tracing::error!(target: target::SERVER, "a task of a call panicked");
                Poll::Ready(Err(panicked()))
            }
        };
        let outcome = outcome.map(|outcome| {
            let failed = outcome.is_err();
            let heard = this.answer.take().is_some_and(|answer| answer.send(outcome).is_ok());
            if failed && !heard {
                this.nursery.panicked.store(true, SeqCst);
            }
        });
        if this.nursery.polling.fetch_sub(1, SeqCst) == 1 {
            this.nursery.last.wake();
        }
        outcome
    }
}

#[cold]
fn panicked() -> Status {
    Status::internal("a task of the call panicked; its server's log says more")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    fn at_home() -> (Context, Tasks) {
        let tasks = Tasks::owner();
        (Context::default().at_home(Arc::new(House { tasks: tasks.handle(), drain: None })), tasks)
    }

    #[tokio::test]
    async fn a_task_ends_with_its_call_and_a_detached_one_does_not() {
        let (context, tasks) = at_home();
        let (task, detached) = context.enter(|| {
            (spawn(std::future::pending::<()>()), spawn_detached(async { spawn(async { 7 }).await.unwrap() }))
        });
        context.home().unwrap().end();
        assert_eq!(task.await.unwrap_err().code(), Code::Cancelled);
        assert_eq!(detached.await.unwrap(), 7);
        let late = context.enter(|| spawn(async { panic!("begun") }));
        assert_eq!(late.await.unwrap_err().code(), Code::Cancelled);
        tasks.finished().await;
    }

    #[tokio::test]
    async fn a_panic_is_an_error_for_who_waits_and_else_for_the_end_of_the_stream() {
        let (context, tasks) = at_home();
        let heard = context.enter(|| spawn(async { panic!("on purpose") }));
        assert_eq!(heard.await.unwrap_err().code(), Code::Internal);
        let end = async || std::future::poll_fn(|cx| context.home().unwrap().poll_end(cx)).await;
        assert!(end().await.is_ok());
        drop(context.enter(|| spawn(async { panic!("on purpose") })));
        tasks.finished().await;
        assert_eq!(end().await.unwrap_err().code(), Code::Internal);
    }

    #[tokio::test]
    async fn a_task_that_its_server_ends_is_no_good_end_of_the_stream() {
        let (context, tasks) = at_home();
        let end = async || std::future::poll_fn(|cx| context.home().unwrap().poll_end(cx)).await;
        drop(context.enter(|| spawn(async {})));
        drop(context.enter(|| spawn_detached(std::future::pending::<()>())));
        let (sender, mut items) = tokio::sync::mpsc::channel::<()>(1);
        drop(context.enter(|| {
            spawn(async move {
                let _sender = sender;
                std::future::pending::<()>().await;
            })
        }));
        tokio::task::yield_now().await;
        assert!(end().await.is_ok());
        tasks.abort();
        assert!(items.recv().await.is_none());
        assert_eq!(end().await.unwrap_err().code(), Code::Unavailable);
    }

    #[tokio::test]
    async fn outside_of_a_call_nothing_runs() {
        assert_eq!(spawn(async { panic!("begun") }).await.unwrap_err().code(), Code::FailedPrecondition);
        assert_eq!(spawn_detached(async { panic!("begun") }).await.unwrap_err().code(), Code::FailedPrecondition);
    }
}
