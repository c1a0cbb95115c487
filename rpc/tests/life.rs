//! How servers end, and how they fail to begin.
#![cfg(feature = "tarpc")]

mod common;

use common::{Echo, EchoClient, EchoServer, Mirror, config};
use rpc::{
    Address, App, BoxFuture, Client, Code, Config, Observer, Readiness, Running,
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
use tokio::{sync::Notify, time::Instant};

/// Notes what happens, and whether the port is open when the record goes.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    address: OnceLock<Address>,
}

impl Log {
    fn port(&self) -> &'static str {
        match self.address.get().map(|address| TcpStream::connect(address.to_string())) {
            Some(Ok(_)) => "open",
            _ => "closed",
        }
    }

    fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }
}

impl Observer for Log {
    fn registration(&self, _: &str, state: RegistrationState) {
        if state == RegistrationState::Closed {
            self.note(format!("record gone, port {}", self.port()));
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
    let client = scene.client.clone();
    let call = tokio::join!(client.write("a".to_owned()), async {
        scene.begun.notified().await;
        let shutdown = scene.relay.shutdown();
        let end = async {
            while !log.lines.lock().unwrap().iter().any(|line| line == "Draining") {
                tokio::task::yield_now().await;
            }
            assert_eq!(health.readiness(), Readiness::Draining);
            // The port is closed, and the handler calls somebody else all the same.
            scene.go_on.notify_one();
        };
        tokio::join!(shutdown, end).0
    });
    assert_eq!(call.0.unwrap(), "a over tarpc");
    assert!(call.1, "every call has ended");
    assert_eq!(*log.lines.lock().unwrap(), ["record gone, port open", "Draining", "Stopped"]);
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
