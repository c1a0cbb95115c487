//! Sends a stream, as fast as its reader reads.

use super::{
    Frame,
    flow::{Flow, Go, Window},
    mux::Mux,
};
use crate::{Metadata, Payload, PayloadStream, Status};
use futures_core::Stream;
use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll};

/// How the sending of a stream ended.
#[derive(Debug)]
pub(super) enum Sent {
    /// All of it was sent; its end was not, nor what stands behind it.
    All(Metadata),
    /// Nothing more is wanted, or there is no connection any more.
    Unwanted,
    /// The stream failed, or has an item that may not be sent.
    Failed(Status),
}

/// What comes next.
enum Next {
    Item(Option<Result<Payload, Status>>),
    Stop,
}

/// Sends the items of a stream. The next one is asked for when there is credit for it.
pub(super) async fn items(mux: &Mux, id: u64, flow: &Arc<Flow>, mut from: PayloadStream) -> Sent {
    let Some(window) = &flow.window else { return Sent::Unwanted };
    loop {
        match from.room(poll_fn(|cx| window.poll_go(cx))).await {
            Ok(Go::On) => {}
            Ok(Go::Stop) => return Sent::Unwanted,
            Err(status) => return Sent::Failed(status),
        }
        let payload = match next(window, &mut from).await {
            Next::Item(Some(Ok(payload))) => payload,
            Next::Item(Some(Err(status))) => return Sent::Failed(status),
            Next::Item(None) => return Sent::All(from.trailers().cloned().unwrap_or_default()),
            Next::Stop => return Sent::Unwanted,
        };
        if let Err(status) = payload.within(mux.max_outgoing) {
            return Sent::Failed(status);
        }
        window.spend(payload.encoded_len());
        match from.room(mux.send(&Frame::Item { id, payload })).await {
            Ok(Some(_)) => {}
            Ok(None) => return Sent::Unwanted,
            Err(status) => return Sent::Failed(status),
        }
    }
}

/// The next item, or that none is wanted any more: the stream is dropped then, however long it would have been silent.
async fn next(window: &Window, from: &mut PayloadStream) -> Next {
    poll_fn(|cx| {
        if let Poll::Ready(item) = Pin::new(&mut *from).poll_next(cx) {
            return Poll::Ready(Next::Item(item));
        }
        match window.poll_go(cx) {
            Poll::Ready(Go::Stop) => Poll::Ready(Next::Stop),
            _ => Poll::Pending,
        }
    })
    .await
}
