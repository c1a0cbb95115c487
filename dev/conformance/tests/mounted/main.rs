//! A service made for tonic beside one of this framework's, on one port: called by tonic, by grpcio, and by this
//! framework.

mod greeter;
mod relay;

use futures_util::{StreamExt, stream};
use greeter::{Greeter, GreeterClient, GreeterServer, Note, note};
use rpc::{
    App, BoxService, Client as _, Code, Layer, Mounted, Response, Running, Service as _, Transports, registry::Memory,
};
use rpc_conformance::lab::{Bench, Lab, LabClient, LabServer};
use rpc_core::{
    Body, Context, Kind, Method, Observer, Payload, Request, Tasks,
    observer::Handled,
    registry::ServiceName,
    server::{Router, Server},
    transport::{ConnectTarget, Connection, DrainPhase, Transport},
};
use rpc_testkit::python_with_grpcio;
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpStream, process::Command, sync::watch, time::Instant};
use tonic::transport::Channel;

/// What was handled, and how it ended.
#[derive(Default)]
struct Seen(Mutex<Vec<(&'static str, Option<Code>)>>);

impl Observer for Seen {
    fn handled(&self, call: &Handled<'_>) {
        let code = call.outcome.err().map(rpc::Status::code);
        self.0.lock().unwrap().push((call.method.path, code));
    }
}

struct Port {
    running: Running,
    app: App,
    seen: Arc<Seen>,
    at_work: watch::Receiver<usize>,
}

impl Port {
    /// Both services, as a program would serve them.
    async fn open() -> Self {
        let seen = Arc::new(Seen::default());
        let app = App::builder().registry(Arc::new(Memory::new())).observer(seen.clone()).build();
        let greeter = Greeter::new();
        let at_work = greeter.at_work.subscribe();
        let server = app.server().service(LabServer::new(Bench::default()));
        let running = server.service(Mounted::new(GreeterServer::new(greeter))).start().await.unwrap();
        Self { running, app, seen, at_work }
    }

    async fn tonic(&self) -> GreeterClient<Channel> {
        GreeterClient::connect(format!("http://{}", self.running.address())).await.unwrap()
    }

    /// A connection of this framework's, on which nobody keeps the deadline but the server.
    async fn raw(&self, tasks: &Tasks) -> Connection {
        let io = rpc_core::Io::new(TcpStream::connect(self.running.address().to_string()).await.unwrap());
        rpc_grpc::Grpc::default().connect(io, ConnectTarget::new("greeter"), tasks.clone()).await.unwrap()
    }

    async fn busy(&mut self, count: usize) {
        let reached = self.at_work.wait_for(|now| *now == count);
        tokio::time::timeout(Duration::from_secs(20), reached).await.expect("handlers neither begin nor end").unwrap();
    }
}

static HELLO: Method = Method::new("greet.v1.Greeter", "Hello", "/greet.v1.Greeter/Hello", Kind::Unary);
static COUNT: Method = Method::new("greet.v1.Greeter", "Count", "/greet.v1.Greeter/Count", Kind::ServerStream);

fn request(method: &'static Method, timeout: Duration, note: Note) -> Request {
    let context = Context::default().with_deadline(Instant::now() + timeout);
    Request::new(method, context, Body::Message(Payload::typed(note)))
}

#[tokio::test]
async fn tonic_calls_all_four_kinds() {
    let port = Port::open().await;
    let mut client = port.tonic().await;
    let mut asked = tonic::Request::new(note("hello", 7));
    asked.metadata_mut().insert("tenant", "seoul".parse().unwrap());
    let answer = client.hello(asked).await.unwrap();
    assert_eq!(answer.metadata().get("tenant").unwrap(), "seoul", "headers go both ways");
    assert_eq!(answer.into_inner(), note("hello", 7));

    // More than the windows hold: what is not read is not sent.
    let counted = client.count(note("", 20_000)).await.unwrap().into_inner();
    let numbers: Vec<_> = counted.map(|note| note.unwrap().number).collect().await;
    assert_eq!(numbers, (0..20_000).collect::<Vec<_>>());

    assert_eq!(client.sum(stream::iter((0..1000).map(|n| note("", n)))).await.unwrap().into_inner().number, 499_500);

    let sent: Vec<_> = (0..100).map(|n| note("x".repeat(n as usize * 997 % 70_000), n)).collect();
    let answers = client.chat(stream::iter(sent.clone())).await.unwrap().into_inner();
    assert_eq!(answers.map(Result::unwrap).collect::<Vec<_>>().await, sent);
}

#[tokio::test]
async fn failures_keep_their_words_their_details_and_their_trailers() {
    let port = Port::open().await;
    let mut client = port.tonic().await;
    let check = |status: &tonic::Status| {
        let sent = greeter::failure();
        assert_eq!((status.code(), status.message()), (sent.code(), sent.message()));
        assert_eq!(status.details(), sent.details());
        assert_eq!(status.metadata().get("asked").unwrap(), "twice");
    };
    check(&client.hello(note("fail", 0)).await.unwrap_err());
    let mut counted = client.count(note("fail", 3)).await.unwrap().into_inner();
    for n in 0..3 {
        assert_eq!(counted.message().await.unwrap().unwrap().number, n);
    }
    check(&counted.message().await.unwrap_err());
    let failed = ("/greet.v1.Greeter/*", Some(Code::NotFound));
    assert_eq!(*port.seen.0.lock().unwrap(), [failed, failed], "the observer hears how it ended");
}

#[tokio::test]
async fn grpcio_calls_it_too() {
    let port = Port::open().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mounted/client.py");
    let mut command = Command::new(python_with_grpcio().unwrap());
    let output = command.arg(script).arg(port.running.address().to_string()).kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().count(), 6, "{said}");
}

#[tokio::test]
async fn the_service_beside_it_speaks_every_protocol() {
    let port = Port::open().await;
    let lab: LabClient = port.app.client().await.unwrap();
    for name in ["grpc", "tarpc"] {
        let lab = rpc::Client::with_transport(&lab, Transports::Only(name));
        assert_eq!(lab.reflect().await.unwrap().transport.as_deref(), Some(name));
    }
    port.tonic().await.hello(note("hello", 0)).await.unwrap();
}

#[tokio::test]
async fn it_is_found_under_its_name_as_one_that_speaks_grpc() {
    let port = Port::open().await;
    let registry = port.app.registry().unwrap();
    let protocols = |name: &str| -> Vec<String> {
        let snapshot = registry.watch(&name.parse::<ServiceName>().unwrap()).snapshot();
        let endpoints = snapshot.instances.iter().flat_map(|instance| instance.endpoints.clone());
        endpoints.map(|endpoint| endpoint.protocol).collect()
    };
    assert_eq!(protocols("greet.v1.Greeter"), ["grpc"]);
    assert_eq!(protocols("conformance.v1.Lab"), ["grpc", "tarpc/1"]);
    assert_eq!(port.running.registration(), rpc::registry::RegistrationState::Registered);
    assert!(port.running.shutdown().await);
    assert!(protocols("greet.v1.Greeter").is_empty() && protocols("conformance.v1.Lab").is_empty());
}

#[tokio::test]
async fn the_context_is_there_and_the_deadline_is_kept() {
    let mut port = Port::open().await;
    let tasks = Tasks::owner();
    let raw = port.raw(&tasks).await;
    let answer = raw.service.call(request(&HELLO, Duration::from_secs(100), note("context", 0))).await.unwrap();
    let answer = answer.body.into_message().unwrap().take::<Note>().unwrap();
    assert_eq!(answer.text, r#"Some("grpc")"#);
    assert!((50_000..=100_000).contains(&answer.number), "{} ms are left", answer.number);

    let error = raw.service.call(request(&HELLO, Duration::from_millis(300), note("wait", 0))).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    let mut counted =
        raw.service.call(request(&COUNT, Duration::from_secs(2), note("hang", 1))).await.unwrap().body.into_stream();
    counted.next().await.unwrap().unwrap();
    assert_eq!(counted.next().await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
    port.busy(0).await;
}

#[tokio::test]
async fn a_panic_is_that_calls_failure() {
    let port = Port::open().await;
    let mut client = port.tonic().await;
    assert_eq!(client.hello(note("panic", 0)).await.unwrap_err().code(), tonic::Code::Internal);
    // Before any note: tonic gathers what is ready.
    let mut counted = client.count(note("panic", 1)).await.unwrap().into_inner();
    assert_eq!(counted.message().await.unwrap_err().code(), tonic::Code::Internal);
    client.hello(note("hello", 0)).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_leaves_takes_its_handler_along() {
    let mut port = Port::open().await;
    let mut client = port.tonic().await;
    tokio::select! {
        _ = client.hello(note("wait", 0)) => panic!("it answered"),
        () = port.busy(1) => {}
    }
    port.busy(0).await;
    let mut counted = client.count(note("hang", 1)).await.unwrap().into_inner();
    counted.message().await.unwrap().unwrap();
    port.busy(1).await;
    drop(counted);
    port.busy(0).await;
}

#[tokio::test]
async fn calls_in_flight_end_in_peace_and_the_rest_is_told_why() {
    let server = Server::new().transport(Arc::new(rpc_grpc::Grpc::default()));
    let greeter = Greeter::new();
    let server = server.service(Mounted::new(GreeterServer::new(greeter.clone()))).unwrap();
    let running = server.bind(&rpc::Address::tcp("127.0.0.1", 0)).await.unwrap();
    let mut client = GreeterClient::connect(format!("http://{}", running.address())).await.unwrap();
    let mut unread = client.count(note("", 5)).await.unwrap().into_inner();
    let mut hanging = client.count(note("hang", 1)).await.unwrap().into_inner();
    hanging.message().await.unwrap().unwrap();
    running.advance(DrainPhase::Draining);
    for _ in 0..5 {
        unread.message().await.unwrap().unwrap();
    }
    assert!(unread.message().await.unwrap().is_none());
    running.advance(DrainPhase::Stopped);
    let error = hanging.message().await.unwrap_err();
    assert_eq!((error.code(), error.message()), (tonic::Code::Unavailable, "server draining"));
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_the_way_out() {
    let mounted = || Mounted::new(GreeterServer::new(Greeter::new()));
    let mut router = Router::new();
    router.add(mounted()).unwrap();
    assert!(router.add(mounted()).unwrap_err().to_string().contains("greet.v1.Greeter"));

    let port = Port::open().await;
    let mut client = port.tonic().await;
    let mut grpc = tonic::client::Grpc::new(client_channel(&port).await);
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<Note, Note>::default();
    let absent = "/greet.v1.Greeter/Absent".parse().unwrap();
    let error = grpc.unary(tonic::Request::new(note("", 0)), absent, codec).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::Unimplemented);
    for path in ["/greet.v1.Greeter/*", "/greet.v1.Nobody/Hello", "/x"] {
        let codec = tonic_prost::ProstCodec::<Note, Note>::default();
        grpc.ready().await.unwrap();
        let error = grpc.unary(tonic::Request::new(note("", 0)), path.parse().unwrap(), codec).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::Unimplemented, "{path}: {error}");
    }
    client.hello(note("hello", 0)).await.unwrap();

    let local = rpc::Channel::local(mounted(), rpc_core::server::Fidelity::Value);
    let any = mounted();
    let any = rpc::NamedService::descriptor(&any).methods[0];
    let body = Body::Message(Payload::typed(note("", 0)));
    let error = local.call(any, body, None).await.unwrap_err();
    assert!(error.message().contains("over gRPC only"), "{error}");
}

/// Tools such as grpcurl ask a server what it serves, and are answered by what the Rust types say.
#[tokio::test]
async fn a_server_is_reflected_by_the_descriptors_of_its_types() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let descriptors = LabClient::SERVICE.schema().unwrap().file_descriptor_set();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(&descriptors)
        .build_v1()
        .unwrap();
    let app = App::builder().registry(Arc::new(Memory::new())).build();
    let server = app.server().service(LabServer::new(Bench::default())).service(Mounted::new(reflection));
    let running = server.start().await.unwrap();

    let channel = Channel::from_shared(format!("http://{}", running.address())).unwrap().connect().await.unwrap();
    let mut client = ServerReflectionClient::new(channel);
    let ask = |message| ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    let name = LabClient::SERVICE.name.to_owned();
    let asked = [MessageRequest::ListServices(String::new()), MessageRequest::FileContainingSymbol(name.clone())];
    let mut answers = client.server_reflection_info(stream::iter(asked.map(ask))).await.unwrap().into_inner();
    let mut next = async || answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(listed) = next().await else { panic!("no list") };
    assert!(listed.service.iter().any(|service| service.name == name), "{listed:?}");
    let MessageResponse::FileDescriptorResponse(files) = next().await else { panic!("no file") };
    assert!(!files.file_descriptor_proto.is_empty());
}

#[tokio::test]
async fn a_server_that_speaks_no_grpc_does_not_start_with_it() {
    let mut config = rpc::Config::default();
    config.server.protocols = Some(vec!["tarpc"]);
    let app = App::builder().config(config).registry(Arc::new(Memory::new())).build();
    let server = app.server().service(Mounted::new(GreeterServer::new(Greeter::new())));
    let error = format!("{:?}", server.start().await.unwrap_err());
    assert!(error.contains("greet.v1.Greeter can be reached over grpc only"), "{error}");
    assert!(error.contains("server.protocols"), "{error}");
}

async fn client_channel(port: &Port) -> Channel {
    Channel::from_shared(format!("http://{}", port.running.address())).unwrap().connect().await.unwrap()
}

/// Lets through what was not asked with a tenant, and thinks better of what was.
struct Particular;
struct Refusing(BoxService);

impl Layer<BoxService> for Particular {
    type Service = Refusing;

    fn layer(&self, inner: BoxService) -> Refusing {
        Refusing(inner)
    }
}

impl rpc::Service for Refusing {
    async fn call(&self, request: Request) -> Result<Response, rpc::Status> {
        let refused = request.context.metadata().get("tenant").is_some();
        let mut response = self.0.call(request).await?;
        if refused {
            return Err(rpc::Status::new(Code::PermissionDenied, "no tenants"));
        }
        response.metadata.append("layer", "was here")?;
        Ok(response)
    }
}

#[tokio::test]
async fn layers_of_users_see_its_calls_and_may_refuse_them() {
    let app = App::builder().registry(Arc::new(Memory::new())).build();
    let server = app.server().layer(Particular).service(Mounted::new(GreeterServer::new(Greeter::new())));
    let running = server.start().await.unwrap();
    let mut client = GreeterClient::connect(format!("http://{}", running.address())).await.unwrap();
    let answer = client.hello(note("hello", 1)).await.unwrap();
    assert_eq!(answer.metadata().get("layer").unwrap(), "was here");
    assert_eq!(answer.get_ref().number, 1);
    let mut asked = tonic::Request::new(note("hello", 1));
    asked.metadata_mut().insert("tenant", "seoul".parse().unwrap());
    let error = client.hello(asked).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (tonic::Code::PermissionDenied, "no tenants"));
}
