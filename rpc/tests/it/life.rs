//! How servers end, and how they fail to begin.
#![cfg(feature = "tarpc")]

use crate::common::{Echo, EchoClient, EchoServer, Mirror, config};
use rpc::{
    Address, App, BoxFuture, Client, Code, Config, Health, NamedService, Observer, Readiness, Request, Response,
    Running, Service, ServiceDescriptor,
    prelude::*,
    registry::{
        Instance, Memory, Registrar, Registration, RegistrationState, Registry, RegistryError, ServiceName, Watch,
    },
    transport::DrainPhase,
};
use std::{
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};
use tokio::{
    sync::{Barrier, Notify},
    time::{Instant, timeout},
};

/// Notes what happens and when, and whether the port is open, and the server ready, when the record goes.
#[derive(Default)]
struct Log {
    notes: Mutex<Vec<(String, Instant)>>,
    address: OnceLock<Address>,
    health: OnceLock<Health>,
}

impl Log {
    fn port(&self) -> &'static str {
        match self.address.get().map(|address| TcpStream::connect(address.to_string())) {
            Some(Ok(_)) => "open",
            _ => "closed",
        }
    }

    fn note(&self, line: String) {
        self.notes.lock().unwrap().push((line, Instant::now()));
    }

    async fn says(&self, line: &str) {
        while !self.lines().iter().any(|said| said == line) {
            tokio::task::yield_now().await;
        }
    }

    fn lines(&self) -> Vec<String> {
        self.notes.lock().unwrap().iter().map(|(line, _)| line.clone()).collect()
    }
}

impl Observer for Log {
    fn registration(&self, _: &str, state: RegistrationState) {
        if state == RegistrationState::Closed {
            let readiness = self.health.get().map(Health::readiness);
            self.note(format!("record gone, port {}, {readiness:?}", self.port()));
        }
    }

    fn drain(&self, phase: DrainPhase) {
        self.note(format!("{phase:?}"));
    }
}

/// Says back when it is let, after asking somebody else.
struct Relay {
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
    next: EchoClient,
}

impl Echo for Relay {
    async fn say(&self, text: String) -> Result<String, Status> {
        self.write(text).await
    }

    async fn write(&self, text: String) -> Result<String, Status> {
        self.begun.notify_one();
        self.go_on.notified().await;
        self.next.say(text).await
    }
}

struct Scene {
    relay: Running,
    client: EchoClient,
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
    _far: Running,
    _apps: [App; 2],
}

/// A client, a server that relays, and the server that it relays to: the clients of the middle one are what matters.
async fn scene(registry: Arc<dyn Registry>, observer: Arc<Log>) -> Scene {
    let far = App::builder().registry(Arc::new(Memory::new())).build();
    let far_running = far.server().service(EchoServer::new(Mirror)).start().await.unwrap();
    let mut config = Config::default();
    config.server.listen = Some("127.0.0.1:0".parse().unwrap());
    let app = App::builder().registry(registry.clone()).config(config).observer(observer.clone()).build();
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let next = far.client().await.unwrap();
    let service = EchoServer::new(Relay { begun: begun.clone(), go_on: go_on.clone(), next });
    let relay = app.server().service(service).start().await.unwrap();
    observer.address.set(relay.address().clone()).unwrap();
    let outside = App::builder().registry(registry).build();
    let client = outside.client::<EchoClient>().await.unwrap().with_timeout(Duration::from_secs(60));
    Scene { relay, client, begun, go_on, _far: far_running, _apps: [far, outside] }
}

#[tokio::test]
async fn the_record_goes_first_the_port_next_and_the_clients_of_handlers_last() {
    let log = Arc::new(Log::default());
    let scene = scene(Arc::new(Memory::new()), log.clone()).await;
    let health = scene.relay.health();
    assert!(health.is_ready());
    log.health.set(health.clone()).unwrap();
    let client = scene.client.clone();
    let call = tokio::join!(client.write("a".to_owned()), async {
        scene.begun.notified().await;
        let shutdown = scene.relay.shutdown();
        let end = async {
            log.says("Draining").await;
            assert_eq!(health.readiness(), Readiness::Draining);
            // The port is closed, and the handler calls somebody else all the same.
            scene.go_on.notify_one();
        };
        tokio::join!(shutdown, end).0
    });
    assert_eq!(call.0.unwrap(), "a over tarpc");
    assert!(call.1, "every call has ended");
    assert_eq!(log.lines(), ["record gone, port open, Some(Draining)", "Draining", "Stopped"]);
    assert_eq!((log.port(), health.readiness()), ("closed", Readiness::Stopped));
}

/// A registry that lists, and never confirms anything again.
struct Hanging(Memory, Mutex<Vec<Registrar>>);

impl Registry for Hanging {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
        Box::pin(async move {
            let mut kept = self.0.register(instance).await?;
            kept.reached(RegistrationState::Registered).await;
            std::mem::forget(kept);
            let (registrar, registration) = Registration::new();
            registrar.set(RegistrationState::Registered);
            self.1.lock().unwrap().push(registrar);
            Ok(registration)
        })
    }

    fn watch(&self, service: &ServiceName) -> Watch {
        self.0.watch(service)
    }

    fn url(&self) -> String {
        "hanging://".to_owned()
    }

    fn is_remote(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn neither_a_registry_that_hangs_nor_a_handler_that_does_holds_up_the_end() {
    let log = Arc::new(Log::default());
    let registry = Arc::new(Hanging(Memory::new(), Mutex::default()));
    let scene = scene(registry, log.clone()).await;
    let client = scene.client.clone();
    let begun = Instant::now();
    let (answer, peaceful) = tokio::join!(client.write("a".to_owned()), async {
        scene.begun.notified().await;
        scene.relay.shutdown().await
    });
    let status = answer.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "server draining"), "{status}");
    assert!(!peaceful);
    // 0.4 s for the registry, 0.3 for the clients, 6 for calls, 0.45 to cut them; and this machine may be busy.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(log.port(), "closed");
}

/// A registry that others read, or only this machine.
struct Place {
    remote: bool,
    records: Memory,
}

impl Registry for Place {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
        self.records.register(instance)
    }

    fn watch(&self, service: &ServiceName) -> Watch {
        self.records.watch(service)
    }

    fn url(&self) -> String {
        "place://".to_owned()
    }

    fn is_remote(&self) -> bool {
        self.remote
    }
}

/// One that knows how long it takes until all have heard of a change.
struct Knowing(Place, Duration);

impl Registry for Knowing {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
        self.0.register(instance)
    }

    fn watch(&self, service: &ServiceName) -> Watch {
        self.0.watch(service)
    }

    fn url(&self) -> String {
        self.0.url()
    }

    fn is_remote(&self) -> bool {
        self.0.is_remote()
    }

    fn propagation(&self) -> Duration {
        self.1
    }
}

/// Milliseconds between the withdrawal of the record and the end of the port.
async fn served_after_withdrawal(registry: impl Registry) -> u128 {
    let log = Arc::new(Log::default());
    let mut config = Config::default();
    config.server.listen = Some("127.0.0.1:0".parse().unwrap());
    config.server.advertise = Some("10.0.0.7:0".parse().unwrap());
    let app = App::builder().registry(Arc::new(registry)).config(config).observer(log.clone()).build();
    let running = app.server().service(EchoServer::new(Mirror)).start().await.unwrap();
    assert!(running.shutdown().await);
    let notes = log.notes.lock().unwrap();
    assert_eq!(notes.len(), 3, "{notes:?}");
    (notes[1].1 - notes[0].1).as_millis()
}

#[tokio::test(start_paused = true)]
async fn a_server_goes_on_serving_until_its_clients_have_heard_that_it_leaves() {
    let place = |remote| Place { remote, records: Memory::new() };
    assert!((2000..2005).contains(&served_after_withdrawal(place(true)).await));
    assert!((300..305).contains(&served_after_withdrawal(place(false)).await));
    let knowing = |time| Knowing(place(true), Duration::from_millis(time));
    assert!((700..705).contains(&served_after_withdrawal(knowing(700)).await));
    // What would leave no time for the calls in flight is not waited for.
    assert!((2000..2005).contains(&served_after_withdrawal(knowing(60_000)).await));
}

#[rpc_service(package = "t.v1")]
trait Far {
    #[rpc(idempotent)]
    async fn ask(&self, text: String) -> Result<String, Status>;
}

impl Far for Mirror {
    async fn ask(&self, text: String) -> Result<String, Status> {
        self.say(text).await
    }
}

/// Writes when it is let, with the help of somebody else, and notes what came of it.
struct Clerk {
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
    far: FarClient,
    written: Arc<OnceLock<Result<String, Status>>>,
}

impl Echo for Clerk {
    async fn say(&self, text: String) -> Result<String, Status> {
        Ok(text)
    }

    async fn write(&self, text: String) -> Result<String, Status> {
        self.begun.notify_one();
        self.go_on.notified().await;
        let answer = self.far.ask(text).await;
        self.written.set(answer.clone()).unwrap();
        answer
    }
}

/// An App with a service in this process, at work for a caller who has left.
struct Desk {
    app: App,
    go_on: Arc<Notify>,
    written: Arc<OnceLock<Result<String, Status>>>,
    _far: Running,
}

impl Desk {
    async fn new(log: Arc<Log>) -> Self {
        let far = App::builder().registry(Arc::new(Memory::new())).build();
        let far = far.server().service(FarServer::new(Mirror)).start().await.unwrap();
        let target = format!("target = \"static://{}?assume=tarpc/1\"", far.address());
        let toml = format!("registry = \"memory://\"\n[client.Far]\n{target}\n[client.Echo]\ntarget = \"local://\"");
        let app = App::builder().config(config(&toml)).observer(log).build();
        let (begun, go_on, written) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::default());
        let clerk = Clerk {
            begun: begun.clone(),
            go_on: go_on.clone(),
            far: app.client().await.unwrap(),
            written: Arc::clone(&written),
        };
        app.serve_local(EchoServer::new(clerk)).unwrap();
        let echo: EchoClient = app.client().await.unwrap();
        tokio::select! {
            answer = echo.write("a".to_owned()) => panic!("{answer:?}"),
            () = begun.notified() => {}
        }
        Self { app, go_on, written, _far: far }
    }

    fn has_written(&self) -> bool {
        self.written.get().is_some_and(|answer| answer.as_deref().is_ok_and(|text| text == "a over tarpc"))
    }
}

#[tokio::test]
async fn the_last_server_waits_for_writes_in_its_own_process() {
    let log = Arc::new(Log::default());
    let desk = Desk::new(log.clone()).await;
    let running = desk.app.server().service(EchoServer::new(Mirror)).start().await.unwrap();
    let (ended, ()) = tokio::join!(async { (running.shutdown().await, desk.has_written()) }, async {
        log.says("Stopped").await;
        desk.go_on.notify_one();
    });
    assert_eq!(ended, (true, true), "{:?}", desk.written);
}

#[tokio::test]
async fn a_write_in_this_process_may_call_others_until_it_ends() {
    let desk = Desk::new(Arc::default()).await;
    let (ended, ()) = tokio::join!(async { (desk.app.shutdown().await, desk.has_written()) }, async {
        desk.go_on.notify_one();
    });
    assert_eq!(ended, (true, true), "{:?}", desk.written);
}

/// Writes when it is let.
struct Writer([Arc<Notify>; 3]);

impl Echo for Writer {
    async fn say(&self, text: String) -> Result<String, Status> {
        Ok(text)
    }

    async fn write(&self, text: String) -> Result<String, Status> {
        let [begun, go_on, written] = &self.0;
        begun.notify_one();
        go_on.notified().await;
        written.notify_one();
        Ok(text)
    }
}

#[tokio::test]
async fn a_write_goes_on_when_the_last_client_of_its_service_is_gone() {
    let [begun, go_on, written] = [(); 3].map(|()| Arc::new(Notify::new()));
    let echo = EchoClient::local(Writer([begun.clone(), go_on.clone(), written.clone()]));
    tokio::select! {
        answer = echo.write("a".to_owned()) => panic!("{answer:?}"),
        () = begun.notified() => {}
    }
    drop(echo);
    // Whoever is to end by that does so now.
    tokio::task::yield_now().await;
    go_on.notify_one();
    timeout(Duration::from_secs(60), written.notified()).await.expect("it is written");
}

#[tokio::test]
async fn two_servers_of_one_app_end_one_by_one() {
    let app = App::builder().config(config("registry = \"memory://\"")).build();
    let one = app.server().service(EchoServer::new(Mirror)).start().await.unwrap();
    let other = app.server().service(EchoServer::new(Mirror)).start().await.unwrap();
    assert_ne!(one.address(), other.address());
    let echo: EchoClient = app.client().await.unwrap();
    assert!(one.shutdown().await);
    echo.write("a".to_owned()).await.unwrap();
    assert!(other.shutdown().await);
    assert!(app.shutdown().await);
}

/// Registers nobody until as many have come as it waits for.
struct Together(Barrier, Memory);

impl Registry for Together {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
        Box::pin(async move {
            self.0.wait().await;
            self.1.register(instance).await
        })
    }

    fn watch(&self, service: &ServiceName) -> Watch {
        self.1.watch(service)
    }

    fn url(&self) -> String {
        "together://".to_owned()
    }

    fn is_remote(&self) -> bool {
        false
    }
}

/// A service that one wire alone carries, and that therefore has a record of its own.
struct OverTarpc;

impl Service for OverTarpc {
    async fn call(&self, _: Request) -> Result<Response, Status> {
        Err(Status::internal("nobody calls this"))
    }
}

impl NamedService for OverTarpc {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        static DESCRIPTOR: ServiceDescriptor = ServiceDescriptor::new("t.v1.Alone", &[], "").only_over("tarpc");
        &DESCRIPTOR
    }
}

#[tokio::test]
async fn a_registry_is_waited_for_once_whatever_the_number_of_records() {
    let app = App::builder().registry(Arc::new(Together(Barrier::new(2), Memory::new()))).build();
    let starting = app.server().service(EchoServer::new(Mirror)).service(OverTarpc).start();
    let running = timeout(Duration::from_secs(60), starting).await.expect("both records are on their way").unwrap();
    assert!(running.shutdown().await);
}

#[cfg(feature = "grpc")]
#[tokio::test]
async fn a_service_that_nothing_spoken_carries_is_a_mistake_in_the_configuration() {
    let app = App::builder().config(config("registry = \"memory://\"\n[server]\nprotocols = [\"grpc\"]")).build();
    let error = app.server().service(OverTarpc).start().await.unwrap_err();
    assert!(error.is_configuration(), "{error:?}");
    let text = format!("{error:?}");
    let reason = "rpc.toml: `server.protocols`: t.v1.Alone can be reached over tarpc only, which is not among them\n  what \
                  to do: add `tarpc` to `server.protocols` (RPC_SERVER_PROTOCOLS)";
    assert!(text.ends_with(reason), "{text}");
}

struct Refusing;

impl Registry for Refusing {
    fn register(&self, _: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
        Box::pin(async { Err(RegistryError::new("no room")) })
    }

    fn watch(&self, service: &ServiceName) -> Watch {
        Memory::new().watch(service)
    }

    fn url(&self) -> String {
        "refusing://".to_owned()
    }

    fn is_remote(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_registered_leaves_its_port() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut config = Config::default();
    config.server.listen = Some(address.into());
    let app = App::builder().registry(Arc::new(Refusing)).config(config).build();
    let error = app.server().service(EchoServer::new(Mirror)).start().await.unwrap_err();
    assert!(error.to_string().contains("cannot register at refusing://: no room"), "{error}");
    TcpListener::bind(address).unwrap_or_else(|error| panic!("{address} is still taken: {error}"));
}
