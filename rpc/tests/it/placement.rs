//! What a server says of itself beside its address: its weight, its zone, its version.
#![cfg(feature = "grpc")]

use crate::common::{Echo, EchoClient, EchoServer, Mirror, config};
use rpc::{
    App, Client, Config,
    prelude::*,
    registry::{Instance, ServiceName},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

/// Counts its calls. Each takes as long as the others, however busy the machine is: who seems slower gets fewer.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicU32>);

impl Echo for Counter {
    async fn say(&self, text: String) -> Result<String, Status> {
        self.0.fetch_add(1, Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(text)
    }

    async fn write(&self, text: String) -> Result<String, Status> {
        self.say(text).await
    }
}

/// The one server on the list, as any client sees it.
async fn seen(app: &App) -> Instance {
    let name: ServiceName = EchoClient::SERVICE.name.parse().unwrap();
    let mut list = app.registry().unwrap().watch(&name);
    let read = async {
        let mut now = list.known().await;
        while now.instances.len() != 1 {
            now = list.changed().await;
        }
        (*now.instances[0]).clone()
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("a server on the list")
}

async fn is_seen_over(registry: &str) {
    let server = "[server]\nlisten = \"127.0.0.1:0\"\nweight = 250\nzone = \"icn-a\"\nversion = \"1.2.3\"";
    let servers = App::builder().config(config(&format!("registry = \"{registry}\"\n{server}"))).build();
    // What its code says is overruled by what it was told, as whoever runs it knows better.
    let service = EchoServer::new(Mirror);
    let running = servers.server().service(service).weight(1).zone("nowhere").start().await.unwrap();
    let elsewhere = App::builder().config(config(&format!("registry = \"{registry}\""))).build();
    let instance = seen(&elsewhere).await;
    assert_eq!(instance.weight, 250);
    let fingerprint = EchoClient::SERVICE.schema().unwrap().fingerprint().to_string();
    let key = format!("fingerprint.{}", EchoClient::SERVICE.name);
    assert_eq!(instance.extra.get(&key), Some(&fingerprint));
    assert_eq!((instance.zone.as_deref(), instance.version.as_deref()), (Some("icn-a"), Some("1.2.3")));
    assert!(running.shutdown().await);

    let plain = App::builder().config(config(&format!("registry = \"{registry}\""))).build();
    let service = EchoServer::new(Mirror);
    let running = plain.server().service(service).weight(7).version("0.9").start().await.unwrap();
    let instance = seen(&elsewhere).await;
    assert_eq!((instance.weight, instance.zone, instance.version.as_deref()), (7, None, Some("0.9")));
    assert!(running.shutdown().await);
}

#[tokio::test]
async fn a_client_sees_it_over_the_file_registry() {
    let folder = tempfile::tempdir().unwrap();
    is_seen_over(&format!("file://{}/registry", folder.path().display())).await;
}

#[cfg(feature = "zookeeper")]
#[tokio::test]
async fn a_client_sees_it_over_zookeeper() {
    let zookeeper = rpc_testkit::ZooKeeperServer::start().await.unwrap();
    is_seen_over(&format!("zookeeper://{}/rpc", zookeeper.connect_string())).await;
}

/// Nine times the weight are nine of ten calls, or nearly so on a busy machine. Without weights it would be half of
/// them.
#[tokio::test]
async fn a_heavier_server_gets_more() {
    let folder = tempfile::tempdir().unwrap();
    let registry = format!("registry = \"file://{}/registry\"", folder.path().display());
    let (light, heavy) = (Counter::default(), Counter::default());
    let mut running = Vec::new();
    for (counter, weight) in [(&light, 25), (&heavy, 225)] {
        let app = App::builder().config(config(&format!("{registry}\n[server]\nweight = {weight}"))).build();
        running.push(app.server().service(EchoServer::new(counter.clone())).start().await.unwrap());
    }
    let clients = App::builder().config(config(&registry)).build();
    let client: EchoClient = clients.client().await.unwrap();
    let both = || light.0.load(Relaxed) > 0 && heavy.0.load(Relaxed) > 0;
    while !both() {
        client.say("both are connected".to_owned()).await.unwrap();
    }
    light.0.store(0, Relaxed);
    heavy.0.store(0, Relaxed);
    let calls = async || {
        for _ in 0..20 {
            client.say("as others do".to_owned()).await.unwrap();
        }
    };
    futures_util::future::join_all((0..32).map(|_| calls())).await;
    let got = heavy.0.load(Relaxed);
    assert!((430..640).contains(&got), "of 640 calls the heavier server got {got}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_place() {
    for (toml, says) in [
        ("[server]\nweight = 10001", "rpc.toml: `server.weight`: `10001` is no weight: write 0 to 10000"),
        ("[server]\nweight = -1", "rpc.toml: `server.weight`: `-1` is no weight"),
        ("[server]\nweight = 1.5", "rpc.toml: `server.weight`: its value must be a whole number"),
        ("[server]\nzone = \"\"", "rpc.toml: `server.zone`: it must be 1 to 128 bytes"),
        ("[server]\nversion = \"a\\nb\"", "rpc.toml: `server.version`: it must be 1 to 128 bytes"),
        ("[server]\nwieght = 1", "write `server.weight`, if that was meant"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rpc.toml");
        std::fs::write(&path, toml).unwrap();
        let error = format!("{:?}", Config::read(Some(&path), []).unwrap_err());
        assert!(error.contains(says), "{error}");
    }
    let variable = |value: &str| Config::read(None, [("RPC_SERVER_WEIGHT".to_owned(), value.to_owned())]);
    assert_eq!(variable("0").unwrap().server.weight, Some(0));
    assert!(variable("much").unwrap_err().to_string().contains("RPC_SERVER_WEIGHT"));

    // Whoever sets it in code hears of it as well, when the server starts.
    let app = App::builder().config(config("registry = \"memory://\"")).build();
    let heavy = app.server().service(EchoServer::new(Mirror)).weight(20_000);
    let error = format!("{:?}", heavy.start().await.unwrap_err());
    assert!(error.contains("`server.weight`: `20000` is no weight"), "{error}");
    let mut told = config("registry = \"memory://\"");
    told.server.zone = Some("a\nb".to_owned());
    let told = App::builder().config(told).build().server().service(EchoServer::new(Mirror));
    let error = format!("{:?}", told.start().await.unwrap_err());
    assert!(error.contains("the program or its command line: `server.zone`: it must be"), "{error}");
}
