//! The hash that routes a call.

use crate::fnv::{Fnv, mixed};
use bytes::BytesMut;
use prost::encoding::{self, DecodeContext, WireType};
use std::hash::Hasher;

/// As deep as messages are read.
const DEEPEST: u32 = 100;

/// Hashes an argument that is a key, written by `encode`.
///
/// What is hashed are the bytes of the value as field 1 of a protobuf message, whatever its position among the
/// arguments, so that the hash outlives a new argument and is the same in every process, version and language: FNV-1a
/// over 64 bits, then the last step of SplitMix64, because FNV leaves the high bits of short keys alike and a ring of
/// shards is cut by them.
pub(super) fn hash(encode: impl FnOnce(&mut BytesMut)) -> u64 {
    let mut bytes = BytesMut::new();
    encode(&mut bytes);
    of_bytes(&bytes)
}

/// The same for what may hold maps, of which equal ones need not be written in the same order: the sum of the hashes of
/// its fields, in which those of a message inside are summed as well.
///
/// Whether a field is a message or text cannot be seen, so one counts as a message if it reads as one. That is as good:
/// equal text has an equal hash either way. Lists with the same elements in another order collide, which costs nothing.
pub(super) fn hash_in_any_order(encode: impl FnOnce(&mut BytesMut)) -> u64 {
    let mut bytes = BytesMut::new();
    encode(&mut bytes);
    fields(&mut &bytes[..], None, DEEPEST).unwrap_or_else(|| of_bytes(&bytes))
}

fn of_bytes(bytes: &[u8]) -> u64 {
    let mut fnv = Fnv::default();
    fnv.write(bytes);
    mixed(fnv.finish())
}

/// The sum over all fields, up to the end of this group if it is one: of the field's key, and of its bytes or its sum.
/// `None` if the bytes are no message.
fn fields(bytes: &mut &[u8], group: Option<u32>, deepest: u32) -> Option<u64> {
    let mut sum: u64 = 0;
    while !bytes.is_empty() {
        let field = *bytes;
        let (tag, wire) = encoding::decode_key(bytes).ok()?;
        let mut fnv = Fnv::default();
        fnv.write(&field[..field.len() - bytes.len()]);
        match wire {
            WireType::LengthDelimited => {
                let length = encoding::decode_varint(bytes).ok()?;
                let (mut inner, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
                *bytes = rest;
                let whole = inner;
                match deepest.checked_sub(1).and_then(|deepest| fields(&mut inner, None, deepest)) {
                    Some(sum) => fnv.write(&sum.to_le_bytes()),
                    None => fnv.write(whole),
                }
            }
            WireType::StartGroup => fnv.write(&fields(bytes, Some(tag), deepest.checked_sub(1)?)?.to_le_bytes()),
            WireType::EndGroup => return (group == Some(tag)).then_some(sum),
            _ => {
                let value = *bytes;
                encoding::skip_field(wire, tag, bytes, DecodeContext::default()).ok()?;
                fnv.write(&value[..value.len() - bytes.len()]);
            }
        }
        sum = sum.wrapping_add(mixed(fnv.finish()));
    }
    group.is_none().then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_any_order(bytes: &[u8]) -> u64 {
        hash_in_any_order(|buffer| buffer.extend_from_slice(bytes))
    }

    #[test]
    fn short_keys_differ_in_their_high_bits() {
        for hash in [|n| hash(|bytes| bytes.extend_from_slice(&[8, n])), |n| in_any_order(&[0x0a, 2, 8, n])] {
            let shards: std::collections::HashSet<_> = (0..64u8).map(|n| hash(n) >> 58).collect();
            assert!(shards.len() > 32, "64 keys fall on {} of 64 shards", shards.len());
        }
    }

    #[test]
    fn the_order_of_fields_does_not_count_and_what_they_hold_does() {
        // Two entries of a map in a message, in the one order and in the other; then with their values exchanged.
        let one = in_any_order(b"\x0a\x0c\x0a\x04\x0a\x00\x12\x00\x0a\x04\x08\x01\x10\x02");
        let other = in_any_order(b"\x0a\x0c\x0a\x04\x10\x02\x08\x01\x0a\x04\x0a\x00\x12\x00");
        assert_eq!(one, other);
        assert_ne!(one, in_any_order(b"\x0a\x0c\x0a\x04\x10\x01\x08\x02\x0a\x04\x0a\x00\x12\x00"));
        // In a group.
        assert_eq!(in_any_order(b"\x0b\x08\x01\x10\x02\x0c"), in_any_order(b"\x0b\x10\x02\x08\x01\x0c"));
        assert_ne!(in_any_order(b"\x0b\x08\x01\x10\x02\x0c"), in_any_order(b"\x0b\x08\x02\x10\x01\x0c"));
    }

    #[test]
    fn text_is_hashed_whether_or_not_it_reads_as_a_message() {
        let text = |text: &str| in_any_order(&[&[0x0a, text.len() as u8], text.as_bytes()].concat());
        let hashes: std::collections::HashSet<_> =
            ["", "a", "b", "ab", "ba", "\n\0", "\n\u{1}a", "\u{8}a", "\u{8}b", "\u{c}"].map(text).into();
        assert_eq!(hashes.len(), 10, "all differ");
    }

    #[test]
    fn what_is_nested_without_end_overflows_nothing() {
        let mut groups = vec![0x0b; 100_000];
        in_any_order(&groups);
        groups.extend(vec![0x0c; 100_000]);
        in_any_order(&groups);
        let mut nested = Vec::new();
        for _ in 0..1000 {
            let mut outer = BytesMut::new();
            encoding::bytes::encode(1, &nested, &mut outer);
            nested = outer.to_vec();
        }
        in_any_order(&nested);
    }
}
