//! Connections to ZooKeeper that break, fall silent, and come back.

use crate::common::*;
use rpc_core::registry::{Availability, RegistrationState, Registry, Source, Watch};
use rpc_testkit::{Cut, FaultProxy, Mode, eventually};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::{Instant, sleep, timeout};

const SOON: Duration = Duration::from_secs(5);

/// A link to the server that all tests share, and a base path.
async fn link() -> (FaultProxy, String, String) {
    let direct = server().await.connect_string();
    (FaultProxy::start(&direct).expect("a proxy"), direct, place())
}

async fn interrupt(link: &FaultProxy, time: Duration) {
    link.set(Mode::Refuse).await;
    link.cut(Cut::Reset).await;
    sleep(time).await;
    link.set(Mode::Forward).await;
}

/// Every list that a watch shows until the future is ready.
async fn shown(watch: &mut Watch, until: impl Future<Output = ()>) -> Vec<BTreeSet<String>> {
    let mut lists = vec![ids(&watch.snapshot())];
    tokio::pin!(until);
    loop {
        tokio::select! {
            biased;
            snapshot = watch.changed() => lists.push(ids(&snapshot)),
            () = &mut until => return lists,
        }
    }
}

async fn live_again(watch: &mut Watch, since: Instant) {
    until(watch, SOON, |snapshot| snapshot.source == Source::Live && snapshot.at > since).await.unwrap();
}

/// A connection that is away for less than the session timeout changes nothing for others: the node is the very same.
/// (Curator deletes and creates it.)
#[tokio::test]
async fn a_short_cut_is_seen_by_nobody() {
    let (link, direct, base) = link().await;
    let ours = with_session(&link.address().to_string(), &base, 10);
    let theirs = registry(&direct, &base);
    let instance = instance(&["demo.Echo"], 7000);
    let registration = register(&ours, &instance).await;
    let mut watch = theirs.watch(&service("demo.Echo"));
    until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&instance])).await.unwrap();
    let client = client(&direct).await;
    let path = format!("{base}/demo.Echo/{}", instance.id);
    let before = node(&client, &path).await.unwrap();

    for _ in 0..3 {
        let lists = shown(&mut watch, interrupt(&link, Duration::from_millis(400))).await;
        assert!(lists.iter().all(|list| *list == set([&instance])), "{lists:?}");
        assert!(eventually(SOON, || link.open() > 0).await);
    }
    sleep(Duration::from_millis(500)).await;
    assert_eq!(registration.state(), RegistrationState::Registered);
    assert_eq!(node(&client, &path).await.unwrap(), before);
    assert!(registration.close(SOON).await);
}

/// The library does not restore persistent watches when it reconnects. Without adding it again (seen by keeping the
/// first one in `Follower::follow`), the change is seen after a minute, by the regular check.
#[tokio::test]
async fn a_watch_works_after_a_reconnect() {
    let (link, direct, base) = link().await;
    let (ours, theirs) = (registry(&direct, &base), registry(&link.address().to_string(), &base));
    let (first, second) = (instance(&["demo.Echo"], 7000), instance(&["demo.Echo"], 7001));
    let _first = register(&ours, &first).await;
    let mut watch = theirs.watch(&service("demo.Echo"));
    until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&first])).await.unwrap();

    let cut = Instant::now();
    link.cut(Cut::Reset).await;
    live_again(&mut watch, cut).await;
    // The list was read after the reconnect; from here on only the watch can tell.
    let _second = register(&ours, &second).await;
    let both = |snapshot: &_| ids(snapshot) == set([&first, &second]);
    until(&mut watch, Duration::from_millis(1500), both).await.unwrap();
}

/// A watch that were restored would still be silent about what happened in between. Without reading everything again
/// (seen by leaving out the first `look` of a connection that is not the first), the change is seen after a minute.
#[tokio::test]
async fn a_change_during_a_cut_is_seen_after_it() {
    let (link, direct, base) = link().await;
    let (ours, theirs) = (registry(&direct, &base), registry(&link.address().to_string(), &base));
    let instances: Vec<_> = (0..3).map(|number| instance(&["demo.Echo"], 7000 + number)).collect();
    let first = register(&ours, &instances[0]).await;
    let _second = register(&ours, &instances[1]).await;
    let mut watch = theirs.watch(&service("demo.Echo"));
    until(&mut watch, SOON, |snapshot| snapshot.instances.len() == 2).await.unwrap();

    link.set(Mode::Refuse).await;
    link.cut(Cut::Reset).await;
    until(&mut watch, SOON, |snapshot| snapshot.source == Source::Stale).await.unwrap();
    assert!(first.close(SOON).await);
    let _third = register(&ours, &instances[2]).await;
    assert_eq!(ids(&watch.snapshot()), set([&instances[0], &instances[1]]), "the list stands");
    link.set(Mode::Forward).await;
    // The library's next try to connect comes within 0.5 s here, our reading within another 0.5 s.
    let after = |snapshot: &_| ids(snapshot) == set([&instances[1], &instances[2]]);
    until(&mut watch, Duration::from_millis(1500), after).await.unwrap();
}

/// The server does what it was asked and the answer is lost: the record must be found, not made again, and be one.
#[tokio::test]
async fn a_lost_answer_makes_no_second_record() {
    let (link, direct, base) = link().await;
    let client = client(&direct).await;
    client.mkdir(&format!("{base}/demo.Echo"), &PERSISTENT).await.unwrap();
    let ours = with_session(&link.address().to_string(), &base, 10);
    // Connected before answers begin to vanish.
    ours.watch(&service("demo.Echo")).known().await;
    let instance = instance(&["demo.Echo"], 7000);
    let path = format!("{base}/demo.Echo/{}", instance.id);
    let registering = ours.register(instance.clone());
    tokio::pin!(registering);
    // Each answer on the way to the record is lost once: that of the look, that of the write, and that of the proof.
    let mut registration = None;
    for _ in 0..200 {
        link.set(Mode::DropReplies).await;
        let tried = timeout(Duration::from_millis(20), &mut registering);
        if let Ok(registered) = tried.await {
            registration = Some(registered.unwrap());
        }
        let written = client.check_stat(&path).await.unwrap().is_some();
        link.set(Mode::Forward).await;
        link.cut(Cut::Reset).await;
        if written || registration.is_some() {
            break;
        }
        sleep(Duration::from_millis(fastrand::u64(0..30))).await;
    }
    let mut registration = match registration {
        Some(registration) => registration,
        None => registering.await.unwrap(),
    };
    reached(&mut registration, RegistrationState::Registered, SOON).await;
    let (children, parent) = client.get_children(&format!("{base}/demo.Echo")).await.unwrap();
    assert_eq!((children, parent.cversion), (vec![instance.id.clone()], 1), "made once and never again");
    assert!(registration.close(SOON).await);
    assert!(node(&client, &path).await.is_none());
}

/// Closed at every moment of a registration on a line that takes 150 ms each way: what is under way is waited for.
/// Without that (seen by ending at once), a record comes up after `close` has said that it is gone.
#[tokio::test]
async fn nothing_appears_after_a_close_that_succeeded() {
    let (link, direct, base) = link().await;
    let client = client(&direct).await;
    client.mkdir(&format!("{base}/demo.Echo"), &PERSISTENT).await.unwrap();
    let ours = with_session(&link.address().to_string(), &base, 10);
    ours.watch(&service("demo.Echo")).known().await;
    link.delay(Duration::from_millis(150));
    let rounds = (0..12_u16).map(|round| {
        let (ours, client, base) = (ours.clone(), client.clone(), base.clone());
        async move {
            let instance = instance(&["demo.Echo"], 7000 + round);
            let mut registering = ours.register(instance.clone());
            let registration = match timeout(Duration::from_millis(100) * u32::from(round), &mut registering).await {
                Ok(registration) => registration.unwrap(),
                // Dropping the future that registers is another way of closing.
                Err(_) => return drop(registering),
            };
            assert!(registration.close(Duration::from_secs(10)).await);
            let path = format!("{base}/demo.Echo/{}", instance.id);
            assert!(node(&client, &path).await.is_none(), "there after it was closed, in round {round}");
        }
    });
    futures_util::future::join_all(rounds).await;
    sleep(Duration::from_millis(1500)).await;
    let (children, _) = client.get_children(&format!("{base}/demo.Echo")).await.unwrap();
    assert!(children.is_empty(), "a record came back: {children:?}");
}

/// The same with a line that breaks meanwhile: whatever was lost, queued or carried out, nothing is left.
#[tokio::test]
async fn nothing_is_left_of_what_is_closed_on_a_broken_line() {
    let (link, direct, base) = link().await;
    let client = client(&direct).await;
    client.mkdir(&format!("{base}/demo.Echo"), &PERSISTENT).await.unwrap();
    let ours = with_session(&link.address().to_string(), &base, 10);
    ours.watch(&service("demo.Echo")).known().await;
    for round in 0..12_u16 {
        let instance = instance(&["demo.Echo"], 7000 + round);
        let registering = async {
            let registration = ours.register(instance.clone()).await.unwrap();
            assert!(registration.close(SOON).await);
            let path = format!("{base}/demo.Echo/{}", instance.id);
            assert!(node(&client, &path).await.is_none(), "there after it was closed");
        };
        let cutting = async {
            sleep(Duration::from_millis(u64::from(round) % 4)).await;
            interrupt(&link, Duration::from_millis(100)).await;
        };
        tokio::join!(registering, cutting);
    }
    sleep(Duration::from_millis(1000)).await;
    let (children, _) = client.get_children(&format!("{base}/demo.Echo")).await.unwrap();
    assert!(children.is_empty(), "a record came back: {children:?}");
}

/// The last user leaves while the line is broken. The session is closed as soon as it is back, because the thread
/// waits for that (at most 2 s); without (seen by not waiting), the record stays until the session times out.
#[tokio::test]
async fn a_session_that_is_dropped_on_a_broken_line_is_closed_when_it_is_back() {
    let (link, direct, base) = link().await;
    let client = client(&direct).await;
    let ours = with_session(&link.address().to_string(), &base, 10);
    let watch = ours.watch(&service("demo.Echo"));
    watch.clone().known().await;
    let before = server().await.sessions().await.unwrap();
    let instance = instance(&["demo.Echo"], 7000);
    let registration = register(&ours, &instance).await;
    let path = format!("{base}/demo.Echo/{}", instance.id);
    let session = node(&client, &path).await.unwrap().1.ephemeral_owner;
    assert!(before.contains(&session));
    assert!(registration.close(SOON).await);

    link.set(Mode::Refuse).await;
    link.cut(Cut::Reset).await;
    drop((watch, ours));
    sleep(Duration::from_millis(300)).await;
    link.set(Mode::Forward).await;
    let ended = async {
        while server().await.sessions().await.unwrap().contains(&session) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, ended).await.expect("the session is closed, and does not just run out of time");
}

/// Silence is an outage like any other: the list stands, marked; and is current again when the line is.
#[tokio::test]
async fn a_line_that_falls_silent_leaves_the_list_alone() {
    let (link, direct, base) = link().await;
    let (ours, theirs) = (registry(&direct, &base), registry(&link.address().to_string(), &base));
    let instance = instance(&["demo.Echo"], 7000);
    let registration = register(&ours, &instance).await;
    let mut watch = theirs.watch(&service("demo.Echo"));
    until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&instance])).await.unwrap();
    link.set(Mode::BlackHole).await;
    let lists = shown(&mut watch, sleep(Duration::from_secs(4))).await;
    assert!(lists.iter().all(|list| *list == set([&instance])), "{lists:?}");
    assert_eq!(watch.snapshot().source, Source::Stale);
    let back = Instant::now();
    link.set(Mode::Forward).await;
    until(&mut watch, Duration::from_secs(6), |snapshot| snapshot.source == Source::Live && snapshot.at > back)
        .await
        .unwrap();
    assert_eq!(ids(&watch.snapshot()), set([&instance]));
    assert!(registration.close(SOON).await);
    until(&mut watch, SOON, |snapshot| snapshot.instances.is_empty()).await.unwrap();
}

/// The session lives on a thread of its own. Without it (seen by starting the tasks on the runtime of the caller), the
/// session expires while the application is busy, and the record is another one afterwards.
#[tokio::test]
async fn a_busy_application_keeps_its_record() {
    let (host, base) = (server().await.connect_string(), place());
    let ours = with_session(&host, &base, 3);
    let instance = instance(&["demo.Echo"], 7000);
    let registration = register(&ours, &instance).await;
    let path = format!("{base}/demo.Echo/{}", instance.id);
    let before = node(&client(&host).await, &path).await.unwrap();
    let (_never, answer) = std::sync::mpsc::channel::<()>();
    // Blocks the only thread of this runtime, as a handler that waits for a disk would: for longer than a session lasts
    // that hears nothing, and not for so long that the program is taken for one that hangs.
    assert!(answer.recv_timeout(Duration::from_millis(4500)).is_err());
    assert_eq!(node(&client(&host).await, &path).await.unwrap(), before);
    assert!(registration.close(SOON).await);
}

#[tokio::test]
async fn a_registry_that_cannot_be_reached_says_so_and_does_not_hold_anybody_up() {
    let (link, direct, base) = link().await;
    link.set(Mode::Refuse).await;
    let ours = registry(&link.address().to_string(), &base);
    let mut watch = ours.watch(&service("demo.Echo"));
    until(&mut watch, SOON, |snapshot| matches!(snapshot.availability, Availability::Unreachable(_))).await.unwrap();
    let instance = instance(&["demo.Echo"], 7000);
    let mut registration = timeout(SOON, ours.register(instance.clone())).await.expect("in time").unwrap();
    assert_eq!(registration.state(), RegistrationState::Pending);
    // Closing what was never written needs no registry.
    let never = timeout(SOON, ours.register(self::instance(&["demo.Echo"], 7001))).await.unwrap().unwrap();
    assert!(never.close(Duration::from_secs(1)).await);

    link.set(Mode::Forward).await;
    reached(&mut registration, RegistrationState::Registered, Duration::from_secs(6)).await;
    until(&mut watch, SOON, |snapshot| ids(snapshot) == set([&instance])).await.unwrap();
    assert!(node(&client(&direct).await, &format!("{base}/demo.Echo/{}", instance.id)).await.is_some());
}
