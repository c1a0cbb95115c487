//! Calls in which a side streams, our client to our server.

use crate::common::{HELLO, message, tcp};
use bytes::Bytes;
use futures_util::StreamExt;
use rpc_core::{
    Body, Code, Context, Delivery, Io, Kind, Metadata, Method, Payload, PayloadStream, Request, Response, Service,
    ServiceDescriptor, Status, Tasks,
    server::{Admission, NamedService, Running, Server},
    transport::{ConnectTarget, Connection, DrainPhase, Limits, Transport},
};
use rpc_tarpc::Tarpc;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
    time::Instant,
};

const fn method(name: &'static str, path: &'static str, kind: Kind) -> Method {
    Method::new("t.v1.Streams", name, path, kind)
}

static ECHO: Method = method("Echo", "/t.v1.Streams/Echo", Kind::Unary);
/// Streams as many items as the request says.
static COUNT: Method = method("Count", "/t.v1.Streams/Count", Kind::ServerStream);
/// Streams items for ever, counting them.
static ENDLESS: Method = method("Endless", "/t.v1.Streams/Endless", Kind::ServerStream);
/// Begins, says so in its metadata, and then waits to be released.
static SILENT: Method = method("Silent", "/t.v1.Streams/Silent", Kind::ServerStream);
/// Streams three items, then fails.
static FAIL: Method = method("Fail", "/t.v1.Streams/Fail", Kind::ServerStream);
/// Fails before it streams.
static REFUSE: Method = method("Refuse", "/t.v1.Streams/Refuse", Kind::ServerStream);
/// Streams one item, then panics.
static PANIC: Method = method("Panic", "/t.v1.Streams/Panic", Kind::ServerStream);
/// Answers how many items and bytes it was sent.
static SUM: Method = method("Sum", "/t.v1.Streams/Sum", Kind::ClientStream);
/// Reads two items when it is released, and answers then.
static TWO: Method = method("Two", "/t.v1.Streams/Two", Kind::ClientStream);
/// Streams back what it is sent.
static CHAT: Method = method("Chat", "/t.v1.Streams/Chat", Kind::Bidi);

static DESCRIPTOR: ServiceDescriptor = ServiceDescriptor::new(
    "t.v1.Streams",
    &[&ECHO, &COUNT, &ENDLESS, &SILENT, &FAIL, &REFUSE, &PANIC, &SUM, &TWO, &CHAT],
    "",
);

#[derive(Clone, Default)]
struct Seen {
    /// Streams and handlers that live.
    live: Arc<AtomicUsize>,
    /// Items that were produced, or read.
    items: Arc<AtomicUsize>,
    release: Arc<Notify>,
}

impl Seen {
    fn live(&self) -> Live {
        self.live.fetch_add(1, SeqCst);
        Live(self.live.clone())
    }

    async fn until_live(&self, count: usize) {
        let live = rpc_testkit::eventually(Duration::from_secs(10), || self.live.load(SeqCst) == count).await;
        assert!(live, "{} are live, {count} were expected", self.live.load(SeqCst));
    }
}

struct Live(Arc<AtomicUsize>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

struct Streams(Seen);

impl NamedService for Streams {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &DESCRIPTOR
    }
}

fn payload(bytes: impl Into<Bytes>) -> Payload {
    Payload::Encoded(bytes.into())
}

fn stream(items: impl futures_core::Stream<Item = Result<Payload, Status>> + Send + 'static) -> Body {
    Body::Stream(PayloadStream::new(items))
}

async fn number(body: Body) -> Result<usize, Status> {
    let bytes = body.into_message()?.into_bytes();
    std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Status::invalid_argument("no number"))
}

impl Service for Streams {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let seen = self.0.clone();
        let live = seen.live();
        let items = seen.items.clone();
        let body = match request.method.name {
            "Echo" => request.body,
            "Count" => {
                let count = number(request.body).await?;
                stream(futures_util::stream::iter((0..count).map(|item| Ok(payload(item.to_string())))))
            }
            "Endless" => {
                let size = number(request.body).await?;
                stream(futures_util::stream::repeat_with(move || {
                    let _ = &live;
                    items.fetch_add(1, SeqCst);
                    Ok(payload(vec![7; size]))
                }))
            }
            "Silent" => {
                let mut metadata = Metadata::default();
                metadata.append("began", "yes")?;
                let silence = futures_util::stream::once(async move {
                    let _live = live;
                    seen.release.notified().await;
                    Ok(payload("at last"))
                });
                return Ok(Response { metadata, body: stream(silence) });
            }
            "Fail" => stream(futures_util::stream::iter([
                Ok(payload("1")),
                Ok(payload("2")),
                Ok(payload("3")),
                Err(Status::not_found("no fourth")),
            ])),
            "Refuse" => return Err(Status::new(Code::FailedPrecondition, "not today")),
            "Panic" => stream(futures_util::stream::iter(0..2).map(|item| match item {
                0 => Ok(payload("one")),
                _ => panic!("the password is swordfish"),
            })),
            "Sum" => {
                let mut from = request.body.into_stream();
                let (mut count, mut bytes) = (0, 0);
                while let Some(item) = from.next().await {
                    count += 1;
                    bytes += item?.encoded_len();
                }
                message(format!("{count} {bytes}"))
            }
            "Two" => {
                let mut from = request.body.into_stream();
                seen.release.notified().await;
                for _ in 0..2 {
                    from.next().await.unwrap()?;
                }
                message("two are enough")
            }
            _ => {
                let from = request.body.into_stream();
                stream(from.map(move |item| {
                    let _ = &live;
                    item
                }))
            }
        };
        Ok(Response::new(body))
    }
}

struct Rig {
    running: Running,
    connection: Connection,
    seen: Seen,
    tasks: Tasks,
}

async fn rig() -> Rig {
    rig_with(Limits::default()).await
}

async fn rig_with(limits: Limits) -> Rig {
    let seen = Seen::default();
    let server = Server::new().transport(Arc::new(Tarpc::default())).limits(limits).admission(Admission::Off);
    let running = server.service(Streams(seen.clone())).unwrap().bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let tasks = Tasks::owner();
    let target = ConnectTarget::new("server").with_limits(limits);
    let connection = Tarpc::default().connect(Io::new(tcp(&running).await), target, tasks.handle()).await.unwrap();
    Rig { running, connection, seen, tasks }
}

impl Rig {
    async fn call(&self, method: &'static Method, body: Body) -> Result<Response, Status> {
        self.connection.service.call(Request::new(method, Context::default(), body)).await
    }

    async fn replies(&self, method: &'static Method, body: Body) -> Result<PayloadStream, Status> {
        self.call(method, body).await.map(|response| response.body.into_stream())
    }

    async fn message(&self, method: &'static Method, body: Body) -> Result<Bytes, Status> {
        Ok(self.call(method, body).await?.body.into_message()?.into_bytes())
    }
}

#[tokio::test]
async fn a_stream_of_replies_arrives_whole_and_in_order() {
    let rig = rig().await;
    for count in [0, 1, 1023, 1024, 1025, 10_000] {
        let mut replies = rig.replies(&COUNT, message(count.to_string())).await.unwrap();
        for item in 0..count {
            assert_eq!(replies.next().await.unwrap().unwrap().into_bytes(), item.to_string());
        }
        assert!(replies.next().await.is_none());
        assert!(replies.next().await.is_none(), "and stays at its end");
    }
    rig.seen.until_live(0).await;
}

#[tokio::test]
async fn a_slow_reader_holds_the_writer_back() {
    let rig = rig().await;
    // Small items are held back by their number, large ones by their size.
    for (size, ahead) in [("1", 1536), ("100000", 12)] {
        rig.seen.items.store(0, SeqCst);
        let mut replies = rig.replies(&ENDLESS, message(size)).await.unwrap();
        for read in 1..2000 {
            replies.next().await.unwrap().unwrap();
            let made = rig.seen.items.load(SeqCst);
            assert!(made <= read + ahead, "{made} items were made when {read} had been read");
        }
        drop(replies);
        rig.seen.until_live(0).await;
    }
}

#[tokio::test]
async fn a_stream_of_requests_is_read_to_its_end_or_as_far_as_is_wanted() {
    let rig = rig().await;
    for count in [0usize, 1, 1024, 1025, 10_000] {
        let items = stream(futures_util::stream::iter((0..count).map(|_| Ok(payload("four")))));
        assert_eq!(rig.message(&SUM, items).await.unwrap(), format!("{count} {}", 4 * count));
    }
    // A single message is a stream of one.
    assert_eq!(rig.message(&SUM, message("four")).await.unwrap(), "1 4");

    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    let endless = stream(futures_util::stream::repeat_with(move || {
        counted.fetch_add(1, SeqCst);
        Ok(payload("x"))
    }));
    let call = rig.message(&TWO, endless);
    let slowly = async {
        assert!(rpc_testkit::eventually(Duration::from_secs(10), || made.load(SeqCst) > 0).await);
        rig.seen.release.notify_one();
    };
    let (answer, ()) = tokio::join!(call, slowly);
    assert_eq!(answer.unwrap(), "two are enough");
    assert!(made.load(SeqCst) <= 2 * 1024, "{} were made for a reader of two", made.load(SeqCst));
}

#[tokio::test]
async fn both_ways_each_request_can_depend_on_the_last_reply() {
    let rig = rig().await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let requests = stream(futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|item| (Ok(item), receiver))
    }));
    // The replies begin before there is a request.
    let mut replies = rig.replies(&CHAT, requests).await.unwrap();
    let mut said = "0".to_owned();
    for turn in 1..100 {
        sender.send(payload(said)).await.unwrap();
        let heard = replies.next().await.unwrap().unwrap().into_bytes();
        said = format!("{} {turn}", String::from_utf8(heard.into()).unwrap());
    }
    assert!(said.ends_with(" 98 99"));
    drop(sender);
    assert!(replies.next().await.is_none());
    rig.seen.until_live(0).await;
}

#[tokio::test]
async fn a_stream_begins_before_its_first_item_with_what_stands_beside_it() {
    let rig = rig().await;
    let response = rig.call(&SILENT, message("")).await.unwrap();
    assert_eq!(response.metadata.get("began"), Some("yes"));
    rig.seen.release.notify_one();
    let mut replies = response.body.into_stream();
    assert_eq!(replies.next().await.unwrap().unwrap().into_bytes(), "at last");
    assert!(replies.next().await.is_none());
}

#[tokio::test]
async fn failures_come_where_they_happened() {
    let rig = rig().await;
    let error = rig.replies(&REFUSE, message("")).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::FailedPrecondition, "not today"));

    let mut replies = rig.replies(&FAIL, message("")).await.unwrap();
    for item in ["1", "2", "3"] {
        assert_eq!(replies.next().await.unwrap().unwrap().into_bytes(), item);
    }
    assert_eq!(replies.next().await.unwrap().unwrap_err().message(), "no fourth");
    assert!(replies.next().await.is_none());

    let mut replies = rig.replies(&PANIC, message("")).await.unwrap();
    assert_eq!(replies.next().await.unwrap().unwrap().into_bytes(), "one");
    let error = replies.next().await.unwrap().unwrap_err();
    assert!(error.code() == Code::Internal && !error.message().contains("swordfish"), "{error}");

    let unknown: &'static Method = &const { method("No", "/t.v1.Streams/No", Kind::Bidi) };
    let error = rig.replies(unknown, stream(futures_util::stream::pending())).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unimplemented, Delivery::Unprocessed));
    rig.seen.until_live(0).await;
}

#[tokio::test]
async fn a_callers_own_failure_ends_its_call() {
    let rig = rig().await;
    for method in [&SUM, &CHAT] {
        let items = [Ok(payload("1")), Err(Status::new(Code::DataLoss, "the file ends here"))];
        let error = async {
            let mut replies = rig.replies(method, stream(futures_util::stream::iter(items))).await?;
            while let Some(item) = replies.next().await {
                item?;
            }
            Ok::<(), Status>(())
        };
        let error = error.await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::DataLoss, "the file ends here"));
        rig.seen.until_live(0).await;
    }
}

#[tokio::test]
async fn a_reader_that_leaves_takes_the_stream_along() {
    let rig = rig().await;
    for read in [0, 5, 1024, 1600] {
        let mut replies = rig.replies(&ENDLESS, message("1")).await.unwrap();
        for _ in 0..read {
            replies.next().await.unwrap().unwrap();
        }
        rig.seen.until_live(1).await;
        drop(replies);
        rig.seen.until_live(0).await;
    }
    // With a pull at work on a stream that says nothing.
    let mut replies = rig.replies(&SILENT, message("")).await.unwrap();
    assert!(futures_util::poll!(std::pin::pin!(replies.next())).is_pending());
    rig.seen.until_live(1).await;
    drop(replies);
    rig.seen.until_live(0).await;
    // Before it has begun.
    let opening = tokio::time::timeout(Duration::ZERO, rig.replies(&SILENT, message(""))).await;
    drop(opening);
    rig.seen.until_live(0).await;
}

#[tokio::test]
async fn the_deadline_of_a_silent_stream_is_kept() {
    let rig = rig().await;
    let context = Context::default().with_deadline(Instant::now() + Duration::from_millis(100));
    let response = rig.connection.service.call(Request::new(&SILENT, context, message(""))).await.unwrap();
    let mut replies = response.body.into_stream();
    assert_eq!(replies.next().await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
    rig.seen.until_live(0).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_connection_and_says_so() {
    let Rig { running, connection, seen, tasks } = rig().await;
    let request = Request::new(&ENDLESS, Context::default(), message("1"));
    let mut replies = connection.service.call(request).await.unwrap().body.into_stream();
    replies.next().await.unwrap().unwrap();
    drop(tasks);
    let error = loop {
        match replies.next().await.expect("not a clean end") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::Unknown));
    seen.until_live(0).await;
    drop(running);
}

#[tokio::test]
async fn items_over_the_limit_fail_their_stream_and_nothing_else() {
    let rig = rig_with(Limits::default().with_max_message(1000)).await;
    let mut replies = rig.replies(&ENDLESS, message("1000")).await.unwrap();
    replies.next().await.unwrap().unwrap();
    drop(replies);
    let mut replies = rig.replies(&ENDLESS, message("1001")).await.unwrap();
    assert_eq!(replies.next().await.unwrap().unwrap_err().code(), Code::ResourceExhausted);
    assert!(replies.next().await.is_none());

    let items = |size: usize| stream(futures_util::stream::iter([Ok(payload("x")), Ok(payload(vec![7; size]))]));
    assert_eq!(rig.message(&SUM, items(1000)).await.unwrap(), "2 1001");
    assert_eq!(rig.message(&SUM, items(1001)).await.unwrap_err().code(), Code::ResourceExhausted);
    assert_eq!(rig.message(&ECHO, message("still there")).await.unwrap(), "still there");
    rig.seen.until_live(0).await;
}

#[tokio::test]
async fn open_streams_do_not_stand_in_the_way_of_calls() {
    let rig = rig().await;
    let mut open = Vec::new();
    for _ in 0..500 {
        let mut replies = rig.replies(&SILENT, message("")).await.unwrap();
        assert!(futures_util::poll!(std::pin::pin!(replies.next())).is_pending());
        open.push(replies);
    }
    for _ in 0..100 {
        assert_eq!(rig.message(&ECHO, message("beside them")).await.unwrap(), "beside them");
    }
    rig.seen.until_live(500).await;
    drop(open);
    rig.seen.until_live(0).await;
}

#[tokio::test]
async fn a_drain_waits_for_streams_and_a_stop_ends_them() {
    let Rig { running, connection, seen, tasks: _tasks } = rig().await;
    let silent = || async {
        let request = Request::new(&SILENT, Context::default(), message(""));
        connection.service.call(request).await.unwrap().body.into_stream()
    };
    let (mut one, mut other) = (silent().await, silent().await);
    assert!(futures_util::poll!(std::pin::pin!(one.next())).is_pending());
    running.advance(DrainPhase::Draining);
    seen.release.notify_one();
    assert_eq!(one.next().await.unwrap().unwrap().into_bytes(), "at last");
    assert!(one.next().await.is_none());
    running.advance(DrainPhase::Stopped);
    let error = other.next().await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unavailable, "server draining"));
}

/// Says hello and the given frames; what comes back, by type and body.
async fn say(frames: &[Vec<u8>], answers: usize) -> Vec<(u8, Vec<u8>)> {
    let rig = rig().await;
    let mut io = tcp(&rig.running).await;
    io.write_all(HELLO).await.unwrap();
    let mut head = [0; 16];
    io.read_exact(&mut head).await.unwrap();
    let mut fields = vec![0; u16::from_be_bytes([head[14], head[15]]).into()];
    io.read_exact(&mut fields).await.unwrap();
    for frame in frames {
        io.write_all(&(frame.len() as u32).to_be_bytes()).await.unwrap();
        io.write_all(frame).await.unwrap();
    }
    let mut answered = Vec::new();
    for _ in 0..answers {
        let length = io.read_u32().await.unwrap();
        let mut bytes = vec![0; length as usize];
        io.read_exact(&mut bytes).await.unwrap();
        answered.push((bytes[0], bytes.split_off(1)));
    }
    answered
}

fn open(id: u64, stream: u64, path: &str) -> Vec<u8> {
    let mut frame = vec![1];
    frame.extend_from_slice(&id.to_be_bytes());
    frame.push(0);
    frame.extend_from_slice(&[255; 8]);
    frame.extend_from_slice(&[0; 20]);
    frame.push(8);
    frame.extend_from_slice(&(path.len() as u16).to_be_bytes());
    frame.extend_from_slice(path.as_bytes());
    frame.extend_from_slice(&stream.to_be_bytes());
    frame
}

fn pull(id: u64, stream: u64, credits: u32) -> Vec<u8> {
    [&[1][..], &id.to_be_bytes(), &[1], &stream.to_be_bytes(), &credits.to_be_bytes()].concat()
}

#[tokio::test]
async fn a_client_that_breaks_the_rules_of_streams_is_stopped() {
    // A pull and a push of nothing.
    let push = [&[1][..], &2u64.to_be_bytes(), &[2], &9u64.to_be_bytes(), &[0]].concat();
    let answers = say(&[pull(1, 9, 64), push], 2).await;
    assert_eq!(answers, [(3, vec![0, 0, 0, 0, 0, 0, 0, 1, 2, 3]), (3, vec![0, 0, 0, 0, 0, 0, 0, 2, 5])]);

    // The same stream twice.
    let silent = "/t.v1.Streams/Silent";
    assert_eq!(say(&[open(1, 9, silent), open(2, 9, silent)], 1).await[0].0, 7);

    // Pulls without end.
    let mut flood = vec![open(1, 9, silent)];
    flood.extend((2..10).map(|id| pull(id, 9, 64)));
    assert_eq!(say(&flood, 1).await[0].0, 7);

    // A stream for a method that has none, and none for one that has.
    let answers = say(&[open(1, 0, silent)], 1).await;
    assert_eq!((answers[0].0, &answers[0].1[8..10]), (3, &[1, Code::Unimplemented.number()][..]));
}

#[tokio::test]
async fn a_pull_at_work_ends_with_its_call() {
    // The client cancels the call and not the pull: that one must not keep the silent stream for ever.
    let cancel = [&[2][..], &1u64.to_be_bytes()].concat();
    let frames = [open(1, 9, "/t.v1.Streams/Silent"), pull(2, 9, 0), pull(3, 9, 64), cancel];
    let answers = tokio::time::timeout(Duration::from_secs(20), say(&frames, 2)).await.expect("both are answered");
    let gone = answers.iter().find(|(_, body)| body[7] == 3).expect("the pull is answered");
    assert_eq!(gone, &(3, vec![0, 0, 0, 0, 0, 0, 0, 3, 2, 3]));
}
