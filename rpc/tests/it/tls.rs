//! TLS as people configure it.
#![cfg(all(feature = "tls", feature = "grpc", feature = "tarpc"))]

use rpc::{
    App, Client, ClientTls, Config, Context, Pem, ServerTls, Transports,
    prelude::*,
    registry::{Memory, Registry},
};
use rpc_testkit::{Ca, Issued};
use std::{error::Error, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

/// Says who calls.
#[rpc_service(package = "t.v1")]
trait Gate {
    /// The name in the caller's certificate.
    #[rpc(idempotent, timeout = "1s")]
    async fn knock(&self) -> Result<String, Status>;
}

struct Porter;

impl Gate for Porter {
    async fn knock(&self) -> Result<String, Status> {
        let context = Context::current();
        let peer = context.peer().ok_or_else(|| Status::internal("nobody calls"))?;
        Ok(format!("{} over {}", peer.identity.as_deref().unwrap_or("somebody"), peer.transport))
    }
}

/// A folder with certificates, and what is said in it.
struct Desk {
    folder: TempDir,
    ca: Ca,
}

impl Desk {
    fn new() -> Self {
        let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::new());
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        ca.issue(&["127.0.0.1"]).write(folder.path(), "server");
        ca.issue(&["spiffe://fleet/billing"]).write(folder.path(), "billing");
        Self { folder, ca }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn config(&self, toml: &str) -> Config {
        let path = self.path().join("rpc.toml");
        std::fs::write(&path, toml).unwrap();
        Config::read(Some(&path), []).unwrap()
    }
}

const SERVER: &str = "[server]\ntls = \"on\"\ncertificate = \"server.pem\"\nkey = \"server.key\"\n";
const CLIENT: &str = "[client]\ntls = \"on\"\nca = \"ca.pem\"\ntimeout = \"1s\"\n";

fn app(config: Config, registry: &Arc<Memory>) -> App {
    App::builder().config(config).registry(registry.clone()).build()
}

async fn knock(gate: &GateClient, wire: &'static str) -> Result<String, Status> {
    gate.with_transport(Transports::Only(wire)).knock().await
}

/// Why a call found no server, which only the log and the source of the status say.
async fn why(gate: &GateClient) -> String {
    gate.knock().await.unwrap_err().source().expect("the reason").to_string()
}

#[tokio::test]
async fn a_file_says_it_all_and_the_handler_knows_who_calls() {
    let (desk, registry) = (Desk::new(), Arc::new(Memory::new()));
    let server = app(desk.config(&format!("{SERVER}client_ca = \"ca.pem\"")), &registry);
    let running = server.server().service(GateServer::new(Porter)).start().await.unwrap();
    let listed = registry.watch(&GateClient::SERVICE.name.parse().unwrap()).snapshot();
    let endpoints = &listed.instances[0].endpoints;
    assert!(endpoints.len() == 2 && endpoints.iter().all(|endpoint| endpoint.tls), "{endpoints:?}");

    let own = "certificate = \"billing.pem\"\nkey = \"billing.key\"\n";
    let client = app(desk.config(&format!("{CLIENT}{own}")), &registry);
    let gate: GateClient = client.client().await.unwrap();
    for wire in ["grpc", "tarpc"] {
        assert_eq!(knock(&gate, wire).await.unwrap(), format!("spiffe://fleet/billing over {wire}"));
    }
    // Without a certificate of one's own one is told what to do.
    let nobody = app(desk.config(CLIENT), &registry).client().await.unwrap();
    let why = why(&nobody).await;
    assert!(why.contains("it wants to know who calls: set `client.certificate` and `client.key`"), "{why}");
    assert!(running.shutdown().await);
}

#[tokio::test]
async fn a_server_agrees_on_the_protocols_that_it_speaks_before_anything_is_said() {
    // Not for our own clients, which are known by their first bytes as well: grpc-go leaves a server that does not.
    let (desk, registry) = (Desk::new(), Arc::new(Memory::new()));
    for (protocols, agreed) in [
        ("[\"grpc\", \"tarpc\"]", &["h2", "rpc-tarpc/1"][..]),
        ("[\"grpc\"]", &["h2"]),
        ("[\"tarpc\"]", &["rpc-tarpc/1"]),
    ] {
        let server = app(desk.config(&format!("{SERVER}protocols = {protocols}\n")), &registry);
        let running = server.server().service(GateServer::new(Porter)).start().await.unwrap();
        let connector = ClientTls::new(desk.path().join("ca.pem")).connector().unwrap();
        for alpn in ["h2", "rpc-tarpc/1"] {
            let io = tokio::net::TcpStream::connect(running.address().to_string()).await.unwrap();
            let secured = connector.connect(rpc_core::Io::new(io), "127.0.0.1", Some(alpn)).await;
            assert_eq!(
                secured.map_err(|error| error.kind()).map(|secured| secured.alpn),
                match agreed.contains(&alpn) {
                    true => Ok(Some(alpn.to_owned())),
                    false => Err(rpc_core::tls::TlsErrorKind::Protocol),
                },
                "{alpn} of {protocols}"
            );
        }
        running.shutdown().await;
    }
}

#[tokio::test]
async fn neither_side_falls_back_to_plain_text() {
    let (desk, registry) = (Desk::new(), Arc::new(Memory::new()));
    let encrypted = app(desk.config(SERVER), &registry);
    let running = encrypted.server().service(GateServer::new(Porter)).start().await.unwrap();
    let plain = app(desk.config("[client]\ntls = \"off\"\ntimeout = \"1s\""), &registry).client().await.unwrap();
    let reason = why(&plain).await;
    assert!(reason.contains("asks for TLS, and this client speaks plain text: set `tls` to \"on\""), "{reason}");
    running.shutdown().await;

    let _running = app(Config::default(), &registry).server().service(GateServer::new(Porter)).start().await.unwrap();
    let insisting = app(desk.config(CLIENT), &registry).client().await.unwrap();
    let reason = why(&insisting).await;
    assert!(reason.contains("speaks plain text only, and this client insists on TLS"), "{reason}");
}

#[tokio::test]
async fn servers_are_known_by_one_name_wherever_they_are() {
    let (desk, registry) = (Desk::new(), Arc::new(Memory::new()));
    desk.ca.issue(&["orders.internal"]).write(desk.path(), "server");
    let server = app(desk.config(SERVER), &registry);
    let running = server.server().service(GateServer::new(Porter)).start().await.unwrap();
    let gate: GateClient = app(desk.config(CLIENT), &registry).client().await.unwrap();
    let reason = why(&gate).await;
    assert!(reason.contains("is for ") && reason.contains("set `client.server_name`"), "{reason}");

    let named = format!("{CLIENT}[client.Gate]\nserver_name = \"orders.internal\"");
    let gate: GateClient = app(desk.config(&named), &registry).client().await.unwrap();
    for wire in ["grpc", "tarpc"] {
        assert_eq!(knock(&gate, wire).await.unwrap(), format!("somebody over {wire}"));
    }
    // Of an address nothing else is known: what is spoken there is as the client's configuration assumes.
    let fixed = format!("{named}\ntarget = \"static://{}?assume=grpc\"", running.address());
    let gate: GateClient = app(desk.config(&fixed), &registry).client().await.unwrap();
    assert_eq!(gate.knock().await.unwrap(), "somebody over grpc");
    // And a name that is resolved is a name.
    desk.ca.issue(&["localhost"]).write(desk.path(), "server");
    let server = app(desk.config(SERVER), &registry);
    let running = server.server().service(GateServer::new(Porter)).start().await.unwrap();
    let port = running.address().port().unwrap();
    let resolved = format!("{CLIENT}[client.Gate]\ntarget = \"dns://localhost:{port}?assume=grpc\"");
    let gate: GateClient = app(desk.config(&resolved), &registry).client().await.unwrap();
    assert_eq!(gate.with_timeout(Duration::from_secs(5)).knock().await.unwrap(), "somebody over grpc");
}

#[tokio::test]
async fn a_program_brings_its_own_certificates() {
    fn pem(text: &str) -> Pem {
        Pem::Text(text.into())
    }
    let (ca, registry) = (Ca::new(), Arc::new(Memory::new()));
    let Issued { certificate, key } = ca.issue(&["127.0.0.1"]);
    let tls = ServerTls::new(pem(&certificate), pem(&key));
    let serving = |config| app(config, &registry).server().service(GateServer::new(Porter)).tls(tls.clone());
    let calling = |config| {
        let builder = App::builder().registry(registry.clone()).client_tls(ClientTls::new(pem(&ca.pem())));
        builder.config(config).build()
    };
    let running = serving(Config::default()).start().await.unwrap();
    let gate: GateClient = calling(Config::default()).client().await.unwrap();
    assert_eq!(gate.knock().await.unwrap(), "somebody over tarpc");
    running.shutdown().await;

    // Whoever runs it has the last word.
    let off = Desk::new().config("tls = \"off\"");
    let _running = serving(off.clone()).start().await.unwrap();
    let gate: GateClient = calling(off).client().await.unwrap();
    assert_eq!(gate.knock().await.unwrap(), "somebody over tarpc");
}

/// What a server and a client are told, from the name of the file on.
async fn told(desk: &Desk, toml: &str) -> [Option<String>; 2] {
    let registry = Arc::new(Memory::new());
    let app = app(desk.config(toml), &registry);
    let said = |error: rpc::Error| {
        let text = format!("{error:?}");
        text.split_once("rpc.toml: ").map_or(text.clone(), |(_, rest)| rest.to_owned())
    };
    let server = app.server().service(GateServer::new(Porter)).start().await;
    let client = app.client::<GateClient>().await;
    [server.err().map(said), client.err().map(said)]
}

#[tokio::test]
async fn what_is_wrong_is_said_at_start_with_the_key_the_file_and_the_remedy() {
    let desk = Desk::new();
    let [server, client] = told(&desk, "tls = \"on\"").await;
    assert_eq!(
        server.unwrap(),
        "`tls` is \"on\", and a server has to show a certificate\n  what to do: set `server.certificate` and `server.key`"
    );
    assert_eq!(
        client.unwrap(),
        "`tls` is \"on\", and a client has to know whom to trust\n  what to do: set `client.ca` (RPC_CLIENT_CA) to the PEM \
         file of the CA that issues the servers' certificates"
    );
    let [server, _] = told(&desk, "[server]\ntls = \"on\"\ncertificate = \"server.pem\"").await;
    assert_eq!(
        server.unwrap(),
        "`server.tls` is \"on\", and `server.certificate` is of no use without `server.key`\n  what to do: set `server.key`"
    );
    let missing = desk.path().join("missing.pem").display().to_string();
    let [server, client] = told(
        &desk,
        &format!("{}{CLIENT}", SERVER.replace("server.pem", "missing.pem")).replace("ca.pem", "missing.pem"),
    )
    .await;
    let cannot = |key: &str| format!("`{key}`: cannot read {missing}: ");
    let (server, client) = (server.unwrap(), client.unwrap());
    assert!(server.starts_with(&cannot("server.certificate")) && server.contains("correct the path"), "{server}");
    assert!(client.starts_with(&cannot("client.ca")) && client.contains("correct the path"), "{client}");
    let [server, _] = told(&desk, &SERVER.replace("server.key", "billing.key")).await;
    assert_eq!(
        server.unwrap(),
        "`server.key`: the key does not belong to the certificate\n  what to do: name the key for which the certificate was \
         issued"
    );
    let [_, client] = told(&desk, &format!("{CLIENT}server_name = \"10.0.0.7:7000\"")).await;
    assert_eq!(
        client.unwrap(),
        "`client.server_name`: `10.0.0.7:7000` can stand in no certificate\n  what to do: write a DNS name or an IP address, \
         without a port"
    );
}

#[tokio::test]
async fn whoever_names_certificates_and_forgets_to_say_on_is_not_left_in_plain_text() {
    let desk = Desk::new();
    let forgotten = "[server]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n[client]\nca = \"ca.pem\"";
    for (said, key) in told(&desk, forgotten).await.into_iter().zip(["server.certificate", "client.ca"]) {
        let said = said.unwrap();
        assert!(said.starts_with(&format!("`{key}` is said, and whether there is TLS is not")), "{said}");
    }
    let meant = format!("tls = \"off\"\n{forgotten}");
    assert_eq!(told(&desk, &meant).await, [None, None]);
}

#[test]
fn paths_are_seen_from_the_file_and_what_is_in_them_is_never_shown() {
    let desk = Desk::new();
    let config = desk.config(SERVER);
    let setting = config.settings().into_iter().find(|setting| setting.key == "server.key").unwrap();
    assert_eq!(setting.value, desk.path().join("server.key").display().to_string());

    let Issued { key, .. } = desk.ca.issue(&["a"]);
    let error = Config::read(None, [("RPC_SERVER_KEY".to_owned(), key.clone())]).unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("`server.key`: it has to be the name of a file"), "{text}");
    let secret = key.lines().nth(1).unwrap();
    assert!(!text.contains(secret) && !format!("{:?}", Pem::Text(key.clone().into())).contains(secret), "{text}");
    let relative = Config::read(None, [("RPC_CLIENT_CA".to_owned(), "ca.pem".to_owned())]).unwrap();
    assert_eq!(
        relative.client.ca.as_deref(),
        Some(Path::new("ca.pem")),
        "a variable has no folder but the current one"
    );
}

#[test]
fn what_readme_says_is_understood() {
    let readme = include_str!("../../../README.md");
    let (_, said) = readme.split_once("```toml\n# rpc.toml\n").unwrap();
    let config = Desk::new().config(said.split_once("```").unwrap().0);
    assert_eq!(config.client.server_name.as_deref(), Some("orders.internal"));
    assert!(config.server.client_ca.is_some() && config.client.key.is_some());
}

#[tokio::test]
async fn certificates_are_renewed_while_a_server_runs() {
    let (desk, registry) = (Desk::new(), Arc::new(Memory::new()));
    let server = app(desk.config(SERVER), &registry);
    let _running = server.server().service(GateServer::new(Porter)).start().await.unwrap();
    let renewed = Ca::new();
    renewed.issue(&["127.0.0.1"]).write(desk.path(), "server");
    std::fs::write(desk.path().join("new-ca.pem"), renewed.pem()).unwrap();
    let client = app(desk.config(&CLIENT.replace("ca.pem", "new-ca.pem")), &registry);
    let gate: GateClient = client.client().await.unwrap();
    // The files are looked at every ten seconds, and the client comes back at least every five.
    let gate = gate.with_timeout(Duration::from_secs(60));
    assert_eq!(gate.knock().await.unwrap(), "somebody over tarpc");
}
