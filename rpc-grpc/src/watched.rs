//! A byte stream that shows what the server says of the connection as a whole.

use rpc_core::{
    Io,
    transport::{ConnectionState, Places},
};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{oneshot, watch},
};

/// What is to be known of a connection without asking it.
pub(crate) struct Pulse {
    heard: AtomicBool,
    /// Of calls. h2 would let them wait as well, but any number of them, and keeps those that were dropped meanwhile.
    pub(crate) places: Arc<Places>,
}

impl Pulse {
    /// Of a connection that takes so many calls before the server has said how many.
    pub(crate) fn new(calls: usize) -> Arc<Self> {
        Arc::new(Self { heard: AtomicBool::new(false), places: Places::new(calls) })
    }

    /// Whether calls wait for a server of which nothing was heard since this was asked last.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.heard.swap(false, Ordering::Relaxed) && self.places.taken() > 0
    }
}

/// Looks at the frames that come before HTTP/2 does.
///
/// h2 tells of GOAWAY only to the next call, which is then too late for it; here it is seen when it is read.
pub(crate) struct Watched {
    io: Io,
    frames: FrameHeads,
    /// Takes the type of the first frame.
    greeting: Option<oneshot::Sender<u8>>,
    state: watch::Sender<ConnectionState>,
    pulse: Arc<Pulse>,
}

impl Watched {
    pub(crate) fn new(
        io: Io,
        state: watch::Sender<ConnectionState>,
        greeting: oneshot::Sender<u8>,
        pulse: Arc<Pulse>,
    ) -> Self {
        Self { io, frames: FrameHeads::default(), greeting: Some(greeting), state, pulse }
    }

    fn look_at(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self { frames, greeting, state, pulse, .. } = self;
        pulse.heard.store(true, Ordering::Relaxed);
        let mut first = Ok(());
        frames.read(bytes, |kind| {
            if let Some(greeting) = greeting.take() {
                if kind != FrameHeads::SETTINGS {
                    first = Err(io::Error::new(io::ErrorKind::InvalidData, "not HTTP/2: it must begin with SETTINGS"));
                }
                let _ = greeting.send(kind);
            }
            if kind == FrameHeads::GOAWAY {
                ConnectionState::Draining.advance(state);
                // After that: who waits is told, and looks why.
                pulse.places.close();
            }
        });
        first
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        ConnectionState::Closed.advance(&self.state);
        self.pulse.places.close();
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
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
pub(crate) struct FrameHeads {
    head: [u8; 9],
    filled: usize,
    /// What is left of the frame whose head was read last.
    skip: usize,
}

impl FrameHeads {
    pub(crate) const SETTINGS: u8 = 4;
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
