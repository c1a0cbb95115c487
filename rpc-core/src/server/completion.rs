//! Nobody's write stops between two awaits.

use crate::{
    BoxFuture, BoxService, Cancel, Context, Request, Response, Status, Tasks, server::admission::Gate, spawn::House,
};
use std::{
    pin::Pin,
    sync::Arc,
    task::{self, Poll, ready},
};
use tracing::Instrument;

/// Calls a handler, and lets that of a [`Cancel::Finish`] method run to its end when its caller leaves.
///
/// The handler is polled in place, so that an ordinary call costs no task. Only when the call is dropped while the
/// handler is at work does the handler move into a task of the server's, which a drain waits for, and
/// [`Context::cancelled`] tells it that nobody waits; at `gate` it goes on counting as work. One that has not begun is
/// dropped.
///
/// Gives with the outcome what ends the tasks of the call: it rides the body, or the handler that goes on.
pub(crate) fn call<'a>(
    handler: &'a BoxService,
    mut request: Request,
    house: &'a Arc<House>,
    owner: &'a Tasks,
    gate: &'a Arc<Gate>,
) -> Calling<'a> {
    request.context = request.context.at_home(house.clone());
    if request.method.cancel == Cancel::Drop {
        let end = Some(CallEnd(request.context.clone()));
        return Calling::Dropped { handler: handler.call_boxed(request), end };
    }
    request.context = request.context.cancellable();
    let end = Some(CallEnd(request.context.clone()));
    Calling::Finished(Finishing { handler: Some(handler.call_owned(request)), begun: false, end, owner, gate })
}

/// A handler at work. It is dropped with its caller, or finished without.
pub(crate) enum Calling<'a> {
    Dropped {
        handler: BoxFuture<'a, Result<Response, Status>>,
        /// Gone with the outcome.
        end: Option<CallEnd>,
    },
    Finished(Finishing<'a>),
}

impl Future for Calling<'_> {
    type Output = (Result<Response, Status>, CallEnd);

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Finished(finishing) => Pin::new(finishing).poll(cx),
            Self::Dropped { handler, end } => {
                let outcome = ready!(handler.as_mut().poll(cx));
                end.take().map_or(Poll::Pending, |end| Poll::Ready((outcome, end)))
            }
        }
    }
}

/// The end of a call, when this is dropped.
#[derive(Debug)]
pub(crate) struct CallEnd(Context);

impl CallEnd {
    /// What the end of a stream of replies turns out to be.
    pub(crate) fn poll_end(&self, cx: &mut task::Context<'_>) -> Poll<Result<(), Status>> {
        self.0.home().map_or(Poll::Ready(Ok(())), |home| home.poll_end(cx))
    }
}

impl Drop for CallEnd {
    fn drop(&mut self) {
        if let Some(home) = self.0.home() {
            home.end();
        }
    }
}

pub(crate) struct Finishing<'a> {
    handler: Option<BoxFuture<'static, Result<Response, Status>>>,
    begun: bool,
    /// Gone with the outcome.
    end: Option<CallEnd>,
    /// Of the tasks, if the one who calls holds them: a service of this process lives until its writes have ended.
    owner: &'a Tasks,
    gate: &'a Arc<Gate>,
}

impl Future for Finishing<'_> {
    type Output = (Result<Response, Status>, CallEnd);

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        if !self.begun {
            self.begun = true;
            // Where it will go on if it is dropped where no runtime is.
            self.owner.settle();
        }
        // Taken out for the poll: one that panics in it must not be polled again in a task.
        let Some(mut handler) = self.handler.take() else { return Poll::Pending };
        match (handler.as_mut().poll(cx), self.end.take()) {
            (Poll::Ready(outcome), Some(end)) => Poll::Ready((outcome, end)),
            (_, end) => {
                (self.handler, self.end) = (Some(handler), end);
                Poll::Pending
            }
        }
    }
}

impl Drop for Finishing<'_> {
    fn drop(&mut self) {
        if let Some(handler) = self.handler.take().filter(|_| self.begun) {
            let end = self.end.take();
            if let Some(CallEnd(context)) = &end {
                context.cancel();
            }
            let (place, owner) = (self.gate.keep(), self.owner.clone());
            let finishing = async move {
                drop(handler.await);
                drop((end, place, owner));
            };
            // In the span of its call, which is the current one while that is dropped.
            self.owner.spawn(finishing.in_current_span());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, Kind, Method, Payload, Service, server::Admission, service_fn};
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    static WRITE: Method = Method::new("t.T", "Write", "/t.T/Write", Kind::Unary);
    static READ: Method = Method::new("t.T", "Read", "/t.T/Read", Kind::Unary).idempotent();

    fn request(method: &'static Method) -> Request {
        Request::new(method, crate::Context::default(), Body::Message(Payload::Encoded(bytes::Bytes::new())))
    }

    fn gate() -> Arc<Gate> {
        Arc::new(Gate::new(Admission::Off, &Tasks::owner()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_ends_without_its_caller_and_a_read_does_not() {
        let (ended, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks = Tasks::owner();
        let house = Arc::new(House { tasks: tasks.handle(), drain: None });
        let gate = gate();
        let counters = (ended.clone(), told.clone());
        let handler = service_fn(move |request: Request| {
            let (ended, told) = counters.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                told.fetch_add(usize::from(request.context.is_cancelled()), Ordering::Relaxed);
                ended.fetch_add(1, Ordering::Relaxed);
                Ok(Response::new(request.body))
            }
        });
        let handler = handler.boxed();
        for method in [&WRITE, &READ] {
            let call = call(&handler, request(method), &house, &tasks, &gate);
            tokio::time::timeout(Duration::from_millis(10), call).await.unwrap_err();
        }
        tasks.finished().await;
        assert_eq!(ended.load(Ordering::Relaxed), 1, "the write alone ends");
        assert_eq!(told.load(Ordering::Relaxed), 1, "and is told that nobody waits");
    }

    /// As a future that `select` gives back out of `Runtime::block_on`.
    #[test]
    fn a_write_that_is_dropped_outside_of_its_runtime_ends_in_it() {
        let (may_end, ended) = (Arc::new(tokio::sync::Notify::new()), Arc::new(AtomicUsize::new(0)));
        let counters = (may_end.clone(), ended.clone());
        let handler = service_fn(move |request: Request| {
            let (may_end, ended) = counters.clone();
            async move {
                may_end.notified().await;
                ended.fetch_add(1, Ordering::Relaxed);
                Ok(Response::new(request.body))
            }
        });
        let handler = handler.boxed();
        // Before there is a runtime, as a channel into this process may be.
        let tasks = Tasks::owner();
        let house = Arc::new(House { tasks: tasks.handle(), drain: None });
        let gate = gate();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut call = Box::pin(call(&handler, request(&WRITE), &house, &tasks, &gate));
        runtime.block_on(async { assert!(futures_util::poll!(&mut call).is_pending()) });
        drop(call);
        may_end.notify_one();
        runtime.block_on(tasks.finished());
        assert_eq!(ended.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_has_not_begun_is_not_begun() {
        let tasks = Tasks::owner();
        let house = Arc::new(House { tasks: tasks.handle(), drain: None });
        let handler = service_fn(async |_| panic!("begun")).boxed();
        drop(call(&handler, request(&WRITE), &house, &tasks, &gate()));
        assert!(tasks.is_empty());
    }
}
