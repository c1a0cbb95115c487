//! What the tests share: a service written by hand, as generated code would, a server of it, and connections to it.
#![allow(dead_code, reason = "`hostile.rs` uses its part of this")]
#![allow(unreachable_pub, reason = "for the tests beside it")]

pub mod frames;

use bytes::Bytes;
use futures_util::StreamExt;
use rpc_core::{
    Address, Body, Code, Context, Detail, Io, Kind, Metadata, Method, Payload, PayloadStream, Request, Response,
    Service, ServiceDescriptor, Status, Tasks,
    server::{Admission, NamedService, Running, Server},
    transport::{ConnectTarget, Connection, Limits, Transport},
};
use rpc_grpc::Grpc;
use rpc_testkit::Ca;
use rpc_tls::ServerTls;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    net::{TcpStream, UnixStream},
    sync::watch,
};

/// As in `kitchen.proto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Order {
    #[prost(string, tag = "1")]
    pub number: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub content: Bytes,
    #[prost(int32, tag = "3")]
    pub count: i32,
}

/// As in `kitchen.proto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Seen {
    #[prost(string, repeated, tag = "1")]
    pub lines: Vec<String>,
}

pub fn order(number: &str, count: i32) -> Order {
    Order { number: number.to_owned(), content: Bytes::new(), count }
}

pub static ECHO: Method = Method::new("t.Kitchen", "Echo", "/t.Kitchen/Echo", Kind::Unary);
pub static FAIL: Method = Method::new("t.Kitchen", "Fail", "/t.Kitchen/Fail", Kind::Unary);
pub static INSPECT: Method = Method::new("t.Kitchen", "Inspect", "/t.Kitchen/Inspect", Kind::Unary);
pub static WAIT: Method = Method::new("t.Kitchen", "Wait", "/t.Kitchen/Wait", Kind::Unary).idempotent();
pub static COUNT: Method = Method::new("t.Kitchen", "Count", "/t.Kitchen/Count", Kind::ServerStream);
pub static SUM: Method = Method::new("t.Kitchen", "Sum", "/t.Kitchen/Sum", Kind::ClientStream);
pub static CHAT: Method = Method::new("t.Kitchen", "Chat", "/t.Kitchen/Chat", Kind::Bidi);
/// A method that the kitchen does not have.
pub static ABSENT: Method = Method::new("t.Kitchen", "Absent", "/t.Kitchen/Absent", Kind::Unary);

static KITCHEN: ServiceDescriptor =
    ServiceDescriptor::new("t.Kitchen", &[&ECHO, &FAIL, &INSPECT, &WAIT, &COUNT, &SUM, &CHAT], "");

/// The service under test. It counts the handlers that are at work, so that a test can see one begin and end.
#[derive(Clone)]
pub struct Kitchen {
    at_work: Arc<watch::Sender<usize>>,
}

pub struct AtWork(Arc<watch::Sender<usize>>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Kitchen {
    pub fn new() -> Self {
        Self { at_work: Arc::new(watch::channel(0).0) }
    }

    fn begin(&self) -> AtWork {
        self.at_work.send_modify(|count| *count += 1);
        AtWork(self.at_work.clone())
    }

    /// How many handlers are at work.
    pub fn at_work(&self) -> usize {
        *self.at_work.borrow()
    }

    /// Waits until this many handlers are at work.
    pub async fn busy(&self, count: usize) {
        let mut receiver = self.at_work.subscribe();
        let reached = receiver.wait_for(|now| *now == count);
        tokio::time::timeout(Duration::from_secs(10), reached).await.expect("handlers neither begin nor end").unwrap();
    }
}

pub fn body(message: impl prost::Message + 'static) -> Body {
    Body::Message(Payload::typed(message))
}

pub fn stream_of(orders: impl IntoIterator<Item = Order, IntoIter: Send + 'static>) -> Body {
    let payloads = orders.into_iter().map(|order| Ok(Payload::typed(order)));
    Body::Stream(PayloadStream::new(futures_util::stream::iter(payloads)))
}

pub fn take(payload: Payload) -> Result<Order, Status> {
    payload.take().map_err(|error| Status::invalid_argument(error.to_string()))
}

impl NamedService for Kitchen {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &KITCHEN
    }
}

impl Service for Kitchen {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let guard = self.begin();
        match request.method.name {
            "Inspect" => Ok(inspect(&request.context)),
            "Fail" => Err(failure(take(request.body.into_message()?)?)),
            "Wait" => std::future::pending().await,
            "Sum" => {
                let mut orders = request.body.into_stream();
                let mut sum = 0;
                while let Some(payload) = orders.next().await {
                    sum += take(payload?)?.count;
                }
                Ok(Response::new(body(order("sum", sum))))
            }
            "Count" => {
                let asked = take(request.body.into_message()?)?;
                let counted = futures_util::stream::iter((0..asked.count).map(|n| Ok(Payload::typed(order("n", n)))));
                // The number says what becomes of the stream behind the messages.
                let payloads: PayloadStream = match asked.number.as_str() {
                    "fail" => PayloadStream::new(
                        counted.chain(futures_util::stream::iter([Err(failure(order("at the end", 5)))])),
                    ),
                    "panic" => PayloadStream::new(counted.chain(futures_util::stream::poll_fn(|_| panic!("as asked")))),
                    "hang" => PayloadStream::new(counted.chain(futures_util::stream::pending())),
                    _ => PayloadStream::new(counted),
                };
                Ok(Response::new(Body::Stream(payloads).guarded(guard)))
            }
            "Chat" => Ok(Response::new(Body::Stream(request.body.into_stream()).guarded(guard))),
            _ => {
                let order = take(request.body.into_message()?)?;
                assert!(order.number != "panic", "as asked");
                let mut metadata = Metadata::default();
                metadata.append("kitchen", "open")?;
                metadata.append_bytes("seal-bin", vec![0, 255])?;
                Ok(Response { metadata, body: body(order) })
            }
        }
    }
}

/// A failure whose code, message and detail the caller chooses.
pub fn failure(order: Order) -> Status {
    let code = u8::try_from(order.count).ok().and_then(Code::from_number).unwrap_or(Code::Unknown);
    let detail =
        Detail { type_url: "type.googleapis.com/t.Order".into(), value: Payload::typed(order.clone()).into_bytes() };
    Status::new(code, order.number).with_detail(detail)
}

/// What a handler sees of its call, one fact a line.
fn inspect(context: &Context) -> Response {
    let mut lines = vec![
        format!("transport={}", context.peer().map_or("none", |peer| peer.transport)),
        format!("address={}", context.peer().is_some_and(|peer| peer.address.is_some())),
        format!("identity={}", context.peer().and_then(|peer| peer.identity.as_deref()).unwrap_or("none")),
        format!("remaining={}", context.remaining().map_or(0, |left| left.as_millis())),
        format!("attempt={}", context.attempt()),
        format!("call={}", context.call_id().map(|id| id.to_string()).unwrap_or_default()),
        format!("trace={}", context.trace().map(|trace| trace.to_string()).unwrap_or_default()),
        format!("user={}", context.baggage().get("user").unwrap_or_default()),
    ];
    for (key, value) in context.metadata().iter() {
        lines.push(match value {
            rpc_core::Value::Text(text) => format!("{key}: {text}"),
            rpc_core::Value::Binary(bytes) => format!("{key}: {:?}", &bytes[..]),
        });
    }
    Response::new(body(Seen { lines }))
}

/// A folder with certificates for both sides, of one CA.
pub fn certificates() -> tempfile::TempDir {
    let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::new());
    std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
    ca.issue(&["127.0.0.1", "localhost"]).write(folder.path(), "server");
    ca.issue(&["spiffe://fleet/client"]).write(folder.path(), "client");
    folder
}

/// A kitchen that wants to know who calls.
pub async fn serve_over_tls(kitchen: &Kitchen, certificates: &Path) -> Running {
    let file = |name: &str| certificates.join(name);
    let tls = ServerTls::new(file("server.pem"), file("server.key")).with_client_ca(file("ca.pem"));
    let server = server(kitchen, Limits::default()).tls(tls.acceptor(Grpc::default().alpn()).unwrap());
    server.bind(&Address::tcp("127.0.0.1", 0)).await.unwrap()
}

pub async fn serve(kitchen: &Kitchen, address: &Address, limits: Limits) -> Running {
    server(kitchen, limits).bind(address).await.unwrap()
}

fn server(kitchen: &Kitchen, limits: Limits) -> Server {
    Server::new()
        .transport(Arc::new(Grpc::default()))
        .service(kitchen.clone())
        .unwrap()
        .limits(limits)
        // A machine that others use as well may look like too much to do.
        .admission(Admission::Off)
        .instance("kitchen-1")
}

pub async fn io(address: &Address) -> Io {
    match address {
        Address::Tcp { host, port } => Io::new(TcpStream::connect((host.as_str(), *port)).await.unwrap()),
        Address::Unix(path) => Io::new(UnixStream::connect(path).await.unwrap()),
        _ => panic!("an address of a new kind"),
    }
}

pub async fn connect(address: &Address, tasks: &Tasks) -> Connection {
    connect_to(address, ConnectTarget::new(address.to_string()), tasks).await
}

pub async fn connect_to(address: &Address, target: ConnectTarget, tasks: &Tasks) -> Connection {
    Grpc::default().connect(io(address).await, target, tasks.clone()).await.unwrap()
}

pub async fn call(connection: &Connection, method: &'static Method, body: Body) -> Result<Response, Status> {
    call_in(connection, method, Context::default(), body).await
}

pub async fn call_in(
    connection: &Connection,
    method: &'static Method,
    context: Context,
    body: Body,
) -> Result<Response, Status> {
    let call = connection.service.call(Request::new(method, context, body));
    tokio::time::timeout(Duration::from_secs(20), call).await.expect("a call that never ends")
}

/// The message of an answer.
pub fn answered(response: Response) -> Order {
    take(response.body.into_message().unwrap()).unwrap()
}
