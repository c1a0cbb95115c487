//! A client of another language calls us: grpcio, with a `.proto` written by hand.

use crate::common::*;
use rpc_core::{Address, server::Running, transport::Limits};
use rpc_testkit::python_with_grpcio;
use std::{path::Path, process::Stdio, time::Duration};
use tokio::{io::AsyncWriteExt, process::Command};

const CHECKS: [&str; 17] = [
    "echo",
    "codes",
    "details",
    "metadata",
    "too_much_metadata",
    "deadline",
    "limits",
    "streams",
    "failing_stream",
    "large_stream",
    "stream_deadline",
    "stream_cancelled",
    "stream_of_garbage",
    "panic",
    "unknown_method",
    "compressed",
    "garbage",
];

fn client_over_tls(target: &Address, certificates: &Path) -> Command {
    let mut command = client(target);
    command.env("KITCHEN_TLS", certificates);
    command
}

fn client(target: &Address) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/client.py");
    let mut command = Command::new(python_with_grpcio().unwrap());
    command.arg(script).arg(target.to_string()).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn every_check(address: &Address) {
    let kitchen = Kitchen::new();
    let running = serve(&kitchen, address, Limits::default()).await;
    let client = client(running.address());
    make_every_check(&kitchen, running, client).await;
}

async fn make_every_check(kitchen: &Kitchen, running: Running, mut client: Command) {
    let output = client.output();
    let output = tokio::time::timeout(Duration::from_secs(120), output).await.expect("the client hangs").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let passed: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("ok ")).collect();
    assert_eq!(passed, CHECKS);
    kitchen.busy(0).await;
    assert!(running.shutdown(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn every_check_over_tcp() {
    every_check(&Address::tcp("127.0.0.1", 0)).await;
}

#[tokio::test]
async fn every_check_over_tls() {
    let (kitchen, certificates) = (Kitchen::new(), certificates());
    let running = serve_over_tls(&kitchen, certificates.path()).await;
    let client = client_over_tls(running.address(), certificates.path());
    make_every_check(&kitchen, running, client).await;
}

#[tokio::test]
async fn every_check_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    every_check(&Address::Unix(folder.path().join("kitchen.sock"))).await;
}

#[tokio::test]
async fn a_call_that_the_client_cancels_is_dropped_here() {
    let kitchen = Kitchen::new();
    let running = serve(&kitchen, &Address::tcp("127.0.0.1", 0), Limits::default()).await;
    let mut child = client(running.address()).arg("cancel").spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    kitchen.busy(1).await;
    input.write_all(b"\n").await.unwrap();
    // The client is still there: it is the cancelled call that ends, not the connection.
    kitchen.busy(0).await;
    drop(input);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
