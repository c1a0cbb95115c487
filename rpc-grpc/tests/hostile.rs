//! Attacks on HTTP/2, frame by frame: the connection ends where RFC 9113 says so, memory and handlers stay bounded, and
//! other clients go on. A program of its own, since the memory of the process is looked at.

#[path = "it/common/mod.rs"]
mod common;

use common::{frames::*, *};
use rpc_core::{
    Address, PayloadStream, Tasks,
    server::Running,
    transport::{Connection, Limits},
};
use std::time::Duration;
use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::timeout,
};

/// What a server has said of a connection, or how it ended.
#[derive(Clone, Debug, Default, PartialEq)]
struct End {
    /// The reason in GOAWAY, if it was not an end in order.
    goaway: Option<u32>,
    /// The streams that were reset, with the reasons.
    resets: Vec<(u32, u32)>,
    /// How many pings were answered.
    pongs: usize,
}

/// A client that knows the rules, and breaks one of them.
struct Attacker {
    write: OwnedWriteHalf,
    /// What became of the connection; the end, when nobody tells any more.
    end: watch::Receiver<End>,
    _tasks: Tasks,
}

async fn read(mut from: OwnedReadHalf, answer: mpsc::UnboundedSender<Vec<u8>>, end: watch::Sender<End>) {
    while let Some(Frame { kind, flags, stream, content }) = read_frame(&mut from).await {
        let number = |at: usize| u32::from_be_bytes(content[at..at + 4].try_into().unwrap());
        match kind {
            GOAWAY if number(4) != 0 => end.send_modify(|end| end.goaway = Some(number(4))),
            RST_STREAM => end.send_modify(|end| end.resets.push((stream, number(0)))),
            PING if flags & ACK != 0 => end.send_modify(|end| end.pongs += 1),
            PING => drop(answer.send(frame(PING, ACK, 0, &content))),
            SETTINGS if flags & ACK == 0 => drop(answer.send(frame(SETTINGS, ACK, 0, b""))),
            _ => {}
        }
    }
}

impl Attacker {
    async fn new(address: &Address) -> Self {
        let stream = TcpStream::connect(address.to_string()).await.unwrap();
        let (from, mut write) = stream.into_split();
        write.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        write.write_all(&frame(SETTINGS, 0, 0, b"")).await.unwrap();
        let (answer, mut answers) = mpsc::unbounded_channel();
        let ((told, end), tasks) = (watch::channel(End::default()), Tasks::owner());
        tasks.spawn(read(from, answer, told));
        // The greeting is answered, so that nothing but the attack ends the connection.
        for _ in 0..2 {
            write.write_all(&answers.recv().await.unwrap()).await.unwrap();
        }
        Self { write, end, _tasks: tasks }
    }

    /// False once nobody listens.
    async fn send(&mut self, bytes: &[u8]) -> bool {
        timeout(LONG, self.write.write_all(bytes)).await.expect("the server neither reads nor leaves").is_ok()
    }

    async fn end(mut self) -> End {
        let over = async { while self.end.changed().await.is_ok() {} };
        timeout(LONG, over).await.expect("the connection goes on");
        self.end.borrow().clone()
    }
}

/// For what comes at once, on a busy machine.
const LONG: Duration = Duration::from_secs(20);

struct Bench {
    kitchen: Kitchen,
    running: Running,
    /// Somebody else, with a call in flight.
    other: Connection,
    stream: PayloadStream,
    _tasks: Tasks,
}

async fn bench(limits: Limits) -> Bench {
    let (kitchen, tasks) = (Kitchen::new(), Tasks::owner());
    let running = serve(&kitchen, &Address::tcp("127.0.0.1", 0), limits).await;
    let other = connect(running.address(), &tasks).await;
    let mut stream = call(&other, &COUNT, body(order("hang", 1))).await.unwrap().body.into_stream();
    stream.next().await.unwrap().unwrap();
    Bench { kitchen, running, other, stream, _tasks: tasks }
}

impl Bench {
    async fn attacker(&self) -> Attacker {
        Attacker::new(self.running.address()).await
    }

    /// Nothing is left of the attack, and the other client has seen nothing of it.
    async fn goes_on_well(mut self) {
        self.kitchen.busy(1).await;
        assert_eq!(answered(call(&self.other, &ECHO, body(order("", 7))).await.unwrap()).count, 7);
        let silent = timeout(Duration::from_millis(50), self.stream.next()).await;
        assert!(silent.is_err(), "the stream of the other client ended: {silent:?}");
        drop((self.stream, self.other));
        assert!(self.running.shutdown(LONG).await, "something of the attack is left");
    }
}

/// Kilobytes that this process has in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Opens streams without end, each of which is `reset` at once.
async fn resets(reset: impl Fn(u32) -> Vec<u8>) {
    let bench = bench(Limits::default().with_max_concurrent_calls(64)).await;
    let before = resident();
    let mut attacker = bench.attacker().await;
    let headers = call_of("/t.Kitchen/Wait");
    let mut sent = 0;
    'attack: for burst in 0..500u32 {
        let mut bytes = Vec::new();
        for index in 0..1000 {
            let stream = 2 * (burst * 1000 + index) + 1;
            bytes.extend(frame(HEADERS, END_HEADERS, stream, &headers));
            bytes.extend(frame(DATA, 1, stream, b"\0\0\0\0\0"));
            bytes.extend(reset(stream));
        }
        if !attacker.send(&bytes).await {
            break 'attack;
        }
        sent += 1000;
        assert!(bench.kitchen.at_work() <= 65, "{} handlers are at work", bench.kitchen.at_work());
    }
    assert!(sent < 500_000, "it could go on for ever");
    assert_eq!(attacker.end().await.goaway, Some(ENHANCE_YOUR_CALM));
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB more");
    bench.goes_on_well().await;
}

/// CVE-2023-44487.
#[tokio::test]
async fn a_rapid_reset_ends_at_the_limit_and_leaves_nothing() {
    resets(|stream| frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())).await;
}

/// CVE-2025-8671: the server is led to reset them itself.
#[tokio::test]
async fn resets_that_the_server_is_led_to_end_at_the_limit_and_leave_nothing() {
    resets(|stream| frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffffu32.to_be_bytes())).await;
}

/// CVE-2024-27316 and its like.
#[tokio::test]
async fn headers_without_end_are_cut_off() {
    const ONE: &[u8] = b"\0\x01a\x01b";
    for headers in [0, 1, 3000] {
        let bench = bench(Limits::default()).await;
        let before = resident();
        let mut attacker = bench.attacker().await;
        attacker.send(&frame(HEADERS, 0, 1, &call_of("/t.Kitchen/Echo"))).await;
        let bytes = frame(CONTINUATION, 0, 1, &ONE.repeat(headers)).repeat(if headers > 1 { 1 } else { 100 });
        let mut sent = 0;
        while sent < 64 * 1024 * 1024 && attacker.send(&bytes).await {
            sent += bytes.len();
        }
        assert!(sent < 64 * 1024 * 1024, "it could go on for ever, by {headers}");
        let end = attacker.end().await;
        assert_eq!(end.goaway, Some(ENHANCE_YOUR_CALM), "by {headers}");
        let grown = resident().saturating_sub(before);
        assert!(grown < 32 * 1024, "{grown} KiB more");
        bench.goes_on_well().await;
    }
}

#[tokio::test]
async fn what_breaks_the_rules_of_http2_ends_its_connection_for_that_reason() {
    let window = |stream, by: u32| frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    let setting = |id: u8, value: u32| {
        let mut content = vec![0, id];
        content.extend_from_slice(&value.to_be_bytes());
        frame(SETTINGS, 0, 0, &content)
    };
    let cases = [
        ("DATA on stream 0 (6.1)", frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
        ("HEADERS on stream 0 (6.2)", frame(HEADERS, END_HEADERS, 0, &call_of("/t.Kitchen/Echo")), PROTOCOL_ERROR),
        ("DATA on a stream that is not open (5.1)", frame(DATA, 0, 99, b"x"), PROTOCOL_ERROR),
        (
            "a window beyond 2^31-1 (6.9.1)",
            [window(0, 0x7fff_ffff), window(0, 0x7fff_ffff)].concat(),
            FLOW_CONTROL_ERROR,
        ),
        ("a window that grows by nothing (6.9)", window(0, 0), PROTOCOL_ERROR),
        // Of a frame that it cannot even read h2 says no more, where the RFC has FLOW_CONTROL_ERROR and
        // FRAME_SIZE_ERROR.
        ("an initial window beyond 2^31-1 (6.5.2)", setting(4, 1 << 31), PROTOCOL_ERROR),
        ("frames that may be too small (6.5.2)", setting(5, 100), PROTOCOL_ERROR),
        ("half a setting (6.5)", frame(SETTINGS, 0, 0, &[0; 5]), PROTOCOL_ERROR),
        ("a ping of seven bytes (6.7)", frame(PING, 0, 0, &[0; 7]), PROTOCOL_ERROR),
        ("CONTINUATION of nothing (6.10)", frame(CONTINUATION, END_HEADERS, 1, b""), PROTOCOL_ERROR),
        ("a frame over the limit (4.2)", frame(DATA, 0, 1, &[0; 20_000]), FRAME_SIZE_ERROR),
        ("a stream of the server's numbers (5.1.1)", frame(HEADERS, END_HEADERS, 2, &call_of("/a/b")), PROTOCOL_ERROR),
    ];
    let bench = bench(Limits::default()).await;
    for (rule, bytes, reason) in cases {
        let mut attacker = bench.attacker().await;
        attacker.send(&bytes).await;
        let end = attacker.end().await;
        assert_eq!(end.goaway, Some(reason), "{rule}: {end:?}");
    }
    bench.goes_on_well().await;
}

#[tokio::test]
async fn who_sends_more_than_the_window_of_a_stream_or_opens_it_too_far_loses_that_stream() {
    let bench = bench(Limits::default()).await;
    let mut attacker = bench.attacker().await;
    // A chat that nobody reads, since its answers find no room: the window is not given back.
    let none = [&[0, 4][..], &0u32.to_be_bytes()].concat();
    attacker.send(&frame(SETTINGS, 0, 0, &none)).await;
    attacker.send(&frame(HEADERS, END_HEADERS, 1, &call_of("/t.Kitchen/Chat"))).await;
    bench.kitchen.busy(2).await;
    let message = [&b"\0\0\0\x20\0"[..], &[0; 8192]].concat();
    for _ in 0..200 {
        attacker.send(&frame(DATA, 0, 1, &message)).await;
    }
    bench.kitchen.busy(1).await;
    attacker.send(&frame(HEADERS, END_HEADERS, 3, &call_of("/t.Kitchen/Chat"))).await;
    bench.kitchen.busy(2).await;
    for _ in 0..2 {
        attacker.send(&frame(WINDOW_UPDATE, 0, 3, &0x7fff_ffffu32.to_be_bytes())).await;
    }
    // The connection goes on without them, until it is broken as well.
    bench.kitchen.busy(1).await;
    attacker.send(&frame(DATA, 0, 0, b"x")).await;
    let end = attacker.end().await;
    assert!(end.resets.contains(&(1, FLOW_CONTROL_ERROR)), "{end:?}");
    assert!(end.resets.contains(&(3, FLOW_CONTROL_ERROR)), "{end:?}");
    assert_eq!(end.goaway, Some(PROTOCOL_ERROR));
    bench.goes_on_well().await;
}

#[tokio::test]
async fn pings_and_settings_without_end_are_answered_for_as_long_as_the_answers_are_read() {
    // Who does not read them is not answered, and no more of his is read: that is what bounds memory.
    let bench = bench(Limits::default()).await;
    let before = resident();
    let stream = TcpStream::connect(bench.running.address().to_string()).await.unwrap();
    let (_from, mut write) = stream.into_split();
    write.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    write.write_all(&frame(SETTINGS, 0, 0, b"")).await.unwrap();
    let bytes = [frame(PING, 0, 0, b"eight by"), frame(SETTINGS, 0, 0, b"")].concat().repeat(1000);
    let mut sent = 0;
    while sent < 256 * 1024 * 1024
        && timeout(Duration::from_secs(2), write.write_all(&bytes)).await.is_ok_and(|all| all.is_ok())
    {
        sent += bytes.len();
    }
    assert!(sent < 256 * 1024 * 1024, "it could go on for ever");
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB more");
    drop((_from, write));
    bench.goes_on_well().await;
}

#[tokio::test]
async fn a_call_by_hand_begins_and_is_cancelled_as_any_other() {
    // So that what is refused above is refused for what is wrong with it.
    let bench = bench(Limits::default()).await;
    let mut attacker = bench.attacker().await;
    attacker.send(&frame(HEADERS, END_HEADERS, 1, &call_of("/t.Kitchen/Wait"))).await;
    attacker.send(&frame(DATA, 1, 1, b"\0\0\0\0\0")).await;
    bench.kitchen.busy(2).await;
    attacker.send(&frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes())).await;
    bench.kitchen.busy(1).await;
    attacker.write.shutdown().await.unwrap();
    assert_eq!(attacker.end().await, End::default());
    bench.goes_on_well().await;
}

#[tokio::test]
async fn what_still_comes_of_uploads_that_were_answered_early_leaves_the_connection_as_it_is() {
    const UPLOADS: usize = 200;
    let bench = bench(Limits::default()).await;
    let mut attacker = bench.attacker().await;
    let streams = (0..UPLOADS as u32).map(|index| 2 * index + 1);
    let each = |made: &dyn Fn(u32) -> Vec<u8>| streams.clone().flat_map(made).collect::<Vec<u8>>();
    attacker.send(&each(&|stream| frame(HEADERS, END_HEADERS, stream, &call_of("/t.Kitchen/Absent")))).await;
    let answered = attacker.end.wait_for(|end| end.resets.len() == UPLOADS);
    drop(timeout(LONG, answered).await.expect("they are not answered").unwrap());
    // One after the other, as they come from a client that has not heard of it.
    for round in 0..16u8 {
        attacker.send(&each(&|stream| frame(DATA, 0, stream, &[round; 100]))).await;
        attacker.send(&frame(PING, 0, 0, &[round; 8])).await;
        let seen = attacker.end.wait_for(|end| end.goaway.is_some() || end.pongs > round.into());
        let seen = timeout(LONG, seen).await.expect("a ping is not answered").unwrap().clone();
        assert_eq!(seen.goaway, None, "in round {round}");
    }
    let next = 2 * UPLOADS as u32 + 1;
    attacker.send(&frame(HEADERS, END_HEADERS, next, &call_of("/t.Kitchen/Wait"))).await;
    attacker.send(&frame(DATA, END_STREAM, next, b"\0\0\0\0\0")).await;
    bench.kitchen.busy(2).await;
    attacker.send(&frame(RST_STREAM, 0, next, &CANCEL.to_be_bytes())).await;
    bench.kitchen.busy(1).await;
    attacker.write.shutdown().await.unwrap();
    let end = attacker.end().await;
    assert_eq!((end.goaway, end.resets.len()), (None, UPLOADS), "{end:?}");
    assert!(end.resets.iter().all(|(_, reason)| *reason == NO_ERROR), "{end:?}");
    bench.goes_on_well().await;
}
