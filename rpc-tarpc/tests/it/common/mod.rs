//! A service written by hand, and the two ends of a connection.
#![allow(unreachable_pub, reason = "for the tests beside it")]
#![expect(clippy::disallowed_methods, reason = "tests spawn what ends with them")]

use bytes::Bytes;
use rpc_core::{
    Body, CallId, Code, Context, Delivery, Detail, Io, Kind, Metadata, Method, Payload, Request, Response, Service,
    ServiceDescriptor, Status, Tasks,
    server::{Admission, NamedService, Router, Running, Server},
    transport::{ConnectTarget, Connection, ConnectionInfo, Drain, DrainTrigger, Limits, Routes, Transport},
};
use rpc_tarpc::Tarpc;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpStream;

const fn method(name: &'static str, path: &'static str) -> Method {
    Method::new("t.v1.Test", name, path, Kind::Unary).idempotent()
}

/// Answers what it was sent.
pub static ECHO: Method = method("Echo", "/t.v1.Test/Echo");
/// Fails with everything a status has.
pub static FAIL: Method = method("Fail", "/t.v1.Test/Fail");
/// Answers the request's metadata as the response's.
pub static META: Method = method("Meta", "/t.v1.Test/Meta");
/// Answers what is left of the deadline, in milliseconds, and the call's id and attempt.
pub static LEFT: Method = method("Left", "/t.v1.Test/Left");
/// Never answers, and is counted while it does not.
pub static HANG: Method = method("Hang", "/t.v1.Test/Hang");
/// The same, as a method that would rather finish.
pub static WRITE: Method = Method::new("t.v1.Test", "Write", "/t.v1.Test/Write", Kind::Unary);
/// Panics.
pub static PANIC: Method = method("Panic", "/t.v1.Test/Panic");
/// Answers as many bytes as the request says.
pub static BIG: Method = method("Big", "/t.v1.Test/Big");
/// A method that the server does not know.
pub static UNKNOWN: Method = method("Unknown", "/t.v1.Test/Unknown");

static DESCRIPTOR: ServiceDescriptor =
    ServiceDescriptor::new("t.v1.Test", &[&ECHO, &FAIL, &META, &LEFT, &HANG, &WRITE, &PANIC, &BIG], "");

/// What the tests see of the handlers.
#[derive(Clone, Default)]
pub struct Seen {
    /// Handlers of `Hang` and `Write` that are at work.
    pub hanging: Arc<AtomicUsize>,
    /// Handlers that were begun, of any method.
    pub begun: Arc<AtomicUsize>,
    /// Lets `Hang` and `Write` answer.
    pub release: Arc<tokio::sync::Notify>,
}

impl Seen {
    pub fn hanging(&self) -> usize {
        self.hanging.load(Ordering::SeqCst)
    }

    pub async fn until_hanging(&self, count: usize) {
        assert!(
            rpc_testkit::eventually(Duration::from_secs(10), || self.hanging() == count).await,
            "{} handlers hang, {count} were expected",
            self.hanging()
        );
    }
}

/// The service.
pub struct Test(pub Seen);

impl NamedService for Test {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &DESCRIPTOR
    }
}

struct Hanging(Arc<AtomicUsize>);

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Service for Test {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        let context = request.context;
        match request.method.name {
            "Echo" => Ok(Response::new(request.body)),
            "Fail" => {
                let detail = Detail { type_url: "type/Why".into(), value: Bytes::from_static(b"because") };
                Err(Status::new(Code::Aborted, "한국어: no").with_detail(detail).with_delivery(Delivery::NeverSent))
            }
            "Meta" => Ok(Response { metadata: context.metadata().clone(), body: request.body }),
            "Left" => {
                let left = context.remaining().map(|left| left.as_millis());
                let id = context.call_id().map(CallId::bits);
                let peer = context.peer().map(|peer| (peer.transport, peer.address.is_some()));
                let baggage = context.baggage().get("customer");
                let text = format!("{left:?} {id:?} {} {:?} {peer:?} {baggage:?}", context.attempt(), context.trace());
                Ok(Response::new(message(text)))
            }
            "Hang" | "Write" => {
                self.0.hanging.fetch_add(1, Ordering::SeqCst);
                let _hanging = Hanging(self.0.hanging.clone());
                self.0.release.notified().await;
                Ok(Response::new(request.body))
            }
            "Big" => {
                let size = request.body.into_message()?.into_bytes();
                let size = std::str::from_utf8(&size).ok().and_then(|size| size.parse().ok()).unwrap_or(0);
                Ok(Response::new(message(vec![7u8; size])))
            }
            _ => panic!("the password is swordfish"),
        }
    }
}

pub fn message(bytes: impl Into<Bytes>) -> Body {
    Body::Message(Payload::Encoded(bytes.into()))
}

pub fn routes(seen: &Seen) -> Routes {
    let mut router = Router::new();
    router.add(Test(seen.clone())).unwrap();
    router.into_routes(rpc_core::Tasks::owner(), rpc_core::Observers::default())
}

/// A real server on a real port.
pub async fn server(limits: Limits) -> (Running, Seen) {
    let seen = Seen::default();
    let server = Server::new()
        .transport(Arc::new(Tarpc::default()))
        .limits(limits)
        .instance("here")
        .admission(Admission::Off)
        .service(Test(seen.clone()));
    let running = server.unwrap().bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    (running, seen)
}

pub async fn tcp(running: &Running) -> TcpStream {
    let stream = TcpStream::connect(running.address().to_string()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A client of it.
pub async fn client(running: &Running, limits: Limits) -> (Connection, Tasks) {
    let tasks = Tasks::owner();
    let target = ConnectTarget::new("server").with_instance("here").with_limits(limits);
    let connection = Tarpc::default().connect(Io::new(tcp(running).await), target, tasks.handle()).await.unwrap();
    (connection, tasks)
}

/// The server's half on one end of a pipe; the other end, and what drives the server. No layers.
pub struct Pipe {
    pub seen: Seen,
    pub drain: DrainTrigger,
    pub tasks: Tasks,
    pub served: tokio::task::JoinHandle<()>,
}

pub fn pipe(limits: Limits) -> (tokio::io::DuplexStream, Pipe) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let seen = Seen::default();
    let (drain, receiver) = Drain::new();
    let tasks = Tasks::owner();
    let mut info = ConnectionInfo::new(limits);
    info.instance = Some("here".to_owned());
    let served = Tarpc::default().serve(Io::new(far), info, routes(&seen), tasks.handle(), receiver);
    (near, Pipe { seen, drain, tasks, served: tokio::spawn(served) })
}

pub async fn call(connection: &Connection, method: &'static Method, bytes: impl Into<Bytes>) -> Result<Bytes, Status> {
    call_in(connection, method, Context::default(), bytes).await.map(|(_, bytes)| bytes)
}

pub async fn call_in(
    connection: &Connection,
    method: &'static Method,
    context: Context,
    bytes: impl Into<Bytes>,
) -> Result<(Metadata, Bytes), Status> {
    let response = connection.service.call(Request::new(method, context, message(bytes))).await?;
    Ok((response.metadata, response.body.into_message()?.into_bytes()))
}

/// A hello of version 1 without fields, as bytes.
pub const HELLO: &[u8] = b"\xF5RPC\r\n\x1A\n\0\x01\0\x01\0\0";
