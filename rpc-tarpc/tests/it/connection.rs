//! Connections that break, drain, fall silent, or carry what they should not.
#![expect(clippy::disallowed_methods, reason = "tests spawn what ends with them")]

use crate::common::*;
use bytes::{Buf, BytesMut};
use rpc_core::{
    Code, Context, Delivery, Io, Origin, Payload, Status, Tasks,
    transport::{ConnectTarget, Connection, ConnectionState, DrainPhase, Limits, Transport},
};
use rpc_tarpc::{
    Tarpc,
    frames::{Req, Resp, dial},
};
use std::{sync::atomic::Ordering, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Instant,
};

const ANSWER: &[u8] = b"\xF5RPC\r\n\x1A\n\0\x01\0\x01\0\x01\0\0";

/// A server of bytes: it has said hello, and the rest is up to the test.
async fn scripted() -> (Connection, DuplexStream, Tasks) {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let tasks = Tasks::owner();
    let connecting = Tarpc::default().connect(Io::new(near), ConnectTarget::new("pipe"), tasks.handle());
    let answering = async {
        let mut hello = [0; 14];
        far.read_exact(&mut hello).await.unwrap();
        let mut fields = vec![0; u16::from_be_bytes([hello[12], hello[13]]).into()];
        far.read_exact(&mut fields).await.unwrap();
        far.write_all(ANSWER).await.unwrap();
    };
    let (connection, ()) = tokio::join!(connecting, answering);
    (connection.unwrap(), far, tasks)
}

pub(crate) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 1).to_be_bytes()[..], &[kind], body].concat()
}

/// The next frame: its type and its body.
pub(crate) async fn read_frame(io: &mut DuplexStream) -> (u8, Vec<u8>) {
    let length = io.read_u32().await.unwrap();
    let mut bytes = vec![0; length as usize];
    io.read_exact(&mut bytes).await.unwrap();
    (bytes[0], bytes.split_off(1))
}

fn spawn_call(
    connection: &Connection,
    method: &'static rpc_core::Method,
) -> tokio::task::JoinHandle<Result<bytes::Bytes, Status>> {
    let connection = connection.clone();
    tokio::spawn(async move { call(&connection, method, "x").await })
}

async fn until(connection: &Connection, state: ConnectionState) {
    let mut states = connection.state.clone();
    let waited = tokio::time::timeout(Duration::from_secs(30), states.wait_for(|now| *now == state)).await;
    waited.expect("the state in time").expect("a state");
}

#[tokio::test]
async fn a_call_cut_after_it_was_written_may_have_happened_and_the_next_is_never_sent() {
    let (connection, mut far, _tasks) = scripted().await;
    assert_eq!(*connection.state.borrow(), ConnectionState::Open);
    let waiting = spawn_call(&connection, &ECHO);
    assert_eq!(read_frame(&mut far).await.0, 1);
    drop(far);
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::Unknown), "{error}");
    until(&connection, ConnectionState::Closed).await;
    let error = call(&connection, &ECHO, "").await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::NeverSent));
}

#[tokio::test]
async fn a_call_that_stands_behind_a_full_pipe_was_never_sent() {
    let (connection, far, _tasks) = scripted().await;
    // The pipe takes 64 KiB; this call fills it and is itself on its way.
    let large = tokio::spawn({
        let connection = connection.clone();
        async move { call(&connection, &ECHO, vec![0; 1024 * 1024]).await }
    });
    tokio::task::yield_now().await;
    let behind: Vec<_> = (0..10).map(|_| spawn_call(&connection, &ECHO)).collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(far);
    assert_eq!(large.await.unwrap().unwrap_err().delivery(), Delivery::Unknown);
    for call in behind {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::NeverSent), "{error:?}");
    }
}

/// It was told so, and may be made elsewhere: it does not come after all.
#[tokio::test]
async fn a_call_behind_a_full_pipe_is_not_sent_to_a_server_that_is_not_understood() {
    let (connection, mut far, _tasks) = scripted().await;
    let large = tokio::spawn({
        let connection = connection.clone();
        async move { call(&connection, &ECHO, vec![0; 70_000]).await }
    });
    tokio::task::yield_now().await;
    let behind: Vec<_> = (0..10).map(|_| spawn_call(&connection, &ECHO)).collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    far.write_all(&[255; 64]).await.unwrap();
    assert_eq!(large.await.unwrap().unwrap_err().delivery(), Delivery::Unknown);
    for call in behind {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::NeverSent), "{error:?}");
    }
    let mut sent = Vec::new();
    far.read_to_end(&mut sent).await.unwrap();
    assert_eq!(sent.len(), 64 * 1024, "what the pipe had taken, and no more");
}

#[tokio::test]
async fn at_its_deadline_a_call_that_is_about_to_leave_may_have_left() {
    let (connection, mut far, _tasks) = scripted().await;
    // The pipe takes 64 KiB of it. What follows waits beside its rest.
    let large = tokio::spawn({
        let connection = connection.clone();
        async move { call(&connection, &ECHO, vec![0; 70_000]).await }
    });
    tokio::task::yield_now().await;
    let context = Context::default().with_deadline(Instant::now() + Duration::from_millis(100));
    let error = call_in(&connection, &ECHO, context, "x").await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::DeadlineExceeded, Delivery::Unknown), "{error:?}");
    // And so it was: it goes out after all.
    for _ in 0..2 {
        assert_eq!(read_frame(&mut far).await.0, 1);
    }
    large.abort();
}

#[tokio::test]
async fn a_server_that_drains_answers_what_it_has_and_refuses_what_comes() {
    let (running, seen) = server(Limits::default()).await;
    let (connection, _tasks) = client(&running, Limits::default()).await;
    let waiting = spawn_call(&connection, &HANG);
    seen.until_hanging(1).await;
    let shutdown = tokio::spawn(running.shutdown(Duration::from_secs(20)));
    until(&connection, ConnectionState::Draining).await;
    let error = call(&connection, &ECHO, "").await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::NeverSent), "{error}");
    seen.release.notify_waiters();
    assert_eq!(waiting.await.unwrap().unwrap(), "x");
    // The client closes by itself once nothing is left, so that the server need not wait.
    until(&connection, ConnectionState::Closed).await;
    assert!(shutdown.await.unwrap(), "it ended in peace");
}

#[tokio::test]
async fn a_request_that_crosses_the_goaway_is_refused_as_unprocessed() {
    let (mut near, pipe) = pipe(Limits::default());
    near.write_all(HELLO).await.unwrap();
    let mut answer = [0; 16];
    near.read_exact(&mut answer).await.unwrap();
    let mut fields = vec![0; u16::from_be_bytes([answer[14], answer[15]]).into()];
    near.read_exact(&mut fields).await.unwrap();
    pipe.drain.advance(DrainPhase::Draining);
    assert_eq!(read_frame(&mut near).await, (6, vec![0; 8]));
    near.write_all(&frame(1, &call_body(5, "/t.v1.Test/Echo"))).await.unwrap();
    let (kind, body) = read_frame(&mut near).await;
    // Response 5: failed, Unavailable, unprocessed.
    assert_eq!((kind, &body[..11]), (3, &[0, 0, 0, 0, 0, 0, 0, 5, 1, 14, 1][..]));
    assert_eq!(pipe.seen.begun.load(Ordering::SeqCst), 0);
    drop(near);
    pipe.served.await.unwrap();
}

/// The body of a request frame without anything optional.
pub(crate) fn call_body(id: u64, path: &str) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    body.push(0);
    body.extend_from_slice(&u64::MAX.to_be_bytes());
    body.extend_from_slice(&[0; 16]);
    body.extend_from_slice(&1u32.to_be_bytes());
    body.push(0);
    body.extend_from_slice(&(path.len() as u16).to_be_bytes());
    body.extend_from_slice(path.as_bytes());
    body
}

#[tokio::test]
async fn a_server_that_stops_answers_everybody() {
    let (running, seen) = server(Limits::default()).await;
    let (connection, _tasks) = client(&running, Limits::default()).await;
    let waiting: Vec<_> = (0..5).map(|_| spawn_call(&connection, &HANG)).collect();
    seen.until_hanging(5).await;
    running.shutdown(Duration::from_millis(50)).await;
    for call in waiting {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::Unknown));
        assert_eq!(error.message(), "server draining");
    }
    seen.until_hanging(0).await;
    until(&connection, ConnectionState::Closed).await;
}

#[tokio::test]
async fn handlers_end_with_their_connection() {
    let (running, seen) = server(Limits::default()).await;
    let (connection, tasks) = client(&running, Limits::default()).await;
    let waiting = spawn_call(&connection, &HANG);
    seen.until_hanging(1).await;
    drop(tasks);
    seen.until_hanging(0).await;
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::Unknown), "{error}");
    assert_eq!(*connection.state.borrow(), ConnectionState::Closed);
}

#[tokio::test]
async fn a_connection_closes_when_nobody_holds_it() {
    let (mut connection, far, _tasks) = scripted().await;
    let mut far = far;
    connection.service = rpc_core::Service::boxed(rpc_core::service_fn(async |_| Err(Status::internal(""))));
    assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
    until(&connection, ConnectionState::Closed).await;
}

#[tokio::test(start_paused = true)]
async fn silence_while_calls_wait_is_asked_about_and_then_ended() {
    let (connection, mut far, _tasks) = scripted().await;
    let begun = Instant::now();
    let waiting = spawn_call(&connection, &ECHO);
    assert_eq!(read_frame(&mut far).await.0, 1);
    let (kind, number) = read_frame(&mut far).await;
    assert_eq!(kind, 4, "a ping");
    assert!((20..=30).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    far.write_all(&frame(5, &number)).await.unwrap();
    // Answered, so it asks again; now nobody answers.
    assert_eq!(read_frame(&mut far).await.0, 4);
    let asked = Instant::now();
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::Unknown));
    assert!(error.message().contains("ping"), "{error}");
    assert_eq!(asked.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_left_alone() {
    let (connection, mut far, _tasks) = scripted().await;
    let quiet = tokio::time::timeout(Duration::from_secs(3600), far.read_u8()).await;
    quiet.expect_err("nothing is said for an hour");
    assert_eq!(*connection.state.borrow(), ConnectionState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_idle_answers_the_pings_of_its_server() {
    let (near, _pipe) = pipe(Limits::default());
    let tasks = Tasks::owner();
    let connection = Tarpc::default().connect(Io::new(near), ConnectTarget::new("pipe"), tasks.handle()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(*connection.state.borrow(), ConnectionState::Open);
    assert_eq!(call(&connection, &ECHO, "still there").await.unwrap(), "still there");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_is_noticed_and_its_handlers_end() {
    let (mut near, pipe) = greeted().await;
    let begun = Instant::now();
    near.write_all(&frame(1, &call_body(1, "/t.v1.Test/Hang"))).await.unwrap();
    pipe.seen.until_hanging(1).await;
    let (kind, number) = read_frame(&mut near).await;
    assert_eq!((kind, begun.elapsed().as_secs()), (4, 70));
    near.write_all(&frame(5, &number)).await.unwrap();
    assert_eq!(read_frame(&mut near).await.0, 4, "it asks again");
    let asked = Instant::now();
    // Half a frame is no answer.
    near.write_all(&[0, 0, 2]).await.unwrap();
    pipe.served.await.unwrap();
    assert!((20..=90).contains(&asked.elapsed().as_secs()), "{:?}", asked.elapsed());
    pipe.seen.until_hanging(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_no_answers_is_given_up() {
    let (near, pipe) = greeted().await;
    let (_reader, mut writer) = tokio::io::split(near);
    let begun = Instant::now();
    for id in 1.. {
        let mut body = call_body(id, "/t.v1.Test/Echo");
        body.extend_from_slice(&[7; 900]);
        let request = frame(1, &body);
        let sent = writer.write_all(&request);
        if tokio::time::timeout(Duration::from_secs(1), sent).await.is_err() {
            break;
        }
    }
    pipe.served.await.unwrap();
    assert!((60..=100).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

/// A connection to our server of which the test has said the hello.
pub(crate) async fn greeted() -> (DuplexStream, Pipe) {
    let (mut near, pipe) = pipe(Limits::default().with_max_message(1000));
    near.write_all(HELLO).await.unwrap();
    let mut answer = [0; 16];
    near.read_exact(&mut answer).await.unwrap();
    let mut fields = vec![0; u16::from_be_bytes([answer[14], answer[15]]).into()];
    near.read_exact(&mut fields).await.unwrap();
    (near, pipe)
}

#[tokio::test]
async fn pings_are_answered_and_a_flood_of_them_fills_nothing() {
    let (mut near, _pipe) = greeted().await;
    near.write_all(&frame(4, &7u64.to_be_bytes())).await.unwrap();
    assert_eq!(read_frame(&mut near).await, (5, 7u64.to_be_bytes().to_vec()));

    // Written without reading a single answer; that this ends shows that nothing piles up.
    for number in 0..100_000u64 {
        near.write_all(&frame(4, &number.to_be_bytes())).await.unwrap();
    }
    loop {
        let (kind, number) = read_frame(&mut near).await;
        assert_eq!(kind, 5);
        if number == 99_999u64.to_be_bytes() {
            break;
        }
    }
}

#[tokio::test]
async fn unknown_frames_are_skipped_or_end_the_connection() {
    let (mut near, _pipe) = greeted().await;
    near.write_all(&frame(0x80, b"from the future")).await.unwrap();
    near.write_all(&frame(0xff, b"")).await.unwrap();
    near.write_all(&frame(4, &7u64.to_be_bytes())).await.unwrap();
    assert_eq!(read_frame(&mut near).await.0, 5, "still there");

    for kind in [0, 3, 6, 8, 0x7f] {
        let (mut near, pipe) = greeted().await;
        near.write_all(&frame(kind, &7u64.to_be_bytes())).await.unwrap();
        assert_eq!(read_frame(&mut near).await.0, 7, "a reset for type {kind}");
        assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
        pipe.served.await.unwrap();
    }
}

#[tokio::test]
async fn lengths_of_nothing_and_of_too_much_end_the_connection() {
    for length in [0u32, 1000 + 512 * 1024 + 1, u32::MAX] {
        let (mut near, pipe) = greeted().await;
        near.write_all(&length.to_be_bytes()).await.unwrap();
        assert_eq!(read_frame(&mut near).await.0, 7, "a reset for length {length}");
        pipe.served.await.unwrap();
    }
}

#[tokio::test]
async fn a_message_over_the_limit_fails_its_call_and_not_the_connection() {
    // Our client would not send it; this one does.
    let (mut near, pipe) = greeted().await;
    for (id, length, code) in [(1, 1000, None), (2, 1001, Some(8)), (3, 100_000, Some(8)), (4, 0, None)] {
        let mut body = call_body(id, "/t.v1.Test/Echo");
        body.resize(body.len() + length, 7);
        near.write_all(&frame(1, &body)).await.unwrap();
        let (kind, answer) = read_frame(&mut near).await;
        assert_eq!((kind, &answer[..8]), (3, &id.to_be_bytes()[..]));
        match code {
            None => assert_eq!((answer[8], answer.len()), (0, 10 + length)),
            Some(code) => assert_eq!((answer[8], answer[9]), (1, code)),
        }
    }
    assert_eq!(pipe.seen.begun.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_from() {
    let (mut near, pipe) = greeted().await;
    let request = frame(1, &call_body(1, "/t.v1.Test/Unknown"));
    let mut written = 0;
    while tokio::time::timeout(Duration::from_secs(1), near.write_all(&request)).await.is_ok() {
        written += 1;
        assert!(written < 100_000, "the server goes on reading");
    }
    assert!(pipe.tasks.len() < 10, "{} tasks for calls that were refused", pipe.tasks.len());
    // Reading sets it going again.
    for _ in 0..written {
        assert_eq!(read_frame(&mut near).await.0, 3);
    }
}

#[tokio::test]
async fn metadata_that_breaks_the_rules_fails_its_call_and_not_the_connection() {
    let (mut near, _pipe) = greeted().await;
    let mut body = call_body(1, "/t.v1.Test/Echo");
    body[8 + 1 + 8 + 16 + 4] = 2;
    body.extend_from_slice(b"\x01\x0cgrpc-timeout\0\x011");
    near.write_all(&frame(1, &body)).await.unwrap();
    let (_, answer) = read_frame(&mut near).await;
    assert_eq!(&answer[8..10], &[1, Code::InvalidArgument.number()]);
    near.write_all(&frame(1, &call_body(2, "/t.v1.Test/Echo"))).await.unwrap();
    assert_eq!(read_frame(&mut near).await.1[8], 0);
}

#[tokio::test]
async fn garbage_ends_a_connection_and_nothing_else() {
    let seed = rpc_testkit::Seed::from_env_or_random();
    let mut random = seed.rng();
    for _ in 0..300 {
        let (mut near, pipe) = greeted().await;
        let mut bytes = frame(1, &call_body(1, "/t.v1.Test/Echo"));
        match random.u8(0..3) {
            0 => bytes.truncate(random.usize(0..bytes.len())),
            1 => {
                let at = random.usize(0..bytes.len());
                bytes[at] = random.u8(..);
            }
            _ => bytes = (0..random.usize(0..500)).map(|_| random.u8(..)).collect(),
        }
        let (mut reader, mut writer) = tokio::io::split(&mut near);
        let _ = writer.write_all(&bytes).await;
        let _ = writer.shutdown().await;
        let mut answer = BytesMut::new();
        while reader.read_buf(&mut answer).await.is_ok_and(|count| count > 0) {}
        let served = tokio::time::timeout(Duration::from_secs(10), pipe.served).await;
        served.expect("the connection ends").expect("without a panic");
        while answer.remaining() >= 4 {
            let length = answer.get_u32() as usize;
            answer.advance(length.min(answer.len()));
        }
    }
}

#[tokio::test]
async fn a_server_that_sends_garbage_fails_calls_and_no_more() {
    for garbage in [&b"\0\0\0\0"[..], &[255; 64], &frame(1, b"x"), &frame(3, b"\0\0\0\0\0\0\0\0\x09"), &frame(3, b"")] {
        let (connection, mut far, _tasks) = scripted().await;
        let waiting = spawn_call(&connection, &ECHO);
        assert_eq!(read_frame(&mut far).await.0, 1);
        far.write_all(garbage).await.unwrap();
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::Unknown), "{garbage:?}: {error}");
        until(&connection, ConnectionState::Closed).await;
    }
}

#[tokio::test]
async fn a_call_behind_a_reset_was_never_sent_whatever_the_reset_is_about() {
    for code in [Code::Unavailable, Code::Internal] {
        let (connection, mut far, _tasks) = scripted().await;
        let waiting = spawn_call(&connection, &ECHO);
        assert_eq!(read_frame(&mut far).await.0, 1);
        far.write_all(&frame(7, &[code as u8, 0, 0, 3, b'b', b'y', b'e', 0, 0])).await.unwrap();
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.delivery(), error.origin()), (code, Delivery::Unknown, Origin::Local));
        // Elsewhere it has not been, so that is where it goes.
        let error = call(&connection, &ECHO, "").await.unwrap_err();
        let sent = (error.code(), error.delivery(), error.origin());
        assert_eq!(sent, (Code::Unavailable, Delivery::NeverSent, Origin::Local), "{error}");
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_fails_its_call_and_not_the_connection() {
    let (connection, mut far, _tasks) = scripted().await;
    let waiting = spawn_call(&connection, &ECHO);
    let (_, request) = read_frame(&mut far).await;
    let mut body = request[..8].to_vec();
    body.extend_from_slice(&[0, 0]);
    body.resize(body.len() + 4 * 1024 * 1024 + 1, 7);
    far.write_all(&frame(3, &body)).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err().code(), Code::ResourceExhausted);
    assert_eq!(*connection.state.borrow(), ConnectionState::Open);
}

#[tokio::test]
async fn tarpcs_own_client_talks_to_our_port() {
    let (running, _) = server(Limits::default()).await;
    let target = ConnectTarget::new("server").with_instance("here");
    let frames = dial(Io::new(tcp(&running).await), &target).await.unwrap();
    let client = tarpc::client::new(tarpc::client::Config::default(), frames).spawn();
    let request = Req::unary(&ECHO, Context::default(), Payload::Encoded("by tarpc itself".into()));
    match client.call(tarpc::context::current(), request).await.unwrap() {
        Resp::Message { payload, .. } => assert_eq!(payload.into_bytes(), "by tarpc itself"),
        other => panic!("{other:?}"),
    }
    let request = Req::unary(&FAIL, Context::default(), Payload::Encoded("".into()));
    match client.call(tarpc::context::current(), request).await.unwrap() {
        Resp::Failed(status) => assert_eq!(status.code(), Code::Aborted),
        other => panic!("{other:?}"),
    }
}
