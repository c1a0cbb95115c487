//! Servers that leave while others use them.

use crate::{
    order::order,
    process::{PATIENCE, Running, program, run, send},
};
use orders::{Follower, Instruction, Orders, OrdersClient, Rider, Stage, resume::Resume};
use rpc::{
    App, Client, Config, Transports,
    observer::Counters,
    registry::{ServiceName, Watch},
};
use rpc_testkit::{ZooKeeperServer, eventually, scratch};
use rustix::process::Signal;
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// What `docker stop` allows.
const STOP: Duration = Duration::from_secs(10);

/// Where servers register, and how to look whether they do without asking those who watch.
enum Place {
    Folder(PathBuf),
    ZooKeeper(ZooKeeperServer),
}

impl Place {
    fn url(&self) -> String {
        match self {
            Self::Folder(folder) => format!("file://{}", folder.display()),
            Self::ZooKeeper(server) => format!("zookeeper://{}/rpc", server.connect_string()),
        }
    }

    async fn has(&self, id: &str) -> bool {
        match self {
            Self::Folder(folder) => {
                folder.join(OrdersClient::SERVICE.name).join(format!("{id}.json")).try_exists().unwrap()
            }
            Self::ZooKeeper(server) => server.ephemerals().await.unwrap().iter().any(|path| path.ends_with(id)),
        }
    }
}

/// The list of servers, and the folder they share.
struct Fleet<'a> {
    place: &'a Place,
    folder: &'a Path,
    list: Watch,
}

impl<'a> Fleet<'a> {
    fn at(place: &'a Place, folder: &'a Path) -> Self {
        let mut config = Config::default();
        config.registry = Some(place.url().parse().unwrap());
        let registry = App::builder().config(config).build().registry().unwrap();
        let list = registry.watch(&OrdersClient::SERVICE.name.parse::<ServiceName>().unwrap());
        Self { place, folder, list }
    }

    /// Starts a server, and waits until it is on the list. Gives its address and its id as well.
    async fn start(&mut self) -> (Running, String, String) {
        let mut command = program(env!("CARGO_BIN_EXE_order-server"), self.folder);
        command.args(["--listen", "127.0.0.1:0", "--data", "data", "--cooking-time", "20ms"]);
        let mut running = Running::start(command.args(["--registry", &self.place.url()]));
        let line = running.says("order-server: ready on").await;
        let address = line.rsplit(' ').next().unwrap().to_owned();
        let listed = timeout(PATIENCE, async {
            let mut now = self.list.known().await;
            loop {
                let mut instances = now.instances.iter();
                if let Some(instance) = instances.find(|it| it.endpoints[0].address.to_string() == address) {
                    return instance.id.clone();
                }
                now = self.list.changed().await;
            }
        });
        let id = listed.await.expect("it should be on the list");
        (running, address, id)
    }
}

/// Writes, reads and streams over one transport. Nothing of it is done again by anybody but the framework.
struct Load {
    client: OrdersClient,
    counters: Arc<Counters>,
    wire: &'static str,
    calls: Arc<AtomicU64>,
    enough: Arc<AtomicBool>,
}

impl Load {
    async fn over(wire: &'static str, place: &Place, calls: &Arc<AtomicU64>, enough: &Arc<AtomicBool>) -> Arc<Self> {
        let mut config = Config::default();
        config.registry = Some(place.url().parse().unwrap());
        config.client.transport = Some(Transports::Only(wire));
        let counters = Arc::new(Counters::default());
        let app = App::builder().config(config).observer(counters.clone()).build();
        let client = app.client::<OrdersClient>().await.unwrap().with_timeout(PATIENCE);
        Arc::new(Self { client, counters, wire, calls: calls.clone(), enough: enough.clone() })
    }

    fn start(self: &Arc<Self>, workers: &mut JoinSet<()>) {
        for worker in 0..3 {
            let (writer, reader, rider) = (self.clone(), self.clone(), self.clone());
            workers.spawn(async move { writer.place(worker).await });
            workers.spawn(async move { reader.find().await });
            workers.spawn(async move { rider.ride(worker).await });
        }
    }

    async fn place(&self, worker: u32) {
        for number in 0.. {
            let order = order(&format!("{}-{worker}-{number}", self.wire));
            let receipt = self.client.place(order).await.unwrap();
            assert_eq!(receipt.total, 14_000);
            if self.goes_on().await.is_none() {
                return;
            }
        }
    }

    async fn find(&self) {
        while self.goes_on().await.is_some() {
            assert_eq!(self.client.find("BD-1".into()).await.unwrap(), order("BD-1"));
        }
    }

    /// Carries orders, each of which is followed. A stream lasts for one order.
    async fn ride(&self, worker: u32) {
        let mut rider = Rider::new(self.client.clone(), format!("{}-{worker}", self.wire)).resume(Resume::at_most(0));
        while self.goes_on().await.is_some() {
            let Instruction::PickUp { number, .. } = rider.report().await.unwrap() else { continue };
            let follow = async {
                let mut follower = Follower::new(self.client.clone(), &number).resume(Resume::at_most(0));
                for stage in Stage::ALL {
                    assert_eq!(follower.next().await.unwrap().unwrap().stage, stage);
                }
                assert!(follower.next().await.unwrap().is_none());
            };
            let carry = async {
                loop {
                    match rider.report().await.unwrap() {
                        instruction @ (Instruction::PickUp { .. } | Instruction::Deliver { .. })
                            if is_about(&instruction, &number) =>
                        {
                            sleep(Duration::from_millis(20)).await;
                            rider.go(&instruction);
                        }
                        _ => break,
                    }
                }
                rider.rest().await.unwrap();
            };
            tokio::join!(follow, carry);
        }
    }

    async fn goes_on(&self) -> Option<()> {
        self.calls.fetch_add(1, Relaxed);
        sleep(Duration::from_millis(5)).await;
        (!self.enough.load(Relaxed)).then_some(())
    }

    /// Not one attempt has failed, at the first of them everything went well.
    fn check(&self) {
        let counts = self.counters.snapshot();
        assert!(counts.attempts.total() > 100, "{} did too little: {counts:?}", self.wire);
        for method in ["Place", "Find", "Follow", "Track"] {
            assert!(counts.attempts.method(&format!("/{}/{method}", OrdersClient::SERVICE.name)) > 0, "no {method}");
        }
        let failed = (counts.attempts.failed(), counts.calls.failed(), counts.retries());
        assert_eq!(failed, (0, 0, 0), "{}: {:?}", self.wire, counts.attempts);
    }
}

fn is_about(instruction: &Instruction, order: &str) -> bool {
    match instruction {
        Instruction::PickUp { number, .. } | Instruction::Deliver { number, .. } => number == order,
        Instruction::Wait => false,
    }
}

/// Watches a server leave. Its port must be open as long as its record is there: whoever reads the record would be
/// refused. True when the port was seen open after the record had gone.
async fn leaves_the_list_first(place: &Place, address: &str, id: &str) -> bool {
    let mut open_without_record = false;
    loop {
        // In this order: a record that is still there after the port was closed is one that was there too long.
        let open = TcpStream::connect(address).await.is_ok();
        let listed = place.has(id).await;
        assert!(open || !listed, "the port was closed while the record was there");
        if !open {
            return open_without_record;
        }
        if !listed {
            open_without_record |= TcpStream::connect(address).await.is_ok();
        }
        sleep(Duration::from_millis(2)).await;
    }
}

async fn no_attempt_fails_in_a_rolling_restart(place: Place) {
    let folder = scratch("rolling").unwrap();
    let mut fleet = Fleet::at(&place, folder.path());
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(fleet.start().await);
    }
    let (calls, enough) = (Arc::default(), Arc::default());
    let loads = [Load::over("grpc", &place, &calls, &enough).await, Load::over("tarpc", &place, &calls, &enough).await];
    loads[0].client.place(order("BD-1")).await.unwrap();
    let mut workers = JoinSet::new();
    for load in &loads {
        load.start(&mut workers);
    }

    let (mut seen_open, mut replacements) = (0, Vec::new());
    for (mut server, address, id) in servers {
        let goal = calls.load(Relaxed) + 100;
        assert!(eventually(PATIENCE, || calls.load(Relaxed) >= goal).await, "the calls do not go on");
        let asked = Instant::now();
        send(server.pid(), Signal::TERM);
        seen_open += u32::from(leaves_the_list_first(&place, &address, &id).await);
        assert_eq!(server.ends().await, Some(0));
        assert!(asked.elapsed() < STOP, "{:?}", asked.elapsed());
        replacements.push(fleet.start().await);
    }
    assert!(seen_open > 0, "no port was seen open after its record had gone");
    enough.store(true, Relaxed);
    timeout(PATIENCE, async {
        while let Some(worker) = workers.join_next().await {
            worker.unwrap();
        }
    })
    .await
    .expect("the load does not end");
    for load in &loads {
        load.check();
    }
}

#[tokio::test]
async fn no_attempt_fails_in_a_rolling_restart_on_the_registry_of_this_machine() {
    let registry = scratch("rolling-registry").unwrap();
    no_attempt_fails_in_a_rolling_restart(Place::Folder(registry.path().join("registry"))).await;
}

#[tokio::test]
async fn no_attempt_fails_in_a_rolling_restart_on_zookeeper() {
    no_attempt_fails_in_a_rolling_restart(Place::ZooKeeper(ZooKeeperServer::start().await.unwrap())).await;
}

/// A server, an order at it that nobody carries, and a client that follows it.
async fn followed(folder: &Path, registry: &str, log: File) -> (Running, Running) {
    let mut command = program(env!("CARGO_BIN_EXE_order-server"), folder);
    command.args(["--data", "data", "--cooking-time", "20ms", "--registry", registry]).stderr(log);
    let mut server = Running::start(&mut command);
    server.says("order-server: ready on").await;
    let mut command = program(env!("CARGO_BIN_EXE_order-client"), folder);
    let place = ["place", "BD-1", "--store", "교동반점", "--item", "짜장면 x2 @7000", "--registry", registry];
    assert_eq!(run(command.args(place)).await.code, Some(0));
    let mut command = program(env!("CARGO_BIN_EXE_order-client"), folder);
    let mut follower = Running::start(command.args(["follow", "BD-1", "--registry", registry]));
    follower.says("cooked").await;
    (server, follower)
}

#[tokio::test]
async fn whoever_follows_goes_on_at_another_server() {
    let folder = scratch("handover").unwrap();
    let registry = format!("file://{}/registry", folder.path().display());
    let log = || File::options().append(true).create(true).open(folder.path().join("log")).unwrap();
    let (mut first, mut follower) = followed(folder.path(), &registry, log()).await;
    let mut command = program(env!("CARGO_BIN_EXE_order-server"), folder.path());
    let mut second = Running::start(command.args(["--data", "data", "--registry", &registry]).stderr(log()));
    second.says("order-server: ready on").await;

    let asked = Instant::now();
    send(first.pid(), Signal::TERM);
    assert_eq!(first.ends().await, Some(0));
    assert!(asked.elapsed() < STOP, "{:?}", asked.elapsed());
    let said = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!said.contains("did not end in time"), "the follower was cut: {said}");
    let mut command = program(env!("CARGO_BIN_EXE_order-client"), folder.path());
    let rode = run(command.args(["ride", "--every", "1ms", "--registry", &registry])).await;
    assert_eq!(rode.code, Some(0), "{rode:?}");
    // What it had seen at the first server does not come again.
    for stage in ["a rider comes", "picked up", "delivered"] {
        let line = follower.next_line().await.unwrap();
        assert!(line.contains(stage), "{line}");
    }
    assert_eq!(follower.next_line().await, None);
    assert_eq!(follower.ends().await, Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_a_server_at_once() {
    let folder = scratch("impatient").unwrap();
    let registry = format!("file://{}/registry", folder.path().display());
    let log = folder.path().join("log");
    let says = |part: &str| std::fs::read_to_string(&log).unwrap().contains(part);
    let (mut server, _follower) = followed(folder.path(), &registry, File::create(&log).unwrap()).await;
    send(server.pid(), Signal::TERM);
    assert!(eventually(PATIENCE, || says("draining; a second signal exits at once")).await);
    send(server.pid(), Signal::TERM);
    assert_eq!(server.ends().await, Some(143));
    assert!(says("exiting at once") && !says("did not end in time"), "it drained");
}
