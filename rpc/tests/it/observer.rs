//! What an observer of an App is told of the life of a server.
#![cfg(feature = "grpc")]

use rpc::{
    Address, App, Config, NamedService, Observer, Request, Response, Service, Status,
    registry::{File, Memory, RegistrationState, Registry},
};
use rpc_core::{ServiceDescriptor, transport::DrainPhase};
use std::sync::{Arc, Mutex};

struct Nothing;

impl NamedService for Nothing {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        static NOTHING: ServiceDescriptor = ServiceDescriptor::new("t.Nothing", &[], "");
        &NOTHING
    }
}

impl Service for Nothing {
    async fn call(&self, _: Request) -> Result<Response, Status> {
        Err(Status::unimplemented("nothing here"))
    }
}

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Observer for Log {
    fn registration(&self, _: &str, state: RegistrationState) {
        self.0.lock().unwrap().push(state.word().to_owned());
    }

    fn drain(&self, phase: DrainPhase) {
        self.0.lock().unwrap().push(format!("{phase:?}"));
    }
}

async fn life(registry: Arc<dyn Registry>) -> Vec<String> {
    let (one, other) = (Arc::new(Log::default()), Arc::new(Log::default()));
    let mut config = Config::default();
    config.server.listen = Some(Address::tcp("127.0.0.1", 0));
    let builder = App::builder().config(config).registry(registry);
    let app = builder.observer(one.clone()).observer(other.clone()).build();
    let running = app.server().service(Nothing).start().await.unwrap();
    assert_eq!(*one.0.lock().unwrap(), ["registered"]);
    assert!(running.shutdown().await);
    let told = one.0.lock().unwrap().clone();
    assert_eq!(told, *other.0.lock().unwrap(), "each is told of everything");
    told
}

#[tokio::test]
async fn every_registry_and_every_step_of_a_drain_is_told_of_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = File::open(folder.path().join("registry")).unwrap();
    for registry in [Arc::new(Memory::new()) as Arc<dyn Registry>, Arc::new(file)] {
        let url = registry.url();
        assert_eq!(life(registry).await, ["registered", "closed", "Draining", "Stopped"], "{url}");
    }
}
