//! The hash that routes a call.

use crate::fnv::{Fnv, mixed};
use bytes::BytesMut;
use std::hash::Hasher;

/// Hashes an argument that is a key, written by `encode`.
///
/// What is hashed are the bytes of the value as field 1 of a protobuf message, whatever its position among the
/// arguments, so that the hash outlives a new argument and is the same in every process, version and language: FNV-1a
/// over 64 bits, then the last step of SplitMix64, because FNV leaves the high bits of short keys alike and a ring of
/// shards is cut by them. A `HashMap` has no order and is refused.
/// (One inside of a message is not seen.)
pub(super) fn hash(encode: impl FnOnce(&mut BytesMut)) -> u64 {
    let mut bytes = BytesMut::new();
    encode(&mut bytes);
    let mut fnv = Fnv::default();
    fnv.write(&bytes);
    mixed(fnv.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_keys_differ_in_their_high_bits() {
        let shards: std::collections::HashSet<_> =
            (0..64u8).map(|n| hash(|bytes| bytes.extend_from_slice(&[8, n])) >> 58).collect();
        assert!(shards.len() > 32, "64 keys fall on {} of 64 shards", shards.len());
    }
}
