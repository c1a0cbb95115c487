//! What people write, and what they are told when it is wrong.

use rpc::{Config, Retries, SettingOrigin, Tls, Transports};
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
        tls = "off"
        [server]
        listen = "0.0.0.0:7000"
        advertise = "orders.internal:7000"
        protocols = ["tarpc", "grpc"]
        admission = 200
        [client]
        transport = "grpc"
        timeout = "2s"
        retries = "off"
        [client.Orders]
        target = "static://10.0.0.1:7000,10.0.0.2:7000?assume=grpc"
        transport = "tarpc"
        retries = "off"
        [client.baedal.riders.v1.Riders]
        timeout = "300ms"
        [client.baedal.riders.v1.Riders.methods.Find]
        timeout = "100ms"
        [client."baedal.methods.Follow"]
        timeout = "1m"
        "#,
        &[],
    )
    .unwrap();
    assert_eq!(config.registry.as_ref().unwrap().to_string(), "zookeeper://zk1:2181,zk2:2181/rpc");
    assert_eq!(config.server.listen.as_ref().unwrap().to_string(), "0.0.0.0:7000");
    assert_eq!(config.server.advertise.as_ref().unwrap().to_string(), "orders.internal:7000");
    assert_eq!(config.server.protocols.as_deref(), Some(["tarpc", "grpc"].as_slice()));
    assert_eq!(config.server.admission, Some("200".parse().unwrap()));
    assert_eq!(config.client.transport, Some(Transports::Only("grpc")));
    assert_eq!(config.client.timeout, Some(Duration::from_secs(2)));
    assert_eq!(config.client.retries, Some(Retries::Off));
    let orders = config.service("baedal.orders.v1.Orders").unwrap();
    assert_eq!(orders.target.as_ref().unwrap().to_string(), "static://10.0.0.1:7000,10.0.0.2:7000?assume=grpc");
    assert_eq!(orders.transport, Some(Transports::Only("tarpc")));
    assert_eq!((config.tls, orders.retries), (Some(Tls::Off), Some(Retries::Off)));
    let riders = config.service("baedal.riders.v1.Riders").unwrap();
    assert_eq!(riders.methods["Find"].timeout, Some(Duration::from_millis(100)));
    let quoted = config.service("baedal.methods.Follow").unwrap();
    assert_eq!(quoted.timeout, Some(Duration::from_secs(60)));
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
        ("[registry]\nrequird = true", "registry.requird", "registry.required"),
        (
            "[client.Orders.methods.Find]\ntimout = \"1s\"",
            "client.Orders.methods.Find.timout",
            "client.Orders.methods.Find.timeout",
        ),
    ] {
        let error = read(toml, &[]).unwrap_err();
        assert!(error.contains("rpc.toml"), "{error}");
        assert!(error.contains(&format!("`{key}`")) && error.contains(&format!("`{meant}`")), "{error}");
    }
    let error = read("favourite = \"dish\"", &[]).unwrap_err();
    assert!(error.contains("the keys are registry, registry.url"), "{error}");
    let error = read("[client.Orders.methods]\nFind = \"1s\"", &[]).unwrap_err();
    assert!(error.contains("[client.Orders.methods.Find]"), "{error}");
}

#[test]
fn a_value_that_makes_no_sense_names_its_key_and_its_origin() {
    for (toml, pairs, parts) in [
        ("[client]\ntimeout = 5", &[][..], &["rpc.toml", "client.timeout", "text in quotes"][..]),
        ("[client]\ntimeout = \"5\"", &[], &["client.timeout", "300ms"]),
        ("[client]\ntransport = \"http\"", &[], &["client.transport", "auto, grpc or tarpc"]),
        ("[server]\nlisten = 7000", &[], &["server.listen", "text in quotes", "HOST:PORT"]),
        ("[server]\nprotocols = []", &[], &["server.protocols", "speak something"]),
        ("[server]\nadmission = \"on\"", &[], &["server.admission", "adaptive, off, or a number"]),
        ("[server]\nadmission = 0", &[], &["server.admission", "`0`"]),
        ("[server]\nadmission = 1.5", &[], &["server.admission", "adaptive, off, or a number"]),
        ("", &[("RPC_SERVER_ADMISSION", "-3")], &["RPC_SERVER_ADMISSION", "`-3`"]),
        ("[server]\nlisten = \"7000\"", &[], &["server.listen", "HOST:PORT"]),
        ("", &[("RPC_SERVER_LISTEN", "7000")], &["RPC_SERVER_LISTEN", "HOST:PORT"]),
        ("registry = [", &[], &["rpc.toml", "is no TOML", "line 1"]),
        ("registry = [\"memory://\"]", &[], &["`registry`", "write one URL"]),
        ("[registry]\nrequired = \"yes\"", &[], &["registry.required", "true or false"]),
        ("", &[("RPC_REGISTRY_REQUIRED", "1")], &["RPC_REGISTRY_REQUIRED", "true or false"]),
        ("tls = \"maybe\"", &[], &["`tls`", "neither on nor off"]),
        ("[client.\"a b\"]\ntimeout = \"1s\"", &[], &["client.a b.timeout", "no name of a service"]),
        ("registry = \"etcd://10.0.0.1\"", &[], &["registry", "etcd"]),
        ("[server]\nadvertise = \"127.1:7000\"", &[], &["server.advertise", "127.1:7000", "four numbers"]),
    ] {
        let error = read(toml, pairs).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }
}

#[test]
fn a_password_in_a_url_is_repeated_nowhere() {
    for url in ["zookeeper://user:secret@h1/rpc", "redis://user:secret@h1:6379"] {
        let of_variable = read("", &[("RPC_REGISTRY", url)]).unwrap_err();
        let of_file = read(&format!("[client.Orders]\ntarget = \"{url}\""), &[]).unwrap_err();
        for error in [of_variable, of_file] {
            assert!(!error.contains("secret") && error.contains("leave out what is before the `@`"), "{error}");
        }
    }
}

#[test]
fn what_kubernetes_injects_is_ignored_and_so_is_what_nobody_knows() {
    let pairs = [
        ("RPC_PORT", "tcp://10.0.0.1:7000"),
        ("RPC_PORT_7000_TCP", "tcp://10.0.0.1:7000"),
        ("RPC_PORT_7000_TCP_ADDR", "10.0.0.1"),
        ("RPC_SERVICE_HOST", "10.0.0.1"),
        ("RPC_SERVICE_PORT_GRPC", "7000"),
        ("RPC_GATE_PORT_7000_TCP_PROTO", "tcp"),
        ("RPC_GATE_SERVICE_HOST", "10.0.0.1"),
        ("RPC_SERVER_LISTN", "127.0.0.1:1"),
        ("RPC_CONFIG", "elsewhere.toml"),
    ];
    let config = Config::read(None, variables(&pairs)).unwrap();
    assert!(config.registry.is_none() && config.server.listen.is_none());
}

#[test]
fn a_registry_is_a_text_or_a_table_and_neither_hides_the_other() {
    let url = "zookeeper://zk1:2181/rpc";
    for (toml, pairs) in [
        ("[registry]\nurl = \"zookeeper://zk1:2181/rpc\"\nrequired = true", &[][..]),
        ("[registry]\nrequired = true", &[("RPC_REGISTRY", url)]),
        ("registry = \"zookeeper://zk1:2181/rpc\"", &[("RPC_REGISTRY_REQUIRED", "true")]),
        ("", &[("RPC_REGISTRY_REQUIRED", "true"), ("RPC_REGISTRY", url)]),
    ] {
        let config = read(toml, pairs).unwrap();
        assert_eq!(config.registry.map(|target| target.to_string()).as_deref(), Some(url), "{toml} {pairs:?}");
        assert!(config.registry_required, "{toml} {pairs:?}");
    }
    let off = read("[registry]\nrequired = true", &[("RPC_REGISTRY_REQUIRED", "false")]).unwrap();
    assert!(!off.registry_required && off.registry.is_none());
}

#[test]
fn every_value_knows_who_has_said_it() {
    let mut config = read(
        "registry = \"memory://\"\n[client]\ntimeout = \"2s\"\n[client.Orders.methods.Find]\ntimeout = \"300ms\"\nhedge = \"50ms\"",
        &[("RPC_CLIENT_RETRIES", "off"), ("RPC_CLIENT_HEDGE", "p95"), ("RPC_TLS", "off")],
    )
    .unwrap();
    config.server.listen = Some("0.0.0.0:7000".parse().unwrap());
    config.client.timeout = Some(Duration::from_secs(3));
    let settings = config.settings();
    let of = |key: &str| {
        let setting = settings.iter().find(|setting| setting.key == key).unwrap_or_else(|| panic!("no {key}"));
        (setting.value.as_str(), setting.origin.clone())
    };
    let (registry, SettingOrigin::File(path)) = of("registry") else { panic!("{settings:?}") };
    assert!(registry == "memory://" && path.ends_with("rpc.toml"), "{settings:?}");
    let (find, SettingOrigin::File(_)) = of("client.Orders.methods.Find.timeout") else { panic!("{settings:?}") };
    assert_eq!(find, "300ms");
    assert_eq!(of("client.retries"), ("off", SettingOrigin::Variable("RPC_CLIENT_RETRIES".to_owned())));
    assert_eq!(of("client.hedge"), ("p95", SettingOrigin::Variable("RPC_CLIENT_HEDGE".to_owned())));
    assert_eq!(of("client.Orders.methods.Find.hedge").0, "50ms");
    assert_eq!(of("tls"), ("off", SettingOrigin::Variable("RPC_TLS".to_owned())));
    assert_eq!(of("client.transport"), ("auto", SettingOrigin::BuiltIn));
    assert_eq!(of("server.admission"), ("adaptive", SettingOrigin::BuiltIn));
    // Set, and changed, after it was read: by a command line, for instance.
    assert_eq!(of("server.listen"), ("0.0.0.0:7000", SettingOrigin::Program));
    assert_eq!(of("client.timeout"), ("3s", SettingOrigin::Program));
    assert!(Config::default().settings().iter().all(|setting| setting.origin == SettingOrigin::BuiltIn));
}

/// What `order-server config` prints may be copied into a file.
#[test]
fn every_setting_is_written_as_the_file_would_write_it() {
    let all = r#"
        registry = { url = "zookeeper://zk1:2181,zk2:2181/rpc?session_timeout=4s&assume=grpc", required = true }
        tls = "on"
        rules = "/etc/rules.toml"
        max_message = "16MiB"
        [server]
        listen = "[::1]:7000"
        advertise = "unix:/run/orders.sock"
        protocols = ["tarpc", "grpc"]
        admission = 200
        tls = "off"
        weight = 7
        zone = "icn-a"
        version = "1.2.3"
        certificate = "/c.pem"
        key = "/c.key"
        client_ca = "/ca.pem"
        [client]
        transport = "grpc"
        timeout = "1m 500ms"
        retries = "off"
        hedge = "p95"
        tls = "on"
        ca = "/ca.pem"
        certificate = "/c.pem"
        key = "/c.key"
        server_name = "fleet"
        [client.Orders]
        target = "static://10.0.0.1:7000,10.0.0.2:7000?assume=grpc"
        transport = "auto"
        timeout = "1s"
        retries = "on"
        hedge = "50ms"
        tls = "off"
        server_name = "orders"
        [client.Orders.methods.Find]
        timeout = "300ms"
        hedge = "off"
    "#;
    let said = |toml: &str| -> Vec<(String, String)> {
        let settings = read(toml, &[]).unwrap_or_else(|error| panic!("{error} in\n{toml}")).settings();
        let said = settings.into_iter().filter(|setting| setting.origin != SettingOrigin::BuiltIn);
        said.map(|setting| (setting.key, setting.value)).collect()
    };
    let first = said(all);
    assert_eq!(first.len(), 34, "{first:?}");
    let written = |(key, value): &(String, String)| {
        let key = if key == "registry" { "registry.url" } else { key };
        format!("{key} = {value:?}\n")
    };
    assert_eq!(said(&first.iter().map(written).collect::<String>()), first);
    for (size, printed) in [("65537", "65537"), ("16777216", "16MiB"), ("\"1024KiB\"", "1MiB"), ("1536", "1536")] {
        assert_eq!(said(&format!("max_message = {size}")), [("max_message".to_owned(), printed.to_owned())]);
    }
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let error = Config::read(Some(&PathBuf::from("/nowhere/rpc.toml")), []).unwrap_err();
    assert!(format!("{error:?}").contains("RPC_CONFIG"), "{error:?}");
}
