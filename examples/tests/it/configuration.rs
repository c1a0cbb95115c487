//! What stands in `rpc.toml` and in the environment, and what the programs make of it.

use crate::process::{Running, program, run, send};
use rpc_testkit::scratch;
use rustix::process::Signal;
use std::{fs, path::Path};
use tokio::process::Command;

fn order_server(folder: &Path) -> Command {
    program(env!("CARGO_BIN_EXE_order-server"), folder)
}

#[tokio::test]
async fn every_value_is_printed_with_where_it_comes_from() {
    let folder = scratch("config").unwrap();
    fs::write(
        folder.path().join("rpc.toml"),
        "[registry]\nurl = \"memory://\"\n[client.Orders.methods.Find]\ntimeout = \"300ms\"",
    )
    .unwrap();
    let mut command = order_server(folder.path());
    let printed = run(command.env("RPC_CLIENT_RETRIES", "off").args(["--listen", "127.0.0.1:7000", "config"])).await;
    assert_eq!(printed.code, Some(0), "{printed:?}");
    for (key, value, origin) in [
        ("registry ", "memory://", "/rpc.toml"),
        ("client.Orders.methods.Find.timeout", "300ms", "/rpc.toml"),
        ("client.retries", "off", "the variable RPC_CLIENT_RETRIES"),
        ("server.listen", "127.0.0.1:7000", "the program or its command line"),
        ("client.timeout", "5s", "built-in"),
    ] {
        let line = printed.out.lines().find(|line| line.contains(key)).unwrap_or_else(|| panic!("{key}: {printed:?}"));
        assert!(line.contains(value) && line.contains(origin), "{line}");
    }
    assert!(printed.err.contains("configuration read") && printed.err.contains("/rpc.toml"), "{printed:?}");
}

#[tokio::test]
async fn the_interface_is_printed_for_callers_in_other_languages() {
    let folder = scratch("proto").unwrap();
    let printed = run(order_server(folder.path()).arg("proto")).await;
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert_eq!(printed.out, fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/orders.proto")).unwrap());
}

#[tokio::test]
async fn a_misspelt_key_ends_a_program_with_the_right_one() {
    let folder = scratch("config").unwrap();
    fs::write(folder.path().join("rpc.toml"), "[client]\ntimout = \"1s\"").unwrap();
    for binary in [env!("CARGO_BIN_EXE_order-server"), env!("CARGO_BIN_EXE_order-client")] {
        let mut command = program(binary, folder.path());
        if binary.ends_with("client") {
            command.args(["find", "BD-1"]);
        }
        let ended = run(&mut command).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let place = folder.path().join("rpc.toml").display().to_string();
        assert!(ended.err.contains(&place) && ended.err.contains("`client.timout`"), "{ended:?}");
        assert!(ended.err.contains("write `client.timeout`"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_pod_beside_a_service_called_rpc_starts() {
    let folder = scratch("pod").unwrap();
    let registry = format!("file://{}/registry", folder.path().display());
    let injected = [
        ("RPC_PORT", "tcp://10.0.0.1:7000"),
        ("RPC_SERVICE_HOST", "10.0.0.1"),
        ("RPC_SERVICE_PORT", "7000"),
        ("RPC_PORT_7000_TCP", "tcp://10.0.0.1:7000"),
        ("RPC_PORT_7000_TCP_ADDR", "10.0.0.1"),
    ];
    let quiet = run(order_server(folder.path()).envs(injected).arg("config")).await;
    assert!(quiet.code == Some(0) && !quiet.err.contains("unknown variable"), "{quiet:?}");
    let ours = run(order_server(folder.path()).env("RPC_SERVER_LISTN", "127.0.0.1:1").arg("config")).await;
    assert!(ours.code == Some(0) && ours.err.contains("unknown variable"), "{ours:?}");
    assert!(ours.err.contains("RPC_SERVER_LISTEN"), "{ours:?}");

    let mut server = Running::start(order_server(folder.path()).envs(injected).args(["--registry", &registry]));
    server.says("order-server: ready on").await;
    send(server.pid(), Signal::TERM);
    assert_eq!(server.ends().await, Some(0));
}

/// Whatever is wrong with the configuration, it is one class of errors, and whoever starts a program sees which.
#[tokio::test]
async fn a_wrong_configuration_ends_a_program_with_2_wherever_it_is_noticed() {
    let folder = scratch("wrong").unwrap();
    let parts = |ended: crate::process::Ended, parts: &[&str]| {
        assert_eq!(ended.code, Some(2), "{ended:?}");
        for part in parts {
            assert!(ended.err.contains(part), "`{part}` is not in {ended:?}");
        }
    };
    let required = ["no registry is named", "RPC_REGISTRY_REQUIRED", "what to do: set `registry` (RPC_REGISTRY)"];
    parts(run(order_server(folder.path()).env("RPC_REGISTRY_REQUIRED", "true")).await, &required);
    let shared = run(order_server(folder.path()).args(["--registry", "zookeeper://192.0.2.1:2181/rpc"])).await;
    parts(shared, &["nobody has said where this server listens", "RPC_SERVER_LISTEN"]);
    let mut client = program(env!("CARGO_BIN_EXE_order-client"), folder.path());
    parts(run(client.env("RPC_REGISTRY_REQUIRED", "true").args(["find", "BD-1"])).await, &required);
    let option = "zookeeper://127.0.0.1:2181/rpc?asume=grpc";
    let known = ["the variable RPC_REGISTRY: `registry`", "there are session_timeout and assume", "what to do: "];
    parts(run(order_server(folder.path()).env("RPC_REGISTRY", option)).await, &known);
    fs::write(folder.path().join("rpc.toml"), "[client.Orders.methods.Fnid]\ntimeout = \"1s\"").unwrap();
    let mut client = program(env!("CARGO_BIN_EXE_order-client"), folder.path());
    parts(run(client.args(["--registry", "memory://", "find", "BD-1"])).await, &["no method `Fnid`", "methods.Find"]);
}

#[tokio::test]
async fn every_key_is_printed_and_what_the_command_line_says_after_the_command_counts() {
    let folder = scratch("keys").unwrap();
    let options = ["config", "--listen", "127.0.0.1:7000", "--advertise", "127.0.0.1:7001"];
    let printed = run(order_server(folder.path()).args(options)).await;
    assert_eq!(printed.code, Some(0), "{printed:?}");
    // A key that does not exist is answered with all that do.
    fs::write(folder.path().join("rpc.toml"), "favourite = \"dish\"").unwrap();
    let known = run(order_server(folder.path()).arg("config")).await.err;
    let (_, keys) = known.split_once("the keys are ").unwrap_or_else(|| panic!("{known}"));
    for key in keys.trim().split(", ").filter(|key| *key != "registry.url") {
        assert!(printed.out.contains(&format!("\u{2502} {key} ")), "no {key} in {}", printed.out);
    }
    for address in ["127.0.0.1:7000", "127.0.0.1:7001"] {
        assert!(printed.out.contains(address), "{printed:?}");
    }
}

#[tokio::test]
async fn a_password_on_the_command_line_is_repeated_nowhere() {
    let folder = scratch("password").unwrap();
    for (path, more) in [
        (env!("CARGO_BIN_EXE_order-server"), &[][..]),
        (env!("CARGO_BIN_EXE_order-client"), &["find", "BD-1"]),
        (env!("CARGO_BIN_EXE_quickstart"), &[]),
    ] {
        let mut command = program(path, folder.path());
        let ended = run(command.args(["--registry", "zookeeper://user:secret@h1/rpc"]).args(more)).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(!ended.err.contains("secret") && !ended.out.contains("secret"), "{ended:?}");
        assert!(ended.err.contains("--registry") && ended.err.contains("before the `@`"), "{ended:?}");
        assert!(ended.err.contains("--help"), "{ended:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_had_ends_a_program_with_1() {
    let folder = scratch("taken").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(order_server(folder.path()).args(["--registry", "memory://", "--listen", &address])).await;
    assert!(ended.code == Some(1) && ended.err.contains("somebody else does"), "{ended:?}");
}

#[tokio::test]
async fn the_variable_of_the_registry_has_one_name() {
    let folder = scratch("variable").unwrap();
    let mut command = order_server(folder.path());
    let variables = [("RPC_REGISTRY", "memory://"), ("RPC_REGISTRY_URL", "zookeeper://192.0.2.1:2181/rpc")];
    let printed = run(command.envs(variables).arg("config")).await;
    let registry = printed.out.lines().find(|line| line.contains("registry ")).unwrap();
    assert!(registry.contains("memory://") && registry.contains("the variable RPC_REGISTRY"), "{registry}");
    assert!(printed.err.contains("RPC_REGISTRY_URL") && printed.err.contains("unknown variable"), "{printed:?}");
    let shared =
        run(order_server(folder.path()).env("RPC_REGISTRY", "zookeeper://192.0.2.1:2181/rpc").arg("config")).await;
    let listen = shared.out.lines().find(|line| line.contains("server.listen")).unwrap();
    assert!(listen.contains("has to be set"), "{listen}");
    let mut here = order_server(folder.path());
    let here = run(here.env("RPC_REGISTRY", "zookeeper://127.0.0.1:2181/rpc").arg("config")).await;
    assert!(here.out.contains("127.0.0.1:0"), "{here:?}");
}

/// Two signals at once: the first begins the drain, the second finds it at work.
#[tokio::test]
async fn a_second_signal_ends_a_server_at_once_and_says_so() {
    let folder = scratch("signals").unwrap();
    let registry = format!("file://{}/registry", folder.path().display());
    let mut command = order_server(folder.path());
    let mut server = Running::start(command.args(["--registry", &registry]).stderr(std::process::Stdio::piped()));
    server.says("order-server: ready on").await;
    send(server.pid(), Signal::TERM);
    send(server.pid(), Signal::INT);
    let code = server.ends().await;
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
    let mut said = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut server.child.stderr.take().unwrap(), &mut said).await.unwrap();
    assert!(said.contains("a second signal exits at once") && said.contains("exiting at once"), "{said}");
}
