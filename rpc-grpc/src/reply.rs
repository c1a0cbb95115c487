//! The body of a reply.

use crate::{
    frames::{self, Frames},
    handle, headers, trailers,
};
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame};
use rpc_core::{Payload, PayloadStream, Status};
use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The body of a reply: the one message or a stream of them, and the outcome behind.
pub(crate) struct Reply(Content);

enum Content {
    Empty,
    Message { frame: Option<Bytes>, trailers: Option<HeaderMap> },
    Stream(Option<Box<Stream>>),
}

struct Stream {
    frames: Frames,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Reply {
    pub(crate) fn empty() -> Self {
        Self(Content::Empty)
    }

    /// # Errors
    /// `ResourceExhausted` for a message over the limit.
    pub(crate) fn message(payload: &Payload, limit: usize) -> Result<Self, Status> {
        let frame = Some(frames::frame(payload, limit)?);
        Ok(Self(Content::Message { frame, trailers: Some(trailers::ok()) }))
    }

    /// A stream, which ends as the server does.
    pub(crate) fn stream(stream: PayloadStream, limit: usize, stopped: CancellationToken) -> Self {
        let stopped = Box::pin(stopped.cancelled_owned());
        Self(Content::Stream(Some(Box::new(Stream { frames: Frames::new(stream, limit), stopped }))))
    }

    /// An answer without messages: all of it stands in the headers.
    #[cold]
    pub(crate) fn failure(status: &Status) -> http::Response<Self> {
        let mut response = http::Response::new(Self::empty());
        response.headers_mut().insert(header::CONTENT_TYPE, headers::GRPC);
        trailers::write(status, response.headers_mut());
        response
    }
}

impl Stream {
    /// The next bytes, or the trailers.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, HeaderMap>> {
        let next = match self.stopped.as_mut().poll(cx) {
            Poll::Ready(()) => Err(handle::draining()),
            Poll::Pending => match catch_unwind(AssertUnwindSafe(|| self.frames.poll_next(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(next)) => next,
                Err(_) => Err(Status::internal("the server panicked; its log says more")),
            },
        };
        Poll::Ready(match next {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(trailers::ok()),
            Err(status) => {
                let mut trailers = HeaderMap::new();
                trailers::write(&status, &mut trailers);
                Err(trailers)
            }
        })
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match &mut self.0 {
            Content::Empty | Content::Stream(None) => None,
            Content::Message { frame, trailers } => {
                frame.take().map(Frame::data).or_else(|| trailers.take().map(Frame::trailers))
            }
            Content::Stream(stream) => match stream.as_mut().map(|stream| stream.poll_next(cx)) {
                Some(Poll::Pending) => return Poll::Pending,
                Some(Poll::Ready(Ok(bytes))) => Some(Frame::data(bytes)),
                Some(Poll::Ready(Err(trailers))) => {
                    *stream = None;
                    Some(Frame::trailers(trailers))
                }
                None => None,
            },
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Content::Empty | Content::Stream(None) | Content::Message { frame: None, trailers: None })
    }
    // No exact `size_hint`: hyper would add a `content-length`, which gRPC does not have.
}
