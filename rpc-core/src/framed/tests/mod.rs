//! The kit with a plain codec over a byte stream in memory.

mod bare;
mod calls;
mod given_up;
mod hostile;
mod streams;

use super::{Codec, Frame, Hello, connect, serve};
use crate::{
    Body, BoxService, Context, Io, Kind, Method, Payload, PayloadStream, Request, Response, Service, Status, Tasks,
    service_fn,
    transport::{ConnectTarget, Connection, ConnectionInfo, Drain, DrainTrigger, Limits, Lookup, Routes},
};
use bare::Bare;
use bytes::{Bytes, BytesMut};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

static ECHO: Method = Method::new("t.T", "Echo", "/t.T/Echo", Kind::Unary).idempotent();
static WAIT: Method = Method::new("t.T", "Wait", "/t.T/Wait", Kind::Unary).idempotent();
static PANIC: Method = Method::new("t.T", "Panic", "/t.T/Panic", Kind::Unary).idempotent();
static LARGE: Method = Method::new("t.T", "Large", "/t.T/Large", Kind::Unary).idempotent();
static REFLECT: Method = Method::new("t.T", "Reflect", "/t.T/Reflect", Kind::Unary).idempotent();
static COUNT: Method = Method::new("t.T", "Count", "/t.T/Count", Kind::ServerStream);
static SILENT: Method = Method::new("t.T", "Silent", "/t.T/Silent", Kind::ServerStream);
static SUM: Method = Method::new("t.T", "Sum", "/t.T/Sum", Kind::ClientStream);
static IGNORE: Method = Method::new("t.T", "Ignore", "/t.T/Ignore", Kind::ClientStream);
static TALK: Method = Method::new("t.T", "Talk", "/t.T/Talk", Kind::Bidi);
static METHODS: [&Method; 10] = [&ECHO, &WAIT, &PANIC, &LARGE, &REFLECT, &COUNT, &SILENT, &SUM, &IGNORE, &TALK];

struct Table;

impl Lookup for Table {
    fn method(&self, path: &[u8]) -> Result<&'static Method, Status> {
        let unknown = || Status::unimplemented("no such method").with_delivery(crate::Delivery::Unprocessed);
        METHODS.into_iter().find(|method| method.path.as_bytes() == path).ok_or_else(unknown)
    }
}

/// What the handlers have done.
#[derive(Debug, Default)]
struct Seen {
    /// Handlers and streams at work.
    running: AtomicUsize,
    /// Items that handlers have made.
    made: AtomicUsize,
    /// Calls that began.
    begun: AtomicUsize,
}

struct Running(Arc<Seen>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Seen {
    fn enter(self: &Arc<Self>) -> Running {
        self.begun.fetch_add(1, Ordering::AcqRel);
        self.running.fetch_add(1, Ordering::AcqRel);
        Running(self.clone())
    }

    fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::Acquire)
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::Acquire)
    }
}

fn handler(seen: Arc<Seen>) -> BoxService {
    service_fn(move |request: Request| {
        let seen = seen.clone();
        async move {
            let running = seen.enter();
            match request.method.name {
                "Echo" => Ok(Response { metadata: request.context.metadata().clone(), body: request.body }),
                "Panic" => panic!("on purpose"),
                "Large" => Ok(Response::new(message(vec![0; 1 << 20]))),
                "Reflect" => Ok(Response::new(message(format!("{:?}", request.context).into_bytes()))),
                "Count" => {
                    let stream = futures_util::stream::iter(0u64..).map(move |number| {
                        let _running = &running;
                        seen.made.fetch_add(1, Ordering::AcqRel);
                        Ok(payload(number.to_be_bytes().to_vec()))
                    });
                    let last = number(&request.body.into_message()?.into_bytes()) as usize;
                    Ok(stream_of(stream.take(last)))
                }
                "Silent" => {
                    let stream = futures_util::stream::pending().map(move |item| {
                        let _running = &running;
                        item
                    });
                    Ok(stream_of(stream))
                }
                "Sum" => {
                    let (mut sum, mut items) = (0, request.body.into_stream());
                    while let Some(item) = items.next().await {
                        sum += number(&item?.into_bytes());
                    }
                    Ok(Response::new(message(sum.to_be_bytes().to_vec())))
                }
                "Ignore" => {
                    drop(request.body);
                    std::future::pending().await
                }
                "Talk" => {
                    let stream = request.body.into_stream().map(move |item| {
                        let _running = &running;
                        item
                    });
                    Ok(stream_of(stream))
                }
                _ => std::future::pending().await,
            }
        }
    })
    .boxed()
}

use futures_util::StreamExt;

fn stream_of(stream: impl futures_core::Stream<Item = Result<Payload, Status>> + Send + 'static) -> Response {
    Response::new(Body::Stream(PayloadStream::new(stream)))
}

fn payload(bytes: impl Into<Bytes>) -> Payload {
    Payload::Encoded(bytes.into())
}

fn message(bytes: impl Into<Bytes>) -> Body {
    Body::Message(payload(bytes))
}

fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// A server, and what its handlers see.
struct Served {
    seen: Arc<Seen>,
    tasks: Tasks,
    drain: Drain,
    trigger: DrainTrigger,
    limits: Limits,
}

impl Served {
    fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Self {
        let (trigger, drain) = Drain::new();
        Self { seen: Arc::default(), tasks: Tasks::owner(), drain, trigger, limits }
    }

    /// Serves one connection; the client's end of it.
    fn accept(&self, room: usize) -> DuplexStream {
        self.accept_for(handler(self.seen.clone()), room)
    }

    fn accept_for(&self, handler: BoxService, room: usize) -> DuplexStream {
        let (near, far) = tokio::io::duplex(room);
        let mut info = ConnectionInfo::new(self.limits);
        info.instance = Some("one".to_owned());
        let routes = Routes::new(Arc::new(Table), handler);
        let (tasks, drain) = (self.tasks.clone(), self.drain.clone());
        self.tasks.spawn(serve(Io::new(far), Bare, "bare", info, routes, tasks, drain));
        near
    }

    async fn connect(&self) -> Connection {
        let target = ConnectTarget::new("test").with_limits(self.limits);
        connect(Io::new(self.accept(64 * 1024)), Bare, target, self.tasks.clone()).await.unwrap()
    }
}

async fn call(connection: &Connection, method: &'static Method, body: Body) -> Result<Response, Status> {
    connection.service.call(Request::new(method, Context::default(), body)).await
}

async fn echo(connection: &Connection) -> Result<Bytes, Status> {
    Ok(call(connection, &ECHO, message("x")).await?.body.into_message()?.into_bytes())
}

/// Waits, by turns and not by time, until a condition holds.
async fn until(mut condition: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not come to hold");
}

/// A peer that is played by a test.
struct Peer {
    io: DuplexStream,
    read: BytesMut,
}

impl Peer {
    fn new(io: DuplexStream) -> Self {
        Self { io, read: BytesMut::new() }
    }

    async fn say(&mut self, frame: &Frame) {
        let mut bytes = BytesMut::new();
        Bare.encode(frame, &mut bytes);
        self.io.write_all(&bytes).await.unwrap();
    }

    /// A server, with a client of which at most `room` bytes are on the way at once.
    async fn facing(room: usize, tasks: &Tasks) -> (Connection, Self) {
        let (near, far) = tokio::io::duplex(room);
        let mut peer = Self::new(far);
        let greeted = tokio::join!(connect(Io::new(near), Bare, ConnectTarget::new("test"), tasks.clone()), async {
            peer.hear().await;
            peer.say(&Frame::Hello(Hello::default())).await;
        });
        (greeted.0.unwrap(), peer)
    }

    /// The next frame; `None` at the end.
    async fn hear(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = Bare.decode(&mut self.read).unwrap() {
                return Some(frame);
            }
            if self.io.read_buf(&mut self.read).await.unwrap() == 0 {
                return None;
            }
        }
    }
}
