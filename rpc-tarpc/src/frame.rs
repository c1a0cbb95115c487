//! Frames: a length, a type and a body, and the numbers on the wire. `WIRE.md` is the specification.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rpc_core::framed::Malformed;

/// What a frame may have beside a message of the greatest size: path, metadata, baggage, or the rest of a batch of
/// stream items.
pub(crate) const ALLOWANCE: usize = 512 * 1024;

/// The types of frames.
pub(crate) mod kind {
    pub(crate) const REQUEST: u8 = 1;
    pub(crate) const CANCEL: u8 = 2;
    pub(crate) const RESPONSE: u8 = 3;
    pub(crate) const PING: u8 = 4;
    pub(crate) const PONG: u8 = 5;
    pub(crate) const GO_AWAY: u8 = 6;
    pub(crate) const RESET: u8 = 7;

    /// A frame of an unknown type with this bit is skipped; any other closes the connection.
    pub(crate) const SKIPPABLE: u8 = 0x80;
}

/// Appends a frame of `kind` whose body is what `body` appends. If that fails, nothing is appended.
pub(crate) fn put<E>(
    buffer: &mut BytesMut,
    kind: u8,
    body: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<(), E> {
    let start = buffer.len();
    buffer.put_u32(0);
    buffer.put_u8(kind);
    if let Err(error) = body(buffer) {
        buffer.truncate(start);
        return Err(error);
    }
    let length = u32::try_from(buffer.len() - start - 4).unwrap_or(u32::MAX);
    buffer[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Appends a frame whose body is one number: cancel, ping, pong, go-away.
pub(crate) fn put_number(buffer: &mut BytesMut, kind: u8, number: u64) {
    buffer.put_u32(9);
    buffer.put_u8(kind);
    buffer.put_u64(number);
}

/// The next whole frame in what has been read, without its length; `None` until it is there.
///
/// A length of 0 and one over `limit` are refused before anything is allocated for them.
pub(crate) fn next(read: &mut BytesMut, limit: usize) -> Result<Option<Bytes>, Malformed> {
    let Some(length) = announced(read, limit)? else { return Ok(None) };
    if read.len() < 4 + length {
        return Ok(None);
    }
    read.advance(4);
    Ok(Some(read.split_to(length).freeze()))
}

/// How long the next frame says it is, without its length; `None` until that is known.
pub(crate) fn announced(read: &[u8], limit: usize) -> Result<Option<usize>, Malformed> {
    let Some(length) = read.first_chunk() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length == 0 {
        return Err(Malformed("a frame of no bytes"));
    }
    if length > limit {
        return Err(Malformed("a frame longer than the limit that was announced"));
    }
    Ok(Some(length))
}

/// Reads what is in a frame, from front to back. Every read says when there is too little.
#[derive(Debug)]
pub(crate) struct Reader(Bytes);

impl Reader {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let array = *self.0.first_chunk().ok_or(Malformed("a frame that ends too early"))?;
        self.0.advance(N);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Malformed> {
        self.array().map(u128::from_be_bytes)
    }

    /// The next `length` bytes, shared with the read buffer.
    pub(crate) fn bytes(&mut self, length: usize) -> Result<Bytes, Malformed> {
        if length > self.0.len() {
            return Err(Malformed("a field that is longer than its frame"));
        }
        Ok(self.0.split_to(length))
    }

    /// All that is left, shared with the read buffer.
    pub(crate) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing may be left: what a version does not know must not be there.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(Malformed("a frame that goes on after its end")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_refused_before_anything_is_allocated() {
        assert_eq!(announced(&[0, 0, 0], 64), Ok(None));
        assert_eq!(announced(&[0, 0, 0, 64], 64), Ok(Some(64)));
        assert!(announced(&[0, 0, 0, 65], 64).is_err());
        assert!(announced(&[0, 0, 0, 0], 64).is_err());
        assert!(announced(&[255; 4], usize::MAX >> 40).is_err());
    }

    #[test]
    fn a_frame_comes_out_when_all_of_it_is_there() {
        let mut buffer = BytesMut::new();
        put_number(&mut buffer, kind::PING, 7);
        let last = buffer.split_off(buffer.len() - 1);
        assert!(next(&mut buffer, 64).unwrap().is_none());
        buffer.unsplit(last);
        let mut frame = Reader::new(next(&mut buffer, 64).unwrap().unwrap());
        assert_eq!((frame.u8(), frame.u64(), frame.end()), (Ok(kind::PING), Ok(7), Ok(())));
        assert!(frame.u8().is_err());
    }

    #[test]
    fn a_body_that_fails_leaves_no_trace() {
        let mut buffer = BytesMut::from(&b"before"[..]);
        let failed = put(&mut buffer, kind::RESET, |buffer| {
            buffer.put_slice(b"half");
            Err(())
        });
        assert_eq!(failed, Err(()));
        assert_eq!(&buffer[..], b"before");
    }
}
