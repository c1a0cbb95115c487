//! The body of a request.

use crate::frames::{self, Frames};
use bytes::Bytes;
use h2::Reason;
use http_body::{Body, Frame};
use rpc_core::Status;
use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tokio::sync::oneshot;

/// The body of a request: the one message, or a stream of them.
pub(crate) struct Upload {
    content: Content,
    shared: Arc<Shared>,
}

enum Content {
    /// Taken when it is written. The last frame of data ends the stream: no empty one goes behind it.
    Message(Option<Bytes>),
    Stream {
        frames: Box<Frames>,
        ended: bool,
        over: oneshot::Receiver<()>,
    },
}

/// What a call knows of its request's body.
pub(crate) struct Progress {
    shared: Arc<Shared>,
    /// Dropped with the call, or with the reply's body: nobody reads what a call says that is over.
    over: Option<oneshot::Sender<()>>,
}

#[derive(Default)]
struct Shared {
    begun: AtomicBool,
    failure: Mutex<Option<Status>>,
}

impl Upload {
    /// A body, and what shows its progress.
    ///
    /// # Errors
    /// `ResourceExhausted` for a message over the limit.
    pub(crate) fn new(body: rpc_core::Body, limit: usize) -> Result<(Self, Progress), Status> {
        let shared = Arc::<Shared>::default();
        let (content, over) = match body {
            rpc_core::Body::Message(payload) => (Content::Message(Some(frames::frame(&payload, limit)?)), None),
            rpc_core::Body::Stream(stream) => {
                let (sender, over) = oneshot::channel();
                (Content::Stream { frames: Box::new(Frames::new(stream, limit)), ended: false, over }, Some(sender))
            }
        };
        Ok((Self { content, shared: shared.clone() }, Progress { shared, over }))
    }
}

impl Progress {
    /// Whether any of the body was handed to HTTP/2. Before that, a server cannot have seen a message.
    pub(crate) fn has_begun(&self) -> bool {
        self.shared.begun.load(Ordering::Acquire)
    }

    /// The call is over: what is left of the body is not sent.
    pub(crate) fn end(&mut self) {
        self.over = None;
    }

    /// The error with which the caller's own stream ended, which is why the call failed.
    pub(crate) fn take_failure(&self) -> Option<Status> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Self { content, shared } = self.get_mut();
        shared.begun.store(true, Ordering::Release);
        match content {
            Content::Message(message) => Poll::Ready(message.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Stream { ended: true, .. } => Poll::Ready(None),
            Content::Stream { frames, ended, over } => {
                if Pin::new(over).poll(cx).is_ready() {
                    *ended = true;
                    return Poll::Ready(Some(Err(Reason::CANCEL.into())));
                }
                frames.poll_next(cx).map(|next| match next {
                    Ok(Some(bytes)) => Some(Ok(Frame::data(bytes))),
                    Ok(None) => {
                        *ended = true;
                        None
                    }
                    Err(status) => {
                        *ended = true;
                        *shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
                        Some(Err(Reason::CANCEL.into()))
                    }
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Message(message) => message.is_none(),
            Content::Stream { ended, .. } => *ended,
        }
    }
    // No exact `size_hint`: hyper would add a `content-length`, which gRPC does not have.
}
