//! The client's end: calls become tarpc requests.

use crate::{
    codec,
    contexts::Contexts,
    frame::{Reader, kind},
    frames::WireError,
    hello::{self, Features, Hello},
    message::{Call, CallBody, Req, Resp},
    stream,
    wire::{End, Wire},
};
use bytes::BytesMut;
use rpc_core::{
    Body, BoxFuture, Delivery, Io, Kind, Request, Response, Service, Status, Tasks,
    framed::{Ended, Link, Malformed, Position, Side},
    transport::{ConnectTarget, Connection, Limits, Place},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tarpc::{ClientMessage, client};
use tokio::time::Instant;

/// Greets the server and makes a connection of a byte stream.
pub(crate) async fn connect(mut io: Io, target: ConnectTarget, tasks: Tasks) -> Result<Connection, Status> {
    let (end, limits) = open(&mut io, &target).await?;
    let link = Link::new();
    link.places().set_limit(limits.max_concurrent_calls);
    let wire = Wire::new(io, end, link.clone(), target.limits);
    let client::NewClient { client: channel, dispatch } = client::new(config(limits.max_concurrent_calls), wire);
    let ended = EndOnDrop(link.clone());
    tasks.spawn(async move {
        // An error is none: the wire has told the link why it ended, and the link tells every call.
        let _ = dispatch.await;
        drop(ended);
    });
    let (state, places) = (link.state(), link.places().clone());
    let line = Line { channel, link, contexts: Contexts::new(), outgoing: limits.max_message };
    let client = Client { line, streams: AtomicU64::new(1), tasks: tasks.handle() };
    Ok(Connection { service: client.boxed(), state, places })
}

/// tarpc's queue has room for as many calls as may be open, up to a point; behind it callers wait, they are not lost.
fn config(calls: usize) -> client::Config {
    let mut config = client::Config::default();
    config.max_in_flight_requests = usize::MAX;
    config.pending_request_buffer = calls.clamp(64, 4096);
    config
}

/// Says hello. Gives the client's end and the limits that hold: the narrower of both sides'.
pub(crate) async fn open(io: &mut Io, target: &ConnectTarget) -> Result<(ClientEnd, Limits), Status> {
    let ours = Hello {
        limits: target.limits,
        features: Features::OURS,
        instance: target.instance.clone(),
        name: Some(concat!("rpc-tarpc ", env!("CARGO_PKG_VERSION")).to_owned()),
        refusal: None,
    };
    let theirs = hello::greet(io, &ours).await?;
    let limits = Limits::default()
        .with_max_message(target.limits.max_message.min(theirs.limits.max_message))
        .with_max_concurrent_calls(target.limits.max_concurrent_calls.min(theirs.limits.max_concurrent_calls));
    Ok((ClientEnd { outgoing: limits.max_message, incoming: target.limits.max_message }, limits))
}

/// However the task that drives a connection ends, its calls hear of it.
struct EndOnDrop(Arc<Link>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end(Status::unavailable("the connection was closed on this side"));
    }
}

/// A connection as a service.
struct Client {
    line: Line,
    /// The id of the next stream; 0 is none.
    streams: AtomicU64,
    tasks: Tasks,
}

/// A call that is about to be made.
enum Ready<'a> {
    Unary {
        place: Place,
        deadline: Option<Instant>,
        request: Req,
        position: Position,
    },
    /// Boxed, so that the future of a unary call stays small.
    Other(BoxFuture<'a, Result<Response, Status>>),
}

impl Service for Client {
    // No `async fn`, which would keep the request twice: an allocator is quick at what is up to 1 KiB.
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Status>> + Send {
        let ready = self.prepare(request);
        async move {
            match ready? {
                Ready::Other(call) => call.await,
                Ready::Unary { place: _place, deadline, request, position } => {
                    message(self.line.request(deadline, request, &position).await?)
                }
            }
        }
    }
}

impl Client {
    fn prepare(&self, request: Request) -> Result<Ready<'_>, Status> {
        let link = &self.line.link;
        if link.why().is_some() || link.is_draining() {
            return Err(self.ended());
        }
        match link.places().take() {
            Some(place) => self.begin(request, place),
            None => Ok(Ready::Other(Box::pin(self.wait(request)))),
        }
    }

    /// A call that has to wait for a place.
    async fn wait(&self, request: Request) -> Result<Response, Status> {
        match self.line.link.places().wait(&request).await? {
            None => Err(self.ended()),
            Some(place) => match self.begin(request, place)? {
                Ready::Other(call) => call.await,
                Ready::Unary { place: _place, deadline, request, position } => {
                    message(self.line.request(deadline, request, &position).await?)
                }
            },
        }
    }

    fn begin(&self, request: Request, place: Place) -> Result<Ready<'_>, Status> {
        if request.method.kind != Kind::Unary {
            let id = self.streams.fetch_add(1, Ordering::Relaxed);
            return Ok(Ready::Other(Box::pin(stream::call(self.line.clone(), &self.tasks, id, request, place))));
        }
        let deadline = request.context.deadline();
        let position = Position::nowhere();
        let call = Call {
            method: request.method,
            context: request.context,
            stream: 0,
            body: CallBody::Message(request.body.into_message().map_err(never_sent)?),
            position: Some(position.clone()),
            place: None,
            session: None,
        };
        Ok(Ready::Unary { place, deadline, request: Req::Call(Box::new(call)), position })
    }

    /// Why the connection takes no more calls.
    #[cold]
    fn ended(&self) -> Status {
        self.line.link.lost(Delivery::NeverSent)
    }
}

fn message(answer: Resp) -> Result<Response, Status> {
    match answer {
        Resp::Message { metadata, payload } => Ok(Response { metadata, body: Body::Message(payload) }),
        _ => Err(Status::internal("the server answered with a stream where one message was expected")),
    }
}

/// The way to make requests on a connection.
#[derive(Clone)]
pub(crate) struct Line {
    channel: client::Channel<Req, Resp>,
    link: Arc<Link>,
    contexts: Contexts,
    /// Bytes of one message that the server accepts.
    pub(crate) outgoing: usize,
}

impl Line {
    /// Makes one request. Dropping the future cancels it.
    pub(crate) async fn request(
        &self,
        deadline: Option<Instant>,
        request: Req,
        position: &Position,
    ) -> Result<Resp, Status> {
        match self.channel.call(self.contexts.with(deadline), request).await {
            Ok(Resp::Failed(status)) => Err(status),
            Ok(response) => Ok(response),
            Err(error) => Err(self.failure(error, position)),
        }
    }

    /// What a call that tarpc gave up ends with.
    #[cold]
    fn failure(&self, error: client::RpcError, position: &Position) -> Status {
        match error {
            // Of what stands in the wire's buffer or has left: tarpc looks at the deadlines of no others.
            client::RpcError::DeadlineExceeded => Status::deadline_exceeded("no answer came before the deadline")
                .with_delivery(position.delivery_so_far()),
            // The wire would not take it, for a reason of the request's own.
            client::RpcError::Send(source) => match source.downcast::<WireError>() {
                Ok(error) => never_sent(error.0),
                Err(source) => never_sent(Status::internal(source.to_string())),
            },
            // That tarpc's own task has gone says less than why.
            _ => self.link.lost(position.delivery(&self.link)),
        }
    }
}

fn never_sent(status: Status) -> Status {
    status.with_delivery(Delivery::NeverSent)
}

/// The client's end of the wire.
#[derive(Debug)]
pub(crate) struct ClientEnd {
    outgoing: usize,
    incoming: usize,
}

impl End for ClientEnd {
    type In = tarpc::Response<Resp>;
    type Out = ClientMessage<Req>;

    const SIDE: Side = Side::Client;

    fn decode(
        &mut self,
        kind: u8,
        frame: &mut Reader,
        link: &Arc<Link>,
        _write: &mut BytesMut,
    ) -> Result<Option<Self::In>, Malformed> {
        match kind {
            kind::RESPONSE => {
                let (request_id, response) = codec::response(frame, self.incoming)?;
                Ok(Some(tarpc::Response { request_id, message: Ok(response) }))
            }
            kind::GO_AWAY => {
                frame.u64()?;
                frame.end()?;
                link.drain();
                Ok(None)
            }
            _ => Err(Malformed("a frame of a type that no server sends")),
        }
    }

    fn encode(&mut self, out: Self::Out, write: &mut BytesMut, position: u64) -> Result<(), Status> {
        match out {
            ClientMessage::Request(request) => {
                codec::put_request(write, request.id, &request.message, self.outgoing)?;
                if let Req::Call(call) = &request.message
                    && let Some(at) = &call.position
                {
                    at.set(position);
                }
                Ok(())
            }
            ClientMessage::Cancel { request_id, .. } => {
                crate::frame::put_number(write, kind::CANCEL, request_id);
                Ok(())
            }
            _ => Err(Status::internal("tarpc has a kind of message that is not known here")),
        }
    }

    fn end(&mut self, why: Ended, link: &Link) -> Option<Result<Self::In, WireError>> {
        link.end(why.into_status());
        // The end of the stream and not an error, which tarpc would log once per call.
        None
    }
}
