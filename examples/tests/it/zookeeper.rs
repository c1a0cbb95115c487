//! The programs on a real ZooKeeper, which is killed, wiped and started again under them.

use crate::{
    process::{PATIENCE, Running, program, run, send},
    quickstart::{check_counts, check_streams, with_json},
};
use orders::OrdersClient;
use rpc::{
    App, Client, Config,
    registry::{ServiceName, Watch},
};
use rpc_testkit::{ZooKeeperServer, scratch};
use rustix::process::Signal;
use std::{path::Path, process::Stdio, time::Duration};
use tokio::time::timeout;

/// The shortest that a server with a tick of half a second grants, and long enough for a busy machine.
const SESSION: Duration = Duration::from_secs(4);

fn url(zookeeper: &ZooKeeperServer) -> String {
    format!("zookeeper://{}/rpc?session_timeout={}s", zookeeper.connect_string(), SESSION.as_secs())
}

/// The list of order servers, as any client sees it.
fn list(url: &str) -> Watch {
    let mut config = Config::default();
    config.registry = Some(url.parse().unwrap());
    let registry = App::builder().config(config).build().registry().unwrap();
    registry.watch(&OrdersClient::SERVICE.name.parse::<ServiceName>().unwrap())
}

async fn until(list: &mut Watch, count: usize) {
    let there = async {
        let mut now = list.known().await;
        while now.instances.len() != count {
            now = list.changed().await;
        }
    };
    timeout(PATIENCE, there).await.unwrap_or_else(|_| panic!("{count} servers are not on the list"));
}

async fn server(folder: &Path, url: &str) -> Running {
    let mut command = program(env!("CARGO_BIN_EXE_order-server"), folder);
    let mut running = Running::start(command.args(["--listen", "127.0.0.1:0", "--registry", url, "--data", "data"]));
    running.says("order-server: ready on").await;
    running
}

async fn place(folder: &Path, url: &str) {
    let mut command = program(env!("CARGO_BIN_EXE_order-client"), folder);
    let order = ["place", "BD-1", "--store", "교동반점", "--item", "짜장면 x2 @7000"];
    let placed = run(command.args(order).args(["--registry", url])).await;
    assert_eq!(placed.code, Some(0), "{placed:?}");
}

fn look(folder: &Path, url: &str, repeat: &str, every: &str) -> tokio::process::Command {
    let mut command = program(env!("CARGO_BIN_EXE_order-client"), folder);
    command.args(["find", "BD-1", "--repeat", repeat, "--every", every, "--registry", url]);
    command
}

#[tokio::test]
async fn quickstart_runs_the_same_and_leaves_no_node() {
    let zookeeper = ZooKeeperServer::start().await.unwrap();
    let (folder, url) = (scratch("quickstart").unwrap(), url(&zookeeper));
    let (ended, report) = with_json(folder.path(), &["--registry", &url]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    check_counts(&report);
    check_streams(&report);
    let mut list = list(&url);
    assert_eq!(timeout(PATIENCE, list.known()).await.unwrap().instances.len(), 0);
}

#[tokio::test]
async fn no_call_fails_while_zookeeper_is_away_and_then_empty() {
    let mut zookeeper = ZooKeeperServer::start().await.unwrap();
    let (folder, url) = (scratch("outage").unwrap(), url(&zookeeper));
    let _server = server(folder.path(), &url).await;
    place(folder.path(), &url).await;

    // 1,000 calls in at least 20 s, and the outage in the middle of them.
    let mut client = Running::start(look(folder.path(), &url, "1000", "20ms").stderr(Stdio::piped()));
    client.says("BD-1").await;
    zookeeper.kill();
    tokio::time::sleep(3 * SESSION).await;
    assert!(client.child.try_wait().unwrap().is_none(), "the calls are over before the outage is");
    zookeeper.restart_wiped().await.unwrap();
    let err = client.errors().await;
    assert!(err.ends_with("order-client: 1000 calls, 0 failed\n"), "{err}");
    assert_eq!(client.ends().await, Some(0));

    // All that was known of the server is gone, and yet it is found by one who has never heard of it.
    until(&mut list(&url), 1).await;
    let found = run(&mut look(folder.path(), &url, "1", "1ms")).await;
    assert_eq!(found.code, Some(0), "{found:?}");
}

#[tokio::test]
async fn a_killed_server_is_avoided_while_its_node_is_still_there() {
    let zookeeper = ZooKeeperServer::start().await.unwrap();
    let (folder, url) = (scratch("killed").unwrap(), url(&zookeeper));
    let (killed, _other) = (server(folder.path(), &url).await, server(folder.path(), &url).await);
    place(folder.path(), &url).await;
    let mut list = list(&url);
    until(&mut list, 2).await;
    send(killed.pid(), Signal::KILL);
    let found = run(&mut look(folder.path(), &url, "20", "1ms")).await;
    assert!(found.code == Some(0) && found.err.ends_with("20 calls, 0 failed\n"), "{found:?}");
    assert_eq!(list.snapshot().instances.len(), 2, "its node was gone too early for this to prove anything");
    until(&mut list, 1).await;
}

#[tokio::test]
async fn a_zookeeper_that_does_not_answer_is_named_and_holds_no_server_up() {
    let mut zookeeper = ZooKeeperServer::start().await.unwrap();
    let (folder, url) = (scratch("absent").unwrap(), url(&zookeeper));
    zookeeper.kill();
    let said = folder.path().join("said");
    let mut command = program(env!("CARGO_BIN_EXE_order-server"), folder.path());
    command.args(["--listen", "127.0.0.1:0", "--registry", &url, "--data", "data"]);
    let mut server = Running::start(command.env("NO_COLOR", "1").stderr(std::fs::File::create(&said).unwrap()));
    server.says("order-server: ready on").await;
    let said = std::fs::read_to_string(said).unwrap();
    let (host, warning) = (zookeeper.connect_string(), said.lines().find(|line| line.contains("not on the list yet")));
    let warning = warning.unwrap_or_else(|| panic!("nothing is said of it: {said}"));
    assert!(warning.contains(&host) && warning.contains("See whether the registry runs"), "{warning}");

    let error = run(&mut look(folder.path(), &url, "1", "1ms")).await;
    assert_ne!(error.code, Some(0), "{error:?}");
    assert!(error.err.contains(&host) && error.err.contains("see whether the registry runs"), "{error:?}");

    zookeeper.restart().await.unwrap();
    until(&mut list(&url), 1).await;
}
