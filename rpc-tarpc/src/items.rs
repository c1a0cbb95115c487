//! Many items of a stream in one frame, in the form they have there: each behind its length.
//!
//! Items are encoded when they are taken from their stream, not when their frame is written. A batch of typed messages
//! would be some hundred small allocations that wait for each other; this is one.

use crate::{frame::Reader, session::BATCH};
use bytes::{Buf, Bytes};
use rpc_core::{Batch, Bounds, Head, Payload, framed::Malformed};

/// How items are gathered: at most so many, of at most `limit` bytes each.
pub(crate) fn bounds(count: usize, limit: usize) -> Bounds {
    Bounds { head: Head::Length, message: limit, count, bytes: BATCH }
}

/// Items in a frame, to be written or to be taken one by one.
#[derive(Clone, Debug, Default)]
pub struct Items {
    /// Nothing but whole items: checked when they were read.
    bytes: Bytes,
    count: usize,
}

impl From<Batch> for Items {
    fn from(batch: Batch) -> Self {
        let count = batch.len();
        Self { bytes: batch.finish(), count }
    }
}

impl Items {
    /// Reads what is left of a frame, and says how long the longest item is. The items share the bytes of the frame.
    pub(crate) fn read(frame: &mut Reader) -> Result<(Self, usize), Malformed> {
        let bytes = frame.rest();
        let (mut rest, mut count, mut longest) = (&bytes[..], 0, 0);
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk().ok_or(Malformed("an item that ends too early"))?;
            let length = u32::from_be_bytes(*length) as usize;
            rest = after.get(length..).ok_or(Malformed("an item that is longer than its frame"))?;
            longest = longest.max(length);
            count += 1;
        }
        Ok((Self { bytes, count }, longest))
    }

    /// How many are left.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// How many bytes those that are left take in a frame.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// As they are in a frame.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Iterator for Items {
    type Item = Payload;

    fn next(&mut self) -> Option<Payload> {
        self.count = self.count.checked_sub(1)?;
        let length = self.bytes.get_u32() as usize;
        Some(Payload::Encoded(self.bytes.split_to(length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(bytes: &'static [u8]) -> Payload {
        Payload::Encoded(Bytes::from_static(bytes))
    }

    #[test]
    fn what_was_gathered_comes_out_in_order() {
        let mut batch = Batch::new(bounds(9, 3), 0);
        for item in [&b"ab"[..], b"", b"cde"] {
            batch.put_payload(&payload(item)).unwrap();
        }
        assert!(batch.put_payload(&payload(b"long")).is_err());
        let items = Items::from(batch);
        assert_eq!((items.len(), items.size()), (3, 17));
        let (read, longest) = Items::read(&mut Reader::new(Bytes::copy_from_slice(items.as_bytes()))).unwrap();
        assert_eq!(longest, 3);
        let read: Vec<_> = read.map(Payload::into_bytes).collect();
        assert_eq!(read, [&b"ab"[..], b"", b"cde"]);
    }

    #[test]
    fn half_items_are_malformed() {
        for bytes in [&[0, 0, 0][..], &[0, 0, 0, 2, 1], &[255; 5]] {
            Items::read(&mut Reader::new(Bytes::copy_from_slice(bytes))).unwrap_err();
        }
    }
}
