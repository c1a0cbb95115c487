//! The proxy does what its modes say. A test that trusts a proxy which forwards everything proves nothing.
#![expect(clippy::disallowed_methods, reason = "an echo server of a test's own")]

use rpc_testkit::{Cut, Direction, FaultProxy, Mode, eventually};
use std::{io::ErrorKind, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

const SOON: Duration = Duration::from_secs(5);

/// A server that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn proxied() -> (FaultProxy, SocketAddr) {
    let proxy = FaultProxy::with_seed(echo().await, 7).unwrap();
    let address = proxy.address();
    (proxy, address)
}

async fn answered(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn bytes_pass_and_the_first_ones_are_kept() {
    let (proxy, address) = proxied().await;
    let mut one = TcpStream::connect(address).await.unwrap();
    assert_eq!(answered(&mut one, b"hel").await.unwrap(), b"hel");
    assert_eq!(answered(&mut one, b"lo, world").await.unwrap(), b"lo, world");
    let mut two = TcpStream::connect(address).await.unwrap();
    assert_eq!(answered(&mut two, b"x").await.unwrap(), b"x");
    assert_eq!(proxy.first_bytes(), [b"hello, w".to_vec(), b"x".to_vec()]);
    assert_eq!((proxy.connections(), proxy.open()), (2, 2));
    assert_eq!(proxy.bytes(Direction::ToServer), 13);
    assert_eq!(proxy.bytes(Direction::ToClient), 13);
    drop((one, two));
    assert!(eventually(SOON, || proxy.open() == 0).await);
}

#[tokio::test]
async fn refused_means_refused_by_the_kernel_and_passes() {
    let (proxy, address) = proxied().await;
    let mut before = TcpStream::connect(address).await.unwrap();
    assert_eq!(answered(&mut before, b"a").await.unwrap(), b"a");
    proxy.set(Mode::Refuse).await;
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(answered(&mut before, b"b").await.unwrap(), b"b", "connections that exist live on");
    proxy.set(Mode::Forward).await;
    let mut after = TcpStream::connect(address).await.unwrap();
    assert_eq!(answered(&mut after, b"c").await.unwrap(), b"c");
}

#[tokio::test]
async fn a_black_hole_accepts_and_answers_nothing() {
    let (proxy, address) = proxied().await;
    proxy.set(Mode::BlackHole).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"anybody?").await.unwrap();
    assert!(eventually(SOON, || proxy.bytes(Direction::ToServer) == 8).await);
    assert!(timeout(Duration::from_millis(50), stream.read_u8()).await.is_err());
}

#[tokio::test]
async fn replies_are_dropped_and_requests_are_not() {
    let (proxy, address) = proxied().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    proxy.set(Mode::DropReplies).await;
    stream.write_all(b"ping").await.unwrap();
    // The echo came back as far as the proxy, so the request had arrived.
    assert!(eventually(SOON, || proxy.bytes(Direction::ToClient) == 4).await);
    assert!(timeout(Duration::from_millis(50), stream.read_u8()).await.is_err());
}

#[tokio::test]
async fn a_cut_is_an_end_or_a_reset() {
    let (proxy, address) = proxied().await;
    for (cut, expected) in [(Cut::Finish, None), (Cut::Reset, Some(ErrorKind::ConnectionReset))] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert_eq!(answered(&mut stream, b"a").await.unwrap(), b"a");
        proxy.cut(cut).await;
        assert_eq!(proxy.open(), 0);
        assert_eq!(stream.read(&mut [0]).await.map_err(|error| error.kind()).err(), expected, "{cut:?}");
    }
}

#[tokio::test]
async fn a_cut_does_not_wait_for_those_who_come_again() {
    let (proxy, address) = proxied().await;
    let client = async {
        while let Ok(mut stream) = TcpStream::connect(address).await {
            let _ = answered(&mut stream, b"a").await;
            let _ = stream.read(&mut [0]).await;
        }
    };
    let cuts = async {
        for _ in 0..20 {
            assert!(eventually(SOON, || proxy.open() == 1).await);
            timeout(Duration::from_secs(1), proxy.cut(Cut::Reset)).await.expect("the connection to be cut was cut");
        }
    };
    tokio::select! {
        () = client => panic!("refused"),
        () = cuts => {}
    }
}

#[tokio::test]
async fn a_connection_is_cut_after_so_many_bytes() {
    let (proxy, address) = proxied().await;
    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy.set(Mode::CutAfter { direction, bytes: 5, cut: Cut::Finish }).await;
        let before = proxy.bytes(Direction::ToClient);
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"0123456789").await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        match direction {
            Direction::ToServer => assert!(b"01234".starts_with(&answer), "{answer:?}"),
            Direction::ToClient => {
                assert_eq!(answer, b"01234");
                assert_eq!(proxy.bytes(Direction::ToClient) - before, 10, "the rest came as far as here");
            }
        }
    }
}

#[tokio::test]
async fn random_cuts_follow_the_seed() {
    let target = echo().await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let proxy = FaultProxy::with_seed(target, 42).unwrap();
        proxy.set(Mode::CutAtRandom { bytes: 1..100 }).await;
        let mut lengths = Vec::new();
        for _ in 0..20 {
            let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
            let mut length = 0;
            // One byte at a time, so that what arrives does not depend on how the kernel joins writes.
            while length < 200 && answered(&mut stream, b"x").await.is_ok() {
                length += 1;
            }
            lengths.push(length);
        }
        assert!(lengths.iter().all(|length| *length < 100), "{lengths:?}");
        runs.push(lengths);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].iter().collect::<std::collections::HashSet<_>>().len() > 5, "{:?}", runs[0]);
}

#[tokio::test]
async fn a_server_that_is_garbled_still_hears_its_client() {
    let (proxy, address) = proxied().await;
    proxy.set(Mode::GarbleAtRandom { bytes: 2..3 }).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(answered(&mut stream, b"a").await.unwrap(), b"a");
    stream.write_all(b"b").await.unwrap();
    let mut garbage = [0; FaultProxy::GARBAGE.len()];
    stream.read_exact(&mut garbage).await.unwrap();
    assert_eq!(garbage, FaultProxy::GARBAGE);
    let before = proxy.bytes(Direction::ToServer);
    stream.write_all(b"cde").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read_to_end(&mut Vec::new()).await.unwrap(), 0, "nothing behind the garbage");
    assert_eq!(proxy.bytes(Direction::ToServer) - before, 3);
}

#[tokio::test]
async fn a_delay_holds_bytes_up() {
    let (proxy, address) = proxied().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    proxy.delay(Duration::from_millis(30));
    let began = Instant::now();
    assert_eq!(answered(&mut stream, b"a").await.unwrap(), b"a");
    assert!(began.elapsed() >= Duration::from_millis(60), "{:?}", began.elapsed());
}

#[tokio::test]
async fn everything_ends_with_the_value() {
    let (proxy, address) = proxied().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(answered(&mut stream, b"a").await.unwrap(), b"a");
    drop(proxy);
    let _ = timeout(SOON, stream.read(&mut [0])).await.expect("the connection ends");
    assert!(TcpStream::connect(address).await.is_err());
}
