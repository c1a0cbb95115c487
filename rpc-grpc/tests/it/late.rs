//! What still comes for calls that were ended early: frames cross on their way, and nobody else's calls may suffer for
//! it.

use crate::common::{frames::*, *};
use rpc_core::{Address, Context, Request, Service, Tasks, transport::ConnectionState};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
    time::timeout,
};

/// For what comes at once, on a busy machine.
const LONG: Duration = Duration::from_secs(20);
/// An answer without messages, in HPACK without tables that change: `DeadlineExceeded`.
const TOO_LATE: &[u8] = b"\x88\x0f\x10\x10application/grpc\x00\x0bgrpc-status\x014";
const ANSWER: &[u8] = b"\x88\x0f\x10\x10application/grpc";
const OK: &[u8] = b"\x00\x0bgrpc-status\x010";

/// A server that answers `calls` calls only when all of them have been cancelled, and the next one behind them. It
/// tells how many have come.
async fn late(listener: TcpListener, calls: usize, told: watch::Sender<usize>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_exact(&mut [0; 24]).await.unwrap();
    let many = [&[0, 3][..], &(calls as u32 + 1).to_be_bytes()].concat();
    stream.write_all(&frame(SETTINGS, 0, 0, &many)).await.unwrap();
    let (mut came, mut cancelled) = (Vec::new(), Vec::new());
    while cancelled.len() < calls || came.len() <= calls {
        let Frame { kind, flags, stream: number, .. } = read_frame(&mut stream).await.expect("the client has left");
        match kind {
            SETTINGS if flags & ACK == 0 => stream.write_all(&frame(SETTINGS, ACK, 0, b"")).await.unwrap(),
            HEADERS => {
                came.push(number);
                told.send_replace(came.len());
            }
            RST_STREAM => cancelled.push(number),
            _ => {}
        }
    }
    let mut answers: Vec<u8> =
        cancelled.iter().flat_map(|number| frame(HEADERS, END_HEADERS | END_STREAM, *number, TOO_LATE)).collect();
    let next = came[calls];
    answers.extend(frame(HEADERS, END_HEADERS, next, ANSWER));
    answers.extend(frame(DATA, 0, next, b"\0\0\0\0\x02\x18\x07"));
    answers.extend(frame(HEADERS, END_HEADERS | END_STREAM, next, OK));
    stream.write_all(&answers).await.unwrap();
    std::future::pending().await
}

#[tokio::test]
async fn late_answers_to_cancelled_calls_leave_the_connection_as_it_is() {
    const CALLS: usize = 2100;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    let (tasks, (told, mut heard)) = (Tasks::owner(), watch::channel(0));
    tasks.spawn(late(listener, CALLS, told));
    let connection = connect(&address, &tasks).await;
    {
        let ask = |_| connection.service.call(Request::new(&ECHO, Context::default(), body(order("", 0))));
        let calls = futures_util::future::join_all((0..CALLS).map(ask));
        tokio::select! {
            _ = calls => panic!("nobody answers them yet"),
            all = timeout(LONG, heard.wait_for(|calls| *calls == CALLS)) => drop(all.expect("they do not come").unwrap()),
        }
    }
    // Its answer comes behind the late ones.
    assert_eq!(answered(call(&connection, &ECHO, body(order("", 7))).await.unwrap()).count, 7);
    assert_eq!(*connection.state.borrow(), ConnectionState::Open);
}
