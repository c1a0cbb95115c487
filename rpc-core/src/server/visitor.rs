//! Everyone who knocks at a port, and which protocol they speak.

use crate::{
    Address, Io, Observers,
    notices::Notices,
    observer::{Unclassified, Visitor, target},
    transport::{Recognition, Transport},
};
use bytes::BytesMut;
use std::{io, sync::Arc, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// No protocol needs more to be known.
const ENOUGH: usize = 24;

/// How long a visitor may stay silent.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long, and for how many bytes, an HTTP/1 client is listened to once it has been answered.
const FAREWELL: (Duration, u64) = (Duration::from_secs(2), 64 * 1024);

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
            if seen.len() >= ENOUGH || !(undecided || may_be_known(&seen)) {
                return None;
            }
        }
    })
    .await
    .unwrap_or(None);

    if found.is_none() && !seen.is_empty() {
        let names: Vec<_> = transports.iter().map(|transport| transport.name()).collect();
        turn_away(io, &seen, &names.join(" and "), peer, observers, notices).await;
    } else {
        io.unread(seen.freeze());
    }
    found
}

/// Answers, as far as an answer helps, a visitor who speaks nothing that is served here.
async fn turn_away(
    io: &mut Io,
    seen: &[u8],
    spoken: &str,
    peer: Option<&Address>,
    observers: &Observers,
    notices: &Notices,
) {
    let first = &seen[..seen.len().min(8)];
    let visitor = kind(seen);
    observers.tell(|observer| observer.unclassified(&Unclassified { peer, visitor, first }));
    let who = peer.map_or_else(|| "a local peer".to_owned(), Address::to_string);
    // The port of a client changes with every connection.
    let host = peer.map_or_else(String::new, |peer| peer.host().into_owned());
    let due = |what| notices.due(format!("{what} {host}"));
    match visitor {
        Visitor::Http1 => {
            tracing::debug!(target: target::SERVER, peer = who, "answered 426 to an HTTP/1 request");
            // It has left, or is too slow: nothing is lost by that.
            let _ = tokio::time::timeout(FAREWELL.0, refuse_http_1(io, spoken)).await;
        }
        Visitor::Tls if due("TLS") => {
            tracing::warn!(
                target: target::SERVER,
                peer = who,
                "speaks TLS to a port that is served in the clear: configure TLS on both sides or on none"
            );
        }
        Visitor::Proxy if due("PROXY") => {
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

/// Says in one sentence what this port is, to whoever came with a browser or `curl`.
async fn refuse_http_1(io: &mut Io, spoken: &str) -> io::Result<()> {
    let sentence = format!(
        "This is the port of an RPC server. It speaks {spoken}, not HTTP/1: call it with an RPC client, not with a browser.\n"
    );
    let head = "HTTP/1.1 426 Upgrade Required\r\nconnection: close\r\nupgrade: h2c\r\n\
                content-type: text/plain; charset=utf-8\r\ncontent-length:";
    io.write_all(format!("{head} {}\r\n\r\n{sentence}", sentence.len()).as_bytes()).await?;
    io.shutdown().await?;
    // The system resets a connection that is closed with bytes unread, and the answer may be lost on its way then.
    tokio::io::copy(&mut io.take(FAREWELL.1), &mut tokio::io::sink()).await?;
    Ok(())
}

/// How those begin who come to the wrong port often enough to be known.
const KNOWN: [(&[u8], Visitor); 10] = [
    (b"GET ", Visitor::Http1),
    (b"HEAD ", Visitor::Http1),
    (b"POST ", Visitor::Http1),
    (b"PUT ", Visitor::Http1),
    (b"DELETE ", Visitor::Http1),
    (b"OPTIONS ", Visitor::Http1),
    (b"PATCH ", Visitor::Http1),
    (b"\x16\x03", Visitor::Tls),
    (b"PROXY ", Visitor::Proxy),
    (b"\r\n\r\n\0\r\nQUIT\n", Visitor::Proxy),
];

fn kind(first: &[u8]) -> Visitor {
    KNOWN.iter().find(|(begin, _)| first.starts_with(begin)).map_or(Visitor::Unknown, |(_, visitor)| *visitor)
}

/// Whether more bytes may show who it is.
fn may_be_known(first: &[u8]) -> bool {
    KNOWN.iter().any(|(begin, _)| begin.len() > first.len() && begin.starts_with(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BoxFuture, Status, Tasks, transport::*};
    use tokio::{io::DuplexStream, time::Instant};

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
        let browse = async {
            // A client that writes piece by piece, and more than is looked at.
            for piece in [&b"G"[..], b"ET", b" / HTTP/1.1\r\n", &[b'x'; 2000], b"\r\n\r\n"] {
                far.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut answer = String::new();
            far.read_to_string(&mut answer).await.unwrap();
            drop(far);
            answer
        };
        let ((name, _io), answer) = tokio::join!(recognised, browse);
        assert_eq!(name, None);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
        assert_eq!(
            body,
            "This is the port of an RPC server. It speaks grpc and tarpc, not HTTP/1: call it with an RPC client, not \
             with a browser.\n"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_waited_for_ten_seconds_and_no_longer() {
        let (far, recognised) = knock();
        let begun = Instant::now();
        assert_eq!(recognised.await.0, None);
        assert_eq!(begun.elapsed(), PATIENCE);
        drop(far);
    }
}
