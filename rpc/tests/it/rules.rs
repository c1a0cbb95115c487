//! Rules change where the calls of a running program go, and how.
#![cfg(all(feature = "grpc", feature = "tarpc"))]

use crate::common::{Echo, EchoClient, EchoServer, Mirror, config};
use rpc::{
    App, BoxService, Config, Layer, Request, Response, Service, SettingOrigin,
    observer::{Counters, Event},
    prelude::*,
};
use rpc_testkit::eventually;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

const SOON: Duration = Duration::from_secs(60);
const LOCAL: &str = "[client.Echo]\ntarget = \"local://\"";

/// A server on a registry in this folder, and an App whose clients find it there. The App serves the service, too.
async fn places(folder: &Path, more: &str) -> (App, rpc::Running) {
    let registry = format!("registry = \"file://{}/registry\"\n", folder.display());
    let servers = App::builder().config(config(&registry)).build();
    let running = servers.server().service(EchoServer::new(Mirror)).start().await.unwrap();
    let app = App::builder().config(config(&format!("{registry}{more}"))).build();
    app.serve_local(EchoServer::new(Mirror)).unwrap();
    (app, running)
}

async fn says(echo: &EchoClient) -> String {
    echo.say("hello".to_owned()).await.unwrap()
}

/// Where the calls of a load went, and which failed.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<BTreeMap<String, usize>>>);

impl Ledger {
    fn count(&self, answer: &str) -> usize {
        self.0.lock().unwrap().get(answer).copied().unwrap_or_default()
    }

    async fn grows(&self, answer: &str) {
        let enough = self.count(answer) + 50;
        assert!(eventually(SOON, || self.count(answer) >= enough).await, "{answer}: {:?}", self.0.lock().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_taken_out_and_back_under_load_and_no_call_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (app, running) = places(folder.path(), LOCAL).await;
    let echo: EchoClient = app.client().await.unwrap();
    let (ledger, callers) = (Ledger::default(), rpc::Tasks::owner());
    for _ in 0..8 {
        let (ledger, echo) = (ledger.clone(), echo.clone());
        callers.spawn(async move {
            loop {
                let answer = echo.write("a".to_owned()).await.unwrap_or_else(|status| format!("failed: {status}"));
                *ledger.0.lock().unwrap().entry(answer).or_default() += 1;
                tokio::task::yield_now().await;
            }
        });
    }
    let port = running.address().to_string().rsplit_once(':').unwrap().1.to_owned();
    let out = format!("[client.Echo]\ntarget = \"static://127.0.0.1:{port}?assume=tarpc/1\"");
    ledger.grows("a over local").await;
    for _ in 0..5 {
        app.rules().set(&out).await.unwrap();
        assert_eq!(says(&echo).await, "hello over tarpc", "the next call goes there");
        ledger.grows("a over tarpc").await;
        app.rules().clear().await.unwrap();
        assert_eq!(says(&echo).await, "hello over local", "and back at once");
        ledger.grows("a over local").await;
    }
    callers.abort();
    callers.finished().await;
    let places: Vec<_> = ledger.0.lock().unwrap().keys().cloned().collect();
    assert_eq!(places, ["a over local", "a over tarpc"], "no call failed");
}

/// Answers when it may.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

impl Echo for Gate {
    async fn say(&self, text: String) -> Result<String, Status> {
        Mirror.say(text).await
    }

    async fn write(&self, text: String) -> Result<String, Status> {
        self.0.acquire().await.map_err(|closed| Status::internal(closed.to_string()))?.forget();
        Mirror.write(text).await
    }
}

#[expect(clippy::disallowed_methods, reason = "what a test spawns ends with it")]
#[tokio::test]
async fn a_call_in_flight_ends_where_it_began_and_the_way_back_is_connected() {
    let (gate, counters) = (Gate(Arc::new(Semaphore::new(0))), Arc::new(Counters::default()));
    let app = App::builder().config(config("registry = \"memory://\"")).observer(counters.clone()).build();
    let _running = app.server().service(EchoServer::new(gate.clone())).start().await.unwrap();
    app.serve_local(EchoServer::new(Mirror)).unwrap();
    let echo: EchoClient = app.client().await.unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    waiting.spawn({
        let echo = echo.clone();
        async move { echo.write("a".to_owned()).await }
    });
    assert!(eventually(SOON, || counters.snapshot().of(Event::Handling) == 1).await);
    app.rules().set(LOCAL).await.unwrap();
    assert_eq!(echo.write("b".to_owned()).await.unwrap(), "b over local");
    let opened = counters.snapshot().of(Event::Connection);
    app.rules().clear().await.unwrap();
    gate.0.add_permits(2);
    assert_eq!(echo.write("c".to_owned()).await.unwrap(), "c over tarpc");
    assert_eq!(waiting.join_next().await.unwrap().unwrap().unwrap(), "a over tarpc");
    assert_eq!(counters.snapshot().of(Event::Connection), opened, "nothing was connected again");
}

#[tokio::test]
async fn an_option_of_a_client_goes_before_a_rule_and_holds_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (app, _running) = places(folder.path(), "").await;
    let echo: EchoClient = app.client().await.unwrap();
    let pinned = echo.with_transport(rpc::Transports::Only("tarpc"));
    app.rules().set("[client]\ntransport = \"grpc\"").await.unwrap();
    assert_eq!((says(&echo).await, says(&pinned).await), ("hello over grpc".into(), "hello over tarpc".into()));
    app.rules().clear().await.unwrap();
    assert_eq!((says(&echo).await, says(&pinned).await), ("hello over tarpc".into(), "hello over tarpc".into()));
}

/// Says how long it may take.
#[rpc_service(package = "t.v1")]
trait Clock {
    #[rpc(timeout = "60s")]
    async fn marked(&self) -> Result<u64, Status>;
    async fn plain(&self) -> Result<u64, Status>;
}

struct Watch;

impl Clock for Watch {
    async fn marked(&self) -> Result<u64, Status> {
        Ok(Context::current().remaining().map_or(0, |left| left.as_secs_f64().ceil() as u64))
    }

    async fn plain(&self) -> Result<u64, Status> {
        self.marked().await
    }
}

/// The limit of a call, rounded up to the next of these, for a busy machine takes its time.
fn limit(seconds: u64) -> u64 {
    [5, 10, 20, 30, 40, 50, 60].into_iter().find(|limit| seconds <= *limit).unwrap_or(seconds)
}

#[tokio::test]
async fn each_of_the_seven_levels_goes_before_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rpc.toml");
    let (local, timed) = ("registry = \"local://\"\n", "[client]\ntimeout = \"50s\"");
    let variable = || [("RPC_CLIENT_TIMEOUT".to_owned(), "40s".to_owned())];
    let read = |file: &str, variables: Vec<(String, String)>| {
        std::fs::write(&path, format!("{local}{file}")).unwrap();
        Config::read(Some(&path), variables).unwrap()
    };
    let mut commanded = read(timed, variable().into());
    commanded.client.timeout = Some(Duration::from_secs(30));
    let levels = [
        (10, commanded.clone(), "the option of a call"),
        (20, commanded.clone(), "a rule"),
        (30, commanded, "the command line"),
        (40, read(timed, variable().into()), "the environment"),
        (50, read(timed, vec![]), "the file"),
        (60, read("", vec![]), "the attribute"),
        (5, read("", vec![]), "what is built in"),
    ];
    for (place, (seconds, config, level)) in levels.into_iter().enumerate() {
        let app = App::builder().config(config).build();
        app.serve_local(ClockServer::new(Watch)).unwrap();
        let mut clock: ClockClient = app.client().await.unwrap();
        if place <= 1 {
            app.rules().set("[client]\ntimeout = \"20s\"").await.unwrap();
        }
        if place == 0 {
            clock = clock.with_timeout(Duration::from_secs(10));
        }
        let told = if seconds == 5 { clock.plain().await } else { clock.marked().await };
        assert_eq!(limit(told.unwrap()), seconds, "{level}");
    }
}

#[tokio::test]
async fn what_is_said_of_a_method_goes_before_what_is_said_of_its_service_in_rules_as_well() {
    let file = "registry = \"local://\"\n[client.t.v1.Clock]\ntimeout = \"40s\"";
    let app = App::builder().config(config(file)).build();
    app.serve_local(ClockServer::new(Watch)).unwrap();
    let clock: ClockClient = app.client().await.unwrap();
    // By the short name, where the file has the full one.
    app.rules().set("[client]\ntimeout = \"10s\"\n[client.Clock.methods.Plain]\ntimeout = \"30s\"").await.unwrap();
    assert_eq!(limit(clock.plain().await.unwrap()), 30);
    assert_eq!(limit(clock.marked().await.unwrap()), 40, "the file says it of the service, the rule only of all");
    let mut client = rpc::ClientConfig::default();
    client.services.entry("Clock".to_owned()).or_default().timeout = Some(Duration::from_secs(20));
    app.rules().set_client(client).await.unwrap();
    assert_eq!((limit(clock.plain().await.unwrap()), limit(clock.marked().await.unwrap())), (20, 20));
}

#[tokio::test]
async fn a_wrong_rule_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (app, _running) = places(folder.path(), "").await;
    let echo: EchoClient = app.client().await.unwrap();
    let other = App::builder().config(config("registry = \"memory://\"")).build();
    let lost: EchoClient = other.client().await.unwrap();
    app.rules().set("[client.Echo]\ntransport = \"grpc\"").await.unwrap();
    for (toml, reason) in [
        ("[client.Echo]\ntarget = \"local://\"\ntimout = \"1s\"", "write `client.Echo.timeout`"),
        (
            "[client.Echo]\ntarget = \"local://\"\n[client.Echo.methods.Sya]\ntimeout = \"1s\"",
            "[client.Echo.methods.Say]",
        ),
        ("[client.Echo]\ntarget = \"local://\"\ntls = \"off\"", "cannot change while the program runs"),
        ("[client.Echo\n", "the program is no TOML"),
        ("[client.Echo]\ntarget = \"file:///dev/null/registry\"", "cannot open the registry"),
    ] {
        let error = format!("{:?}", app.rules().set(toml).await.unwrap_err());
        assert!(error.contains(reason), "{error}");
        assert_eq!(says(&echo).await, "hello over grpc", "{toml}");
    }
    let error = other.rules().set(LOCAL).await.unwrap_err();
    assert!(error.to_string().contains("this process does not serve it"), "{error}");
    drop(lost);
}

#[tokio::test]
async fn one_client_that_cannot_be_led_there_keeps_all_where_they_are() {
    let app = App::builder().config(config("registry = \"memory://\"")).build();
    let _running =
        app.server().service(EchoServer::new(Mirror)).service(ClockServer::new(Watch)).start().await.unwrap();
    app.serve_local(EchoServer::new(Mirror)).unwrap();
    let (echo, _clock) = (app.client::<EchoClient>().await.unwrap(), app.client::<ClockClient>().await.unwrap());
    let both = format!("{LOCAL}\n[client.Clock]\ntarget = \"local://\"");
    for _ in 0..10 {
        app.rules().set(&both).await.unwrap_err();
        assert_eq!(says(&echo).await, "hello over tarpc");
    }
    app.serve_local(ClockServer::new(Watch)).unwrap();
    app.rules().set(&both).await.unwrap();
    assert_eq!(says(&echo).await, "hello over local");
}

#[tokio::test]
async fn a_client_that_is_made_later_goes_where_the_rules_say_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let (app, _running) = places(folder.path(), "").await;
    app.rules().set(LOCAL).await.unwrap();
    let echo: EchoClient = app.client().await.unwrap();
    assert_eq!(says(&echo).await, "hello over local");
    app.rules().clear().await.unwrap();
    assert_eq!(says(&echo).await, "hello over tarpc");
    assert!(app.shutdown().await);
    assert!(echo.say("a".to_owned()).await.is_err());
}

#[tokio::test]
async fn what_holds_is_told_with_the_rule_as_its_origin() {
    let file = "registry = \"memory://\"\n[client]\ntimeout = \"2s\"\n[client.Echo]\ntimeout = \"1s\"";
    let app = App::builder().config(config(file)).build();
    app.rules()
        .set("[client]\ntimeout = \"3s\"\nretries = \"off\"\n[client.Echo]\ntransport = \"grpc\"")
        .await
        .unwrap();
    let told = |key: &str| {
        let settings = app.settings().into_iter().find(|setting| setting.key == key).unwrap();
        (settings.value, settings.origin)
    };
    assert_eq!(told("client.timeout"), ("3s".to_owned(), SettingOrigin::Rule(None)));
    assert_eq!(told("client.retries"), ("off".to_owned(), SettingOrigin::Rule(None)));
    assert_eq!(told("client.Echo.transport"), ("grpc".to_owned(), SettingOrigin::Rule(None)));
    assert!(matches!(told("client.Echo.timeout"), (_, SettingOrigin::File(_))));
}

/// What fails every attempt at a call, as if its connection had been lost, and counts them.
#[derive(Clone, Default)]
struct Losing(Arc<AtomicUsize>);

impl Layer<BoxService> for Losing {
    type Service = Self;

    fn layer(&self, _: BoxService) -> Self {
        self.clone()
    }
}

impl Service for Losing {
    async fn call(&self, _: Request) -> Result<Response, Status> {
        self.0.fetch_add(1, Relaxed);
        Err(Status::unavailable("the connection was lost"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_about_something_else_leaves_the_budget_of_retries_as_it_is() {
    let losing = Losing::default();
    let config = config("registry = \"memory://\"");
    let app = App::builder().config(config).client_layer_per_attempt(losing.clone()).build();
    let echo: EchoClient = app.client().await.unwrap();
    let retries = async |calls: usize| {
        for _ in 0..calls {
            echo.say("hello".to_owned()).await.unwrap_err();
        }
        losing.0.swap(0, Relaxed) - calls
    };
    // The reserve of a hundred, and a fifth of the calls.
    assert_eq!(retries(100).await, 120);
    for rule in ["timeout = \"4s\"", "timeout = \"3s\"", "retries = \"off\"", "hedge = \"p95\"", "retries = \"on\""] {
        app.rules().set(&format!("[client]\n{rule}")).await.unwrap();
        let (off, more) = (rule.contains("off"), retries(10).await);
        assert_eq!(more, if off { 0 } else { 2 }, "{rule}");
    }
    app.rules().clear().await.unwrap();
    assert_eq!(retries(10).await, 2);
}

#[tokio::test]
async fn the_end_waits_for_calls_on_routes_that_rules_have_left() {
    let gate = Gate(Arc::new(Semaphore::new(0)));
    let counters = Arc::new(Counters::default());
    let servers = App::builder().config(config("registry = \"memory://\"")).observer(counters.clone()).build();
    let running = servers.server().service(EchoServer::new(gate.clone())).start().await.unwrap();
    let app = App::builder().config(config("registry = \"memory://\"")).build();
    let echo: EchoClient = app.client().await.unwrap();
    let port = running.address().to_string().rsplit_once(':').unwrap().1.to_owned();
    app.rules().set(&format!("[client.Echo]\ntarget = \"static://127.0.0.1:{port}?assume=tarpc/1\"")).await.unwrap();
    let write = echo.write("a".to_owned());
    tokio::pin!(write);
    tokio::select! {
        early = &mut write => panic!("{early:?}"),
        begun = eventually(SOON, || counters.snapshot().of(Event::Handling) == 1) => assert!(begun),
    }
    app.rules().clear().await.unwrap();
    // And on from there, so that it is not the last one.
    app.rules().set("[client]\ntimeout = \"1s\"").await.unwrap();
    let (written, peaceful) = tokio::join!(write, async {
        let shutdown = app.shutdown();
        tokio::pin!(shutdown);
        let early = tokio::time::timeout(Duration::from_millis(100), &mut shutdown).await;
        assert!(early.is_err(), "a call is in flight");
        gate.0.add_permits(1);
        shutdown.await
    });
    assert_eq!(written.unwrap(), "a over tarpc");
    assert!(peaceful);
}
