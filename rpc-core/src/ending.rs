//! Where a call ends: with its body.

use crate::{Body, Payload, PayloadStream, Response, Status};
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// Says once how a call ended: at once for a failure or a single message, at its end for a stream, and when it is
/// dropped before that, since its caller has left then.
pub(crate) struct Ending<F: FnOnce(Result<(), &Status>)> {
    tell: Option<F>,
}

impl<F: FnOnce(Result<(), &Status>) + Send + Unpin + 'static> Ending<F> {
    pub(crate) fn new(tell: F) -> Self {
        Self { tell: Some(tell) }
    }

    /// Watches what came of a call.
    pub(crate) fn watch(mut self, result: Result<Response, Status>) -> Result<Response, Status> {
        match result {
            Err(status) => {
                self.end(Err(&status));
                Err(status)
            }
            Ok(mut response) => {
                if let Body::Message(_) = response.body {
                    self.end(Ok(()));
                } else {
                    response.body = response.body.map_stream(|inner| Watched { inner, ending: self });
                }
                Ok(response)
            }
        }
    }
}

impl<F: FnOnce(Result<(), &Status>)> Ending<F> {
    fn end(&mut self, outcome: Result<(), &Status>) {
        if let Some(tell) = self.tell.take() {
            tell(outcome);
        }
    }
}

impl<F: FnOnce(Result<(), &Status>)> Drop for Ending<F> {
    fn drop(&mut self) {
        if self.tell.is_some() {
            self.end(Err(&Status::cancelled("the caller left")));
        }
    }
}

struct Watched<F: FnOnce(Result<(), &Status>)> {
    inner: PayloadStream,
    ending: Ending<F>,
}

impl<F: FnOnce(Result<(), &Status>) + Send + Unpin> Stream for Watched<F> {
    type Item = Result<Payload, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.inner).poll_next(cx);
        match &next {
            Poll::Ready(None) => self.ending.end(Ok(())),
            Poll::Ready(Some(Err(status))) => self.ending.end(Err(status)),
            _ => {}
        }
        next
    }
}
