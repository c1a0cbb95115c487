//! ZooKeeper dies, comes back with and without what it knew, and ends sessions.

use crate::common::*;
use rpc_core::registry::{RegistrationState, Registry, Source};
use rpc_testkit::ZooKeeperServer;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(5);
const LATER: Duration = Duration::from_secs(20);
/// What the tests' registries ask for.
const SESSION: Duration = Duration::from_secs(2);

/// After an outage of three session timeouts, the server still knows the session (its own clock stood still), while
/// the client library gave it up after 7/5 of one. It is taken up again, so nothing changes for anybody. Without that
/// (seen by starting with `None` in `Supervisor::connect`), the record is another one.
#[tokio::test]
async fn an_outage_of_three_session_timeouts_changes_nothing() {
    let mut server = ZooKeeperServer::start_patient().await.unwrap();
    let (host, base) = (server.connect_string(), place());
    let (ours, theirs) = (registry(&host, &base), registry(&host, &base));
    let instance = instance(&["demo.Echo", "demo.Other"], 7000);
    let mut registration = register(&ours, &instance).await;
    let mut watch = theirs.watch(&service("demo.Echo"));
    until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&instance])).await.unwrap();
    let path = format!("{base}/demo.Echo/{}", instance.id);
    let before = node(&client(&host).await, &path).await.unwrap();
    let scribe = Scribe::new(watch.clone());

    server.kill();
    until(&mut watch, SOON, |snapshot| snapshot.source == Source::Stale).await.unwrap();
    sleep(SESSION * 3).await;
    assert_eq!(ids(&watch.snapshot()), set([&instance]));
    server.restart().await.unwrap();

    until(&mut watch, LATER, |snapshot| snapshot.source == Source::Live).await.unwrap();
    reached(&mut registration, RegistrationState::Registered, LATER).await;
    sleep(SESSION).await;
    assert_eq!(node(&client(&host).await, &path).await.unwrap(), before, "the same node, owned by the same session");
    scribe.assert_always(&set([&instance]));
    assert!(registration.close(SOON).await);
    assert!(node(&client(&host).await, &path).await.is_none());
}

#[tokio::test]
async fn a_server_that_lost_its_data_gets_the_records_again() {
    let mut server = ZooKeeperServer::start().await.unwrap();
    let (host, base) = (server.connect_string(), place());
    let (ours, theirs) = (registry(&host, &base), registry(&host, &base));
    let instance = instance(&["demo.Echo"], 7000);
    let mut registration = register(&ours, &instance).await;
    let mut watch = theirs.watch(&service("demo.Echo"));
    until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&instance])).await.unwrap();

    server.restart_wiped().await.unwrap();
    let client = client(&host).await;
    let path = format!("{base}/demo.Echo/{}", instance.id);
    node_is(&client, &path, true, LATER).await;
    let owned = async {
        loop {
            let owner = node(&client, &path).await.map(|(_, stat)| stat.ephemeral_owner);
            let sessions = server.sessions().await.unwrap_or_default();
            if owner.is_some_and(|owner| sessions.contains(&owner)) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, owned).await.expect("a session that lives owns the record");
    reached(&mut registration, RegistrationState::Registered, SOON).await;
    until(&mut watch, LATER, |snapshot| snapshot.source == Source::Live && ids(snapshot) == set([&instance]))
        .await
        .unwrap();
    assert!(registration.close(SOON).await);
}

/// A session that the server ends takes the record along; it is there again at once, owned by another session.
#[tokio::test]
async fn a_session_that_expires_is_replaced() {
    let (host, base) = (server().await.connect_string(), place());
    let (ours, theirs) = (registry(&host, &base), registry(&host, &base));
    let instance = instance(&["demo.Echo"], 7000);
    let mut registration = register(&ours, &instance).await;
    let mut watch = theirs.watch(&service("demo.Echo"));
    until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&instance])).await.unwrap();
    let client = client(&host).await;
    let path = format!("{base}/demo.Echo/{}", instance.id);
    let before = node(&client, &path).await.unwrap().1;

    server().await.expire_session(before.ephemeral_owner).await.unwrap();
    let mut owner = before.ephemeral_owner;
    for _ in 0..400 {
        if let Some((_, stat)) = node(&client, &path).await
            && stat.ephemeral_owner != before.ephemeral_owner
        {
            owner = stat.ephemeral_owner;
            break;
        }
        sleep(Duration::from_millis(5)).await;
    }
    assert_ne!(owner, before.ephemeral_owner, "it is not there again after 2 s");
    reached(&mut registration, RegistrationState::Registered, SOON).await;
    until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&instance])).await.unwrap();
    assert!(registration.close(SOON).await);
}

/// The last record goes and comes back within a second, as after a loss of data or when every session expires at once.
/// Without asking twice (seen with no confirmations), the list is empty for that second, and every call fails.
#[tokio::test]
async fn a_list_does_not_empty_for_a_moment() {
    let (host, base) = (server().await.connect_string(), place());
    let client = client(&host).await;
    let instance = instance(&["demo.Echo"], 7000);
    let path = format!("{base}/demo.Echo/{}", instance.id);
    client.mkdir(&format!("{base}/demo.Echo"), &PERSISTENT).await.unwrap();
    client.create(&path, b"{}", &EPHEMERAL).await.unwrap();
    let mut watch = registry(&host, &base).watch(&service("demo.Echo"));
    until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&instance])).await.unwrap();
    // Looks are half a second apart; the next change is looked at without delay.
    sleep(Duration::from_millis(600)).await;
    let scribe = Scribe::new(watch.clone());
    client.delete(&path, None).await.unwrap();
    sleep(Duration::from_millis(400)).await;
    client.create(&path, b"{}", &EPHEMERAL).await.unwrap();
    sleep(Duration::from_millis(1200)).await;
    scribe.assert_always(&set([&instance]));
    // When it is gone for good, it is.
    client.delete(&path, None).await.unwrap();
    until(&mut watch, SOON, |snapshot| snapshot.instances.is_empty()).await.unwrap();
}

/// Withdrawn while ZooKeeper is away: not confirmed, of course; but nothing is left when it is back.
#[tokio::test]
async fn what_is_closed_during_an_outage_is_gone_after_it() {
    let mut server = ZooKeeperServer::start().await.unwrap();
    let (host, base) = (server.connect_string(), place());
    let ours = registry(&host, &base);
    let instance = instance(&["demo.Echo"], 7000);
    let registration = register(&ours, &instance).await;
    server.kill();
    assert!(!registration.close(Duration::from_millis(500)).await, "nobody can have confirmed it");
    server.restart().await.unwrap();
    let client = client(&host).await;
    let path = format!("{base}/demo.Echo/{}", instance.id);
    node_is(&client, &path, false, Duration::from_secs(5)).await;
}
