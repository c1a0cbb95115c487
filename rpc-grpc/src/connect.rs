//! The client's end of a connection: from a byte stream to a [`Connection`].

use crate::{caller::Caller, executor::Executor, headers, upload::Upload};
use http::{HeaderValue, uri::Authority};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use rpc_core::{
    Delivery, Io, Service, Status, Tasks,
    transport::{ConnectTarget, Connection, ConnectionState, ProtocolRefused},
};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{oneshot, watch},
};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// How often a silent server is asked whether it is there while calls wait for it.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// The same for a server that may be of another framework: what those allow without being told otherwise, and a little.
const KEEP_ALIVE_STRANGER: Duration = Duration::from_secs(310);
/// How long it may take to answer.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many streams that were cancelled here are remembered, so that what still comes for them does no harm.
const REMEMBERED_RESETS: usize = 1024;

/// Becomes the client on a byte stream. Returns when the server has shown that it speaks HTTP/2: what is written to
/// something else is lost in a way that nobody can tell from a call that was made.
pub(crate) async fn connect(
    io: Io,
    target: ConnectTarget,
    tasks: Tasks,
    keep_alive: Option<Duration>,
) -> Result<Connection, Status> {
    let authority = authority(&target)?;
    let instance = target.instance.as_deref().and_then(|id| HeaderValue::from_str(id).ok());
    let default = if instance.is_some() { KEEP_ALIVE } else { KEEP_ALIVE_STRANGER };
    let (sender, state) = watch::channel(ConnectionState::Open);
    let (greeting, greeted) = oneshot::channel();
    let (requests, connection) = http2::Builder::new(Executor::new(&tasks))
        .timer(TokioTimer::new())
        .keep_alive_interval(keep_alive.unwrap_or(default))
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .max_header_list_size(headers::MAX_HEADER_LIST)
        .max_concurrent_reset_streams(REMEMBERED_RESETS)
        .handshake::<_, Upload>(TokioIo::new(Watched::new(io, sender.clone(), greeting, &tasks)))
        .await
        .map_err(|error| refused("the server closed the connection at once").with_source(error))?;
    tasks.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an HTTP/2 connection takes no more calls");
        }
        // Calls in flight go on for as long as the byte stream does.
        advance(&sender, ConnectionState::Draining);
    });
    match greeted.await {
        Ok(FrameHeads::SETTINGS) => {}
        Ok(_) => {
            return Err(
                ProtocolRefused::new("the server does not speak HTTP/2: it answered with something else").into_status()
            );
        }
        Err(_) => return Err(refused("the server closed the connection before it said anything; does it expect TLS?")),
    }
    let service = Caller::new(requests, authority, instance, target.limits.max_message, state.clone());
    Ok(Connection { service: service.boxed(), state })
}

/// Moves a connection on; never back.
fn advance(state: &watch::Sender<ConnectionState>, to: ConnectionState) {
    let rank = |state| match state {
        ConnectionState::Open => 0,
        ConnectionState::Draining => 1,
        ConnectionState::Closed => 2,
    };
    state.send_if_modified(|now| {
        let forward = rank(to) > rank(*now);
        if forward {
            *now = to;
        }
        forward
    });
}

fn authority(target: &ConnectTarget) -> Result<Authority, Status> {
    if target.authority.starts_with("unix:") || target.authority.is_empty() {
        // A path is no authority; this is what others send over a Unix socket.
        return Ok(Authority::from_static("localhost"));
    }
    target.authority.parse().map_err(|_| refused("the server's name cannot stand in `:authority`"))
}

#[cold]
fn refused(message: &'static str) -> Status {
    Status::unavailable(message).with_delivery(Delivery::NeverSent)
}

/// A byte stream that shows what the server says of the connection as a whole before HTTP/2 does.
///
/// hyper tells of GOAWAY only to the next call, which is then too late for it; here it is seen when it is read.
struct Watched {
    io: Io,
    frames: FrameHeads,
    /// Takes the type of the first frame.
    greeting: Option<oneshot::Sender<u8>>,
    state: watch::Sender<ConnectionState>,
    /// What hyper started for this connection ends with the byte stream, and that with the owner of the tasks.
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Watched {
    fn new(io: Io, state: watch::Sender<ConnectionState>, greeting: oneshot::Sender<u8>, tasks: &Tasks) -> Self {
        let stopped = Box::pin(tasks.stopped());
        Self { io, frames: FrameHeads::default(), greeting: Some(greeting), state, stopped }
    }

    fn look_at(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self { frames, greeting, state, .. } = self;
        let mut first = Ok(());
        frames.read(bytes, |kind| {
            if let Some(greeting) = greeting.take() {
                if kind != FrameHeads::SETTINGS {
                    first = Err(io::Error::new(io::ErrorKind::InvalidData, "not HTTP/2: it must begin with SETTINGS"));
                }
                let _ = greeting.send(kind);
            }
            if kind == FrameHeads::GOAWAY {
                advance(state, ConnectionState::Draining);
            }
        });
        first
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        advance(&self.state, ConnectionState::Closed);
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.stopped.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        Poll::Ready(self.look_at(buffer.filled().get(before..).unwrap_or_default()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// Finds the heads of HTTP/2 frames in a stream of bytes: three bytes of length, one of type, five more.
#[derive(Default)]
struct FrameHeads {
    head: [u8; 9],
    filled: usize,
    /// What is left of the frame whose head was read last.
    skip: usize,
}

impl FrameHeads {
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;

    fn read(&mut self, mut bytes: &[u8], mut found: impl FnMut(u8)) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return;
            }
            let taken = (self.head.len() - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == self.head.len() {
                let [a, b, c, kind, ..] = self.head;
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                self.filled = 0;
                found(kind);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_found_however_the_bytes_are_cut() {
        let mut bytes = Vec::new();
        for (kind, length) in [(4u8, 6usize), (0, 0), (0, 300), (7, 8), (6, 8)] {
            bytes.extend_from_slice(&(length as u32).to_be_bytes()[1..]);
            bytes.extend_from_slice(&[kind, 0, 0, 0, 0, 1]);
            bytes.extend(std::iter::repeat_n(7, length));
        }
        for piece in 1..bytes.len() {
            let (mut heads, mut kinds) = (FrameHeads::default(), Vec::new());
            for chunk in bytes.chunks(piece) {
                heads.read(chunk, |kind| kinds.push(kind));
            }
            assert_eq!(kinds, [4, 0, 0, 7, 6], "in pieces of {piece}");
        }
    }
}
