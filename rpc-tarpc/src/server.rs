//! The server's end: tarpc requests become calls.

use crate::{
    TARGET,
    codec::{self, Incoming, IncomingCall},
    contexts::Contexts,
    frame::{Reader, kind},
    frames::WireError,
    hello::{self, Features, Hello},
    items::Items,
    message::{Call, CallBody, Pull, Push, Req, Resp, StreamEnd},
    session::{Streams, TooMany},
    wire::{End, Wire},
};
use bytes::BytesMut;
use futures_util::{FutureExt, StreamExt};
use rpc_core::{
    Body, Context, Delivery, Io, Method, Payload, Peer, Request, Service, Status, Tasks,
    framed::{Eager, Ended, Link, Malformed, Side, draining, too_many_calls},
    transport::{ConnectionInfo, Drain, DrainPhase, Limits, Place, Routes},
};
use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tarpc::{
    ClientMessage, ServerError, context,
    server::{self, BaseChannel, Channel as _, Serve},
    trace,
};
use tokio_util::sync::CancellationToken;

/// How long a client may take to hear that everything is over.
const FAREWELL: Duration = Duration::from_millis(300);

/// Serves one connection.
pub(crate) async fn serve(mut io: Io, info: ConnectionInfo, routes: Routes, tasks: Tasks, mut drain: Drain) {
    let features = Features::OURS;
    let ours = Hello { limits: info.limits, features, instance: info.instance, name: None, refusal: None };
    let leaving = drain.phase() >= DrainPhase::Draining;
    let Some(theirs) = hello::receive(&mut io, &ours, leaving).await else { return };
    let peer = info.peer.as_ref().map(tracing::field::display);
    tracing::debug!(target: TARGET, client = theirs.name, network.peer.address = peer, "a client of tarpc/1");

    let link = Link::new();
    link.places().set_limit(info.limits.accepted_calls());
    let context = Context::default().with_peer(Peer::new("tarpc", info.peer).with_identity(info.identity));
    let end = ServerEnd {
        routes: routes.clone(),
        limits: info.limits,
        outgoing: info.limits.max_message.min(theirs.limits.max_message),
        features: theirs.features,
        context,
        contexts: Contexts::new(),
        last: 0,
        streams: Streams::default(),
    };
    let limits = MessageLimits { incoming: info.limits.max_message, outgoing: end.outgoing };
    let wire = Wire::new(io, end, link.clone(), info.limits);
    let config = server::Config { pending_response_buffer: info.limits.max_concurrent_calls.clamp(16, 1024) };
    let over = Arc::new(CancellationToken::new());
    let _over = CancellationToken::clone(&over).drop_guard();
    let mut requests = pin!(BaseChannel::new(config, wire).requests());
    let mut eager = Eager::trusting();
    let mut stopping = drain.clone();
    let mut drains = pin!(drain.reached(DrainPhase::Draining).fuse());
    let mut stopped = pin!(stopping.reached(DrainPhase::Stopped).fuse());
    loop {
        tokio::select! {
            biased;
            request = requests.next() => match request {
                Some(Ok(request)) => {
                    let answering = Answering { routes: routes.clone(), limits, over: over.clone() };
                    eager.run(request.execute(answering), &tasks);
                }
                Some(Err(error)) => {
                    tracing::debug!(target: TARGET, %error, "a connection of tarpc ended");
                    return;
                }
                None => return,
            },
            () = &mut drains => {
                link.drain();
                let mut requests = requests.as_mut();
                let wire = requests.channel_pin_mut().get_pin_ref().get_mut();
                let last = wire.end_mut().last;
                wire.go_away(last);
            }
            () = &mut stopped => break,
        }
    }
    // Answers that are ready are sent; to all other calls this is the answer.
    let _ = requests.next().now_or_never();
    let wire = requests.channel_pin_mut().get_pin_ref().get_mut();
    wire.reset(&draining());
    let _ = tokio::time::timeout(FAREWELL, futures_util::SinkExt::close(wire)).await;
}

/// How large a message may be in either direction.
#[derive(Clone, Copy)]
struct MessageLimits {
    incoming: usize,
    outgoing: usize,
}

/// Answers one request, whatever happens.
struct Answering {
    routes: Routes,
    limits: MessageLimits,
    /// The connection has ended. tarpc ends the handlers that it knows of; it forgets one whose client had cancelled
    /// another call and given its id to this one, when the answer of that other was on its way already. Shared, for a
    /// token's own clones cost more.
    over: Arc<CancellationToken>,
}

impl Serve for Answering {
    type Req = Req;
    type Resp = Resp;

    async fn serve(self, _: context::Context, request: Req) -> Result<Resp, ServerError> {
        let Self { routes, limits, over } = self;
        Ok(match request {
            Req::Call(call) => answer_call(routes, call, over).await,
            // Boxed, so that the future of a call stays small.
            Req::Pull(pull) => Box::pin(answer_pull(*pull, limits.outgoing)).await,
            Req::Push(push) => Box::pin(answer_push(*push, limits.incoming)).await,
        })
    }
}

async fn answer_pull(pull: Pull, limit: usize) -> Resp {
    match pull.turn {
        Some(turn) => turn.pull(pull.credits, limit).await,
        // It was answered when it was read.
        None => Resp::Done,
    }
}

async fn answer_push(push: Push, limit: usize) -> Resp {
    match push.turn {
        Some(turn) => turn.push(push.items, push.then, limit).await,
        None => Resp::Done,
    }
}

async fn answer_call(routes: Routes, call: Box<Call>, over: Arc<CancellationToken>) -> Resp {
    let Call { method, context, body, session, place: _place, .. } = *call;
    let body = match (body, &session) {
        (CallBody::Message(payload), _) => Body::Message(payload),
        (CallBody::Pushed, Some(session)) => Body::Stream(session.pushed()),
        (CallBody::Pushed, None) => return Resp::Failed(Status::internal("a stream without an id")),
    };
    // The layers catch panics of handlers. This one is for whatever stands outside of them: a call that is not
    // answered would keep its caller until its deadline. Polled by hand, for a combinator would move the future.
    let mut answered = pin!(routes.service.call(Request::new(method, context, body)));
    // Made when it waits, which most do not.
    let mut ended = None;
    let outcome = poll_fn(|cx| {
        let answered = catch_unwind(AssertUnwindSafe(|| answered.as_mut().poll(cx)))
            .unwrap_or_else(|_| Poll::Ready(Err(Status::internal(format!("the server panicked in {}", method.path)))));
        if answered.is_pending() {
            let ended = ended.get_or_insert_with(|| Box::pin(CancellationToken::clone(&over).cancelled_owned()));
            return ended.as_mut().poll(cx).map(|()| Err(Status::cancelled("the connection has ended")));
        }
        answered
    });
    let response = match outcome.await {
        Ok(response) => response,
        Err(status) => return Resp::Failed(status),
    };
    match (response.body, session) {
        (body, Some(session)) if method.kind.response_streams() => {
            let streamed = Box::pin(session.stream(response.metadata, body.into_stream()));
            over.run_until_cancelled(streamed).await;
            Resp::Done
        }
        (Body::Message(payload), _) => Resp::Message { metadata: response.metadata, payload },
        (Body::Stream(_), _) => {
            Resp::Failed(Status::internal("the handler answered with a stream to a call for one message"))
        }
    }
}

/// The server's end of the wire.
pub(crate) struct ServerEnd {
    routes: Routes,
    limits: Limits,
    outgoing: usize,
    /// What the client understands.
    features: Features,
    /// What every call begins with: the peer.
    context: Context,
    contexts: Contexts,
    /// The highest id of a request.
    last: u64,
    streams: Streams,
}

impl ServerEnd {
    /// Whether a call is taken. What is refused here never reaches tarpc: the answer goes straight into the write
    /// buffer, so that a flood of calls that are refused makes no tasks.
    fn admit(&self, call: IncomingCall, link: &Arc<Link>) -> Result<Result<Call, Status>, Malformed> {
        let unprocessed = |status: Status| status.with_delivery(Delivery::Unprocessed);
        let taken = || -> Result<(&'static Method, Payload, Place), Status> {
            if link.is_draining() {
                return Err(unprocessed(draining()));
            }
            let method = self.routes.method(&call.path)?;
            if let Some(fault) = call.fault {
                return Err(fault.into());
            }
            if (method.kind.response_streams() && call.stream == 0) || (call.pushed && !method.kind.request_streams()) {
                let Method { path, kind, .. } = method;
                return Err(Status::unimplemented(format!(
                    "{path} is {kind:?} here, and was called as something else; do both sides have the same interface?"
                )));
            }
            let payload = Payload::Encoded(call.message);
            payload.within(self.limits.max_message)?;
            let full = || unprocessed(too_many_calls(self.limits.max_concurrent_calls));
            Ok((method, payload, link.places().take().ok_or_else(full)?))
        };
        let (method, payload, place) = match taken() {
            Ok(taken) => taken,
            Err(status) => return Ok(Err(status)),
        };
        let session = match call.stream {
            0 => None,
            id => Some(self.streams.open(id).ok_or(Malformed("a stream of an id that is in use"))?),
        };
        let body = if call.pushed { CallBody::Pushed } else { CallBody::Message(payload) };
        let (context, stream) = (call.context, call.stream);
        Ok(Ok(Call { method, context, stream, body, position: None, place: Some(place), session }))
    }

    /// What comes in for tarpc, or what is answered at once.
    fn request(&self, request: Incoming, link: &Arc<Link>) -> Result<Result<Req, Resp>, Malformed> {
        let too_many = |TooMany| Malformed("more pulls or pushes of one stream than it has a use for");
        Ok(match request {
            Incoming::Call(call) => self.admit(call, link)?.map(|call| Req::Call(Box::new(call))).map_err(Resp::Failed),
            Incoming::Pull { stream, credits } => match self.streams.pull(stream).map_err(too_many)? {
                Some(turn) => Ok(Req::Pull(Box::new(Pull { stream, credits, turn: Some(turn) }))),
                None => Err(Resp::Items { items: Items::default(), end: StreamEnd::Gone }),
            },
            Incoming::Push { stream, items, then } => match self.streams.push(stream).map_err(too_many)? {
                Some(turn) => Ok(Req::Push(Box::new(Push { stream, items, then, turn: Some(turn) }))),
                None => Err(Resp::Done),
            },
        })
    }
}

impl End for ServerEnd {
    type In = ClientMessage<Req>;
    type Out = tarpc::Response<Resp>;

    const SIDE: Side = Side::Server;

    fn decode(
        &mut self,
        kind: u8,
        frame: &mut Reader,
        link: &Arc<Link>,
        write: &mut BytesMut,
    ) -> Result<Option<Self::In>, Malformed> {
        let (id, message) = match kind {
            kind::REQUEST => codec::request(frame, &self.context)?,
            kind::CANCEL => {
                let request_id = frame.u64()?;
                frame.end()?;
                return Ok(Some(ClientMessage::Cancel { trace_context: trace::Context::default(), request_id }));
            }
            _ => return Err(Malformed("a frame of a type that no client sends")),
        };
        self.last = self.last.max(id);
        let deadline = match &message {
            Incoming::Call(call) => call.deadline,
            Incoming::Pull { .. } | Incoming::Push { .. } => None,
        };
        match self.request(message, link)? {
            Ok(message) => {
                let context = self.contexts.with(deadline);
                Ok(Some(ClientMessage::Request(tarpc::Request { context, id, message })))
            }
            Err(response) => {
                codec::put_response(write, id, &response, self.outgoing);
                Ok(None)
            }
        }
    }

    fn encode(&mut self, out: Self::Out, write: &mut BytesMut, _position: u64) -> Result<(), Status> {
        match out.message {
            Ok(response) => {
                let response = if self.features.trailers() { response } else { response.without_trailers() };
                codec::put_response(write, out.request_id, &response, self.outgoing);
            }
            Err(error) => {
                codec::put_failure(write, out.request_id, &Status::internal(error.detail), self.outgoing);
            }
        }
        Ok(())
    }

    fn end(&mut self, why: Ended, _link: &Link) -> Option<Result<Self::In, WireError>> {
        // An error, where tarpc would go on until the last handler has ended: nobody waits for its answer.
        Some(Err(WireError(Status::unavailable(format!("{why:?}")))))
    }
}
