//! Everyone who knocks at a port, and which protocol they speak.

use crate::{
    Address, Io, Observers,
    notices::Notices,
    observer::{Unclassified, Visitor, target},
    tls::{Secured, Security, TlsAcceptor, TlsError, TlsErrorKind},
    transport::{Recognition, Transport},
};
use bytes::BytesMut;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

/// No protocol needs more to be known.
const ENOUGH: usize = 24;

/// How long a visitor may stay silent.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long, and for how many bytes, an HTTP/1 client is listened to once it has been answered.
const FAREWELL: (Duration, u64) = (Duration::from_secs(2), 64 * 1024);

/// Somebody at the port, and those who are to hear of it.
pub(crate) struct Door<'a> {
    pub(crate) transports: &'a [Arc<dyn Transport>],
    /// What is asked of everybody.
    pub(crate) security: Security,
    pub(crate) peer: Option<&'a Address>,
    pub(crate) observers: &'a Observers,
    pub(crate) notices: &'a Notices,
    /// Until when it has to be known what is spoken.
    pub(crate) until: Instant,
}

/// Reads the first bytes until exactly one transport says that they are its own, and gives them back to the stream.
///
/// The client always speaks first. `None` for a visitor who speaks nothing that is served here; it has been answered,
/// where an answer helps, and the stream is closed by dropping it.
pub(crate) async fn recognise(io: &mut Io, door: &Door<'_>) -> Option<Arc<dyn Transport>> {
    let mut seen = BytesMut::with_capacity(ENOUGH);
    let found = timeout_at(door.until, async {
        loop {
            // A load balancer that only opens and closes is no error, and neither is one that stays silent.
            if io.read_ahead(&mut seen).await.ok()? == 0 {
                return None;
            }
            let mut undecided = false;
            for transport in door.transports {
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
        door.turn_away(io, &seen, kind(&seen)).await;
    } else {
        io.unread(seen.freeze());
    }
    found
}

/// Waits for the first word of a visitor with whom TLS has agreed on what is spoken, and gives it back to the stream.
/// False for one who says nothing: that it can shake hands is no reason to keep a place for it. Whether the word is a
/// good one the protocol says itself.
pub(crate) async fn begins(io: &mut Io, agreed: &dyn Transport, door: &Door<'_>) -> bool {
    let mut seen = BytesMut::with_capacity(ENOUGH);
    let begun = timeout_at(door.until, async {
        while seen.is_empty() || (seen.len() < ENOUGH && agreed.recognises(&seen) == Recognition::NeedMore) {
            if io.read_ahead(&mut seen).await.unwrap_or(0) == 0 {
                return false;
            }
        }
        true
    });
    let begun = begun.await.unwrap_or(false);
    io.unread(seen.freeze());
    begun
}

/// Shakes hands with a visitor who has to speak TLS. `None` for one who does not, or with whom it fails: it has been
/// answered, where an answer helps.
pub(crate) async fn secure(mut io: Io, acceptor: &dyn TlsAcceptor, door: &Door<'_>) -> Option<Secured> {
    let mut seen = BytesMut::with_capacity(ENOUGH);
    let spoken = timeout_at(door.until, async {
        while seen.is_empty() || (kind(&seen) != Visitor::Tls && may_be_known(&seen)) {
            if io.read_ahead(&mut seen).await.ok()? == 0 {
                return None;
            }
        }
        Some(kind(&seen))
    });
    match spoken.await.unwrap_or(None) {
        Some(Visitor::Tls) => {}
        Some(visitor) => {
            // A protocol that is served here, had it come over TLS.
            let visitor = if visitor == Visitor::Unknown { Visitor::PlainText } else { visitor };
            door.turn_away(&mut io, &seen, visitor).await;
            return None;
        }
        None => return None,
    }
    let first = seen.freeze();
    io.unread(first.clone());
    match timeout_at(door.until, acceptor.accept(io)).await {
        Ok(Ok(secured)) => Some(secured),
        Ok(Err(error)) => {
            door.handshake_failed(&first, &error);
            None
        }
        // It has said hello and then nothing more, which is silence as any other.
        Err(_) => None,
    }
}

impl Door<'_> {
    fn tell(&self, visitor: Visitor, seen: &[u8]) {
        let first = &seen[..seen.len().min(8)];
        self.observers.tell(|observer| observer.unclassified(&Unclassified { peer: self.peer, visitor, first }));
    }

    fn who(&self) -> String {
        self.peer.map_or_else(|| "a local peer".to_owned(), Address::to_string)
    }

    /// Whether somebody from there is to be named now for this. (The port of a client changes with every connection.)
    fn is_due(&self, what: &str) -> bool {
        self.notices.due(format!("{what} {}", self.peer.map_or_else(Default::default, Address::host)))
    }

    /// What is spoken here.
    fn spoken(&self) -> String {
        let names: Vec<_> = self.transports.iter().map(|transport| transport.name()).collect();
        let names = names.join(" and ");
        match self.security {
            Security::Plain => names,
            Security::Tls => format!("{names} over TLS"),
        }
    }

    /// Answers, as far as an answer helps, a visitor who speaks nothing that is served here.
    async fn turn_away(&self, io: &mut Io, seen: &[u8], visitor: Visitor) {
        self.tell(visitor, seen);
        let who = self.who();
        match visitor {
            Visitor::Http1 => {
                tracing::debug!(
                    target: target::SERVER, { network.peer.address = who },
                    "answered 426 to an HTTP/1 request"
                );
                // It has left, or is too slow: nothing is lost by that.
                let _ = timeout(FAREWELL.0, refuse_http_1(io, &self.spoken())).await;
            }
            Visitor::Tls => {
                if self.is_due("TLS") {
                    tracing::warn!(
                        target: target::SERVER,
                        { network.peer.address = who },
                        "speaks TLS to a port that is served in the clear: configure TLS on both sides or on none"
                    );
                }
                // An end in order, which clients can tell from a broken line.
                let _ = timeout(FAREWELL.0, last_word(io, b"")).await;
            }
            Visitor::PlainText => {
                if self.is_due("plain text") {
                    tracing::warn!(
                        target: target::SERVER,
                        { network.peer.address = who },
                        "speaks plain text to a port of TLS: configure TLS on both sides or on none"
                    );
                }
                let _ = timeout(FAREWELL.0, last_word(io, UNEXPECTED_MESSAGE)).await;
            }
            Visitor::Proxy if self.is_due("PROXY") => {
                tracing::warn!(
                    target: target::SERVER,
                    { network.peer.address = who },
                    "sends a PROXY protocol header, which is not understood here: switch it off at the load balancer"
                );
            }
            _ => {
                let first = &seen[..seen.len().min(8)];
                tracing::debug!(
                    target: target::SERVER, first = %first.escape_ascii(), network.peer.address = who,
                    "closed a connection of an unknown protocol"
                )
            }
        }
    }

    #[cold]
    fn handshake_failed(&self, seen: &[u8], error: &TlsError) {
        let who = self.who();
        if error.kind() == TlsErrorKind::Gone {
            // A probe of the port, or a client that has lost its patience.
            return tracing::debug!(
                target: target::SERVER, %error, network.peer.address = who,
                "a TLS handshake came to nothing"
            );
        }
        self.tell(Visitor::Handshake, seen);
        if self.is_due("handshake") {
            tracing::warn!(target: target::SERVER, { network.peer.address = who }, "a TLS handshake failed: {error}");
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
    last_word(io, format!("{head} {}\r\n\r\n{sentence}", sentence.len()).as_bytes()).await
}

/// Says one thing more, and closes.
async fn last_word(io: &mut Io, word: &[u8]) -> io::Result<()> {
    io.write_all(word).await?;
    io.shutdown().await?;
    // The system resets a connection that is closed with bytes unread, and the answer may be lost on its way then.
    tokio::io::copy(&mut io.take(FAREWELL.1), &mut tokio::io::sink()).await?;
    Ok(())
}

/// An alert of TLS 1.2 that ends the connection, which every version understands (RFC 8446, section 6). Our own clients
/// know by it what they have come to.
const UNEXPECTED_MESSAGE: &[u8] = b"\x15\x03\x03\0\x02\x02\x0a";

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
    use tokio::io::DuplexStream;

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
            let (observers, notices) = (Observers::default(), Notices::default());
            let until = Instant::now() + PATIENCE;
            let door = Door {
                transports: &transports,
                security: Security::Plain,
                peer: None,
                observers: &observers,
                notices: &notices,
                until,
            };
            let found = recognise(&mut io, &door).await;
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

    #[tokio::test(start_paused = true)]
    async fn who_has_agreed_on_a_protocol_has_to_begin_with_it_all_the_same() {
        let (observers, notices, grpc) = (Observers::default(), Notices::default(), Magic("grpc", b"PRI * HTTP/2.0"));
        for (words, begun) in [
            (&[][..], false),
            (&[&b"PRI"[..]], false),
            (&[b"P", b"RI *", b" HTTP/2.0"], true),
            (&[b"PRI * HTTP/2.0 and more"], true),
            // What that is says the protocol, which may have an answer.
            (&[b"GET"], true),
        ] {
            let (mut far, near) = tokio::io::duplex(1024);
            let mut io = Io::new(near);
            let (now, security) = (Instant::now(), Security::Tls);
            let until = now + PATIENCE;
            let (observers, notices) = (&observers, &notices);
            let door = Door { transports: &[], security, peer: None, observers, notices, until };
            let speak = async {
                for word in words {
                    far.write_all(word).await.unwrap();
                    tokio::task::yield_now().await;
                }
            };
            assert_eq!(tokio::join!(begins(&mut io, &grpc, &door), speak).0, begun, "{words:?}");
            assert_eq!(now.elapsed(), if begun { Duration::ZERO } else { PATIENCE }, "{words:?}");
            drop(far);
            let mut all = Vec::new();
            io.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, words.concat());
        }
    }

    /// Takes what begins as TLS does for a handshake, and whatever follows for what was encrypted.
    struct Handshake(Option<TlsErrorKind>);

    impl TlsAcceptor for Handshake {
        fn accept(&self, mut io: Io) -> BoxFuture<'_, Result<Secured, TlsError>> {
            Box::pin(async move {
                io.read_exact(&mut [0; 3]).await.unwrap();
                match self.0 {
                    None => Ok(Secured::new(io).with_alpn(Some("h2".to_owned()))),
                    Some(failure) => Err(TlsError::new(failure, "no certificate")),
                }
            })
        }
    }

    /// What comes of a visitor who says this at a port of TLS: what it hears, whether it may go on, how it was counted,
    /// and after how long.
    async fn at_a_port_of_tls(words: &[&[u8]], failure: Option<TlsErrorKind>) -> (Vec<u8>, bool, u64, Duration) {
        let (mut far, near) = tokio::io::duplex(1024);
        let counters = Arc::new(crate::observer::Counters::default());
        let (observers, notices, begun) = (Observers::from(counters.clone()), Notices::default(), Instant::now());
        let transports: [Arc<dyn Transport>; 1] = [Arc::new(Magic("grpc", b"PRI * HTTP/2.0"))];
        let acceptor = Handshake(failure);
        let door = Door {
            transports: &transports,
            security: Security::Tls,
            peer: None,
            observers: &observers,
            notices: &notices,
            until: begun + PATIENCE,
        };
        let speak = async {
            for word in words {
                far.write_all(word).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut heard = Vec::new();
            far.read_to_end(&mut heard).await.unwrap();
            heard
        };
        let admit = async { secure(Io::new(near), &acceptor, &door).await.is_some() };
        let (heard, admitted) = tokio::join!(speak, admit);
        (heard, admitted, counters.snapshot().of(crate::observer::Event::Unclassified), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn at_a_port_of_tls_hands_are_shaken_with_those_who_begin_so() {
        let begin: &[&[u8]] = &[b"\x16", b"\x03", b"\x01"];
        assert!(matches!(at_a_port_of_tls(begin, None).await, (_, true, 0, _)));
        assert!(matches!(at_a_port_of_tls(begin, Some(TlsErrorKind::Other)).await, (_, false, 1, _)));
        assert!(matches!(at_a_port_of_tls(begin, Some(TlsErrorKind::Gone)).await, (_, false, 0, _)));
        let (heard, admitted, unclassified, after) = at_a_port_of_tls(&[], None).await;
        assert_eq!((heard.len(), admitted, unclassified, after), (0, false, 0, PATIENCE), "silence");
        let (_, admitted, _, after) = at_a_port_of_tls(&begin[..1], None).await;
        assert_eq!((admitted, after), (false, PATIENCE), "a hello that does not go on");
    }

    #[tokio::test(start_paused = true)]
    async fn at_a_port_of_tls_plain_text_is_answered() {
        for words in [&[&b"PRI * HTTP/2.0"[..]][..], &[b"P", b"RI * HTTP/2.0"], &[b"\xf5RPC"], &[b"{"]] {
            let (heard, admitted, unclassified, _) = at_a_port_of_tls(words, None).await;
            assert_eq!((&heard[..], admitted, unclassified), (UNEXPECTED_MESSAGE, false, 1));
        }
        let (heard, admitted, ..) = at_a_port_of_tls(&[b"GET / HTTP/1.1\r\n\r\n"], None).await;
        let heard = String::from_utf8(heard).unwrap();
        assert!(!admitted && heard.contains("It speaks grpc over TLS, not HTTP/1"), "{heard}");
    }
}
