//! What else goes wrong in a fleet: restarts, storms, herds, floods, refusals, frozen processes, impostors.

use crate::{
    common::*,
    processes::{Client, Server},
};
use rpc_core::registry::{Availability, Instance, RegistrationState, Registry, Source};
use rpc_testkit::{Cut, FaultProxy, Mode, ZooKeeperServer};
use std::{process::Command, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::TcpListener,
    time::{Instant, sleep, timeout},
};
use zookeeper_client::{Acls, CreateMode, CreateOptions};

const SOON: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(40);

/// Back within the session timeout: the node is the very same, nobody's list changes, and what comes then is seen.
#[tokio::test]
async fn a_restart_of_zookeeper_within_the_session_timeout_changes_nothing() {
    let mut server = ZooKeeperServer::start_patient().await.unwrap();
    let (host, base) = (server.connect_string(), place());
    let (ours, theirs) = (with_session(&host, &base, 10), with_session(&host, &base, 10));
    let (first, second) = (instance(&["demo.Echo"], 7000), instance(&["demo.Echo"], 7001));
    let mut registration = register(&ours, &first).await;
    let mut watch = theirs.watch(&service("demo.Echo"));
    until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&first])).await.unwrap();
    let path = format!("{base}/demo.Echo/{}", first.id);
    let before = node(&client(&host).await, &path).await.unwrap();
    server.restart().await.unwrap();
    reached(&mut registration, RegistrationState::Registered, LATER).await;
    let client = client(&host).await;
    let _second = register(&theirs, &second).await;
    until(&mut watch, LATER, |snapshot| ids(snapshot) == set([&first, &second])).await.unwrap();
    assert_eq!(node(&client, &path).await.unwrap(), before, "the same node, owned by the same session");
}

/// Every session of a fleet ends at once, as after a loss of quorum that was too long.
#[tokio::test]
async fn a_fleet_whose_sessions_all_end_at_once_comes_back_and_no_list_is_ever_empty() {
    const FLEET: u16 = 20;
    let (host, base) = (server().await.connect_string(), place());
    let theirs = with_session(&host, &base, 10);
    let mut fleet = Vec::new();
    for number in 0..FLEET {
        let (registry, instance) = (with_session(&host, &base, 10), instance(&["demo.Echo"], 7000 + number));
        let registration = register(&registry, &instance).await;
        fleet.push((instance, registration));
    }
    let mut watch = theirs.watch(&service("demo.Echo"));
    let all = |snapshot: &_| ids(snapshot).len() == usize::from(FLEET);
    until(&mut watch, SOON, all).await.unwrap();
    let mut scribe = watch.clone();
    let client = client(&host).await;
    let mut owners = Vec::new();
    for (instance, _) in &fleet {
        let path = format!("{base}/demo.Echo/{}", instance.id);
        owners.push((node(&client, &path).await.unwrap().1.ephemeral_owner, path));
    }
    let expired = futures_util::future::join_all(owners.iter().map(async |(owner, _)| {
        server().await.expire_session(*owner).await.unwrap();
    }));
    let back = async {
        expired.await;
        for (owner, path) in &owners {
            while node(&client, path).await.is_none_or(|(_, stat)| stat.ephemeral_owner == *owner) {
                sleep(Duration::from_millis(10)).await;
            }
        }
    };
    let empty = async { while !scribe.changed().await.instances.is_empty() {} };
    tokio::select! {
        () = empty => panic!("an empty list was published"),
        back = timeout(LATER, back) => back.expect("all are registered again, by other sessions"),
    }
    until(&mut watch, SOON, all).await.unwrap();
}

/// Two seconds for an answer, and it is only slow: the session is kept, one node is made, changes are seen.
#[tokio::test]
async fn a_slow_zookeeper_is_only_slow() {
    let direct = server().await.connect_string();
    let (link, base) = (FaultProxy::start(&direct).unwrap(), place());
    let ours = with_session(&link.address().to_string(), &base, 10);
    let mut watch = ours.watch(&service("demo.Echo"));
    timeout(SOON, watch.known()).await.unwrap();
    link.delay(Duration::from_secs(1));
    let instance = instance(&["demo.Echo"], 7000);
    let mut registration = timeout(LATER, ours.register(instance.clone())).await.unwrap().unwrap();
    reached(&mut registration, RegistrationState::Registered, LATER).await;
    until(&mut watch, LATER, |snapshot| ids(snapshot) == set([&instance])).await.unwrap();
    let client = client(&direct).await;
    let (children, parent) = client.get_children(&format!("{base}/demo.Echo")).await.unwrap();
    assert_eq!((children, parent.cversion), (vec![instance.id.clone()], 1), "made once and never again");
    link.delay(Duration::ZERO);
    assert!(registration.close(LATER).await);
}

/// Connections that are reset ten times a second: the record stays the same one, the list stands, and both are well
/// when the storm is over.
#[tokio::test]
async fn a_storm_of_resets_changes_nothing() {
    let direct = server().await.connect_string();
    let (link, base) = (FaultProxy::start(&direct).unwrap(), place());
    let registry = with_session(&link.address().to_string(), &base, 10);
    let instance = instance(&["demo.Echo"], 7000);
    let mut registration = register(&registry, &instance).await;
    let mut watch = registry.watch(&service("demo.Echo"));
    until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&instance])).await.unwrap();
    let path = format!("{base}/demo.Echo/{}", instance.id);
    let client = client(&direct).await;
    let before = node(&client, &path).await.unwrap();
    for _ in 0..30 {
        link.cut(Cut::Reset).await;
        sleep(Duration::from_millis(100)).await;
        assert_eq!(ids(&watch.snapshot()), set([&instance]));
    }
    let over = Instant::now();
    link.cut(Cut::Reset).await;
    until(&mut watch, LATER, |snapshot| snapshot.source == Source::Live && snapshot.at > over).await.unwrap();
    reached(&mut registration, RegistrationState::Registered, LATER).await;
    assert_eq!(node(&client, &path).await.unwrap(), before);
    assert!(registration.close(SOON).await);
    assert!(node(&client, &path).await.is_none());
}

/// A server that is cut off from ZooKeeper alone goes from the list with its session, and comes back by itself.
#[tokio::test]
async fn a_server_that_is_cut_off_from_zookeeper_is_registered_again() {
    let direct = server().await.connect_string();
    let (link, base) = (FaultProxy::start(&direct).unwrap(), place());
    let (ours, instance) = (registry(&link.address().to_string(), &base), instance(&["demo.Echo"], 7000));
    let mut registration = register(&ours, &instance).await;
    let (client, path) = (client(&direct).await, format!("{base}/demo.Echo/{}", instance.id));
    link.set(Mode::BlackHole).await;
    node_is(&client, &path, false, LATER).await;
    link.set(Mode::Forward).await;
    node_is(&client, &path, true, LATER).await;
    reached(&mut registration, RegistrationState::Registered, LATER).await;
    assert!(registration.close(SOON).await);
}

/// A process that stands still for longer than its session lasts, and goes on.
#[tokio::test]
async fn a_process_that_was_frozen_is_registered_again() {
    let (host, base) = (server().await.connect_string(), place());
    let frozen = Server::start(&host, &base, 7000);
    let (client, path) = (client(&host).await, format!("{base}/demo.Echo/{}", frozen.id));
    let before = node(&client, &path).await.unwrap().1;
    signal(frozen.process.id(), "-STOP");
    node_is(&client, &path, false, LATER).await;
    signal(frozen.process.id(), "-CONT");
    let after = node_is(&client, &path, true, LATER).await.unwrap();
    assert_ne!(after.ephemeral_owner, before.ephemeral_owner, "the old session is over");
}

fn signal(process: u32, name: &str) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

/// A client that stands still for longer than its session lasts, while the list changes. When it goes on it shows what
/// it had, and then what there is: no list that is empty, and none between the two.
#[tokio::test]
async fn a_client_that_was_frozen_catches_up() {
    let (host, base) = (server().await.connect_string(), place());
    let registry = registry(&host, &base);
    let before = instance(&["demo.Echo"], 7000);
    let registration = register(&registry, &before).await;
    let mut frozen = Client::start(&host, &base, &[]);
    let then = format!("live {}", before.id);
    frozen.shows(&then).await;

    signal(frozen.pid(), "-STOP");
    let after = instance(&["demo.Echo"], 7001);
    let _registration = register(&registry, &after).await;
    assert!(registration.close(SOON).await);
    // Twice its session timeout, by the clock of the server.
    sleep(Duration::from_secs(4)).await;
    signal(frozen.pid(), "-CONT");
    let shown = frozen.shows(&format!("live {}", after.id)).await;
    let stale = format!("stale {}", before.id);
    assert!(shown.iter().all(|list| *list == then || *list == stale), "{shown:?}");
}

/// An instance that comes and goes ten times a second costs two looks, and two lists, a second. Without holding them
/// apart (seen with `Follower::APART` of nothing), every group of changes makes a list.
#[tokio::test]
async fn an_instance_that_flaps_costs_two_lists_a_second() {
    let (host, base) = (server().await.connect_string(), place());
    let registry = registry(&host, &base);
    let stable = instance(&["demo.Echo"], 7000);
    let _registration = register(&registry, &stable).await;
    let mut watch = registry.watch(&service("demo.Echo"));
    until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&stable])).await.unwrap();
    let client = client(&host).await;
    let path = format!("{base}/demo.Echo/flapping");
    let begun = Instant::now();
    let flapping = async {
        for _ in 0..25 {
            client.create(&path, b"{}", &EPHEMERAL).await.unwrap();
            sleep(Duration::from_millis(80)).await;
            client.delete(&path, None).await.unwrap();
            sleep(Duration::from_millis(80)).await;
        }
    };
    tokio::pin!(flapping);
    let mut lists = 0;
    loop {
        tokio::select! {
            snapshot = watch.changed() => {
                lists += 1;
                assert!(ids(&snapshot).contains(&stable.id));
            }
            () = &mut flapping => break,
        }
    }
    let most = begun.elapsed().as_secs_f64() * 2.0 + 2.0;
    assert!(f64::from(lists) <= most, "{lists} lists in {:?}", begun.elapsed());
    until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&stable])).await.unwrap();
}

/// A thousand instances, and among them a node of 100 kB: they are read, it is not, and one more is seen at once.
#[tokio::test]
async fn a_thousand_instances_are_read_and_a_node_without_measure_is_not() {
    let (host, base) = (server().await.connect_string(), place());
    let client = client(&host).await;
    client.mkdir(&format!("{base}/demo.Echo"), &PERSISTENT).await.unwrap();
    for hundred in 0..10 {
        let mut transaction = client.new_multi_writer();
        for number in 0..100 {
            let path = format!("{base}/demo.Echo/instance-{hundred}-{number}");
            transaction.add_create(&path, b"{}", &EPHEMERAL).unwrap();
        }
        transaction.commit().await.unwrap();
    }
    let huge = format!(r#"{{"name":"{}"}}"#, "x".repeat(100_000));
    client.create(&format!("{base}/demo.Echo/huge"), huge.as_bytes(), &EPHEMERAL).await.unwrap();
    let registry = registry(&host, &base);
    let mut watch = registry.watch(&service("demo.Echo"));
    let count = |wanted: usize| {
        move |snapshot: &rpc_core::registry::Snapshot| snapshot.instances.len() == wanted && snapshot.skipped == 1
    };
    until(&mut watch, LATER, count(1000)).await.unwrap();
    let _registration = register(&registry, &instance(&["demo.Echo"], 7000)).await;
    until(&mut watch, SOON, count(1001)).await.unwrap();
}

/// Who may not write is told so, and goes on serving; who may not read is told that.
#[tokio::test]
async fn a_zookeeper_that_permits_nothing_is_named() {
    const READ_ONLY: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_read());
    let (host, base) = (server().await.connect_string(), place());
    let client = client(&host).await;
    client.mkdir(&base, &PERSISTENT).await.unwrap();
    client.create(&format!("{base}/demo.Read"), b"", &READ_ONLY).await.unwrap();
    let registry = registry(&host, &base);
    let mut refused = registry.register(instance(&["demo.Read"], 7000)).await.unwrap();
    reached(&mut refused, RegistrationState::Refused, SOON).await;
    // What is refused to one is nothing to the others.
    let other = instance(&["demo.Echo"], 7001);
    let _registration = register(&registry, &other).await;
    assert!(refused.close(SOON).await);

    let secret = client.clone();
    secret.auth("digest", b"operator:secret").await.unwrap();
    let own = CreateMode::Persistent.with_acls(Acls::creator_all());
    secret.create(&format!("{base}/demo.Secret"), b"", &own).await.unwrap();
    let mut watch = registry.watch(&service("demo.Secret"));
    let told = |snapshot: &rpc_core::registry::Snapshot| match &snapshot.availability {
        Availability::Unreachable(reason) => reason.contains("does not permit reading"),
        _ => false,
    };
    until(&mut watch, SOON, told).await.unwrap();
}

/// Something answers on ZooKeeper's port that is none, among it a reply that says it has two gigabytes.
#[tokio::test]
async fn an_impostor_is_no_zookeeper_and_costs_nothing() {
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\x7f\xff\xff\xff\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"",
        b"\0\0\0\x04\0\0\0\0",
    ] {
        let impostor = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = impostor.local_addr().unwrap().to_string();
        let lying = async {
            let mut held = Vec::new();
            loop {
                let (mut stream, _) = impostor.accept().await.unwrap();
                let _ = stream.write_all(answer).await;
                // Who answers wrongly may hang up or not.
                if held.len() % 2 == 0 { held.push(Some(stream)) } else { held.push(None) }
            }
        };
        let looking = async {
            let registry = registry(&host, "/rpc");
            let mut watch = registry.watch(&service("demo.Echo"));
            let told =
                |snapshot: &rpc_core::registry::Snapshot| matches!(snapshot.availability, Availability::Unreachable(_));
            until(&mut watch, LATER, told).await.unwrap();
            let registration = timeout(SOON, registry.register(instance(&["demo.Echo"], 7000))).await.unwrap().unwrap();
            assert_eq!(registration.state(), RegistrationState::Pending);
            assert!(registration.close(SOON).await, "nothing was written");
        };
        tokio::select! {
            () = lying => {}
            () = looking => {}
        }
    }
    assert!(peak_of_memory() < 1 << 20, "{} KiB", peak_of_memory());
}

/// The most that this process ever held, in KiB.
fn peak_of_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// As a process has that mounts a service of another framework: one id, two records with services of their own.
#[tokio::test]
async fn two_registrations_of_one_process_are_two() {
    let (host, base) = (server().await.connect_string(), place());
    let registry = registry(&host, &base);
    let mut one = instance(&["demo.Echo"], 7000);
    let other = Instance::new(one.id.clone(), vec![service("demo.Mounted")], one.endpoints.clone());
    one.services.push(service("demo.Other"));
    let (first, second) = (register(&registry, &one).await, register(&registry, &other).await);
    let client = client(&host).await;
    let path = |name: &str| format!("{base}/{name}/{}", one.id);
    assert!(second.close(SOON).await);
    assert!(node(&client, &path("demo.Mounted")).await.is_none());
    assert!(node(&client, &path("demo.Echo")).await.is_some() && node(&client, &path("demo.Other")).await.is_some());
    assert!(first.close(SOON).await);
    assert!(node(&client, &path("demo.Echo")).await.is_none());
}
