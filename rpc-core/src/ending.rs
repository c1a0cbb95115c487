//! Where a call ends: with its body.

use crate::{
    Body, PayloadStream, Response, Status,
    rider::{Next, Rider},
};
use std::task::{Context, Poll};

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
                    response.body = response.body.ridden(|| self);
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

impl<F: FnOnce(Result<(), &Status>) + Send + 'static> Rider for Ending<F> {
    fn poll<T>(
        &mut self,
        stream: &mut PayloadStream,
        cx: &mut Context<'_>,
        next: impl FnOnce(&mut PayloadStream, &mut Context<'_>) -> Next<T>,
    ) -> Next<T> {
        let next = next(stream, cx);
        match &next {
            Poll::Ready(None) => self.end(Ok(())),
            Poll::Ready(Some(Err(status))) => self.end(Err(status)),
            _ => {}
        }
        next
    }
}
