//! The first words, said right and wrong, to our server and by servers that are not ours.

use crate::common::*;
use rpc_core::{
    Code, Delivery, Io, Status, Tasks,
    transport::{ConnectTarget, DrainPhase, Limits, ProtocolRefused, Recognition, Transport},
};
use rpc_tarpc::Tarpc;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Instant,
};

const MAGIC: &[u8] = b"\xF5RPC\r\n\x1A\n";

fn hello(lowest: u16, highest: u16, fields: &[u8]) -> Vec<u8> {
    let length = fields.len() as u16;
    [MAGIC, &lowest.to_be_bytes(), &highest.to_be_bytes(), &length.to_be_bytes(), fields].concat()
}

/// What our server answers: the version, its range, and the rest as text.
async fn answer(said: &[u8]) -> (u16, u16, u16, String) {
    let (mut near, pipe) = pipe(Limits::default());
    near.write_all(said).await.unwrap();
    let mut head = [0; 16];
    near.read_exact(&mut head).await.unwrap();
    assert_eq!(&head[..8], MAGIC);
    let [version, lowest, highest, length] =
        [8, 10, 12, 14].map(|at| u16::from_be_bytes(head[at..at + 2].try_into().unwrap()));
    let mut fields = vec![0; length.into()];
    near.read_exact(&mut fields).await.unwrap();
    if version == 0 {
        // A refusal is the last thing it says.
        assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
        pipe.served.await.unwrap();
    }
    (version, lowest, highest, fields.escape_ascii().to_string())
}

#[tokio::test]
async fn versions_are_negotiated() {
    for (lowest, highest) in [(1, 1), (1, 2), (0, 1), (0, u16::MAX)] {
        let (version, low, high, _) = answer(&hello(lowest, highest, b"")).await;
        assert_eq!((version, low, high), (1, 1, 1), "{lowest} to {highest}");
    }
    for (lowest, highest) in [(0, 0), (2, 2), (99, 99), (2, 1), (u16::MAX, 0)] {
        let (version, low, high, fields) = answer(&hello(lowest, highest, b"")).await;
        assert_eq!((version, low, high), (0, 1, 1), "{lowest} to {highest}");
        assert!(fields.contains("are not spoken here"), "{fields}");
    }
}

#[tokio::test]
async fn fields_from_the_future_are_skipped_and_broken_ones_refused() {
    assert_eq!(answer(&hello(1, 1, b"\x7f\xff\0\x03abc\0\x03\0\x04here")).await.0, 1);
    for broken in [&b"\0"[..], b"\0\x01\0\x02ab", b"\0\x03\0\x09here", b"\0\x03\0\x02\xff\xff"] {
        let (version, _, _, fields) = answer(&hello(1, 1, broken)).await;
        assert_eq!(version, 0, "{broken:?}");
        assert!(fields.contains("a hello with"), "{fields}");
    }
}

#[tokio::test]
async fn a_hello_over_4_kib_is_refused() {
    let filler = |length: u16| [&b"\x7f\xff"[..], &length.to_be_bytes(), &vec![0; length.into()]].concat();
    assert_eq!(answer(&hello(1, 1, &filler(4096 - 14 - 4))).await.0, 1);
    let (version, _, _, fields) = answer(&hello(1, 1, &filler(4096 - 14 - 3))).await;
    assert!(version == 0 && fields.contains("more than 4 KiB"), "{fields}");
    assert_eq!(answer(&hello(1, 1, &filler(u16::MAX - 4))).await.0, 0);
}

#[tokio::test]
async fn another_instance_is_refused() {
    let (version, _, _, fields) = answer(&hello(1, 1, b"\0\x03\0\x05there")).await;
    assert_eq!(version, 0);
    assert!(fields.contains("`there` was expected here and instance `here` is"), "{fields}");

    let (near, _pipe) = pipe(Limits::default());
    let target = ConnectTarget::new("pipe").with_instance("there");
    let error = Tarpc::default().connect(Io::new(near), target, Tasks::owner()).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::NeverSent));
    assert!(!ProtocolRefused::caused(&error), "another protocol would reach the same wrong process");
    assert!(error.message().contains("the record is stale"), "{error}");
}

#[tokio::test]
async fn a_hello_during_the_drain_is_refused() {
    let (near, pipe) = pipe(Limits::default());
    pipe.drain.advance(DrainPhase::Draining);
    let error = Tarpc::default().connect(Io::new(near), ConnectTarget::new("pipe"), Tasks::owner()).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::NeverSent));
    assert!(error.message().contains("server draining") && !ProtocolRefused::caused(&error), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_hello_is_not_waited_for() {
    let begun = Instant::now();
    let (mut near, _pipe) = pipe(Limits::default());
    near.write_all(&HELLO[..13]).await.unwrap();
    assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(begun.elapsed().as_secs(), 5);

    // A byte a second is as slow as none.
    let begun = Instant::now();
    let (mut near, pipe) = pipe(Limits::default());
    for byte in HELLO {
        if near.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    pipe.served.await.unwrap();
    assert!(begun.elapsed().as_secs() <= 7, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn one_byte_at_a_time_is_understood() {
    let (mut near, _pipe) = pipe(Limits::default());
    for byte in HELLO {
        near.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut magic = [0; 8];
    near.read_exact(&mut magic).await.unwrap();
    assert_eq!(magic, MAGIC);
}

/// What our client makes of a server that answers like this.
async fn connect_to<F: Future<Output = ()> + Send>(server: impl FnOnce(DuplexStream) -> F) -> Status {
    let (near, far) = tokio::io::duplex(4096);
    let server = server(far);
    let client = Tarpc::default().connect(Io::new(near), ConnectTarget::new("pipe"), Tasks::owner());
    let (error, ()) = tokio::join!(client, server);
    let error = error.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::Unavailable, Delivery::NeverSent));
    error
}

#[tokio::test(start_paused = true)]
async fn servers_that_do_not_speak_it_are_told_from_connections_that_break() {
    let refused = connect_to(async |mut io: DuplexStream| {
        io.write_all(b"\xF5RPC\r\n\x1A\n\0\0\0\x02\0\x03\0\x07\0\x05\0\x03\x01no").await.unwrap();
    })
    .await;
    assert!(ProtocolRefused::caused(&refused));
    assert_eq!(refused.message(), "the server refused tarpc: no (it speaks 2 to 3, this side 1 to 1)");

    let other = connect_to(async |mut io: DuplexStream| io.write_all(b"HTTP/1.1 400 Bad Request").await.unwrap()).await;
    assert!(ProtocolRefused::caused(&other));
    assert!(other.message().contains("HTTP/1.1"), "{other}");

    let closed = connect_to(async |io: DuplexStream| drop(io)).await;
    assert!(ProtocolRefused::caused(&closed), "{closed}");

    let begun = Instant::now();
    let silent = connect_to(async |io: DuplexStream| {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(io);
    })
    .await;
    assert!(ProtocolRefused::caused(&silent) && silent.message().contains("5s"), "{silent}");
    assert_eq!(begun.elapsed().as_secs(), 60);

    let broken = connect_to(async |mut io: DuplexStream| io.write_all(&MAGIC[..5]).await.unwrap()).await;
    assert!(!ProtocolRefused::caused(&broken), "who begins to answer speaks it: {broken}");
}

#[test]
fn it_is_recognised_by_its_first_bytes() {
    assert_eq!(Tarpc::default().recognises(b""), Recognition::NeedMore);
    assert_eq!(Tarpc::default().recognises(&MAGIC[..7]), Recognition::NeedMore);
    assert_eq!(Tarpc::default().recognises(HELLO), Recognition::Yes);
    assert_eq!(Tarpc::default().recognises(b"PRI * HTTP/2.0"), Recognition::No);
}
