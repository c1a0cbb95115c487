//! Streams of messages in the signatures of services.

use crate::{
    Batch, Metadata, Payload, PayloadStream, RpcError, Status, Trailers,
    body::{Scope, fused},
    rider::{Next, Ridden, Source},
};
use futures_core::Stream;
use std::{
    fmt,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
};

/// A stream of messages, as an argument or in a reply.
///
/// One concrete type for both directions and both ends: a handler makes one with [`new`](Self::new),
/// [`from_iter`](Self::from_iter) or [`channel`](Self::channel), a caller reads one with [`next`](Self::next). Passing
/// a received stream on unread re-encodes nothing. Dropping it tells the sender to stop, and so does its first error:
/// nothing comes behind one.
pub struct Streaming<T, E = Status> {
    inner: Inner<T, E>,
    /// What this side puts behind it.
    trailers: Option<Trailers>,
}

type Items<T, E> = Pin<Box<dyn Stream<Item = Result<T, E>> + Send>>;

enum Inner<T, E> {
    // Never locked: the mutex makes it `Sync`, so that a handler may hold `&Streaming` across an await.
    Typed(Mutex<Option<Items<T, E>>>),
    Wire { payloads: PayloadStream, take: fn(Payload) -> Result<T, Status>, fail: fn(Status) -> E },
}

impl<T: 'static, E: 'static> Streaming<T, E> {
    /// From a stream of messages, or of `Result<message, error>`.
    pub fn new<I: IntoItem<T, E> + 'static>(stream: impl Stream<Item = I> + Send + 'static) -> Self {
        Self::typed(Some(Box::pin(futures_util::StreamExt::map(stream, I::into_item))))
    }

    /// From anything that can be iterated over; what is asked for next is made then.
    #[expect(clippy::should_implement_trait, reason = "`FromIterator` would collect; this stays lazy")]
    pub fn from_iter<I>(items: I) -> Self
    where
        I: IntoIterator<Item: IntoItem<T, E> + 'static, IntoIter: Send + 'static>,
    {
        Self::new(futures_util::stream::iter(items))
    }

    /// Of nothing.
    pub fn empty() -> Self {
        Self::typed(None)
    }

    fn typed(items: Option<Items<T, E>>) -> Self {
        Self { inner: Inner::Typed(Mutex::new(items)), trailers: None }
    }

    /// A stream and the sender that feeds it, at most `capacity` messages ahead of the reader: a number of messages,
    /// whatever their size, and at least one.
    ///
    /// Sending waits while so many are unread, and fails once the reader has left. The stream ends when all clones of
    /// the sender are gone, or behind the first error that is sent.
    pub fn channel(capacity: usize) -> (tokio::sync::mpsc::Sender<Result<T, E>>, Self)
    where
        T: Send,
        E: Send,
    {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(capacity.max(1));
        (sender, Self::new(futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx))))
    }
}

impl<T, E> Streaming<T, E> {
    /// The next message; `None` after the last, and after an error. Not used up when the future is dropped: the message
    /// comes with the next call.
    ///
    /// # Errors
    /// What the stream ended with, once.
    pub async fn next(&mut self) -> Option<Result<T, E>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// With metadata behind the last message, for a stream of replies that a handler returns.
    #[must_use]
    pub fn with_trailers(self, trailers: Trailers) -> Self {
        Self { trailers: Some(trailers), ..self }
    }

    /// What the server put behind the last message; `None` before the stream has ended well, and when there is nothing.
    /// What stands beside an error is in its [`Status`].
    pub fn trailers(&self) -> Option<&Metadata> {
        match (&self.inner, &self.trailers) {
            (_, Some(trailers)) => trailers.get(),
            (Inner::Wire { payloads, .. }, None) => payloads.trailers(),
            (Inner::Typed(_), None) => None,
        }
    }
}

/// For generated code.
#[doc(hidden)]
impl<T: 'static, E: RpcError> Streaming<T, E> {
    pub fn from_payloads(payloads: PayloadStream, take: fn(Payload) -> Result<T, Status>) -> Self {
        Self { inner: Inner::Wire { payloads, take, fail: E::from_status }, trailers: None }
    }

    /// The items are made as part of the call whose context this is, whoever polls them.
    pub fn into_payloads(self, form: Form<T>, context: crate::Context) -> PayloadStream {
        let payloads = match self.inner {
            Inner::Wire { payloads, .. } => PayloadStream::of(Ridden { stream: payloads, rider: Scope(context) }),
            Inner::Typed(items) => {
                let items = items.into_inner().unwrap_or_else(PoisonError::into_inner);
                PayloadStream::of(Typed { items, form, context })
            }
        };
        // What came behind a stream that is passed on was for this side: only its own goes further.
        payloads.with_trailers(self.trailers)
    }
}

/// How an item becomes a message.
#[doc(hidden)]
pub struct Form<T> {
    /// One that stands for itself.
    pub payload: fn(T) -> Payload,
    /// One among others.
    pub put: fn(T, &mut Batch) -> Result<(), Status>,
}

/// What a handler or a caller streams.
struct Typed<T, E> {
    items: Option<Items<T, E>>,
    form: Form<T>,
    context: crate::Context,
}

impl<T, E: RpcError> Source for Typed<T, E> {
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Next<Payload> {
        let Self { items, form, context } = self.get_mut();
        let next = context.enter(|| fused(items, |items| items.poll_next(cx)));
        next.map(|item| item.map(|item| item.map(form.payload).map_err(E::into_status)))
    }

    fn poll_batch(self: Pin<&mut Self>, cx: &mut Context<'_>, batch: &mut Batch) -> Next<()> {
        let Self { items, form, context } = self.get_mut();
        context.enter(|| {
            while !batch.is_full() {
                let item = match ready!(fused(items, |items| items.poll_next(cx))) {
                    Some(Ok(item)) => item,
                    end => return Poll::Ready(end.map(|end| end.map(drop).map_err(E::into_status))),
                };
                if let Err(status) = (form.put)(item, batch) {
                    return Poll::Ready(Some(Err(status)));
                }
            }
            Poll::Ready(Some(Ok(())))
        })
    }
}

impl<T, E> Stream for Streaming<T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.inner {
            Inner::Typed(stream) => {
                fused(stream.get_mut().unwrap_or_else(PoisonError::into_inner), |items| items.poll_next(cx))
            }
            Inner::Wire { payloads, take, fail } => {
                let next = ready!(Pin::new(&mut *payloads).poll_next(cx));
                Poll::Ready(next.map(|item| {
                    // Behind what cannot be read nothing makes sense.
                    item.and_then(|payload| take(payload).inspect_err(|_| payloads.end())).map_err(*fail)
                }))
            }
        }
    }
}

impl<T, E> fmt::Debug for Streaming<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streaming")
    }
}

/// What a [`Streaming`] can be made of: messages, or results of them.
pub trait IntoItem<T, E = Status> {
    /// The message or the error.
    fn into_item(self) -> Result<T, E>;
}

impl<T, E> IntoItem<T, E> for T {
    fn into_item(self) -> Result<T, E> {
        Ok(self)
    }
}

impl<T, E> IntoItem<T, E> for Result<T, E> {
    fn into_item(self) -> Result<T, E> {
        self
    }
}
