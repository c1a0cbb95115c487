//! The programs with TLS, as a file says it.

use crate::process::{Running, program, run};
use rpc_testkit::{Ca, scratch};

const CONFIG: &str = r#"
tls = "on"
[server]
certificate = "server.pem"
key = "server.key"
client_ca = "ca.pem"
[client]
ca = "ca.pem"
certificate = "client.pem"
key = "client.key"
server_name = "orders.internal"
"#;

#[tokio::test]
async fn an_order_is_placed_over_every_wire_and_by_nobody_without_a_certificate() {
    let (folder, ca) = (scratch("tls").unwrap(), Ca::new());
    let path = folder.path();
    std::fs::write(path.join("ca.pem"), ca.pem()).unwrap();
    ca.issue(&["orders.internal"]).write(path, "server");
    ca.issue(&["spiffe://fleet/app"]).write(path, "client");
    std::fs::write(path.join("rpc.toml"), CONFIG).unwrap();

    let mut server = program(env!("CARGO_BIN_EXE_order-server"), path);
    let mut server = Running::start(server.args(["--data", "data", "--listen", "127.0.0.1:0"]));
    server.says("order-server: ready on 127.0.0.1:").await;
    let client = |arguments: &[&str]| {
        let mut client = program(env!("CARGO_BIN_EXE_order-client"), path);
        client.args(arguments);
        client
    };
    for wire in ["auto", "grpc", "tarpc"] {
        let place = ["place", wire, "--store", "교동반점", "--item", "짜장면 x2 @7000", "--transport", wire];
        let placed = run(&mut client(&place)).await;
        assert_eq!(
            (placed.code, &*placed.out),
            (Some(0), &*format!("order {wire} is placed: 14000 won\n")),
            "{placed:?}"
        );
    }
    let nobody = CONFIG.replace("certificate = \"client.pem\"\nkey = \"client.key\"\n", "");
    std::fs::write(path.join("nobody.toml"), nobody).unwrap();
    let refused = run(client(&["find", "auto"]).env("RPC_CONFIG", path.join("nobody.toml"))).await;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.err.contains("it wants to know who calls: set `client.certificate`"), "{refused:?}");

    let mut config = program(env!("CARGO_BIN_EXE_order-server"), path);
    let config = run(config.arg("config")).await.out;
    let key = path.join("server.key").display().to_string();
    assert!(config.contains(&key) && !config.contains("PRIVATE"), "{config}");
}
