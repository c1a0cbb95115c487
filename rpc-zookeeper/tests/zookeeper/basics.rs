//! Registering, finding, withdrawing, on a ZooKeeper that is well.

use crate::common::*;
use rpc_core::registry::{Availability, InstanceStatus, RegistrationState, Registry, Source};
use std::{sync::Arc, time::Duration};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_instance_appears_with_all_it_says_and_goes_when_it_is_withdrawn() {
    let (host, base) = (server().await.connect_string(), place());
    let (ours, theirs) = (registry(&host, &base), registry(&host, &base));
    let mut orders = theirs.watch(&service("demo.Orders"));
    assert_eq!(orders.known().await.availability, Availability::NoService);

    let mut instance = instance(&["demo.Orders", "demo.Stores"], 7000);
    instance.zone = Some("icn-a".into());
    instance.version = Some("1.2.3".into());
    instance.weight = 50;
    instance.registered_at = 1_700_000_000_000;
    instance.extra.insert("rack".into(), "17".into());
    let registration = register(&ours, &instance).await;
    until(&mut orders, SOON, |snapshot| !snapshot.instances.is_empty()).await.unwrap();

    let snapshot = orders.snapshot();
    let mut seen = (*snapshot.instances[0]).clone();
    seen.services = instance.services.clone();
    assert_eq!(seen, instance);
    assert_eq!((&snapshot.availability, snapshot.source), (&Availability::Listed, Source::Live));
    // The other service is there, too, made by the same transaction.
    let client = client(&host).await;
    let (orders_path, stores_path) =
        (format!("{base}/demo.Orders/{}", instance.id), format!("{base}/demo.Stores/{}", instance.id));
    let (_, orders_stat) = node(&client, &orders_path).await.unwrap();
    let (_, stores_stat) = node(&client, &stores_path).await.unwrap();
    assert_eq!(orders_stat.czxid, stores_stat.czxid);
    assert_ne!(orders_stat.ephemeral_owner, 0);

    assert!(registration.close(SOON).await);
    assert!(node(&client, &orders_path).await.is_none() && node(&client, &stores_path).await.is_none());
    until(&mut orders, SOON, |snapshot| snapshot.instances.is_empty()).await.unwrap();
    assert_eq!(orders.snapshot().availability, Availability::Listed);
}

#[tokio::test]
async fn the_record_in_the_node_is_curators_to_the_byte() {
    let (host, base) = (server().await.connect_string(), place());
    let mut instance = instance(&["demo.Echo"], 7000);
    instance.registered_at = 1_700_000_000_000;
    let registry = registry(&host, &base);
    let registration = register(&registry, &instance).await;
    let client = client(&host).await;
    let (text, _) = node(&client, &format!("{base}/demo.Echo/{}", instance.id)).await.unwrap();
    let (curator, ours) = text.split_once(r#","x-rpc":"#).unwrap();
    assert_eq!(
        curator,
        format!(
            r#"{{"name":"demo.Echo","id":"{}","address":"127.0.0.1","port":7000,"sslPort":null,"payload":null,"registrationTimeUTC":1700000000000,"serviceType":"DYNAMIC","uriSpec":null"#,
            instance.id
        )
    );
    assert!(ours.starts_with(r#"{"nonce":""#), "{ours}");
    // The parents outlive the last instance: an access control list on them must.
    assert!(registration.close(SOON).await);
    let (children, parent) = client.get_children(&format!("{base}/demo.Echo")).await.unwrap();
    assert!(children.is_empty() && parent.ephemeral_owner == 0);
}

#[tokio::test]
async fn bad_records_are_skipped_counted_and_harm_nobody() {
    let (host, base) = (server().await.connect_string(), place());
    let registry = registry(&host, &base);
    let good = instance(&["demo.Echo"], 7000);
    let _registration = register(&registry, &good).await;
    let mut echo = registry.watch(&service("demo.Echo"));
    until(&mut echo, SOON, |snapshot| ids(snapshot) == set([&good])).await.unwrap();

    let client = client(&host).await;
    let spring = r#"{"name":"demo.Echo","id":"spring","address":"10.0.0.8","port":8080,"payload":{"@class":
        "org.springframework.cloud.zookeeper.discovery.ZookeeperInstance","metadata":{"gRPC_port":"9090"}},
        "enabled":false}"#;
    for (name, data) in [
        ("empty", ""),
        ("garbage", "\u{1}\u{2}"),
        ("credentials", r#"{"id":"credentials","address":"169.254.169.254","port":80}"#),
        ("stranger", r#"{"id":"somebody-else"}"#),
        ("spring", spring),
    ] {
        client.create(&format!("{base}/demo.Echo/{name}"), data.as_bytes(), &EPHEMERAL).await.unwrap();
    }
    until(&mut echo, SOON, |snapshot| snapshot.skipped == 4 && snapshot.instances.len() == 2).await.unwrap();
    let snapshot = echo.snapshot();
    let spring = snapshot.instances.iter().find(|instance| instance.id == "spring").unwrap();
    assert_eq!((spring.endpoints.len(), spring.status), (1, InstanceStatus::Down));
    assert!(ids(&snapshot).contains(&good.id));

    // What was good and turns bad keeps its last good value; what was bad and turns good is used.
    client.set_data(&format!("{base}/demo.Echo/{}", "spring"), b"{", None).await.unwrap();
    client.set_data(&format!("{base}/demo.Echo/{}", "garbage"), b"{}", None).await.unwrap();
    until(&mut echo, SOON, |snapshot| ids(snapshot).contains("garbage")).await.unwrap();
    assert!(ids(&echo.snapshot()).contains("spring"));
    assert_eq!(echo.snapshot().skipped, 4);
}

#[tokio::test]
async fn a_node_that_an_operator_deletes_or_edits_comes_back() {
    let (host, base) = (server().await.connect_string(), place());
    let registry = registry(&host, &base);
    let instance = instance(&["demo.Echo"], 7000);
    let mut registration = register(&registry, &instance).await;
    let client = client(&host).await;
    let path = format!("{base}/demo.Echo/{}", instance.id);
    let (text, first) = node(&client, &path).await.unwrap();

    client.delete(&path, None).await.unwrap();
    let second = node_is(&client, &path, true, Duration::from_secs(2)).await.unwrap();
    assert_eq!(second.ephemeral_owner, first.ephemeral_owner);
    assert_ne!(second.czxid, first.czxid);

    client.set_data(&path, b"{}", None).await.unwrap();
    let mut now = String::new();
    for _ in 0..400 {
        now = node(&client, &path).await.unwrap().0;
        if now == text {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(now, text);

    // With its parent, too.
    client.delete(&path, None).await.unwrap();
    let _ = client.delete(&format!("{base}/demo.Echo"), None).await;
    node_is(&client, &path, true, Duration::from_secs(3)).await;
    reached(&mut registration, RegistrationState::Registered, SOON).await;
}

#[tokio::test]
async fn a_strangers_node_under_our_id_is_left_alone() {
    let (host, base) = (server().await.connect_string(), place());
    let registry = registry(&host, &base);
    let instance = instance(&["demo.Echo", "demo.Other"], 7000);
    let client = client(&host).await;
    client.mkdir(&format!("{base}/demo.Echo"), &PERSISTENT).await.unwrap();
    let path = format!("{base}/demo.Echo/{}", instance.id);
    client.create(&path, b"{}", &EPHEMERAL).await.unwrap();

    let mut registration = registry.register(instance.clone()).await.unwrap();
    reached(&mut registration, RegistrationState::Refused, SOON).await;
    let told = Arc::new(Told::default());
    registration.observe(&instance.id, told.clone().into());
    assert_eq!(node(&client, &path).await.unwrap().0, "{}");
    // Our other node is there all the same.
    assert!(node(&client, &format!("{base}/demo.Other/{}", instance.id)).await.is_some());

    // Once the stranger has gone, it is ours.
    client.delete(&path, None).await.unwrap();
    reached(&mut registration, RegistrationState::Registered, SOON).await;
    assert!(registration.close(SOON).await);
    assert_eq!(told.states(), ["refused", "registered", "closed"]);

    client.create(&path, b"{}", &EPHEMERAL).await.unwrap();
    let registration = registry.register(instance.clone()).await.unwrap();
    assert!(registration.close(SOON).await);
    assert_eq!(node(&client, &path).await.unwrap().0, "{}", "closing leaves it alone as well");
}

#[tokio::test]
async fn what_cannot_be_registered_is_an_error_at_once() {
    let registry = registry("zk.internal:2181", "/rpc");
    let error = registry.register(instance(&["demo.Echo"], 7000)).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:7000 is a loopback address"), "{error}");
    assert!(registry.is_remote());
}

#[tokio::test]
async fn a_registration_that_is_dropped_is_withdrawn_and_the_session_ends_with_its_last_user() {
    let (host, base) = (server().await.connect_string(), place());
    let client = client(&host).await;
    let (first, second) = (instance(&["demo.Echo"], 7000), instance(&["demo.Echo"], 7001));
    let path = |instance: &rpc_core::registry::Instance| format!("{base}/demo.Echo/{}", instance.id);
    // Long enough for the session not to time out while the test waits for its end.
    let registry = with_session(&host, &base, 10);
    let registration = register(&registry, &first).await;
    let other = register(&registry, &second).await;
    drop(registry);
    drop(registration);
    node_is(&client, &path(&first), false, SOON).await;
    // The other holds the session.
    assert_eq!(other.state(), RegistrationState::Registered);
    let session = node(&client, &path(&second)).await.unwrap().1.ephemeral_owner;
    drop(other);
    node_is(&client, &path(&second), false, SOON).await;
    let mut ended = false;
    for _ in 0..100 {
        ended = !server().await.sessions().await.unwrap().contains(&session);
        if ended {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(ended, "the session is closed, and does not just run out of time");
}
