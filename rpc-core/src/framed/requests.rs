//! The server's end of a stream of requests.

use super::{
    Frame,
    flow::{Flow, Read},
    mux::Mux,
};
use crate::{Payload, Status};
use futures_core::Stream;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// What a client streams to its handler. An end that the client did not announce is an error and not an end.
pub(super) struct Requests {
    mux: Arc<Mux>,
    id: u64,
    flow: Arc<Flow>,
    /// The largest item that is accepted.
    limit: usize,
    over: bool,
}

impl Requests {
    pub(super) fn new(mux: Arc<Mux>, id: u64, flow: Arc<Flow>, limit: usize) -> Self {
        Self { mux, id, flow, limit, over: false }
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Payload>, Status>> {
        let Some(inbox) = &self.flow.inbox else { return Poll::Ready(Ok(None)) };
        let Read::Item(payload, credit) = ready!(inbox.poll_next(cx))? else { return Poll::Ready(Ok(None)) };
        if let Some(credit) = credit {
            self.mux.put(&Frame::Credit { id: self.id, credit });
        }
        payload.within(self.limit)?;
        Poll::Ready(Ok(Some(payload)))
    }
}

impl Stream for Requests {
    type Item = Result<Payload, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_item(cx)).transpose();
        self.over = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        // The client goes on sending unless it is told; when the call is over it has been.
        if let Some(inbox) = &self.flow.inbox
            && inbox.abandon()
            && self.mux.with(self.id, |_| ()).is_some()
        {
            self.mux.put(&Frame::Stop { id: self.id });
        }
    }
}
