//! What newcomers are told, word for word: the place, and what to do.
#![cfg(all(feature = "tarpc", feature = "grpc"))]

use crate::common::{Echo, EchoClient, EchoServer, Mirror, config};
use rpc::{
    App, BoxFuture, Client, Code, Config, Status,
    registry::{
        Availability, Fixed, Instance, Publisher, Registration, Registry, RegistryError, ServiceName, Snapshot, Source,
        Watch,
    },
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Notify;

/// A registry elsewhere that nobody can reach.
struct Away;

impl Registry for Away {
    fn register(&self, _: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
        Box::pin(async { Err(RegistryError::new("not reached")) })
    }

    fn watch(&self, _: &ServiceName) -> Watch {
        let (publisher, watch) = Watch::new(Snapshot::pending(), ());
        publisher.unreachable("connection refused");
        std::mem::forget(publisher);
        watch
    }

    fn url(&self) -> String {
        "zookeeper://10.0.0.1:2181/rpc".to_owned()
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// A registry that gives its lists when it is told to.
#[derive(Default)]
struct Slow {
    asked: Notify,
    lists: Mutex<Vec<Publisher>>,
}

impl Registry for Slow {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
        Away.register(instance)
    }

    fn watch(&self, _: &ServiceName) -> Watch {
        let (publisher, watch) = Watch::new(Snapshot::pending(), ());
        self.lists.lock().unwrap().push(publisher);
        self.asked.notify_one();
        watch
    }

    fn url(&self) -> String {
        "slow://".to_owned()
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// What is wrong with a configuration; the folder of the file is cut from it.
fn refused(toml: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rpc.toml");
    std::fs::write(&path, toml).unwrap();
    let error = Config::read(Some(&path), []).unwrap_err();
    // Figment writes paths from the current folder.
    let text = format!("{error:?}");
    let at = text.find("rpc.toml").unwrap();
    text[at..].to_owned()
}

async fn not_started(app: &App) -> String {
    format!("{:?}", app.server().service(EchoServer::new(Mirror)).start().await.unwrap_err())
}

#[test]
fn of_configuration() {
    assert_eq!(
        refused("[client]\ntimout = \"1s\""),
        "rpc.toml: there is no key `client.timout`\n  what to do: write `client.timeout`, if that was meant"
    );
    assert_eq!(
        refused("[client]\ntimeout = 5"),
        "rpc.toml: `client.timeout`: its value must be a text in quotes: `5` is no duration: write 300ms, 2s, 5m or 1h"
    );
    assert_eq!(refused("[server]\nzone = 5\n"), "rpc.toml: `server.zone`: its value must be a text in quotes: \"5\"");
    assert_eq!(
        refused("[client]\ntimeout = \"5\""),
        "rpc.toml: `client.timeout`: `5` is no duration: write 300ms, 2s, 5m or 1h"
    );
    assert_eq!(
        refused("[client]\ntransport = \"http\""),
        "rpc.toml: `client.transport`: `http` is no transport: write auto, grpc or tarpc"
    );
    assert_eq!(
        refused("registry = \"etcd://10.0.0.1\""),
        "rpc.toml: `registry`: `etcd://10.0.0.1` is no place where servers are found: nothing is known of `etcd://`: \
         write zookeeper://, file:///, static://, dns://, local:// or memory://"
    );
}

#[tokio::test]
async fn of_servers_that_cannot_start() {
    let mut required = Config::default();
    required.registry_required = true;
    assert_eq!(
        not_started(&App::builder().config(required).build()).await,
        "no registry is named, and `registry.required` (the program or its command line) says that one has to be\n  \
         what to do: set `registry` (RPC_REGISTRY), for instance to zookeeper://HOST:2181/rpc"
    );

    assert_eq!(
        not_started(&App::builder().registry(Arc::new(Away)).build()).await,
        "the registry zookeeper://10.0.0.1:2181/rpc is shared, and nobody has said where this server listens\n  \
         what to do: set `server.listen` (RPC_SERVER_LISTEN), for instance to 0.0.0.0:7000"
    );

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let local = |listen: &str| config(&format!("registry = \"memory://\"\n[server]\nlisten = \"{listen}\""));
    let text = not_started(&App::builder().config(local(&address.to_string())).build()).await;
    assert!(text.starts_with(&format!("cannot listen on {address}: somebody else does\n  because: ")), "{text}");
    let remedy =
        "\n  what to do: choose another port in `server.listen` (RPC_SERVER_LISTEN), or port 0 for any free one";
    assert!(text.ends_with(remedy), "{text}");
    // An address of nobody: it stands in documentation.
    let text = not_started(&App::builder().config(local("192.0.2.1:0")).build()).await;
    assert!(text.starts_with("cannot listen on 192.0.2.1:0\n  because: "), "{text}");
    assert!(text.contains("\n  what to do: this machine does not have that address"), "{text}");

    let text = not_started(&App::builder().registry(Arc::new(Away)).config(local("127.0.0.1:0")).build()).await;
    assert!(
        text.starts_with(
            "other machines read the registry zookeeper://10.0.0.1:2181/rpc, and none of them can reach 127.0.0.1:"
        ),
        "{text}"
    );
    assert!(text.ends_with("\n  what to do: listen on an address of this machine (server.listen = \"0.0.0.0:7000\"), or say under which others reach it (server.advertise = \"HOST:PORT\")"), "{text}");

    let variables = [("RPC_TLS", "on"), ("RPC_REGISTRY", "memory://")];
    let tls = Config::read(None, variables.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
    let expected = if cfg!(feature = "tls") {
        "the variable RPC_TLS: `tls` is \"on\", and a server has to show a certificate\n  what to do: set \
         `server.certificate` and `server.key`"
    } else {
        "the variable RPC_TLS: `tls` is \"on\", and this program is built without TLS\n  what to do: enable the feature \
         `tls` of the crate rpc: features = [\"tls\"]"
    };
    assert_eq!(not_started(&App::builder().config(tls).build()).await, expected);

    let app = App::builder().config(local("127.0.0.1:0")).build();
    let twice = app.server().service(EchoServer::new(Mirror)).service(EchoServer::new(Mirror)).start().await;
    assert_eq!(
        format!("{:?}", twice.unwrap_err()),
        "this server already has a service t.v1.Echo; give each its own `name` or `package`"
    );
    assert_eq!(
        format!("{:?}", app.server().start().await.unwrap_err()),
        "a server without a service\n  what to do: add one: `.service(OrdersServer::new(..))`"
    );
}

#[tokio::test(start_paused = true)]
async fn of_clients_that_cannot_be_made() {
    let error = App::builder().registry(Arc::new(Away)).build().client::<EchoClient>().await.unwrap_err();
    assert_eq!(
        format!("{error:?}"),
        "the registry zookeeper://10.0.0.1:2181/rpc has given no list of t.v1.Echo within 3 s: connection refused\n  \
         what to do: see whether the registry runs and can be reached from here, and whether `registry` (RPC_REGISTRY) \
         names the right one"
    );
}

/// Whose text alone says that they cannot be opened: it is the configuration that has to change.
#[cfg(feature = "zookeeper")]
#[tokio::test]
async fn of_registries_whose_url_has_an_option_that_is_none() {
    let url = "zookeeper://127.0.0.1:2181/rpc?asume=grpc";
    let reason = format!(
        "`{url}`: `asume=grpc` is no option: there are session_timeout and assume; write \
         zookeeper://HOST:PORT,HOST:PORT/BASE?session_timeout=15s&assume=grpc\n  what to do: correct the URL, or leave out \
         what stands behind its `?`"
    );
    let variable = Config::read(None, [("RPC_REGISTRY".to_owned(), url.to_owned())]).unwrap();
    let error = App::builder().config(variable).build().server().service(EchoServer::new(Mirror)).start().await;
    let error = error.unwrap_err();
    assert!(error.is_configuration(), "{error:?}");
    assert_eq!(format!("{error:?}"), format!("the variable RPC_REGISTRY: `registry`: {reason}"));

    for (toml, key) in [
        (format!("registry = \"{url}\""), "registry"),
        (format!("registry = \"memory://\"\n[client.Echo]\ntarget = \"{url}\""), "client.Echo.target"),
    ] {
        let error = App::builder().config(config(&toml)).build().client::<EchoClient>().await.unwrap_err();
        assert!(error.is_configuration(), "{error:?}");
        assert!(format!("{error:?}").ends_with(&format!("rpc.toml: `{key}`: {reason}")), "{error:?}");
    }
}

/// A handler that needs a client of its own, which cannot be made.
struct Relay(App);

impl Echo for Relay {
    async fn say(&self, text: String) -> Result<String, Status> {
        self.0.client::<EchoClient>().await?.say(text).await
    }

    async fn write(&self, text: String) -> Result<String, Status> {
        self.say(text).await
    }
}

#[tokio::test]
async fn of_handlers_that_lack_a_client_without_the_place() {
    let lacks = config("registry = \"memory://\"\n[client.Echo]\ntarget = \"static://10.0.0.1:7000\"");
    let app = App::builder().config(config("registry = \"memory://\"")).build();
    let server = app.server().service(EchoServer::new(Relay(App::builder().config(lacks).build())));
    let _running = server.start().await.unwrap();
    let status = app.client::<EchoClient>().await.unwrap().say("a".to_owned()).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::FailedPrecondition,
            "the server could not set up what it needs for this call, such as a client; its log says why"
        )
    );
}

/// Addresses of whom nobody has said what they speak: from the configuration's own documentation, once.
#[tokio::test]
async fn of_a_client_whose_app_ends_before_it_has_a_list() {
    let registry = Arc::new(Slow::default());
    let app = App::builder().registry(registry.clone()).build();
    let (client, ()) = tokio::join!(app.client::<EchoClient>(), async {
        registry.asked.notified().await;
        assert!(app.shutdown().await);
        for list in &*registry.lists.lock().unwrap() {
            list.publish(Snapshot::new(vec![], Availability::Listed, Source::Live));
        }
    });
    let error = client.map(drop).expect_err("nobody closes it any more").to_string();
    assert!(error.starts_with("a client of t.v1.Echo was asked for after the App had been shut down"), "{error}");
    let abandoned = || registry.lists.lock().unwrap().iter().all(Publisher::is_abandoned);
    let soon = tokio::time::timeout(Duration::from_secs(5), async {
        while !abandoned() {
            tokio::task::yield_now().await;
        }
    });
    soon.await.expect("nobody follows the list any more");
}

#[tokio::test]
async fn of_targets_without_a_protocol() {
    let mut refused = Vec::new();
    for toml in [
        "[client.Echo]\ntarget = \"static://10.0.0.1:7000,10.0.0.2:7000\"",
        "registry = \"dns://orders.internal:7000\"",
    ] {
        let made = App::builder().config(config(toml)).build().client::<EchoClient>().await;
        let text = format!("{:?}", made.unwrap_err());
        refused.push(text[text.find("rpc.toml").unwrap()..].to_owned());
    }
    assert_eq!(
        refused,
        [
            "rpc.toml: `client.Echo.target`: nothing says which protocol is spoken at \
             static://10.0.0.1:7000,10.0.0.2:7000\n  what to do: add it, once for each: \
             static://10.0.0.1:7000,10.0.0.2:7000?assume=grpc",
            "rpc.toml: `registry`: nothing says which protocol is spoken at dns://orders.internal:7000\n  \
             what to do: add it, once for each: dns://orders.internal:7000?assume=grpc",
        ]
    );

    // A list that did not come from a configuration is not refused, and says at the call what is missing.
    let server = ["127.0.0.1:7000".parse().unwrap()];
    let fixed = App::builder().registry(Arc::new(Fixed::new(server, [""; 0]))).build();
    let client: EchoClient = fixed.client().await.unwrap();
    let short = Duration::from_millis(300);
    let status = client.with_timeout(short).say("a".to_owned()).await.unwrap_err();
    assert_eq!(
        after_the_wait(status.message(), short),
        "0 attempts sent, none of the 1 registered servers of t.v1.Echo declares a protocol; if you know which they \
         speak, add it to the URL of the registry or target, as in `?assume=grpc`"
    );
}

#[tokio::test]
async fn of_calls() {
    let memory = || config("registry = \"memory://\"");
    let short = Duration::from_millis(300);
    let app = App::builder().config(memory()).build();
    let nobody: EchoClient = app.client().await.unwrap();
    let status = nobody.with_timeout(short).say("a".to_owned()).await.unwrap_err();
    assert_eq!(
        after_the_wait(status.message(), short),
        "0 attempts sent, no server of t.v1.Echo has ever been registered; start one with this registry, or check the name"
    );

    let mut grpc = memory();
    grpc.server.protocols = Some(vec!["grpc"]);
    let app = App::builder().config(grpc).build();
    let _running = app.server().service(EchoServer::new(Mirror)).start().await.unwrap();
    let client: EchoClient = app.client().await.unwrap();
    let wrong = client.with_transport(rpc::Transports::Only("tarpc")).with_timeout(short);
    let status = wrong.say("a".to_owned()).await.unwrap_err();
    assert_eq!(
        after_the_wait(status.message(), short),
        "0 attempts sent, none of the 1 registered servers of t.v1.Echo speaks tarpc; let calls take another transport, \
         or a server speak it as well"
    );
    let unknown = client.with_transport(rpc::Transports::Only("thrift"));
    let status = unknown.say("a".to_owned()).await.unwrap_err();
    assert!(status.message().starts_with("this client does not speak `thrift`; it has "), "{status}");
}

/// What follows the limit and the time that went by, which differs from run to run.
fn after_the_wait(message: &str, limit: Duration) -> &str {
    let story = message.strip_prefix(&format!("the deadline of {limit:?} exceeded: "));
    let story = story.unwrap_or_else(|| panic!("{message}"));
    let Some((waited, rest)) = story.split_once(" waiting for a server, ") else { return story };
    let number = waited.trim_end_matches(['m', 's']);
    assert!(waited.ends_with('s') && number.parse::<f64>().is_ok(), "{message}");
    rest
}
