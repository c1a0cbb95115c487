//! Curator itself: a program in Java that uses its x-discovery finds our servers, and we find its.

use crate::common::*;
use rpc_core::{
    Address, Body, Kind, Method, Payload,
    client::Channel,
    registry::{Endpoint, Instance, InstanceStatus, Registry},
};
use rpc_testkit::{python_with_grpcio, scratch};
use rpc_zookeeper::ZooKeeper;
use std::{path::Path, process::Stdio, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// A virtual machine has to start, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Debian's packages libcurator-discovery-java and libcurator-recipes-java (which the first needs and does not name),
/// and what they bring.
const JARS: [&str; 12] = [
    "curator-x-discovery",
    "curator-recipes",
    "curator-framework",
    "curator-client",
    "zookeeper",
    "zookeeper-jute",
    "guava",
    "jackson-core",
    "jackson-databind",
    "jackson-annotations",
    "slf4j-api",
    "slf4j-nop",
];

/// Without this a virtual machine that is killed leaves a file in /tmp, wherever its temporary folder is.
const TIDY: &str = "-XX:-UsePerfData";

/// The program of `Neighbour.java`, which says what it understands.
struct Neighbour {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _process: Child,
    _classes: TempDir,
}

impl Neighbour {
    async fn start(host: &str, base: &str, service: &str) -> Self {
        let jar = |name: &&str| format!("/usr/share/java/{name}.jar");
        let needed = jar(&JARS[0]);
        assert!(
            Path::new(&needed).exists(),
            "{needed} is missing: run `cargo xtask test`, which installs Debian's packages libcurator-discovery-java, \
             libcurator-recipes-java and default-jdk-headless"
        );
        let classes = scratch("curator").unwrap();
        let path = JARS.iter().map(jar).chain([classes.path().display().to_string()]).collect::<Vec<_>>().join(":");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zookeeper/Neighbour.java");
        let mut compiler = Command::new("javac");
        compiler.arg(format!("-J{TIDY}")).arg("-d").arg(classes.path()).args(["-cp", &path]).arg(source);
        let compiled = compiler.output().await.expect("a Java compiler: Debian's package default-jdk-headless");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let mut process = Command::new("java")
            .args(["-Xmx128m", "-XX:TieredStopAtLevel=1", TIDY, "-cp", &path, "Neighbour", host, base, service])
            .kill_on_drop(true)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut neighbour = Self { input, output, _process: process, _classes: classes };
        assert_eq!(neighbour.line("its start").await, "started");
        neighbour
    }

    async fn line(&mut self, what: &str) -> String {
        let line = timeout(PATIENCE, self.output.next_line()).await;
        line.unwrap_or_else(|_| panic!("no answer to {what}")).unwrap().unwrap_or_else(|| panic!("it ended at {what}"))
    }

    async fn asked(&mut self, command: String) -> String {
        self.input.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        self.line(&command).await
    }
}

#[tokio::test]
async fn curator_finds_us_and_we_find_it() {
    let (host, base) = (server().await.connect_string(), place());
    let registry = registry(&host, &base);
    let mut ours = instance(&["demo.Echo"], 7000);
    ours.registered_at = 1_700_000_000_000;
    let registration = register(&registry, &ours).await;
    let mut watch = registry.watch(&service("demo.Echo"));
    let mut neighbour = Neighbour::start(&host, &base, "demo.Echo").await;

    // It understands of our record what it understands of one of its own, and passes over the rest.
    let found = neighbour.asked(format!("find {}", ours.id)).await;
    let expected = format!(
        "found name=demo.Echo id={} address=127.0.0.1 port=7000 sslPort=null payload=null \
         registrationTimeUTC=1700000000000 serviceType=DYNAMIC uriSpec=null enabled=true true",
        ours.id
    );
    assert_eq!(found, expected);

    // What Curator writes for the same values is the same text, up to our own field.
    let client = client(&host).await;
    let plain = Instance::random_id();
    assert_eq!(neighbour.asked(format!("plain {plain} 7000 1700000000000")).await, "registered");
    let (theirs, _) = node(&client, &format!("{base}/demo.Echo/{plain}")).await.unwrap();
    let (text, _) = node(&client, &format!("{base}/demo.Echo/{}", ours.id)).await.unwrap();
    let (curators, own) = text.split_once(r#","x-rpc":"#).unwrap();
    assert_eq!(format!("{curators}}}").replace(&ours.id, &plain), theirs);
    assert!(own.ends_with("}}"), "{own}");

    // Spring's payload names a class, and says where gRPC is spoken.
    let spring = Instance::random_id();
    assert_eq!(neighbour.asked(format!("spring {spring} 8080 9090")).await, "registered");
    let (text, _) = node(&client, &format!("{base}/demo.Echo/{spring}")).await.unwrap();
    assert!(text.contains(r#""payload":{"@class":"Neighbour$Payload","#), "{text}");
    until(&mut watch, PATIENCE, |snapshot| snapshot.instances.len() == 3).await.unwrap();
    let snapshot = watch.snapshot();
    assert_eq!(snapshot.skipped, 0);
    let of = |id: &str| snapshot.instances.iter().find(|instance| instance.id == id).unwrap();
    assert_eq!(of(&spring).endpoints, [Endpoint::new("grpc", Address::tcp("127.0.0.1", 9090))]);
    assert_eq!(of(&spring).status, InstanceStatus::Up);
    assert!(!format!("{:?}", of(&spring)).contains("Neighbour"), "the class it names is nothing to us");
    assert_eq!((of(&plain).endpoints.len(), of(&plain).registered_at), (0, 1_700_000_000_000));

    // Each sees the other leave.
    assert!(registration.close(PATIENCE).await);
    assert_eq!(neighbour.asked(format!("gone {}", ours.id)).await, "gone true");
    assert_eq!(neighbour.asked("leave".into()).await, "left");
    until(&mut watch, PATIENCE, |snapshot| snapshot.instances.is_empty()).await.unwrap();
}

/// Curator makes the nodes above its own such that ZooKeeper removes them once they are empty. One of ours below them
/// is made all the same, and made again when they have gone.
#[tokio::test]
async fn we_register_below_nodes_that_curator_made_and_that_vanish() {
    let (host, base) = (server().await.connect_string(), place());
    let mut neighbour = Neighbour::start(&host, &base, "demo.Echo").await;
    assert_eq!(neighbour.asked(format!("plain {} 7000 1", Instance::random_id())).await, "registered");
    let registry = registry(&host, &base);
    let ours = instance(&["demo.Echo"], 7001);
    let mut watch = registry.watch(&service("demo.Echo"));
    let registration = register(&registry, &ours).await;
    until(&mut watch, PATIENCE, |snapshot| snapshot.instances.len() == 2).await.unwrap();
    assert_eq!(neighbour.asked("leave".into()).await, "left");
    assert!(registration.close(PATIENCE).await);
    until(&mut watch, PATIENCE, |snapshot| snapshot.instances.is_empty()).await.unwrap();

    // The test's ZooKeeper looks once a second for nodes that are to go.
    let client = client(&host).await;
    node_is(&client, &format!("{base}/demo.Echo"), false, PATIENCE).await;
    let registration = register(&registry, &ours).await;
    until(&mut watch, PATIENCE, |snapshot| ids(snapshot) == set([&ours])).await.unwrap();
    assert!(registration.close(PATIENCE).await);
}

static SAY: Method = Method::new("demo.Echo", "Say", "/demo.Echo/Say", Kind::Unary);

/// Curator's record has a port and no word of what is spoken there; behind it is grpcio. Neither knows of us.
#[tokio::test]
async fn a_server_that_only_curator_registers_is_called_by_whoever_assumes_its_protocol() {
    let (host, base) = (server().await.connect_string(), place());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zookeeper/echo.py");
    let mut echo = Command::new(python_with_grpcio().unwrap());
    let mut echo = echo.arg(script).kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(echo.stdout.take().unwrap()).lines();
    let port = timeout(PATIENCE, output.next_line()).await.expect("grpcio listens").unwrap().unwrap();
    let mut neighbour = Neighbour::start(&host, &base, "demo.Echo").await;
    let id = Instance::random_id();
    assert_eq!(neighbour.asked(format!("plain {id} {port} 1700000000000")).await, "registered");

    let channel = |options: &str| {
        let registry = ZooKeeper::open(&format!("zookeeper://{host}{base}{options}")).unwrap();
        let watch = registry.watch(&service("demo.Echo"));
        Channel::builder(service("demo.Echo"), watch).transport(Arc::new(rpc_grpc::Grpc::default())).build()
    };
    let assuming = channel("?assume=grpc");
    assuming.ready(PATIENCE).await.unwrap();
    let hello = || Body::Message(Payload::typed("hello".to_owned()));
    let answer = assuming.call(&SAY, hello(), None).await.unwrap();
    let answer = answer.body.into_message().unwrap().take::<String>().unwrap();
    assert_eq!(answer, "hello");

    // Nobody has said what is spoken there, and guessing might send a call to somebody's HTTP.
    let guessing = channel("");
    guessing.wait_known(PATIENCE).await.unwrap();
    let refused = guessing.ready(Duration::from_millis(100)).await.unwrap_err();
    let diagnosis = std::error::Error::source(&refused).map(ToString::to_string).unwrap_or_default();
    assert!(diagnosis.contains(&format!("{id} declares no protocol")), "{refused}: {diagnosis}");
}
