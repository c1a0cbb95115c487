//! Everyone who knocks at a port, and which protocol they speak.

use crate::{
    Address, Io, Observers,
    observer::{Unclassified, Visitor, target},
    transport::{Recognition, Transport},
};
use bytes::BytesMut;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{io::AsyncWriteExt, time::Instant};

/// No protocol needs more to be known.
const ENOUGH: usize = 24;

/// How long a visitor may stay silent.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What a browser is told.
const NOT_HTTP_1: &[u8] = b"HTTP/1.1 426 Upgrade Required\r\nconnection: close\r\nupgrade: h2c\r\n\
content-type: text/plain; charset=utf-8\r\ncontent-length: 93\r\n\r\n\
This port speaks gRPC (HTTP/2) and rpc-tarpc. Call it with an RPC client, not with a browser.";

/// Reads the first bytes until exactly one transport says that they are its own, and gives them back to the stream.
///
/// The client always speaks first. `None` for a visitor who speaks nothing that is served here; it has been answered,
/// where an answer helps, and the stream is closed by dropping it.
pub(crate) async fn recognise(
    io: &mut Io,
    transports: &[Arc<dyn Transport>],
    peer: Option<&Address>,
    observers: &Observers,
    notices: &Notices,
) -> Option<Arc<dyn Transport>> {
    let mut seen = BytesMut::with_capacity(ENOUGH);
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            // A load balancer that only opens and closes is no error, and neither is one that stays silent.
            if io.read_ahead(&mut seen).await.ok()? == 0 {
                return None;
            }
            let mut undecided = false;
            for transport in transports {
                match transport.recognises(&seen) {
                    Recognition::Yes => return Some(transport.clone()),
                    Recognition::NeedMore => undecided = true,
                    Recognition::No => {}
                }
            }
            if !undecided || seen.len() >= ENOUGH {
                return None;
            }
        }
    })
    .await
    .unwrap_or(None);

    if found.is_none() && !seen.is_empty() {
        turn_away(io, &seen, peer, observers, notices).await;
    } else {
        io.unread(seen.freeze());
    }
    found
}

/// Answers, as far as an answer helps, a visitor who speaks nothing that is served here.
async fn turn_away(io: &mut Io, seen: &[u8], peer: Option<&Address>, observers: &Observers, notices: &Notices) {
    let first = &seen[..seen.len().min(8)];
    let visitor = kind(seen);
    observers.tell(|observer| observer.unclassified(&Unclassified { peer, visitor, first }));
    let who = peer.map_or_else(|| "a local peer".to_owned(), Address::to_string);
    match visitor {
        Visitor::Http1 => {
            tracing::debug!(target: target::SERVER, peer = who, "answered 426 to an HTTP/1 request");
            let _ = io.write_all(NOT_HTTP_1).await;
            let _ = io.shutdown().await;
        }
        Visitor::Tls if notices.due(&who) => {
            tracing::warn!(
                target: target::SERVER,
                peer = who,
                "speaks TLS to a port that is served in the clear: configure TLS on both sides or on none"
            );
        }
        Visitor::Proxy if notices.due(&who) => {
            tracing::warn!(
                target: target::SERVER,
                peer = who,
                "sends a PROXY protocol header, which is not understood here: switch it off at the load balancer"
            );
        }
        _ => {
            tracing::debug!(target: target::SERVER, peer = who, first = %first.escape_ascii(), "closed a connection of an unknown protocol")
        }
    }
}

fn kind(first: &[u8]) -> Visitor {
    const METHODS: [&[u8]; 7] = [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH "];
    const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    if METHODS.iter().any(|method| first.starts_with(method)) {
        Visitor::Http1
    } else if first.starts_with(&[0x16, 0x03]) {
        Visitor::Tls
    } else if first.starts_with(b"PROXY ") || first.starts_with(PROXY_V2) {
        Visitor::Proxy
    } else {
        Visitor::Unknown
    }
}

/// Keeps a log readable: one notice a minute per peer.
#[derive(Debug, Default)]
pub(crate) struct Notices(Mutex<HashMap<String, Instant>>);

impl Notices {
    const EVERY: Duration = Duration::from_secs(60);

    /// A port scan must not fill the memory; past this many peers the oldest knowledge is forgotten.
    const PEERS: usize = 1024;

    fn due(&self, who: &str) -> bool {
        // The port of a client changes with every connection.
        let host = who.rsplit_once(':').map_or(who, |(host, _)| host);
        let now = Instant::now();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= Self::PEERS {
            last.retain(|_, at| now.duration_since(*at) < Self::EVERY);
            if last.len() >= Self::PEERS {
                last.clear();
            }
        }
        let due = last.get(host).is_none_or(|at| now.duration_since(*at) >= Self::EVERY);
        if due {
            last.insert(host.to_owned(), now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BoxFuture, Status, Tasks, transport::*};
    use tokio::io::{AsyncReadExt, DuplexStream};

    struct Magic(&'static str, &'static [u8]);

    impl Transport for Magic {
        fn name(&self) -> &'static str {
            self.0
        }
        fn preference(&self) -> u8 {
            1
        }
        fn recognises(&self, first: &[u8]) -> Recognition {
            Recognition::by_prefix(first, self.1)
        }
        fn connect(&self, _: Io, _: ConnectTarget, _: Tasks) -> BoxFuture<'static, Result<Connection, Status>> {
            Box::pin(async { Err(Status::unimplemented("a server only")) })
        }
        fn serve(&self, _: Io, _: ConnectionInfo, _: Routes, _: Tasks, _: Drain) -> BoxFuture<'static, ()> {
            Box::pin(async {})
        }
    }

    fn knock() -> (DuplexStream, impl Future<Output = (Option<&'static str>, Io)>) {
        let (far, near) = tokio::io::duplex(1024);
        let mut io = Io::new(near);
        let transports: [Arc<dyn Transport>; 2] = [
            Arc::new(Magic("grpc", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
            Arc::new(Magic("tarpc", b"\xf5RPC\r\n\x1a\n")),
        ];
        let recognised = async move {
            let found = recognise(&mut io, &transports, None, &Observers::default(), &Notices::default()).await;
            (found.map(|transport| transport.name()), io)
        };
        (far, recognised)
    }

    #[tokio::test]
    async fn a_preface_in_pieces_of_one_byte_is_recognised_and_given_back() {
        let (mut far, recognised) = knock();
        let write = async {
            for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest" {
                far.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(far);
        };
        let ((name, mut io), ()) = tokio::join!(recognised, write);
        assert_eq!(name, Some("grpc"));
        let mut all = Vec::new();
        io.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest");
    }

    #[tokio::test]
    async fn a_browser_gets_one_plain_sentence() {
        let (mut far, recognised) = knock();
        far.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let (name, io) = recognised.await;
        assert_eq!(name, None);
        drop(io);
        let mut answer = String::new();
        far.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_waited_for_ten_seconds_and_no_longer() {
        let (far, recognised) = knock();
        let begun = Instant::now();
        assert_eq!(recognised.await.0, None);
        assert_eq!(begun.elapsed(), PATIENCE);
        drop(far);
    }

    #[tokio::test(start_paused = true)]
    async fn one_notice_a_minute_per_peer() {
        let notices = Notices::default();
        assert!(notices.due("10.0.0.1:5000"));
        assert!(!notices.due("10.0.0.1:5001"));
        assert!(notices.due("10.0.0.2:5000"));
        tokio::time::advance(Notices::EVERY).await;
        assert!(notices.due("10.0.0.1:5002"));
    }
}
