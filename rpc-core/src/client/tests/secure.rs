//! TLS, as far as a channel has to do with it.

use super::world::*;
use crate::{
    BoxFuture, Io,
    registry::{Identity, Instance, Memory, Registry},
    tls::{Afterthought, Encryption, Secured, TlsConnector, TlsError, TlsErrorKind},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(3);

/// What comes of each handshake.
#[derive(Clone, Copy)]
enum Outcome {
    Well,
    Fails(TlsErrorKind),
    /// It goes well, and the server says afterwards that it has not.
    FailsAfterwards,
    Silent,
}

struct Tls {
    outcome: Mutex<Outcome>,
    servers: Mutex<Vec<String>>,
}

impl Tls {
    fn new(outcome: Outcome) -> Arc<Self> {
        Arc::new(Self { outcome: Mutex::new(outcome), servers: Mutex::default() })
    }

    fn encryption(self: &Arc<Self>, server_name: Option<&str>) -> Encryption {
        Encryption::Tls { connector: self.clone(), server_name: server_name.map(str::to_owned) }
    }

    fn servers(&self) -> Vec<String> {
        self.servers.lock().unwrap().clone()
    }
}

impl TlsConnector for Tls {
    fn connect<'a>(
        &'a self,
        io: Io,
        server: &'a str,
        _: Option<&'static str>,
    ) -> BoxFuture<'a, Result<Secured, TlsError>> {
        self.servers.lock().unwrap().push(server.to_owned());
        let outcome = *self.outcome.lock().unwrap();
        Box::pin(async move {
            let secured = Secured::new(io);
            match outcome {
                Outcome::Well => Ok(secured),
                Outcome::Fails(cause) => Err(TlsError::new(cause, "its certificate has expired: renew it")),
                Outcome::Silent => std::future::pending().await,
                Outcome::FailsAfterwards => {
                    let afterthought = Afterthought::default();
                    afterthought.set(TlsError::new(TlsErrorKind::Other, "it wants a certificate: show one"));
                    Ok(secured.with_afterthought(afterthought))
                }
            }
        })
    }
}

fn encrypted(address: &str) -> Instance {
    let mut instance = instance(address);
    instance.endpoints.iter_mut().for_each(|endpoint| endpoint.tls = true);
    instance
}

async fn why(channel: &crate::client::Channel) -> String {
    let status = channel.call(&PLACE, empty(), None).await.unwrap_err();
    std::error::Error::source(&status).expect("the reason").to_string()
}

#[tokio::test(start_paused = true)]
async fn a_record_with_tls_is_called_over_tls_by_the_name_of_its_host() {
    let (world, registry) = (World::default(), Memory::new());
    world.start("a:1", answers());
    let _record = registry.register(encrypted("a:1")).await.unwrap();
    let tls = Tls::new(Outcome::Well);
    let channel = world.channel(&registry).encryption(tls.encryption(None)).build();
    channel.call(&PLACE, empty(), None).await.unwrap();
    assert_eq!(tls.servers(), ["a"]);

    // By another name, if one is said; which is then what the server is called in its hello, too.
    let tls = Tls::new(Outcome::Well);
    world.start("orders", answers());
    let channel = world.channel(&registry).encryption(tls.encryption(Some("orders"))).build();
    channel.call(&PLACE, empty(), None).await.unwrap();
    assert_eq!((tls.servers(), world.calls("orders")), (vec!["orders".to_owned()], 1));
}

#[tokio::test(start_paused = true)]
async fn neither_plain_text_nor_tls_stands_in_for_the_other() {
    let (world, registry) = (World::default(), Memory::new());
    for (record, encryption, sentence) in [
        (
            instance("a:1"),
            Tls::new(Outcome::Well).encryption(None),
            "speaks plain text only, and this client insists on",
        ),
        (encrypted("a:1"), Encryption::Off, "asks for TLS, and this client speaks plain text"),
    ] {
        world.start("a:1", answers());
        let _record = registry.register(record).await.unwrap();
        let channel = world.channel(&registry).encryption(encryption).build();
        let why = why(&channel).await;
        assert!(why.contains(sentence), "{why}");
        assert!(why.starts_with("0 of 1 registered servers"), "it is no matter of protocols: {why}");
        assert_eq!(world.connects(), 0);
    }
}

/// Curator's record has a port and one for TLS: each is what it says, though its id is not the server's own.
#[tokio::test(start_paused = true)]
async fn a_record_of_somebody_elses_says_which_port_is_for_tls() {
    let (world, registry) = (World::default(), Memory::new());
    let mut record = encrypted("secure:1");
    record.endpoints.splice(0..0, instance("plain:1").endpoints);
    record.identity = Identity::Foreign;
    let _record = registry.register(record).await.unwrap();
    for address in ["plain:1", "secure:1"] {
        world.start(address, answers());
    }
    let tls = Tls::new(Outcome::Well);
    world.channel(&registry).build().call(&PLACE, empty(), None).await.unwrap();
    assert_eq!((world.calls("plain:1"), world.calls("secure:1"), tls.servers().len()), (1, 0, 0));
    let channel = world.channel(&registry).encryption(tls.encryption(None)).build();
    channel.call(&PLACE, empty(), None).await.unwrap();
    assert_eq!((world.calls("plain:1"), tls.servers()), (1, vec!["secure".to_owned()]));
    assert_eq!(world.expected(), [None, None], "nobody there would know the id");
}

#[tokio::test(start_paused = true)]
async fn an_address_alone_is_as_this_client_assumes() {
    let (world, registry) = (World::default(), Memory::new());
    world.start("a:1", answers());
    let mut record = instance("a:1");
    record.identity = Identity::MadeUp;
    let _record = registry.register(record).await.unwrap();
    let tls = Tls::new(Outcome::Well);
    for encryption in [tls.encryption(None), Encryption::Off] {
        let channel = world.channel(&registry).encryption(encryption).build();
        channel.call(&PLACE, empty(), None).await.unwrap();
        assert_eq!(tls.servers(), ["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_fails_is_the_reason_and_makes_no_storm() {
    for (outcome, sentence) in [
        (Outcome::Fails(TlsErrorKind::Other), "its certificate has expired: renew it"),
        (Outcome::FailsAfterwards, "it wants a certificate: show one"),
        (Outcome::Silent, "the TLS handshake was not over in time"),
    ] {
        let (world, registry) = (World::default(), Memory::new());
        world.start("a:1", answers());
        world.greet("a:1", "fast", Greeting::Refuse);
        let _record = registry.register(encrypted("a:1")).await.unwrap();
        let tls = Tls::new(outcome);
        let (log, observers) = Log::new();
        let channel = world.channel(&registry).encryption(tls.encryption(None)).observer(observers).build();
        let why = why(&channel).await;
        assert!(why.contains(sentence), "{why}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(tls.servers().len() < 60, "{} handshakes in a minute", tls.servers().len());
        assert_eq!(log.count("fallback"), 0, "no protocol fares better");

        *tls.outcome.lock().unwrap() = Outcome::Well;
        world.greet("a:1", "fast", Greeting::Accept);
        channel.ready(2 * LIMIT).await.unwrap();
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_the_protocol_is_called_over_the_next() {
    let (world, registry) = (World::default(), Memory::new());
    world.start("a:1", answers());
    let _record = registry.register(encrypted("a:1")).await.unwrap();
    let tls = Tls::new(Outcome::Fails(TlsErrorKind::Protocol));
    let (log, observers) = Log::new();
    let channel = world.channel(&registry).encryption(tls.encryption(None)).observer(observers).build();
    // The first handshake is for the faster protocol.
    while tls.servers().is_empty() {
        tokio::task::yield_now().await;
    }
    *tls.outcome.lock().unwrap() = Outcome::Well;
    channel.call(&PLACE, empty(), None).await.unwrap();
    assert_eq!((world.seen()[0].transport, log.count("fallback from fast")), ("slow", 1));
}
