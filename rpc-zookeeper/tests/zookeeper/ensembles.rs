//! Three ZooKeepers: one dies, most of them die, one lags behind.

use crate::common::*;
use rpc_core::registry::{RegistrationState, Registry, Source};
use rpc_testkit::{Cut, FaultProxy, Mode, ZooKeeperEnsemble};
use std::time::Duration;
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};

const SOON: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(60);
/// What the test of a lost majority asks for.
const SESSION: Duration = Duration::from_secs(2);

/// The tests take turns, for each does harm and mends it. One that fails leaves none, and the next starts its own.
static ENSEMBLE: Mutex<Option<ZooKeeperEnsemble>> = Mutex::const_new(None);

async fn with_ensemble(test: impl AsyncFnOnce(&mut ZooKeeperEnsemble)) {
    let mut kept = ENSEMBLE.lock().await;
    let mut ensemble = match kept.take() {
        Some(ensemble) => ensemble,
        None => ZooKeeperEnsemble::start().await.expect("three ZooKeepers"),
    };
    test(&mut ensemble).await;
    *kept = Some(ensemble);
}

/// Another leads within a second or two. The record stays the very same, and what is asked for meanwhile is done then.
#[tokio::test]
async fn a_leader_that_dies_changes_nothing() {
    with_ensemble(async |zookeeper| {
        let (host, base) = (zookeeper.connect_string(), place());
        let (ours, theirs) = (with_session(&host, &base, 10), with_session(&host, &base, 10));
        let (first, second) = (instance(&["demo.Echo"], 7000), instance(&["demo.Echo"], 7001));
        let mut registration = register(&ours, &first).await;
        let mut watch = theirs.watch(&service("demo.Echo"));
        until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&first])).await.unwrap();
        let path = format!("{base}/demo.Echo/{}", first.id);
        let before = node(&client(&host).await, &path).await.unwrap();
        let scribe = Scribe::new(watch.clone());

        let leader = zookeeper.leader().await.unwrap();
        zookeeper.kill(leader);
        assert_ne!(zookeeper.leader().await.unwrap(), leader);
        let client = client(&host).await;
        assert_eq!(node(&client, &path).await.unwrap(), before, "the same node, owned by the same session");
        scribe.assert_always(&set([&first]));
        let mut other = theirs.register(second.clone()).await.unwrap();
        reached(&mut other, RegistrationState::Registered, LATER).await;
        until(&mut watch, LATER, |snapshot| ids(snapshot) == set([&first, &second])).await.unwrap();
        reached(&mut registration, RegistrationState::Registered, LATER).await;
        assert_eq!(node(&client, &path).await.unwrap(), before);

        assert!(registration.close(SOON).await && other.close(SOON).await);
        zookeeper.restart(&[leader]).await.unwrap();
    })
    .await;
}

/// One is left, which serves nobody, for three session timeouts. The list stands all the time, and afterwards there is
/// one record, owned by a session that lives.
#[tokio::test]
async fn a_majority_that_is_lost_and_comes_back_is_an_outage() {
    with_ensemble(async |zookeeper| {
        let (host, base) = (zookeeper.connect_string(), place());
        let (ours, theirs) = (registry(&host, &base), registry(&host, &base));
        let instance = instance(&["demo.Echo"], 7000);
        let mut registration = register(&ours, &instance).await;
        let mut watch = theirs.watch(&service("demo.Echo"));
        until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&instance])).await.unwrap();
        let scribe = Scribe::new(watch.clone());

        let lost = [0, 1];
        lost.iter().for_each(|number| zookeeper.kill(*number));
        until(&mut watch, SOON, |snapshot| snapshot.source == Source::Stale).await.unwrap();
        sleep(SESSION * 3).await;
        assert_eq!(ids(&watch.snapshot()), set([&instance]));
        zookeeper.restart(&lost).await.unwrap();

        until(&mut watch, LATER, |snapshot| snapshot.source == Source::Live).await.unwrap();
        reached(&mut registration, RegistrationState::Registered, LATER).await;
        sleep(SESSION).await;
        let client = client(&host).await;
        let (children, _) = client.get_children(&format!("{base}/demo.Echo")).await.unwrap();
        assert_eq!(children, vec![instance.id.clone()]);
        scribe.assert_always(&set([&instance]));
        assert!(registration.close(SOON).await);
        assert!(node(&client, &format!("{base}/demo.Echo/{}", instance.id)).await.is_none());
    })
    .await;
}

/// A client is moved to a server that stood still while the list changed: what it shows is never older than what it has
/// shown.
#[tokio::test]
async fn a_server_that_lags_behind_does_not_turn_a_list_back() {
    with_ensemble(async |zookeeper| {
        let base = place();
        let leader = zookeeper.leader().await.unwrap();
        let [lagging, current] = [1, 2].map(|next| (leader + next) % ZooKeeperEnsemble::SIZE);
        let [old_link, link] = [lagging, current].map(|number| FaultProxy::start(zookeeper.address(number)).unwrap());
        old_link.set(Mode::Refuse).await;
        let theirs = with_session(&format!("{},{}", link.address(), old_link.address()), &base, 10);
        let ours = with_session(&zookeeper.address(leader), &base, 10);
        let (first, second) = (instance(&["demo.Echo"], 7000), instance(&["demo.Echo"], 7001));
        let stays = register(&ours, &first).await;
        let goes = register(&ours, &second).await;
        let mut watch = theirs.watch(&service("demo.Echo"));
        until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&first, &second])).await.unwrap();

        zookeeper.freeze(lagging).unwrap();
        assert!(goes.close(SOON).await);
        until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&first])).await.unwrap();
        let scribe = Scribe::new(watch.clone());
        link.set(Mode::Refuse).await;
        old_link.set(Mode::Forward).await;
        link.cut(Cut::Reset).await;
        until(&mut watch, SOON, |snapshot| snapshot.source == Source::Stale).await.unwrap();
        zookeeper.thaw(lagging).unwrap();
        until(&mut watch, LATER, |snapshot| snapshot.source == Source::Live).await.unwrap();
        // It is followed from there on.
        assert!(timeout(SOON, stays.close(SOON)).await.unwrap());
        scribe.assert_always(&set([&first]));
        until(&mut watch, LATER, |snapshot| snapshot.instances.is_empty()).await.unwrap();
    })
    .await;
}
