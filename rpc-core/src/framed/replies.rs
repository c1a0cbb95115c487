//! The client's end of a stream of replies.

use super::{
    Frame,
    client::{Calling, push},
    flow::{Flow, Read},
    mux::Mux,
};
use crate::{Context, Payload, PayloadStream, Status, Tasks, Trailers};
use futures_core::Stream;
use std::{
    pin::Pin,
    sync::Arc,
    task::{self, Poll, ready},
};
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The replies of a call. Dropping it cancels everything.
pub(super) struct Replies {
    open: Option<Reading>,
}

struct Reading {
    calling: Calling,
    pump: Option<Pump>,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Where what stands behind the stream goes.
    trailers: Trailers,
}

impl Replies {
    pub(super) fn stream(calling: Calling, pump: Option<Pump>, deadline: Option<Instant>) -> PayloadStream {
        let deadline = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
        let trailers = Trailers::new();
        let open = Some(Reading { calling, pump, deadline, trailers: trailers.clone() });
        PayloadStream::new(Self { open }).with_trailers(trailers)
    }
}

impl Reading {
    fn poll_next(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<Option<Payload>, Status>> {
        let Some(inbox) = self.calling.flow.as_ref().and_then(|flow| flow.inbox.as_ref()) else {
            return Poll::Ready(Ok(None));
        };
        if let Poll::Ready(next) = inbox.poll_next(cx) {
            return Poll::Ready(next.map(|next| match next {
                Read::Item(payload, credit) => {
                    if let Some(credit) = credit {
                        self.calling.mux.put(&Frame::Credit { id: self.calling.id, credit });
                    }
                    Some(payload)
                }
                Read::End(metadata) => {
                    if !metadata.is_empty() {
                        self.trailers.set(metadata);
                    }
                    None
                }
            }));
        }
        if let Some(pump) = &mut self.pump
            && let Poll::Ready(status) = pump.poll_failed(cx)
        {
            return Poll::Ready(Err(status));
        }
        match &mut self.deadline {
            Some(deadline) => {
                ready!(deadline.as_mut().poll(cx));
                Poll::Ready(Err(self.calling.expired()))
            }
            None => Poll::Pending,
        }
    }
}

impl Stream for Replies {
    type Item = Result<Payload, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(open) = &mut self.open else { return Poll::Ready(None) };
        let next = ready!(open.poll_next(cx)).transpose();
        if !matches!(next, Some(Ok(_))) {
            self.open = None;
        }
        Poll::Ready(next)
    }
}

/// The task that sends the requests of a call whose replies are streamed.
pub(super) struct Pump {
    failed: Option<oneshot::Receiver<Status>>,
    _stop: DropGuard,
}

impl Pump {
    pub(super) fn start(mux: Arc<Mux>, id: u64, flow: Arc<Flow>, items: PayloadStream, tasks: &Tasks) -> Self {
        let (failure, failed) = oneshot::channel();
        let token = CancellationToken::new();
        let stopped = token.clone();
        // The items were made in the caller's context, and are polled in it.
        let ambient = Context::current();
        tasks.spawn(async move {
            let pushing = ambient.scope(async { push(&mux, id, &flow, items).await });
            if let Some(Err(status)) = stopped.run_until_cancelled(pushing).await {
                let _ = failure.send(status);
            }
        });
        Self { failed: Some(failed), _stop: token.drop_guard() }
    }

    /// Why sending failed; pending while it has not.
    pub(super) async fn failed(&mut self) -> Status {
        std::future::poll_fn(|cx| self.poll_failed(cx)).await
    }

    fn poll_failed(&mut self, cx: &mut task::Context<'_>) -> Poll<Status> {
        let Some(failed) = &mut self.failed else { return Poll::Pending };
        let outcome = ready!(Pin::new(failed).poll(cx));
        self.failed = None;
        outcome.map_or(Poll::Pending, Poll::Ready)
    }
}
