//! What a call carries: one message or a stream of them.

use crate::{
    Batch, Context, Metadata, Payload, Status, Trailers,
    loan::{First, Loan},
    rider::{Next, OneByOne, Ridden, Rider, Source},
};
use futures_core::Stream;
use std::{
    fmt,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{self, Poll, ready},
};
use tokio::time::{Instant, timeout_at};

/// One message, or a stream of them.
#[derive(Debug)]
pub enum Body {
    /// One message.
    Message(Payload),
    /// A stream of messages; its end is the end of the call.
    Stream(PayloadStream),
}

impl Body {
    /// The message.
    ///
    /// # Errors
    /// `Internal` for a stream: the two sides disagree on the kind of the method.
    pub fn into_message(self) -> Result<Payload, Status> {
        match self {
            Self::Message(payload) => Ok(payload),
            Self::Stream(_) => Err(Status::internal("a stream came where one message was expected")),
        }
    }

    /// The stream. A single message is a stream of one.
    pub fn into_stream(self) -> PayloadStream {
        match self {
            Self::Message(payload) => PayloadStream::new(futures_util::stream::iter([Ok(payload)])),
            Self::Stream(stream) => stream,
        }
    }

    /// The same body again. A stream cannot be had twice.
    pub fn try_clone(&self) -> Option<Self> {
        match self {
            Self::Message(payload) => Some(Self::Message(payload.clone())),
            Self::Stream(_) => None,
        }
    }

    /// Keeps `guard` until the body has ended: at once for a message, with the last item, or the drop, of a stream.
    /// Permits, in-flight counts, spans and metrics ride here.
    #[must_use]
    pub fn guarded(self, guard: impl Send + 'static) -> Self {
        self.ridden(|| Guard(Some(guard)))
    }

    /// Polls the body inside the context of its call, so that nested calls made while streaming inherit the deadline.
    #[must_use]
    pub fn in_context(self, context: Context) -> Self {
        self.ridden(|| Scope(context))
    }

    /// With what rides the stream, if it is one.
    pub(crate) fn ridden<R: Rider>(self, rider: impl FnOnce() -> R) -> Self {
        self.map_source(|stream| Ridden { stream, rider: rider() })
    }

    /// Wraps the stream, if it is one. What a layer does for the life of a call, it does here as well.
    #[must_use]
    pub fn map_stream<S>(self, wrap: impl FnOnce(PayloadStream) -> S) -> Self
    where
        S: Stream<Item = Result<Payload, Status>> + Send + 'static,
    {
        self.map_source(|stream| OneByOne::new(wrap(stream)))
    }

    pub(crate) fn map_source<S: Source + 'static>(self, wrap: impl FnOnce(PayloadStream) -> S) -> Self {
        match self {
            Self::Message(_) => self,
            Self::Stream(stream) => {
                let (trailers, deadline) = (stream.trailing(), stream.deadline());
                Self::Stream(PayloadStream::made(Some(Box::pin(wrap(stream))), trailers, deadline, Errors::Plain))
            }
        }
    }
}

/// A stream of messages whose types are forgotten.
///
/// It ends with its first error, whatever it was made of; and once it has ended it lets go of that, so that who keeps
/// it keeps nothing.
// One pointer: most bodies are messages, and every layer's future has room for a whole body.
pub struct PayloadStream(Box<State>);

type Inner = Option<Pin<Box<dyn Source>>>;

struct State {
    // Never locked: it makes the stream `Sync`, so that a layer may hold `&Request` across an await.
    inner: Mutex<Inner>,
    /// Where it is until its first item is taken, if it is to be had back before that.
    lent: Option<Loan>,
    trailers: Option<Trailers>,
    deadline: Option<Instant>,
    errors: Errors,
}

/// What the errors of a stream say to who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errors {
    /// What they say.
    Plain,
    /// That the caller's own stream of requests has failed: a wire ends the call with that.
    OfCaller,
}

impl PayloadStream {
    /// Forgets the type of a stream.
    pub fn new(stream: impl Stream<Item = Result<Payload, Status>> + Send + 'static) -> Self {
        Self::of(OneByOne::new(stream))
    }

    pub(crate) fn of(source: impl Source + 'static) -> Self {
        Self::made(Some(Box::pin(source)), None, None, Errors::Plain)
    }

    fn made(inner: Inner, trailers: Option<Trailers>, deadline: Option<Instant>, errors: Errors) -> Self {
        Self(Box::new(State { inner: Mutex::new(inner), lent: None, trailers, deadline, errors }))
    }

    fn inner(&mut self) -> &mut Inner {
        self.0.inner.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next message; `None` after the last, and after an error. Not used up when the future is dropped: the message
    /// comes with the next call.
    ///
    /// # Errors
    /// What the stream ended with, once.
    pub async fn next(&mut self) -> Option<Result<Payload, Status>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Puts messages into `batch` until it is full, or until no more is ready: then it is pending, and what was ready
    /// is in the batch. There may be messages in it as well when the stream has ended, well or with an error.
    ///
    /// # Errors
    /// What the stream ended with, once; also that a message is over the batch's limit, which ends the stream.
    pub fn poll_batch(&mut self, cx: &mut task::Context<'_>, batch: &mut Batch) -> Poll<Option<Result<(), Status>>> {
        if self.0.lent.is_some() {
            let first = ready!(self.poll_first(cx));
            let Some(first) = self.marked(first).transpose()? else { return Poll::Ready(None) };
            if let Err(status) = batch.put_payload(&first) {
                self.end();
                return Poll::Ready(Some(Err(status)));
            }
        }
        let next = ready!(fused(self.inner(), |source| source.poll_batch(cx, batch)));
        Poll::Ready(self.marked(next))
    }

    /// With metadata behind its last item. [`Body::map_stream`] keeps it.
    #[must_use]
    pub fn with_trailers(mut self, trailers: impl Into<Option<Trailers>>) -> Self {
        self.0.trailers = trailers.into();
        self
    }

    /// What stands behind the last item; `None` before the stream has ended, and when there is nothing.
    pub fn trailers(&self) -> Option<&Metadata> {
        self.0.trailers.as_ref().and_then(Trailers::get)
    }

    /// Where that will stand, for who gives the stream away.
    pub fn trailing(&self) -> Option<Trailers> {
        self.0.trailers.clone()
    }

    /// Says when it will have ended by itself, if it is polled. [`Body::map_stream`] keeps it.
    pub(crate) fn until(mut self, deadline: Instant) -> Self {
        self.0.deadline = Some(deadline);
        self
    }

    /// When it has ended by itself, if it is polled; `None` where there is no deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// Waits for room to send the next item. A transport that does not poll the stream meanwhile waits here, for nobody
    /// else keeps the deadline of a stream that is not polled.
    ///
    /// # Errors
    /// `DeadlineExceeded` at the deadline: there is nothing left to wait for.
    pub async fn room<T>(&self, room: impl Future<Output = T>) -> Result<T, Status> {
        match self.0.deadline {
            None => Ok(room.await),
            Some(deadline) => timeout_at(deadline, room).await.map_err(|_| Self::unread()),
        }
    }

    /// The error of a stream that nobody has read by its deadline. For transports that keep it themselves.
    #[cold]
    #[must_use]
    pub fn unread() -> Status {
        Status::deadline_exceeded("the caller's deadline passed while nobody read the stream")
    }

    /// It is about to be sent, and its errors are the caller's own from here on.
    pub(crate) fn sent_by_caller(&mut self) {
        self.0.errors = Errors::OfCaller;
    }

    fn marked<T>(&self, next: Option<Result<T, Status>>) -> Option<Result<T, Status>> {
        match next {
            Some(Err(status)) if self.0.errors == Errors::OfCaller => Some(Err(status.of_caller())),
            next => next,
        }
    }

    /// Ends it here: nothing more comes, and its sender stops.
    pub(crate) fn end(&mut self) {
        self.0.lent = None;
        *self.inner() = None;
    }

    /// From here on it can be had back while nothing is taken from it.
    pub(crate) fn lend(&mut self) -> Loan {
        let away = Self::made(None, self.trailing(), self.deadline(), self.0.errors);
        let loan = Loan::new(std::mem::replace(self, away));
        self.0.lent = Some(loan.clone());
        loan
    }

    #[cold]
    fn poll_first(&mut self, cx: &mut task::Context<'_>) -> Poll<Option<Result<Payload, Status>>> {
        let Some(loan) = &self.0.lent else { return Poll::Ready(None) };
        let first = ready!(loan.poll_first(cx));
        self.0.lent = None;
        Poll::Ready(match first {
            First::Item(item, stream) => {
                self.0.inner = stream.0.inner;
                Some(item)
            }
            First::End(why) => why.map(Err),
        })
    }
}

impl Stream for PayloadStream {
    type Item = Result<Payload, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        let next = if self.0.lent.is_some() {
            self.poll_first(cx)
        } else {
            fused(self.inner(), |source| source.poll_next(cx))
        };
        next.map(|next| self.marked(next))
    }
}

/// Polls a stream that ends with its first error, and lets go of it then.
pub(crate) fn fused<S: ?Sized, T, E>(
    stream: &mut Option<Pin<Box<S>>>,
    poll: impl FnOnce(Pin<&mut S>) -> Poll<Option<Result<T, E>>>,
) -> Poll<Option<Result<T, E>>> {
    let Some(open) = stream else { return Poll::Ready(None) };
    let next = poll(open.as_mut());
    if let Poll::Ready(None | Some(Err(_))) = next {
        *stream = None;
    }
    next
}

impl fmt::Debug for PayloadStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadStream")
    }
}

struct Guard<G>(Option<G>);

impl<G: Send + 'static> Rider for Guard<G> {
    fn poll<T>(
        &mut self,
        stream: &mut PayloadStream,
        cx: &mut task::Context<'_>,
        next: impl FnOnce(&mut PayloadStream, &mut task::Context<'_>) -> Next<T>,
    ) -> Next<T> {
        let next = next(stream, cx);
        if let Poll::Ready(None) = next {
            self.0 = None;
        }
        next
    }
}

/// Polls a stream inside a context.
pub(crate) struct Scope(pub(crate) Context);

impl Rider for Scope {
    fn poll<T>(
        &mut self,
        stream: &mut PayloadStream,
        cx: &mut task::Context<'_>,
        next: impl FnOnce(&mut PayloadStream, &mut task::Context<'_>) -> Next<T>,
    ) -> Next<T> {
        self.0.enter(|| next(stream, cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::sync::Arc;

    /// A handler or a layer holds references to these over an await, and its future has to be `Send`.
    #[test]
    fn whatever_a_call_is_made_of_may_be_shared() {
        fn shared<T: Send + Sync>() {}
        shared::<crate::Request>();
        shared::<crate::Response>();
        shared::<Body>();
        shared::<PayloadStream>();
        shared::<crate::Streaming<u8, crate::Status>>();
        shared::<crate::Context>();
        shared::<crate::Status>();
    }

    fn stream_of(count: usize) -> Body {
        let items = (0..count).map(|_| Ok(Payload::Encoded(Bytes::new())));
        Body::Stream(PayloadStream::new(futures_util::stream::iter(items)))
    }

    #[tokio::test]
    async fn a_guard_lives_until_the_stream_has_ended() {
        let guard = Arc::new(());
        let mut stream = stream_of(2).guarded(guard.clone()).into_stream();
        stream.next().await.unwrap().unwrap();
        stream.next().await.unwrap().unwrap();
        assert_eq!(Arc::strong_count(&guard), 2);
        assert!(stream.next().await.is_none());
        assert_eq!(Arc::strong_count(&guard), 1);
    }

    #[tokio::test]
    async fn a_guard_is_dropped_with_an_unread_stream_and_at_once_with_a_message() {
        let guard = Arc::new(());
        let body = stream_of(2).guarded(guard.clone());
        assert_eq!(Arc::strong_count(&guard), 2);
        drop(body);
        assert_eq!(Arc::strong_count(&guard), 1);
        let _body = Body::Message(Payload::Encoded(Bytes::new())).guarded(guard.clone());
        assert_eq!(Arc::strong_count(&guard), 1);
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_first_error_and_lets_go_of_everything() {
        let guard = Arc::new(());
        let held = guard.clone();
        let items = futures_util::stream::repeat_with(move || {
            let _ = &held;
            Err(Status::internal("again and again"))
        });
        let mut stream = PayloadStream::new(items);
        assert!(stream.next().await.unwrap().is_err());
        assert_eq!(Arc::strong_count(&guard), 1);
        assert!(stream.next().await.is_none());
    }

    #[test]
    fn what_is_ready_comes_in_one_batch_and_the_end_behind_it() {
        let bounds = crate::Bounds { head: crate::Head::Length, message: 1, count: 3, bytes: 100 };
        let guard = Arc::new(());
        let mut polls = 0;
        let items = futures_util::stream::poll_fn(move |_| {
            polls += 1;
            match polls {
                6 => Poll::Pending,
                9 => Poll::Ready(Some(Err(Status::internal("no more")))),
                _ => Poll::Ready(Some(Ok(Payload::Encoded(Bytes::from_static(b"x"))))),
            }
        });
        let mut stream = Body::Stream(PayloadStream::new(items)).guarded(guard.clone()).into_stream();
        let mut cx = task::Context::from_waker(task::Waker::noop());
        let mut poll = || {
            let mut batch = Batch::new(bounds, 0);
            (stream.poll_batch(&mut cx, &mut batch).map_err(|status| status.code()), batch.len())
        };
        assert_eq!(poll(), (Poll::Ready(Some(Ok(()))), 3));
        assert_eq!(poll(), (Poll::Pending, 2));
        assert_eq!(Arc::strong_count(&guard), 2);
        assert_eq!(poll(), (Poll::Ready(Some(Err(crate::Code::Internal))), 2));
        assert_eq!(Arc::strong_count(&guard), 1);
        assert_eq!(poll(), (Poll::Ready(None), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_room_waits_no_longer_than_the_deadline() {
        let free = stream_of(1).into_stream();
        assert_eq!(free.room(async { 1 }).await.unwrap(), 1);
        let deadline = Instant::now() + std::time::Duration::from_millis(300);
        let bound = Body::Stream(free.until(deadline)).guarded(()).into_stream();
        assert_eq!(bound.room(async { 2 }).await.unwrap(), 2);
        let status = bound.room(std::future::pending::<()>()).await.unwrap_err();
        assert_eq!((status.code(), Instant::now()), (crate::Code::DeadlineExceeded, deadline));
    }

    #[tokio::test]
    async fn a_stream_is_polled_inside_its_calls_context() {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(3);
        let seen = futures_util::stream::poll_fn(move |_| {
            assert_eq!(Context::current().deadline(), Some(deadline));
            Poll::Ready(None)
        });
        let context = Context::default().with_deadline(deadline);
        let mut stream = Body::Stream(PayloadStream::new(seen)).in_context(context).into_stream();
        assert!(stream.next().await.is_none());
        assert_eq!(Context::current().deadline(), None);
    }
}
