//! What a subscriber of `tracing` sees of calls, by default and without a word of configuration.
#![expect(clippy::disallowed_methods, reason = "a handler that blocks is what is looked for")]
#![cfg(all(feature = "grpc", feature = "tarpc"))]

use rpc::{
    Address, App, AppBuilder, Config, Running, Status, TraceContext, Transports,
    observer::{Tracing, target},
    prelude::*,
    registry::Memory,
};
use rpc_testkit::{Logged, Logs, eventually};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tracing::Level;

/// Calls the other one.
#[rpc_service(package = "t")]
trait First {
    /// Asks [`Second`].
    async fn ask(&self, question: String) -> Result<String, Status>;
    /// Panics.
    async fn panic(&self) -> Result<(), Status>;
    /// Blocks.
    async fn block(&self) -> Result<(), Status>;
    /// Goes on for a while, whoever waits.
    async fn write(&self) -> Result<(), Status>;
}

/// Is called.
#[rpc_service(package = "t")]
trait Second {
    /// Says where it is called from: its trace.
    async fn answer(&self, question: String) -> Result<String, Status>;
    /// Counts.
    async fn count(&self, to: u32) -> Result<Streaming<u32>, Status>;
}

struct Both(OnceLock<SecondClient>);

impl First for Both {
    async fn ask(&self, question: String) -> Result<String, Status> {
        tracing::info!(target: "user", "in the first");
        let second = self.0.get().expect("it is set before calls are made");
        second.with_transport(Transports::Only("tarpc")).answer(question).await
    }

    async fn panic(&self) -> Result<(), Status> {
        panic!("as it should")
    }

    async fn block(&self) -> Result<(), Status> {
        std::thread::sleep(Duration::from_millis(110));
        Ok(())
    }

    async fn write(&self) -> Result<(), Status> {
        tokio::time::sleep(Duration::from_millis(200)).await;
        tracing::info!(target: "user", "written");
        Ok(())
    }
}

impl Second for Both {
    async fn answer(&self, question: String) -> Result<String, Status> {
        tracing::info!(target: "user", "in the second");
        if question.is_empty() {
            return Err(Status::not_found("there was no question"));
        }
        Ok(rpc::Context::current().trace().map_or_else(String::new, |trace| trace.to_string()))
    }

    async fn count(&self, to: u32) -> Result<Streaming<u32>, Status> {
        Ok(Streaming::from_iter((0..to).inspect(|number| tracing::info!(target: "user", number, "counting"))))
    }
}

/// What a subscriber saw of one test: all tests of this process share one subscriber, and run one after the other.
struct Seen {
    logs: Logs,
    spans: usize,
    events: usize,
}

static ONE_AT_A_TIME: tokio::sync::Mutex<Option<Logs>> = tokio::sync::Mutex::const_new(None);

impl Seen {
    fn spans(&self) -> Vec<Logged> {
        self.logs.spans().split_off(self.spans)
    }

    fn events(&self) -> Vec<Logged> {
        self.logs.events().split_off(self.events)
    }

    fn span(&self, name: &str, method: &str) -> Option<Logged> {
        self.spans().into_iter().find(|span| span.text == name && span.field("rpc.method") == method)
    }

    async fn closed(&self, name: &str, method: &str) -> Logged {
        let closed = || self.span(name, method).is_some_and(|span| span.closed);
        assert!(eventually(Duration::from_secs(10), closed).await, "{name} {method}: {:#?}", self.spans());
        self.span(name, method).unwrap()
    }

    /// The names of the spans around an event of the handler's own.
    fn around(&self, text: &str) -> Vec<String> {
        let event = self.events().into_iter().find(|event| event.text == text).unwrap_or_else(|| panic!("no `{text}`"));
        let spans = self.logs.spans();
        event
            .inside
            .iter()
            .map(|&index| format!("{} {}", spans[index].text, spans[index].field("rpc.method")))
            .collect()
    }
}

async fn watched<T>(builder: AppBuilder, test: impl AsyncFnOnce(Seen, FirstClient, SecondClient) -> T) -> T {
    let mut installed = ONE_AT_A_TIME.lock().await;
    let logs = installed.get_or_insert_with(Logs::install).clone();
    let seen = Seen { spans: logs.spans().len(), events: logs.events().len(), logs };
    let mut config = Config::default();
    config.server.listen = Some(Address::tcp("127.0.0.1", 0));
    let app = builder.config(config).registry(Arc::new(Memory::new())).build();
    let both = Arc::new(Both(OnceLock::new()));
    let server = app.server().service(FirstServer::new(both.clone())).service(SecondServer::new(both.clone()));
    let running: Running = server.start().await.unwrap();
    let (first, second) = (app.client::<FirstClient>().await.unwrap(), app.client::<SecondClient>().await.unwrap());
    both.0.set(second.clone()).ok().unwrap();
    let result = test(seen, first.with_transport(Transports::Only("grpc")), second).await;
    running.shutdown().await;
    result
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_calls_is_one_trace_with_a_span_for_every_hop() {
    watched(App::builder(), async |seen, first, _| {
        let answer = first.ask("why".to_owned()).await.unwrap();
        let at_second = TraceContext::parse(&answer).unwrap();
        let chain = [
            seen.closed("rpc.client", "Ask").await,
            seen.closed("rpc.server", "Ask").await,
            seen.closed("rpc.client", "Answer").await,
            seen.closed("rpc.server", "Answer").await,
        ];
        assert_eq!(chain[0].field("parent_span_id"), "", "it begins here");
        for (outer, inner) in chain.iter().zip(&chain[1..]) {
            assert_eq!(inner.field("trace_id"), outer.field("trace_id"));
            assert_eq!(inner.field("parent_span_id"), outer.field("span_id"));
            assert_ne!(inner.field("span_id"), outer.field("span_id"));
        }
        assert_eq!(chain[3].field("trace_id"), format!("{:032x}", at_second.trace_id));
        assert_eq!(chain[3].field("span_id"), format!("{:016x}", at_second.span_id));
        assert_eq!(seen.around("in the first"), ["rpc.server Ask"]);
        assert_eq!(seen.around("in the second"), ["rpc.server Answer"]);

        let spans = seen.logs.spans();
        let outer: Vec<_> = chain[2].inside.iter().map(|&index| spans[index].text.as_str()).collect();
        assert_eq!(outer, ["rpc.server"], "what a handler calls is inside its span");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_have_the_names_of_opentelemetry() {
    watched(App::builder(), async |seen, first, second| {
        first.ask("why".to_owned()).await.unwrap();
        second.with_transport(Transports::Only("tarpc")).answer(String::new()).await.unwrap_err();
        let (client, server) = (seen.closed("rpc.client", "Ask").await, seen.closed("rpc.server", "Ask").await);
        for (span, kind) in [(&client, "client"), (&server, "server")] {
            assert_eq!((span.level, span.field("otel.kind")), (Level::INFO, kind));
            assert_eq!(span.field("otel.name"), "t.First/Ask");
            assert_eq!((span.field("rpc.system"), span.field("rpc.service")), ("grpc", "t.First"));
            assert_eq!((span.field("rpc.grpc.status_code"), span.field("rpc.response.status_code")), ("0", "OK"));
            assert_eq!(span.field("otel.status_code"), "");
            assert!(span.field(&format!("rpc.{kind}.duration")).parse::<f64>().unwrap() > 0.0, "{span}");
        }
        assert_eq!((client.target, server.target), (target::CLIENT, target::SERVER));
        assert_eq!((client.field("server.address"), client.field("rpc.attempts")), ("127.0.0.1", "1"));
        assert!(client.field("server.port").parse::<u16>().unwrap() > 0);
        assert!(server.field("network.peer.address").starts_with("127.0.0.1:"), "{server}");

        let failed = seen.spans().into_iter().filter(|span| span.field("rpc.method") == "Answer").collect::<Vec<_>>();
        let failed = failed.iter().filter(|span| span.field("otel.status_code") == "ERROR").collect::<Vec<_>>();
        assert_eq!(failed.len(), 2, "{failed:#?}");
        for span in failed {
            assert_eq!((span.field("rpc.system"), span.field("rpc.grpc.status_code")), ("tarpc", ""));
            assert_eq!((span.field("error.type"), span.field("rpc.response.status_code")), ("NOT_FOUND", "NOT_FOUND"));
        }
        let loud: Vec<_> = seen.events().into_iter().filter(|event| event.text == "a call failed").collect();
        assert!(loud.iter().all(|event| event.level == Level::DEBUG), "the caller's own mistakes: {loud:#?}");
        assert!(!loud.is_empty());
    })
    .await;
}

/// Wherever the service is, what is seen of a call is the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_this_process_has_the_spans_of_any_other() {
    watched(App::builder(), async |seen, _, _| {
        let mut config = Config::default();
        config.registry = Some("local://".parse().unwrap());
        let app = App::builder().config(config).build();
        app.serve_local(SecondServer::new(Arc::new(Both(OnceLock::new())))).unwrap();
        let second: SecondClient = app.client().await.unwrap();
        second.answer("why".to_owned()).await.unwrap();
        let (client, server) = (seen.closed("rpc.client", "Answer").await, seen.closed("rpc.server", "Answer").await);
        assert_eq!(server.field("parent_span_id"), client.field("span_id"));
        for (span, kind) in [(&client, "client"), (&server, "server")] {
            assert_eq!((span.field("otel.kind"), span.field("rpc.system")), (kind, "local"));
            assert_eq!(span.field("rpc.response.status_code"), "OK");
            assert!(span.field(&format!("rpc.{kind}.duration")).parse::<f64>().unwrap() > 0.0, "{span}");
        }
        assert_eq!(client.field("server.address"), "", "it went nowhere");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_covers_streams_panics_and_work_that_goes_on_alone() {
    watched(App::builder(), async |seen, first, second| {
        let mut stream = second.count(3).await.unwrap();
        while let Some(number) = stream.next().await {
            number.unwrap();
        }
        for name in ["rpc.client", "rpc.server"] {
            assert_eq!(seen.closed(name, "Count").await.field("rpc.response.status_code"), "OK");
        }
        assert_eq!(seen.around("counting"), ["rpc.server Count"]);

        first.panic().await.unwrap_err();
        let span = seen.closed("rpc.server", "Panic").await;
        assert_eq!(span.field("rpc.response.status_code"), "INTERNAL");
        assert_eq!(seen.around("a handler panicked"), ["rpc.server Panic"]);
        let warned = |event: &Logged| event.level == Level::WARN && event.field("method") == "/t.First/Panic";
        assert!(seen.events().iter().any(warned), "{:#?}", seen.events());

        let left = tokio::time::timeout(Duration::from_millis(50), first.write()).await;
        assert!(left.is_err(), "it takes longer");
        let span = seen.closed("rpc.server", "Write").await;
        assert_eq!(span.field("rpc.response.status_code"), "CANCELLED");
        assert_eq!(seen.around("written"), ["rpc.server Write"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_switched_off_and_a_trace_is_passed_on_all_the_same() {
    watched(App::builder().tracing(Tracing::Off), async |seen, first, _| {
        let trace = TraceContext { trace_id: 7, span_id: 9, flags: 0 };
        let answer = rpc::Context::default().with_trace(trace).scope(first.ask("why".to_owned())).await.unwrap();
        assert_eq!(answer, trace.to_string());
        assert!(seen.spans().is_empty(), "{:#?}", seen.spans());
        assert!(seen.around("in the first").is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_blocks_is_named_once() {
    watched(App::builder(), async |seen, first, _| {
        // One poll in thirteen is timed, on each worker.
        for _ in 0..40 {
            first.block().await.unwrap();
        }
        let warnings: Vec<_> = seen.events().into_iter().filter(|event| event.text.contains("held a worker")).collect();
        let [warning] = &warnings[..] else { panic!("{warnings:#?}") };
        assert_eq!((warning.level, warning.target), (Level::WARN, target::SERVER));
        let said = "First/Block held a worker for 0.";
        assert!(warning.text.starts_with(said), "{warning}");
        assert!(warning.text.ends_with(" s: use tokio::task::spawn_blocking for work that blocks"), "{warning}");
        assert_eq!(seen.around(&warning.text), ["rpc.server Block"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_beside_calls_is_logged() {
    let events = watched(App::builder(), async |seen, first, _| {
        first.ask("why".to_owned()).await.unwrap();
        seen
    })
    .await
    .events();
    for (level, target, text, field, value) in [
        (Level::INFO, target::SERVER, "registration", "state", "registered"),
        (Level::INFO, target::SERVER, "registration", "state", "closed"),
        (Level::DEBUG, target::CLIENT, "connection", "state", "open"),
        (Level::DEBUG, target::SERVER, "connection", "state", "open"),
        (Level::DEBUG, target::CLIENT, "list of servers", "usable", "1"),
        (Level::INFO, target::SERVER, "stopped", "", ""),
    ] {
        let is = |event: &&Logged| (event.level, event.target, event.text.as_str()) == (level, target, text);
        let found = events.iter().filter(is).any(|event| event.field(field) == value);
        assert!(found, "{text} {field}={value} in\n{}", events.iter().map(|e| format!("{e}\n")).collect::<String>());
    }
}
