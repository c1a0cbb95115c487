//! A byte stream and its two buffers: frames written in place, sent in batches, read from shared slices.

use super::{Ended, Link};
use crate::Io;
use bytes::{Bytes, BytesMut};
use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::AsyncWrite as _;
use tokio_util::io::{poll_read_buf, poll_write_buf};

/// A byte stream with a buffer on either side. It knows bytes and their positions, and no frames.
pub struct Pipe {
    io: Io,
    /// What has been read and not yet decoded.
    pub read: BytesMut,
    /// What is to be sent. Frames are appended in place.
    pub write: BytesMut,
    /// How large the read buffer is, with what has been taken out of it.
    reading: usize,
    /// Bytes that the byte stream has taken.
    taken: u64,
    /// The byte stream has taken a part of what was to be sent, which may end in the midst of a frame.
    torn: bool,
    /// The byte stream has taken bytes that it may still hold back.
    unflushed: bool,
    /// The batch has waited, so that who is ready can join it. It does so once, or a full byte stream would be asked
    /// about turn after turn.
    waited: bool,
}

impl Pipe {
    /// Above this nothing more should be put into the write buffer before some of it has been sent.
    pub const HIGH_WATER: usize = 64 * 1024;

    /// Room for what one read brings.
    const READ: usize = 64 * 1024;

    /// With less room than this the read buffer is renewed before it is read into again.
    const LITTLE: usize = 4 * 1024;

    /// A read buffer that is larger has held a large frame. Small ones are not kept in it.
    const LARGE: usize = 2 * Self::READ;

    /// On a byte stream. Buffers are made when they are needed.
    pub fn new(io: Io) -> Self {
        let (read, write) = (BytesMut::new(), BytesMut::new());
        Self { io, read, write, reading: 0, taken: 0, torn: false, unflushed: false, waited: false }
    }

    /// Where in the stream of bytes what is appended now will begin.
    pub fn position(&self) -> u64 {
        self.taken + self.write.len() as u64
    }

    /// How many bytes the byte stream has taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether so much is to be sent that nothing should be added.
    pub fn is_full(&self) -> bool {
        self.write.len() >= Self::HIGH_WATER
    }

    /// Whether the byte stream may hold back bytes that it has taken.
    pub fn is_unflushed(&self) -> bool {
        self.unflushed
    }

    /// Reads once. A frame that is longer than the buffer grows it as its bytes come: a length alone allocates nothing.
    ///
    /// # Errors
    /// When the peer has closed the stream, and when the stream fails.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let room = self.read.capacity() - self.read.len();
        if room < Self::LITTLE {
            self.renew();
        }
        Poll::Ready(match ready!(poll_read_buf(Pin::new(&mut self.io), cx, &mut self.read)) {
            Ok(0) => Err(Ended::Closed),
            Ok(_) => Ok(()),
            Err(error) => Err(Ended::Failed(error)),
        })
    }

    /// Makes room in the read buffer. One that has become large is left when there is little in it: the frame that it
    /// was for has gone by.
    #[cold]
    fn renew(&mut self) {
        let more = Self::READ.max(self.read.len());
        if self.reading > Self::LARGE && self.read.len() < Self::READ {
            let mut small = BytesMut::with_capacity(self.read.len() + more);
            small.extend_from_slice(&self.read);
            self.read = small;
        } else {
            self.read.reserve(more);
        }
        self.reading = self.read.capacity();
    }

    /// What was taken out of the read buffer, for who may keep it: as it is, or copied where a little of a large buffer
    /// would keep all of it. What is kept so takes at most four times its bytes, or 128 KiB.
    #[must_use]
    pub fn unpinned(&self, bytes: Bytes) -> Bytes {
        if self.reading > Self::LARGE && bytes.len() < self.reading / 4 {
            Bytes::copy_from_slice(&bytes)
        } else {
            bytes
        }
    }

    /// Ready when what is to be sent should be sent: a small batch waits one turn, so that tasks that are ready now can
    /// join it. A lone call does not wait.
    pub fn poll_gathered(&mut self, cx: &mut Context<'_>, calls: usize) -> Poll<()> {
        let small = !self.write.is_empty() && self.write.len() < Self::HIGH_WATER;
        if small && !self.waited && calls > 1 {
            self.waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Sends what is in the write buffer, flushes, and tells `link` what has left.
    ///
    /// # Errors
    /// Those of the byte stream.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, link: &Link) -> Poll<io::Result<()>> {
        while !self.write.is_empty() {
            match ready!(poll_write_buf(Pin::new(&mut self.io), cx, &mut self.write)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    self.taken += count as u64;
                    link.take(self.taken);
                    (self.torn, self.unflushed) = (!self.write.is_empty(), true);
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.waited = false;
        if self.write.capacity() > 2 * Self::HIGH_WATER {
            self.write = BytesMut::new();
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Forgets what is to be sent, and says whether what has been ends with a whole frame, so that the peer can read
    /// another.
    pub fn recall(&mut self) -> bool {
        self.write = BytesMut::new();
        !self.torn
    }

    /// Closes this side's half of the byte stream.
    ///
    /// # Errors
    /// Those of the byte stream.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Gives back buffers that hold nothing.
    pub fn release(&mut self) {
        for buffer in [&mut self.read, &mut self.write] {
            if buffer.is_empty() && buffer.capacity() > 0 {
                *buffer = BytesMut::new();
            }
        }
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pipe({} bytes read, {} to write)", self.read.len(), self.write.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_has_left_is_known_to_the_byte() {
        let (near, mut far) = tokio::io::duplex(10);
        let (mut pipe, link) = (Pipe::new(Io::new(near)), Link::new());
        pipe.write.extend_from_slice(b"0123456789abcdef");
        assert_eq!(pipe.position(), 16);
        assert!(futures_util::poll!(poll_fn(|cx| pipe.poll_send(cx, &link))).is_pending());
        assert_eq!((pipe.taken(), pipe.position()), (10, 16));
        far.read_exact(&mut [0; 10]).await.unwrap();
        poll_fn(|cx| pipe.poll_send(cx, &link)).await.unwrap();
        assert_eq!(pipe.taken(), 16);
        pipe.write.extend_from_slice(b"0123456789abcdef");
        assert!(pipe.recall(), "all of it can be had back");
        pipe.write.extend_from_slice(b"0123456789abcdef");
        assert!(futures_util::poll!(poll_fn(|cx| pipe.poll_send(cx, &link))).is_pending());
        assert!(!pipe.recall(), "a part of it has left");
        poll_fn(|cx| pipe.poll_send(cx, &link)).await.unwrap();
        assert_eq!(pipe.taken(), 20);
        drop(far);
        assert!(matches!(poll_fn(|cx| pipe.poll_read(cx)).await, Err(Ended::Closed)));
    }

    #[tokio::test]
    async fn a_little_of_a_large_buffer_does_not_keep_it() {
        const FRAME: usize = 3 << 20;
        let (near, mut far) = tokio::io::duplex(FRAME);
        let mut pipe = Pipe::new(Io::new(near));
        let mut small = Vec::new();
        for _ in 0..3 {
            for size in [FRAME, 10] {
                far.write_all(&vec![7; size]).await.unwrap();
                while pipe.read.len() < size {
                    poll_fn(|cx| pipe.poll_read(cx)).await.unwrap();
                }
                let bytes = pipe.read.split_to(size).freeze();
                let frame = bytes.as_ptr();
                let kept = pipe.unpinned(bytes);
                match size {
                    FRAME => assert_eq!(kept.as_ptr(), frame, "a large frame was copied"),
                    _ => small.push(kept),
                }
            }
        }
        for bytes in small {
            assert!(bytes.try_into_mut().is_ok_and(|bytes| bytes.capacity() < 1024), "a part of something larger");
        }
        // When what is left of it is used up, the next is a small one, of which parts are kept as they are.
        while pipe.reading > Pipe::LARGE {
            far.write_all(&[7; 10_000]).await.unwrap();
            poll_fn(|cx| pipe.poll_read(cx)).await.unwrap();
            drop(pipe.read.split());
        }
        far.write_all(&[7; 10]).await.unwrap();
        poll_fn(|cx| pipe.poll_read(cx)).await.unwrap();
        let bytes = pipe.read.split_to(10).freeze();
        assert_eq!(pipe.unpinned(bytes.clone()).as_ptr(), bytes.as_ptr());
    }

    #[tokio::test]
    async fn a_small_batch_waits_one_turn_and_a_lone_call_does_not() {
        let (near, _far) = tokio::io::duplex(64);
        let mut pipe = Pipe::new(Io::new(near));
        pipe.write.extend_from_slice(b"x");
        let mut gathered =
            |calls| pipe.poll_gathered(&mut Context::from_waker(futures_util::task::noop_waker_ref()), calls);
        assert!(gathered(1).is_ready());
        assert!(gathered(2).is_pending());
        assert!(gathered(2).is_ready());
    }

    #[tokio::test]
    async fn a_batch_that_the_byte_stream_does_not_take_wakes_nobody_again() {
        let (near, _far) = tokio::io::duplex(1);
        let (mut pipe, link) = (Pipe::new(Io::new(near)), Link::new());
        pipe.write.extend_from_slice(b"xyz");
        assert!(futures_util::poll!(poll_fn(|cx| pipe.poll_gathered(cx, 2))).is_pending());
        for _ in 0..3 {
            assert!(futures_util::poll!(poll_fn(|cx| pipe.poll_gathered(cx, 2))).is_ready());
            assert!(futures_util::poll!(poll_fn(|cx| pipe.poll_send(cx, &link))).is_pending());
        }
    }
}
