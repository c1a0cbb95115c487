//! One type for every byte stream.

use bytes::{Buf, Bytes, BytesMut};
use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What a byte stream has to be. Implemented for everything that is it.
pub trait AsyncIo: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> AsyncIo for T {}

/// A byte stream whose type is forgotten, with room in front for bytes that were read to recognise the protocol.
pub struct Io {
    front: Bytes,
    inner: Box<dyn AsyncIo>,
    /// Somebody wants to know how the far end begins.
    overheard: Option<Overheard>,
}

/// The first bytes of the far end, once there are any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overheard(Arc<OnceLock<[u8; 2]>>);

impl Overheard {
    /// Whether the far end has answered with a record of TLS: an alert, or its part of a handshake.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.0.get(), Some([0x15 | 0x16, 0x03]))
    }

    #[cold]
    fn set(self, bytes: &[u8]) {
        // In one piece, as they were sent; who sends less than two bytes is not recognised, and nothing is lost by
        // that.
        if let Some(first) = bytes.first_chunk() {
            let _ = self.0.set(*first);
        }
    }
}

impl Io {
    /// Forgets the type of a byte stream.
    pub fn new(inner: impl AsyncIo) -> Self {
        Self { front: Bytes::new(), inner: Box::new(inner), overheard: None }
    }

    /// Reads more bytes behind those in `seen`; 0 at the end of the stream. They are to be given back by
    /// [`unread`](Self::unread).
    ///
    /// # Errors
    /// What the stream says.
    pub async fn read_ahead(&mut self, seen: &mut BytesMut) -> io::Result<usize> {
        self.inner.read_buf(seen).await
    }

    /// How the far end begins, for an error that should name it.
    pub(crate) fn overhear(&mut self) -> Overheard {
        self.overheard.get_or_insert_default().clone()
    }

    /// Gives bytes back, to be read before everything else.
    pub fn unread(&mut self, bytes: Bytes) {
        if self.front.is_empty() {
            self.front = bytes;
        } else {
            self.front = [bytes, self.front.split_off(0)].concat().into();
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.front.has_remaining() {
            let length = self.front.len().min(buffer.remaining());
            buffer.put_slice(&self.front.split_to(length));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut *self.inner).poll_read(cx, buffer);
        if self.overheard.is_some()
            && buffer.filled().len() > before
            && let Some(overheard) = self.overheard.take()
        {
            overheard.set(&buffer.filled()[before..]);
        }
        polled
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Io({} bytes ahead)", self.front.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn what_was_read_ahead_is_read_again() {
        let (mut far, near) = tokio::io::duplex(64);
        far.write_all(b"PRI * HTTP/2.0").await.unwrap();
        let mut io = Io::new(near);
        let mut seen = BytesMut::new();
        io.read_ahead(&mut seen).await.unwrap();
        io.unread(seen.split_off(3).freeze());
        io.unread(seen.freeze());
        far.write_all(b" end").await.unwrap();
        drop(far);
        let mut all = String::new();
        io.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "PRI * HTTP/2.0 end");
    }
}
