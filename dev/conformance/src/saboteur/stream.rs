//! What is wrong with streams.

use super::{Fault, call::lost};
use futures_util::{Stream, StreamExt, future, stream};
use rpc_core::{Body, Code, Metadata, Payload, PayloadStream, Status, Tasks};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

type Item = Result<Payload, Status>;

/// Requests as the client sends them.
pub(super) fn sent(body: Body, fault: Fault, tasks: &Tasks) -> Body {
    match fault {
        Fault::LosesARequestItem => {
            body.map_stream(|items| items.enumerate().filter_map(|(at, item)| future::ready((at != 1).then_some(item))))
        }
        Fault::EndsRequestsEarly => body.map_stream(|items| items.take(100)),
        Fault::TurnsFailingRequestsIntoEnds => ends_with(body, |_| true),
        Fault::ReadsRequestsAhead => body.map_stream(|items| ahead(items, tasks)),
        _ => body,
    }
}

/// Requests as the server gets them.
pub(super) fn heard(body: Body, fault: Fault) -> Body {
    match fault {
        Fault::TurnsCutRequestsIntoEnds => ends_with(body, |_| true),
        _ => body,
    }
}

/// Replies as the server sends them.
pub(super) fn replied(body: Body, fault: Fault, tasks: &Tasks) -> Body {
    match fault {
        Fault::LosesTheLastItem => body.map_stream(|items| Late { items, kept: None, order: Order::Last }),
        Fault::SwapsTwoItems => body.map_stream(|items| Late { items, kept: None, order: Order::Swapped }),
        Fault::DoublesAnItem => body.map_stream(|items| {
            items.enumerate().flat_map(|(at, item)| match item {
                Ok(item) if at == 1 => stream::iter(vec![Ok(item.clone()), Ok(item)]),
                item => stream::iter(vec![item]),
            })
        }),
        Fault::TurnsErrorsInStreamsIntoEnds => ends_with(body, |status| status.code() != Code::Internal),
        Fault::TurnsPanicsInStreamsIntoEnds => ends_with(body, |status| status.code() == Code::Internal),
        Fault::DropsDetailsInStreams => {
            fails_with(body, |status| Status::new(status.code(), status.message().to_owned()))
        }
        Fault::LosesMetadataOfFailures => fails_with(body, |status| status.with_metadata(Metadata::default())),
        Fault::ReadsRepliesAhead => body.map_stream(|items| ahead(items, tasks)),
        Fault::SwallowsCancelOfStreamsAtTheServer => kept(body, tasks),
        Fault::LosesTrailers => match body {
            Body::Stream(items) => Body::Stream(PayloadStream::new(items)),
            message => message,
        },
        _ => body,
    }
}

/// Replies as they arrive at the client.
pub(super) fn arrived(body: Body, fault: Fault, tasks: &Tasks) -> Body {
    match fault {
        Fault::TurnsCutStreamsIntoEnds => ends_with(body, lost),
        Fault::SwallowsCancelOfStreams => kept(body, tasks),
        _ => body,
    }
}

/// Such errors are ends.
fn ends_with(body: Body, end: fn(&Status) -> bool) -> Body {
    body.map_stream(|items| items.take_while(move |item| future::ready(!item.as_ref().is_err_and(end))))
}

fn fails_with(body: Body, change: fn(Status) -> Status) -> Body {
    body.map_stream(|items| items.map(move |item| item.map_err(change)))
}

/// The same items, read by a task that waits for nobody.
fn ahead(mut items: PayloadStream, tasks: &Tasks) -> impl Stream<Item = Item> + use<> {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    // The items are polled in the circumstances of whoever made them, which are kept beside them.
    tasks.spawn(async move {
        let read = async {
            while let Some(item) = items.next().await {
                if sender.send(item).is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = read => {}
            () = sender.closed() => {}
        }
    });
    stream::poll_fn(move |cx| receiver.poll_recv(cx))
}

/// Whoever drops it drops nothing.
fn kept(body: Body, tasks: &Tasks) -> Body {
    body.map_stream(|items| Kept { items: Some(items), tasks: tasks.clone() })
}

struct Kept {
    /// Gone at the end.
    items: Option<PayloadStream>,
    tasks: Tasks,
}

impl Stream for Kept {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let Some(items) = &mut self.items else { return Poll::Ready(None) };
        let next = Pin::new(items).poll_next(cx);
        if let Poll::Ready(None | Some(Err(_))) = next {
            self.items = None;
        }
        next
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(items) = self.items.take() {
            self.tasks.spawn(async move {
                let _items = items;
                future::pending().await
            });
        }
    }
}

/// Keeps an item until it knows whether another is there.
struct Late {
    items: PayloadStream,
    kept: Option<Item>,
    order: Order,
}

/// What becomes of the item that is kept.
#[derive(PartialEq)]
enum Order {
    /// It is lost if it was the last.
    Last,
    /// It comes behind the next.
    Swapped,
    /// It comes when it should.
    Right,
}

impl Stream for Late {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        loop {
            match (Pin::new(&mut self.items).poll_next(cx), self.kept.take()) {
                (Poll::Ready(Some(item)), Some(kept)) if self.order == Order::Swapped => {
                    self.order = Order::Right;
                    self.kept = Some(kept);
                    return Poll::Ready(Some(item));
                }
                (Poll::Ready(Some(item)), kept) => {
                    self.kept = Some(item);
                    if kept.is_some() {
                        return Poll::Ready(kept);
                    }
                }
                (Poll::Ready(None), _) if self.order == Order::Last => return Poll::Ready(None),
                (Poll::Pending, None) => return Poll::Pending,
                (_, kept) => return Poll::Ready(kept),
            }
        }
    }
}
