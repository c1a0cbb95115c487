//! What people write, and what they are told when it is wrong.

use rpc::{Config, Retries, Transports};
use std::{path::PathBuf, time::Duration};

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Reads a file with this text, and these variables.
fn read(toml: &str, pairs: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rpc.toml");
    std::fs::write(&path, toml).unwrap();
    Config::read(Some(&path), variables(pairs)).map_err(|error| format!("{error:?}"))
}

#[test]
fn everything_that_can_be_written_is_read() {
    let config = read(
        r#"
        registry = "zookeeper://zk1:2181,zk2:2181/rpc"
        [server]
        listen = "0.0.0.0:7000"
        advertise = "orders.internal:7000"
        protocols = ["tarpc", "grpc"]
        [client]
        transport = "grpc"
        timeout = "2s"
        retries = "off"
        [client.Orders]
        target = "static://10.0.0.1:7000,10.0.0.2:7000"
        transport = "tarpc"
        [client.baedal.riders.v1.Riders]
        timeout = "300ms"
        "#,
        &[],
    )
    .unwrap();
    assert_eq!(config.registry.as_ref().unwrap().to_string(), "zookeeper://zk1:2181,zk2:2181/rpc");
    assert_eq!(config.server.listen.as_ref().unwrap().to_string(), "0.0.0.0:7000");
    assert_eq!(config.server.advertise.as_ref().unwrap().to_string(), "orders.internal:7000");
    assert_eq!(config.server.protocols.as_deref(), Some(["tarpc", "grpc"].as_slice()));
    assert_eq!(config.client.transport, Some(Transports::Only("grpc")));
    assert_eq!(config.client.timeout, Some(Duration::from_secs(2)));
    assert_eq!(config.client.retries, Some(Retries::Off));
    let orders = config.service("baedal.orders.v1.Orders").unwrap();
    assert_eq!(orders.target.as_ref().unwrap().to_string(), "static://10.0.0.1:7000,10.0.0.2:7000");
    assert_eq!(orders.transport, Some(Transports::Only("tarpc")));
    let riders = config.service("baedal.riders.v1.Riders").unwrap();
    assert_eq!(riders.timeout, Some(Duration::from_millis(300)));
    assert!(config.service("baedal.orders.v1.Other").is_none());
}

#[test]
fn a_variable_overrules_the_file() {
    let config = read(
        "[server]\nlisten = \"127.0.0.1:1\"\n[client]\ntimeout = \"1s\"",
        &[("RPC_SERVER_LISTEN", "127.0.0.1:2"), ("RPC_SERVER_PROTOCOLS", "grpc, tarpc"), ("HOME", "/root")],
    )
    .unwrap();
    assert_eq!(config.server.listen.unwrap().to_string(), "127.0.0.1:2");
    assert_eq!(config.server.protocols.as_deref(), Some(["grpc", "tarpc"].as_slice()));
    assert_eq!(config.client.timeout, Some(Duration::from_secs(1)));
}

#[test]
fn an_unknown_key_is_an_error_that_names_the_nearest() {
    for (toml, key, meant) in [
        ("[client]\ntimout = \"1s\"", "client.timout", "client.timeout"),
        ("[sever]\nlisten = \"127.0.0.1:1\"", "sever.listen", "server.listen"),
        ("[client.Orders]\ntransports = \"grpc\"", "client.Orders.transports", "client.Orders.transport"),
        ("registri = \"memory://\"", "registri", "registry"),
    ] {
        let error = read(toml, &[]).unwrap_err();
        assert!(error.contains("rpc.toml"), "{error}");
        assert!(error.contains(&format!("`{key}`")) && error.contains(&format!("`{meant}`")), "{error}");
    }
    let error = read("favourite = \"dish\"", &[]).unwrap_err();
    assert!(error.contains("the keys are registry, server.listen"), "{error}");
}

#[test]
fn a_value_that_makes_no_sense_names_its_key_and_its_origin() {
    for (toml, pairs, parts) in [
        ("[client]\ntimeout = 5", &[][..], &["rpc.toml", "client.timeout", "text in quotes"][..]),
        ("[client]\ntimeout = \"5\"", &[], &["client.timeout", "300ms"]),
        ("[client]\ntransport = \"http\"", &[], &["client.transport", "auto, grpc or tarpc"]),
        ("[server]\nprotocols = []", &[], &["server.protocols", "speak something"]),
        ("[server]\nlisten = \"7000\"", &[], &["server.listen", "HOST:PORT"]),
        ("", &[("RPC_SERVER_LISTEN", "7000")], &["RPC_SERVER_LISTEN", "HOST:PORT"]),
        ("registry = [", &[], &["cannot be read"]),
        ("registry = \"etcd://10.0.0.1\"", &[], &["registry", "etcd"]),
    ] {
        let error = read(toml, pairs).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }
}

#[test]
fn what_kubernetes_injects_is_ignored_and_so_is_what_nobody_knows() {
    let pairs = [
        ("RPC_PORT", "tcp://10.0.0.1:7000"),
        ("RPC_PORT_7000_TCP_ADDR", "10.0.0.1"),
        ("RPC_SERVICE_HOST", "10.0.0.1"),
        ("RPC_SERVER_LISTN", "127.0.0.1:1"),
        ("RPC_CONFIG", "elsewhere.toml"),
    ];
    let config = Config::read(None, variables(&pairs)).unwrap();
    assert!(config.registry.is_none() && config.server.listen.is_none());
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let error = Config::read(Some(&PathBuf::from("/nowhere/rpc.toml")), []).unwrap_err();
    assert!(format!("{error:?}").contains("RPC_CONFIG"), "{error:?}");
}
