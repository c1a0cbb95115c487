//! Many messages in one buffer.

use crate::{ErasedMessage, Payload, Status};
use bytes::{Bytes, BytesMut};

/// Messages of a stream on their way out, encoded one behind the other into one buffer, each behind its length.
///
/// A transport gives an empty one to [`PayloadStream::poll_batch`](crate::PayloadStream::poll_batch). What is ready at
/// once then costs each layer one poll, and no message is ever boxed.
#[derive(Debug)]
pub struct Batch {
    bytes: BytesMut,
    /// Bytes of whole messages. Behind them may be part of one whose encoding has panicked.
    whole: usize,
    count: usize,
    bounds: Bounds,
}

/// How messages stand in a [`Batch`], and how many.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// What stands before each.
    pub head: Head,
    /// The bytes that one message may have.
    pub message: usize,
    /// How many there may be.
    pub count: usize,
    /// With so many bytes nothing is added; one message alone may have more.
    pub bytes: usize,
}

/// What stands before a message.
#[derive(Clone, Copy, Debug)]
pub enum Head {
    /// Its length in four bytes, the highest first.
    Length,
    /// The same behind a byte that is zero.
    ZeroAndLength,
}

impl Batch {
    /// An empty one, with room for about as many bytes as the one before it had.
    pub fn new(bounds: Bounds, room: usize) -> Self {
        Self { bytes: BytesMut::with_capacity(room), whole: 0, count: 0, bounds }
    }

    /// Adds a message. When it is refused nothing is added.
    ///
    /// # Errors
    /// `ResourceExhausted` for one that is too large.
    pub fn put<M: ErasedMessage + ?Sized>(&mut self, message: &M) -> Result<(), Status> {
        self.put_with(message.encoded_len(), |bytes| message.encode(bytes))
    }

    /// Adds a message whose type is forgotten, or that is bytes already.
    ///
    /// # Errors
    /// As for [`put`](Self::put).
    pub fn put_payload(&mut self, payload: &Payload) -> Result<(), Status> {
        match payload {
            Payload::Typed(message) => self.put(&**message),
            Payload::Encoded(message) => self.put_with(message.len(), |bytes| bytes.extend_from_slice(message)),
        }
    }

    #[inline]
    fn put_with(&mut self, length: usize, encode: impl FnOnce(&mut BytesMut)) -> Result<(), Status> {
        let short = u32::try_from(length).ok().filter(|_| length <= self.bounds.message);
        let short = short.ok_or_else(|| Payload::too_large(length, self.bounds.message))?;
        self.bytes.truncate(self.whole);
        let [a, b, c, d] = short.to_be_bytes();
        let head = [0, a, b, c, d];
        self.bytes.reserve(head.len() + length);
        self.bytes.extend_from_slice(match self.bounds.head {
            Head::Length => &head[1..],
            Head::ZeroAndLength => &head,
        });
        encode(&mut self.bytes);
        self.whole = self.bytes.len();
        self.count += 1;
        Ok(())
    }

    /// Whether nothing more should be added: another message as large as these would be too much.
    pub fn is_full(&self) -> bool {
        self.count >= self.bounds.count
            || self.whole + self.whole.checked_div(self.count).unwrap_or(0) > self.bounds.bytes
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes they have, with what stands before each.
    pub fn size(&self) -> usize {
        self.whole
    }

    /// Nothing more is added.
    pub fn finish(mut self) -> Bytes {
        self.bytes.truncate(self.whole);
        self.bytes.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn bounds(head: Head) -> Bounds {
        Bounds { head, message: 3, count: 4, bytes: 20 }
    }

    fn payload(bytes: &'static [u8]) -> Payload {
        Payload::Encoded(Bytes::from_static(bytes))
    }

    #[test]
    fn each_message_stands_behind_its_head() {
        for (head, expected) in
            [(Head::Length, &b"\0\0\0\x02ab\0\0\0\0"[..]), (Head::ZeroAndLength, b"\0\0\0\0\x02ab\0\0\0\0\0")]
        {
            let mut batch = Batch::new(bounds(head), 0);
            batch.put_payload(&payload(b"ab")).unwrap();
            assert_eq!(batch.put_payload(&payload(b"abcd")).unwrap_err().code(), Code::ResourceExhausted);
            batch.put_payload(&payload(b"")).unwrap();
            assert_eq!((batch.len(), batch.size()), (2, expected.len()));
            assert_eq!(batch.finish()[..], *expected);
        }
    }

    #[test]
    fn it_is_full_of_many_messages_and_of_few_large_ones() {
        let mut batch = Batch::new(bounds(Head::Length), 0);
        for _ in 0..3 {
            batch.put_payload(&payload(b"")).unwrap();
            assert!(!batch.is_full());
        }
        batch.put_payload(&payload(b"")).unwrap();
        assert!(batch.is_full());
        let mut batch = Batch::new(bounds(Head::Length), 0);
        batch.put_payload(&payload(b"abc")).unwrap();
        assert!(!batch.is_full());
        batch.put_payload(&payload(b"abc")).unwrap();
        assert!(batch.is_full(), "a third does not fit");
    }

    struct Broken;

    impl ErasedMessage for Broken {
        fn encoded_len(&self) -> usize {
            2
        }

        fn encode(&self, buffer: &mut BytesMut) {
            buffer.extend_from_slice(b"x");
            panic!("in the middle");
        }
    }

    #[test]
    fn half_a_message_is_none() {
        let mut batch = Batch::new(bounds(Head::Length), 0);
        catch_unwind(AssertUnwindSafe(|| batch.put(&Broken))).unwrap_err();
        assert!(batch.is_empty());
        batch.put_payload(&payload(b"a")).unwrap();
        catch_unwind(AssertUnwindSafe(|| batch.put(&Broken))).unwrap_err();
        assert_eq!(batch.finish()[..], *b"\0\0\0\x01a");
    }
}
