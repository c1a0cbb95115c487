//! What the programs warn of: most of what goes wrong in production can be read there.

use crate::{
    order::order,
    process::{PATIENCE, Running, program, run, send},
};
use orders::{Orders, OrdersClient};
use rpc::{App, Config, Streaming};
use rpc_testkit::scratch;
use rustix::process::Signal;
use std::{fs, path::Path, time::Duration};
use tokio::{process::Command, task::JoinSet, time::timeout};

/// A server whose embedded registry is in the folder, and whose log is, too.
fn order_server(folder: &Path) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_order-server"), folder);
    let log = fs::File::create(folder.join("log")).unwrap();
    command.env("XDG_RUNTIME_DIR", folder).env_remove("KUBERNETES_SERVICE_HOST").stderr(log);
    command
}

/// Starts a server, lets it go, and gives what it has logged.
async fn log_of(folder: &Path, command: &mut Command) -> String {
    let mut server = Running::start(command);
    server.says("order-server: ready on").await;
    send(server.pid(), Signal::TERM);
    assert_eq!(server.ends().await, Some(0));
    fs::read_to_string(folder.join("log")).unwrap()
}

const FOUND_HERE_ALONE: &str = "others can reach this server, but only this machine can find it";
const READ_ALONG: &str = "others can call this server, and read along";

#[tokio::test]
async fn a_server_that_others_reach_and_nobody_finds_is_warned_of() {
    let folder = scratch("reach").unwrap();
    let everywhere = ["--listen", "0.0.0.0:0", "--advertise", "10.0.0.7:7000"];
    let log = log_of(folder.path(), order_server(folder.path()).args(everywhere)).await;
    assert!(log.contains("WARN") && log.contains(FOUND_HERE_ALONE) && log.contains("RPC_REGISTRY"), "{log}");
    assert!(log.contains(READ_ALONG) && log.contains("RPC_TLS"), "{log}");

    // Neither where it was said that this is meant.
    let registry = format!("file://{}/registry", folder.path().display());
    let mut command = order_server(folder.path());
    let meant = command.env("RPC_TLS", "off").args(everywhere).args(["--registry", &registry]);
    let log = log_of(folder.path(), meant).await;
    assert!(!log.contains(FOUND_HERE_ALONE) && !log.contains(READ_ALONG), "{log}");
    // Nor where nobody else can come.
    let log = log_of(folder.path(), &mut order_server(folder.path())).await;
    assert!(!log.contains(FOUND_HERE_ALONE) && !log.contains(READ_ALONG), "{log}");
}

#[tokio::test]
async fn a_server_in_a_container_that_only_this_container_finds_is_warned_of() {
    let folder = scratch("container").unwrap();
    let mut command = order_server(folder.path());
    let log = log_of(folder.path(), command.env("KUBERNETES_SERVICE_HOST", "10.0.0.1")).await;
    assert!(log.contains("WARN") && log.contains("only this container can find this server"), "{log}");
    let registry = format!("file://{}/registry", folder.path().display());
    let mut command = order_server(folder.path());
    let named = command.env("KUBERNETES_SERVICE_HOST", "10.0.0.1").args(["--registry", &registry]);
    let log = log_of(folder.path(), named).await;
    assert!(!log.contains("only this container"), "{log}");
}

#[tokio::test]
async fn a_server_that_no_other_process_can_find_is_warned_of() {
    let folder = scratch("memory").unwrap();
    let log = log_of(folder.path(), order_server(folder.path()).args(["--registry", "memory://"])).await;
    assert!(log.contains("WARN") && log.contains("only this process can find this server"), "{log}");
    assert!(log.contains("RPC_REGISTRY"), "{log}");
    assert!(!log.contains('\x1b'), "codes of colours in a file: {log}");
}

#[tokio::test]
async fn a_server_says_at_its_start_what_it_uses() {
    let folder = scratch("start").unwrap();
    let registry = format!("file://{}/registry", folder.path().display());
    let log = log_of(folder.path(), order_server(folder.path()).args(["--registry", &registry])).await;
    let line = log.lines().find(|line| line.contains("serving")).unwrap_or_else(|| panic!("it does not say: {log}"));
    for part in ["INFO", "127.0.0.1:", &registry, "grpc", "tarpc", "baedal.orders.v1.Orders", "instance"] {
        assert!(line.contains(part), "`{part}` is not in {line}");
    }
}

#[tokio::test]
async fn a_client_whose_calls_leave_the_machine_in_plain_text_is_warned_of() {
    let folder = scratch("leave").unwrap();
    let find = |registry: &str, tls: &str| {
        let mut command = program(env!("CARGO_BIN_EXE_order-client"), folder.path());
        command.args(["--registry", registry, "--timeout", "50ms", "find", "BD-1"]);
        if !tls.is_empty() {
            command.env("RPC_TLS", tls);
        }
        command
    };
    // TEST-NET-1: nobody is there.
    let far = "static://192.0.2.1:7000?assume=grpc";
    let plain = "calls leave this machine in plain text";
    let warned = run(&mut find(far, "")).await;
    assert!(warned.err.contains(plain) && warned.err.contains("192.0.2.1:7000"), "{warned:?}");
    for (registry, tls) in [(far, "off"), ("static://127.0.0.1:1?assume=grpc", "")] {
        let quiet = run(&mut find(registry, tls)).await;
        assert!(!quiet.err.contains(plain), "{registry}: {quiet:?}");
    }
}

#[tokio::test]
async fn a_section_that_is_nearly_that_of_a_service_is_warned_of() {
    let folder = scratch("nearly").unwrap();
    let find = || {
        let mut command = program(env!("CARGO_BIN_EXE_order-client"), folder.path());
        command.args(["--registry", "memory://", "--timeout", "50ms", "find", "BD-1"]);
        command
    };
    for (section, warned) in [("Ordres", 1), ("baedal.orders.v1.Order", 1), ("Payments", 0), ("Orders", 0)] {
        fs::write(folder.path().join("rpc.toml"), format!("[client.{section}]\ntimeout = \"50ms\"")).unwrap();
        let said = run(&mut find()).await.err;
        let warnings = said.matches("is that section meant for this service").count();
        assert_eq!(warnings, warned, "{section}: {said}");
    }
}

/// The whole way to the end, which takes the 6 s that calls in flight have.
#[tokio::test]
async fn a_drain_names_the_calls_that_it_cut() {
    let folder = scratch("cut").unwrap();
    let registry = format!("file://{}/registry", folder.path().display());
    let mut server = Running::start(order_server(folder.path()).args(["--registry", &registry]));
    server.says("order-server: ready on").await;
    let mut config = Config::default();
    config.registry = Some(registry.parse().unwrap());
    let client: OrdersClient = App::builder().config(config).build().client().await.unwrap();
    let (sender, orders) = Streaming::channel(1);
    let mut importing = JoinSet::new();
    let importer = client.clone();
    importing.spawn(async move { importer.import(orders).await });
    sender.send(Ok(order("BD-1"))).await.unwrap();
    let arrived = async {
        while client.find("BD-1".to_owned()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, arrived).await.expect("the import should have begun");
    send(server.pid(), Signal::TERM);
    assert_eq!(server.ends().await, Some(0));
    let said = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(said.contains("WARN") && said.contains("did not end in time, and were cut"), "{said}");
    assert!(said.contains("/baedal.orders.v1.Orders/Import (1)"), "{said}");
    let failed = importing.join_next().await.unwrap().unwrap().unwrap_err().to_string();
    assert!(failed.contains("server draining"), "{failed}");
}
