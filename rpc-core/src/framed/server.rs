//! The server's end: frames become calls.

use super::{
    Call, Codec, Credit, Eager, Frame, Hello, Link, Malformed, Pipe, Side,
    driver::{CloseOnDrop, Driver, Role, last_word},
    flow::{Flow, Inbox, Window},
    frame::fitting,
    greeting::{self, Codecs},
    mux::{Mux, Open, Party, draining, too_many_calls},
    requests::Requests,
    sending::{self, Sent},
};
use crate::{
    Body, Context, Delivery, Io, Metadata, Method, PayloadStream, Peer, Request, Response, Service, Status, Tasks,
    context::deadline_in,
    observer::target,
    transport::{ConnectionInfo, Drain, DrainPhase, Limits, Place, Routes},
};
use futures_util::FutureExt;
use std::{future::poll_fn, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Becomes the server on a byte stream, until the stream or the drain ends. `name` is the transport's: what handlers
/// see as [`Peer::transport`].
pub async fn serve(
    io: Io,
    codec: impl Codec,
    name: &'static str,
    info: ConnectionInfo,
    routes: Routes,
    tasks: Tasks,
    drain: Drain,
) {
    let codecs = Codecs { reads: Box::new(codec.clone()), writes: Box::new(codec) };
    let context = Context::default().with_peer(Peer::new(name, info.peer.clone()).with_identity(info.identity.clone()));
    // Boxed: a connection lives long, and the task around it should not be moved with all of it.
    Box::pin(serve_with(io, codecs, context, info, routes, tasks, drain)).await;
}

async fn serve_with(
    io: Io,
    mut codecs: Codecs,
    context: Context,
    info: ConnectionInfo,
    routes: Routes,
    tasks: Tasks,
    mut drain: Drain,
) {
    let (mut pipe, link) = (Pipe::new(io), Link::new());
    link.places().set_limit(info.limits.accepted_calls());
    let Some(theirs) = greeting::receive(&mut pipe, &mut codecs).await else { return };
    if drain.phase() >= DrainPhase::Draining {
        codecs.writes.encode(&Frame::Goodbye { status: draining() }, &mut pipe.write);
        let farewell = async {
            let _ = poll_fn(|cx| pipe.poll_send(cx, &link)).await;
            let _ = poll_fn(|cx| pipe.poll_shutdown(cx)).await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), farewell).await;
        return;
    }
    let ours = Hello { limits: info.limits, instance: info.instance, credit: Credit::default() };
    codecs.writes.encode(&Frame::Hello(ours), &mut pipe.write);
    let mux = Arc::new(Mux::new(link, codecs.writes, &pipe, info.limits, &theirs));
    let role = Handler { routes: routes.clone(), limits: info.limits, context, serial: 0 };
    let mut driver = Driver::new(mux.clone(), role, pipe, codecs.reads, info.limits.max_message);
    let closing = CloseOnDrop(mux.clone());
    let mut eager = Eager::trusting();
    let mut stopping = drain.clone();
    let mut draining_begins = pin!(drain.reached(DrainPhase::Draining).fuse());
    let mut stopped = pin!(stopping.reached(DrainPhase::Stopped).fuse());
    let word = loop {
        tokio::select! {
            biased;
            arrival = poll_fn(|cx| driver.poll(cx)) => match arrival {
                Ok(arrived) => eager.run(arrived.answer(mux.clone(), routes.clone()), &tasks),
                Err(why) => {
                    tracing::debug!(target: target::SERVER, ?why, "a connection ended");
                    break last_word(&why);
                }
            },
            () = &mut draining_begins => {
                mux.link.drain();
                mux.put(&Frame::GoAway);
            }
            // Answers that are ready are sent; to all other calls this is the answer.
            () = &mut stopped => break Some(draining()),
        }
    };
    if let Some(status) = word {
        mux.put(&Frame::Goodbye { status });
    }
    drop(closing);
    driver.leave().await;
}

/// What a server does with the frames that only a client sends.
struct Handler {
    routes: Routes,
    limits: Limits,
    /// What every call begins with: the peer.
    context: Context,
    /// Of the last call that was accepted. Numbers are the client's, who may use one again as soon as it has cancelled
    /// its call; the handler of that one may end after the next has begun.
    serial: u64,
}

/// A call that was accepted.
struct Arrived {
    method: &'static Method,
    request: Request,
    serving: Serving,
    token: CancellationToken,
}

/// A call that is being handled. Dropping it ends what belongs to it.
struct Serving {
    mux: Arc<Mux>,
    id: u64,
    serial: u64,
    flow: Option<Arc<Flow>>,
    _place: Place,
}

impl Serving {
    /// The call is over on this side: its number may be used again as soon as the client hears of it. Whether it was
    /// open until now, and has not been cancelled.
    fn finish(&self) -> bool {
        if let Some(flow) = &self.flow {
            flow.close(|| Err(Status::cancelled("the call is over")));
        }
        self.mux.remove_handled(self.id, self.serial)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Role for Handler {
    const SIDE: Side = Side::Server;
    type Arrival = Arrived;

    fn receive(&mut self, frame: Frame, mux: &Arc<Mux>) -> Result<Option<Arrived>, Malformed> {
        match frame {
            Frame::Call(call) => return self.admit(call, mux),
            Frame::End { id, .. } => {
                if let Some(flow) = mux.flow(id)
                    && let Some(inbox) = &flow.inbox
                {
                    inbox.end(|| Ok(Metadata::default()));
                }
            }
            Frame::Cancel { id } => {
                if let Some(Open { party, flow }) = mux.remove(id) {
                    if let Some(flow) = flow {
                        flow.close(|| Err(Status::cancelled("the caller left before its stream was complete")));
                    }
                    if let Party::Handler { token, .. } = party {
                        token.cancel();
                    }
                }
            }
            _ => return Err(Malformed("a frame that no client sends")),
        }
        Ok(None)
    }
}

impl Handler {
    /// Accepts a call. What is refused is answered at once, so that a flood of calls that are refused makes no tasks.
    fn admit(&mut self, call: Call, mux: &Arc<Mux>) -> Result<Option<Arrived>, Malformed> {
        let id = call.id;
        match self.accept(call, mux)? {
            Ok(arrived) => Ok(Some(arrived)),
            Err(status) => {
                mux.put(&Frame::Failed { id, status: fitting(status, mux.max_outgoing) });
                Ok(None)
            }
        }
    }

    fn accept(&mut self, mut call: Call, mux: &Arc<Mux>) -> Result<Result<Arrived, Status>, Malformed> {
        let id = call.id;
        if mux.with(id, |_| ()).is_some() {
            return Err(Malformed("a call of a number that is in use"));
        }
        let (method, place) = match self.judge(&call, mux) {
            Ok(accepted) => accepted,
            Err(status) => return Ok(Err(status)),
        };
        let message = call.message.take();
        let flow = Flow {
            inbox: message.is_none().then(|| Inbox::new(Credit::default())),
            window: method.kind.response_streams().then(|| Window::new(mux.credit())),
        };
        let flow = (flow.inbox.is_some() || flow.window.is_some()).then(|| Arc::new(flow));
        let token = CancellationToken::new();
        self.serial += 1;
        let serial = self.serial;
        // Before its handler runs and in the order in which calls arrive: an item right behind its call finds it.
        mux.insert(id, Open { party: Party::Handler { serial, token: token.clone() }, flow: flow.clone() })?;
        let context = self.context_of(call);
        let body = match (message, &flow) {
            (None, Some(flow)) => {
                Body::Stream(PayloadStream::new(Requests::new(mux.clone(), id, flow.clone(), self.limits.max_message)))
            }
            (message, _) => Body::Message(message.unwrap_or_else(|| crate::Payload::Encoded(bytes::Bytes::new()))),
        };
        let serving = Serving { mux: mux.clone(), id, serial, flow, _place: place };
        Ok(Ok(Arrived { method, request: Request::new(method, context, body), serving, token }))
    }

    /// Whether a call is accepted: the method, and the place that it takes.
    fn judge(&self, call: &Call, mux: &Arc<Mux>) -> Result<(&'static Method, Place), Status> {
        let unprocessed = |status: Status| status.with_delivery(Delivery::Unprocessed);
        if mux.link.is_draining() {
            return Err(unprocessed(draining()));
        }
        let method = self.routes.method(call.path.as_bytes())?;
        if let Some(fault) = &call.fault {
            return Err(fault.clone());
        }
        if call.message.is_none() && !method.kind.request_streams() {
            return Err(Status::unimplemented(format!(
                "{method} is {:?} here, and was called with a stream; do both sides have the same interface?",
                method.kind
            )));
        }
        if let Some(message) = &call.message {
            message.within(self.limits.max_message)?;
        }
        let full = || unprocessed(too_many_calls(self.limits.max_concurrent_calls));
        Ok((method, mux.link.places().take().ok_or_else(full)?))
    }

    fn context_of(&self, call: Call) -> Context {
        let mut context = self.context.clone();
        if let Some(remaining) = call.remaining {
            context = context.with_deadline(deadline_in(Instant::now(), remaining));
        }
        if let Some(id) = call.call_id {
            context = context.with_attempt(id, call.attempt.max(1));
        }
        if let Some(trace) = call.trace {
            context = context.with_trace(trace);
        }
        if !call.metadata.is_empty() {
            context = context.with_metadata(call.metadata);
        }
        if !call.baggage.is_empty() {
            context = context.with_baggage(call.baggage);
        }
        context
    }
}

impl Arrived {
    /// Handles the call and answers it, whatever happens, unless the client has left.
    async fn answer(self, mux: Arc<Mux>, routes: Routes) {
        let Self { method, request, serving, token } = self;
        let handled = AssertUnwindSafe(handle(&mux, &routes, method, request, &serving)).catch_unwind();
        let last = match token.run_until_cancelled(handled).await {
            None => return,
            Some(Ok(last)) => last,
            // The layers catch panics of handlers. This one came from outside of them; a call that is not answered
            // would keep its caller until its deadline.
            Some(Err(_)) => Some(Frame::Failed {
                id: serving.id,
                status: Status::internal(format!("the server panicked in {method}")),
            }),
        };
        // Nobody is told how a call ended that was cancelled: its number may be another's by now.
        if serving.finish()
            && let Some(last) = last
        {
            mux.send(&last).await;
        }
    }
}

/// Handles a call up to its last frame. `None` when nobody wants it.
async fn handle(
    mux: &Mux,
    routes: &Routes,
    method: &'static Method,
    request: Request,
    serving: &Serving,
) -> Option<Frame> {
    let id = serving.id;
    let failed = |status| Some(Frame::Failed { id, status: fitting(status, mux.max_outgoing) });
    let Response { metadata, body } = match routes.service.call(request).await {
        Ok(response) => response,
        Err(status) => return failed(status),
    };
    match (body, &serving.flow) {
        (body, Some(flow)) if method.kind.response_streams() => {
            mux.send(&Frame::Begun { id, metadata }).await?;
            match sending::items(mux, id, flow, body.into_stream()).await {
                Sent::All(trailers) => Some(Frame::End { id, trailers }),
                Sent::Unwanted => None,
                Sent::Failed(status) => failed(status),
            }
        }
        (Body::Message(payload), _) => match payload.within(mux.max_outgoing) {
            Ok(()) => Some(Frame::Reply { id, metadata, payload }),
            Err(status) => failed(status),
        },
        (Body::Stream(_), _) => {
            failed(Status::internal("the handler answered with a stream to a call for one message"))
        }
    }
}
