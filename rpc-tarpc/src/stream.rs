//! The client's half of streams: one call that lives as long as they do, pulls and pushes beside it.

use crate::{
    client::Line,
    items::{self, Items},
    message::{Call, CallBody, Pull, Push, Req, Resp, StreamEnd, Then},
    session::BATCH,
};
use futures_core::Stream;
use rpc_core::{
    Batch, Body, BoxFuture, Context, Delivery, Metadata, Origin, Payload, PayloadStream, Request, Response, Status,
    Tasks, Trailers, framed::Position, transport::Place,
};
use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{self, Poll},
};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Items that are asked for at once. The next are asked for when half of them are read, so at most one and a half times
/// as many are here.
const CREDITS: u32 = 1024;

/// With so many bytes unread, nothing more is asked for, however few items they are.
const UNREAD: usize = 2 * BATCH;

/// Items in one push. As many are gathered while it is on its way, [`BATCH`] bytes of them at most.
const PUSHED: usize = 1024;

type Answer = BoxFuture<'static, Result<Resp, Status>>;

/// Makes a call in which a side streams. `id` is the stream's, `place` the call's.
pub(crate) async fn call(
    line: Line,
    tasks: &Tasks,
    id: u64,
    request: Request,
    place: Place,
) -> Result<Response, Status> {
    let Request { method, context, body, .. } = request;
    let (body, pushed) = match body {
        Body::Stream(items) if method.kind.request_streams() => (CallBody::Pushed, Some(items)),
        body => {
            (CallBody::Message(body.into_message().map_err(|status| status.with_delivery(Delivery::NeverSent))?), None)
        }
    };
    let position = Position::nowhere();
    let deadline = context.deadline();
    let call = Call { method, context, stream: id, body, position: Some(position.clone()), place: None, session: None };
    let reply = {
        let (line, position) = (line.clone(), position.clone());
        async move { line.request(deadline, Req::Call(Box::new(call)), &position).await }
    };
    if method.kind.response_streams() {
        return replies(line, tasks, id, Box::pin(reply), pushed, place).await;
    }
    let reply = match pushed {
        Some(items) => reply_while_pushing(&line, id, reply, items).await?,
        None => reply.await?,
    };
    match reply {
        Resp::Message { metadata, payload } => Ok(Response { metadata, body: Body::Message(payload) }),
        _ => Err(unexpected()),
    }
}

/// Both are driven by whoever waits for the reply; it needs no task, and ends the pushing.
async fn reply_while_pushing(
    line: &Line,
    id: u64,
    reply: impl Future<Output = Result<Resp, Status>>,
    items: PayloadStream,
) -> Result<Resp, Status> {
    let mut reply = std::pin::pin!(reply);
    tokio::select! {
        biased;
        reply = &mut reply => return reply,
        pushed = push(line.clone(), id, items) => pushed?,
    }
    reply.await
}

/// Waits for the stream of replies to begin.
async fn replies(
    line: Line,
    tasks: &Tasks,
    id: u64,
    mut call: Answer,
    pushed: Option<PayloadStream>,
    place: Place,
) -> Result<Response, Status> {
    let mut begun: Answer = Box::pin(pull(line.clone(), id, 0));
    let mut pushing = pushed.map(|items| Box::pin(push(line.clone(), id, items)));
    // Polled by one task and in this order: the call stands before its pull and its pushes in tarpc's queue. What came
    // before its call would find no stream.
    let metadata = tokio::select! {
        biased;
        reply = &mut call => return Err(reply.err().unwrap_or_else(unexpected)),
        answer = &mut begun => match answer {
            Ok(Resp::Begun { metadata }) => metadata,
            // The call is over, and its own answer says why.
            Ok(Resp::Items { end: StreamEnd::Gone, .. }) | Err(_) => {
                return Err(call.await.err().unwrap_or_else(unexpected));
            }
            Ok(_) => return Err(unexpected()),
        },
        status = failed(&mut pushing) => return Err(status),
    };
    // Nobody polls the requests of a call whose replies are not being read, so from here on they have a task of their
    // own. The stream of replies owns it.
    let pump = pushing.map(|pushing| Pump::start(tasks, pushing));
    let trailers = Trailers::new();
    Ok(response(
        metadata,
        trailers.clone(),
        Replies {
            line,
            id,
            call: Some(call),
            pull: None,
            pulling: false,
            ready: Items::default(),
            next: Items::default(),
            verdict: None,
            end: StreamEnd::More,
            over: false,
            pump,
            place: Some(place),
            trailers,
        },
    ))
}

fn response(metadata: Metadata, trailers: Trailers, replies: Replies) -> Response {
    Response { metadata, body: Body::Stream(PayloadStream::new(replies).with_trailers(trailers)) }
}

#[cold]
fn unexpected() -> Status {
    Status::internal(
        "the server answered with one message where a stream was expected, or the reverse; do both sides have the same interface?",
    )
}

async fn pull(line: Line, id: u64, credits: u32) -> Result<Resp, Status> {
    let pull = Req::Pull(Box::new(Pull { stream: id, credits, turn: None }));
    // The call was sent before, whatever is known of this part of it.
    line.request(None, pull, &Position::nowhere()).await.map_err(|status| status.with_delivery(Delivery::Unknown))
}

/// Sends items until they end or nothing more is wanted. Fails when one of them is a failure or cannot be sent.
async fn push(line: Line, id: u64, mut from: PayloadStream) -> Result<(), Status> {
    let mut next = Gathered::new(&line, 0);
    loop {
        poll_fn(|cx| next.poll(cx, &mut from)).await;
        let room = next.batch.size();
        let Gathered { batch, end } = std::mem::replace(&mut next, Gathered::new(&line, room));
        let then = match end {
            None => Then::More,
            Some(end) => end.map(|()| Then::Done)?,
        };
        let push = Req::Push(Box::new(Push { stream: id, items: batch.into(), then, turn: None }));
        let nowhere = Position::nowhere();
        let mut answer = pin!(line.request(None, push, &nowhere));
        let answer = poll_fn(|cx| {
            let answer = answer.as_mut().poll(cx);
            if answer.is_pending() && then == Then::More {
                // A source that takes its time would otherwise be asked once for each way there and back.
                let _ = next.poll(cx, &mut from);
            }
            answer
        });
        // The call was sent before, whatever is known of this part of it.
        match answer.await.map_err(|status| status.with_delivery(Delivery::Unknown))? {
            Resp::Taken if then == Then::More => {}
            _ => return Ok(()),
        }
    }
}

/// Items for the next push.
struct Gathered {
    batch: Batch,
    /// How the stream ended behind them, if it has.
    end: Option<Result<(), Status>>,
}

impl Gathered {
    fn new(line: &Line, room: usize) -> Self {
        Self { batch: Batch::new(items::bounds(PUSHED, line.outgoing), room), end: None }
    }

    /// Takes what is ready, as far as there is room. Ready when there is something to push.
    fn poll(&mut self, cx: &mut task::Context<'_>, from: &mut PayloadStream) -> Poll<()> {
        if self.end.is_none() && !self.batch.is_full() {
            match from.poll_batch(cx, &mut self.batch) {
                Poll::Pending | Poll::Ready(Some(Ok(()))) => {}
                Poll::Ready(Some(Err(status))) => self.end = Some(Err(status)),
                Poll::Ready(None) => self.end = Some(Ok(())),
            }
        }
        if self.batch.is_empty() && self.end.is_none() { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// Why pushing failed; pending while it has not.
async fn failed(pushing: &mut Option<Pin<Box<impl Future<Output = Result<(), Status>>>>>) -> Status {
    if let Some(future) = pushing {
        let outcome = future.await;
        *pushing = None;
        if let Err(status) = outcome {
            return status;
        }
    }
    std::future::pending().await
}

/// The task that pushes the requests of a call whose replies are streamed.
struct Pump {
    failed: Option<oneshot::Receiver<Status>>,
    _stop: DropGuard,
}

impl Pump {
    fn start(tasks: &Tasks, pushing: impl Future<Output = Result<(), Status>> + Send + 'static) -> Self {
        let (failure, failed) = oneshot::channel();
        let token = CancellationToken::new();
        let stopped = token.clone();
        // The items were made in the caller's context, and are polled in it.
        let pushing = Context::current().scope(pushing);
        tasks.spawn(async move {
            if let Some(Err(status)) = stopped.run_until_cancelled(pushing).await {
                let _ = failure.send(status);
            }
        });
        Self { failed: Some(failed), _stop: token.drop_guard() }
    }
}

/// The replies of a call, pulled as they are read.
struct Replies {
    line: Line,
    id: u64,
    /// Dropping it cancels everything.
    call: Option<Answer>,
    pull: Option<Answer>,
    /// The pull was polled, and so sent, and will be answered without that.
    pulling: bool,
    /// What has come and is not read yet: the answers of two pulls at most.
    ready: Items,
    next: Items,
    /// What the call itself ended with.
    verdict: Option<Result<(), Status>>,
    /// What is known of the end of the stream.
    end: StreamEnd,
    over: bool,
    pump: Option<Pump>,
    place: Option<Place>,
    trailers: Trailers,
}

impl Replies {
    /// Asks for more when there is room: the wire works while the reader does.
    fn ask(&mut self) {
        let (count, size) = (self.ready.len() + self.next.len(), self.ready.size() + self.next.size());
        let room = count <= CREDITS as usize / 2 && size < UNREAD && self.next.len() == 0;
        if matches!(self.end, StreamEnd::More) && self.pull.is_none() && room {
            self.pull = Some(Box::pin(pull(self.line.clone(), self.id, CREDITS)));
        }
    }

    fn poll_pull(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let Some(pull) = &mut self.pull else { return Poll::Pending };
        let answer = std::task::ready!(pull.as_mut().poll(cx));
        self.pull = None;
        match answer {
            Ok(Resp::Items { items, end }) => {
                self.next = items;
                self.end = end;
            }
            Ok(_) => self.end = StreamEnd::Failed(unexpected()),
            Err(status) if status.origin() == Origin::Remote => self.end = StreamEnd::Failed(status),
            // What a pull fails of on this side, the call fails of as well, and knows better how far it got.
            Err(_) => self.end = StreamEnd::Gone,
        }
        Poll::Ready(())
    }

    /// The next item that is here.
    fn take(&mut self) -> Option<Payload> {
        if self.ready.len() == 0 {
            self.ready = std::mem::take(&mut self.next);
        }
        self.ready.next()
    }

    fn poll_call(&mut self, cx: &mut task::Context<'_>) {
        if let Some(call) = &mut self.call
            && let Poll::Ready(reply) = call.as_mut().poll(cx)
        {
            self.call = None;
            self.verdict = Some(reply.map(drop));
        }
    }

    fn poll_pump(&mut self, cx: &mut task::Context<'_>) -> Option<Status> {
        let failed = self.pump.as_mut()?.failed.as_mut()?;
        match Pin::new(failed).poll(cx) {
            Poll::Pending => None,
            Poll::Ready(outcome) => {
                self.pump.as_mut()?.failed = None;
                outcome.ok()
            }
        }
    }

    /// The end of the stream, once it is known.
    fn poll_end(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Status>> {
        if let Some(status) = self.poll_pump(cx) {
            return Poll::Ready(Err(status));
        }
        self.poll_call(cx);
        match std::mem::replace(&mut self.end, StreamEnd::More) {
            StreamEnd::Done => Poll::Ready(Ok(())),
            StreamEnd::DoneWith(trailers) => {
                self.trailers.set(*trailers);
                Poll::Ready(Ok(()))
            }
            StreamEnd::Failed(status) => Poll::Ready(Err(status)),
            StreamEnd::Gone => {
                self.end = StreamEnd::Gone;
                match self.verdict.take() {
                    Some(Err(status)) => Poll::Ready(Err(status)),
                    // It ended well, they say, and yet the end of the stream did not come.
                    Some(Ok(())) => Poll::Ready(Err(unexpected())),
                    None => Poll::Pending,
                }
            }
            StreamEnd::More => match &self.verdict {
                // Nobody answers the pull any more; a server would.
                Some(Err(status)) if status.origin() == Origin::Local => Poll::Ready(Err(status.clone())),
                _ => Poll::Pending,
            },
        }
    }

    /// Lets everything go: a reader that keeps a stream which has ended keeps no call with it.
    fn finish(&mut self) {
        self.over = true;
        self.place = None;
        self.call = None;
        self.pull = None;
        self.pump = None;
    }
}

impl Stream for Replies {
    type Item = Result<Payload, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.over {
            return Poll::Ready(None);
        }
        // Nothing is to be done but to take an item: the next pull is under way, or it is too early for one.
        let early = this.pull.is_none() && this.ready.len() > CREDITS as usize / 2;
        if (this.pulling || early)
            && let Some(payload) = this.ready.next()
        {
            return Poll::Ready(Some(Ok(payload)));
        }
        loop {
            this.ask();
            let pulled = this.poll_pull(cx);
            this.pulling = pulled.is_pending() && this.pull.is_some();
            if let Some(payload) = this.take() {
                return Poll::Ready(Some(Ok(payload)));
            }
            let end = this.poll_end(cx);
            if let Poll::Ready(end) = end {
                this.finish();
                return Poll::Ready(end.err().map(Err));
            }
            if pulled.is_pending() {
                return Poll::Pending;
            }
        }
    }
}
