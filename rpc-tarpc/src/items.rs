//! Many items of a stream in one frame, in the form they have there: each behind its length.
//!
//! Items are encoded when they are taken from their stream, not when their frame is written. A batch of typed messages
//! would be some hundred small allocations that wait for each other; this is one.

use crate::frame::Reader;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use rpc_core::{Payload, Status, framed::Malformed};

/// Bytes before each item.
const LENGTH: usize = 4;

/// Items on their way out, while they are gathered.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: BytesMut,
    count: usize,
}

impl Batch {
    /// A batch that will take about as many bytes as the one before it did.
    pub(crate) fn as_large_as(bytes: usize) -> Self {
        Self { bytes: BytesMut::with_capacity(bytes), count: 0 }
    }

    /// Adds an item; one over `limit` bytes is refused.
    pub(crate) fn push(&mut self, item: &Payload, limit: usize) -> Result<(), Status> {
        let length = item.encoded_len();
        if length > limit {
            item.within(limit)?;
        }
        self.bytes.reserve(LENGTH + length);
        // Limits are far below 4 GiB.
        self.bytes.put_u32(length as u32);
        item.encode(&mut self.bytes);
        self.count += 1;
        Ok(())
    }

    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes they take in a frame.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// No more will come.
    pub(crate) fn finish(self) -> Items {
        Items { bytes: self.bytes.freeze(), count: self.count }
    }
}

/// Items in a frame, to be written or to be taken one by one.
#[derive(Clone, Debug, Default)]
pub struct Items {
    /// Nothing but whole items: checked when they were read.
    bytes: Bytes,
    count: usize,
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
        let mut batch = Batch::default();
        for item in [&b"ab"[..], b"", b"cde"] {
            batch.push(&payload(item), 3).unwrap();
        }
        assert!(batch.push(&payload(b"long"), 3).is_err());
        let items = batch.finish();
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
