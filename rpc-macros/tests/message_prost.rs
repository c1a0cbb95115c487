//! A derived message has the bytes that prost's own derive gives the same shape, both ways.

use crate::shapes::{self, All, PAll, all, check, decode, in_prost};
use proptest::prelude::*;
use prost::Message as _;

#[test]
fn bytes_are_prosts_both_ways() {
    check(512, all(), |value| {
        let ours = value.encode_to_vec();
        let theirs = in_prost(&value);
        prop_assert_eq!(ours.len(), value.encoded_len());
        prop_assert_eq!(&ours, &theirs.encode_to_vec());
        prop_assert_eq!(PAll::decode(&*ours).unwrap(), theirs);
        prop_assert_eq!(decode::<All>(&ours).unwrap(), value);
        Ok(())
    });
}

#[test]
fn a_message_that_comes_twice_is_merged_as_prost_merges_it() {
    check(512, (all(), all()), |(one, two)| {
        let bytes = [one.encode_to_vec(), two.encode_to_vec()].concat();
        let theirs = PAll::decode(&*bytes).unwrap();
        let ours = decode::<All>(&bytes).unwrap();
        prop_assert_eq!(in_prost(&ours), theirs);
        Ok(())
    });
}

#[test]
fn merging_into_a_value_is_what_prost_does() {
    check(512, (all(), all()), |(one, two)| {
        let mut ours = one.clone();
        ours.merge(&*two.encode_to_vec()).unwrap();
        let mut theirs = in_prost(&one);
        theirs.merge(&*two.encode_to_vec()).unwrap();
        prop_assert_eq!(in_prost(&ours), theirs);
        Ok(())
    });
}

#[test]
fn lists_of_numbers_and_enums_are_read_packed_or_not() {
    let mut loose = Vec::new();
    for number in [1, 2] {
        prost::encoding::int32::encode(16, &number, &mut loose);
        prost::encoding::int32::encode(39, &-number, &mut loose);
        prost::encoding::uint64::encode(29, &(number as u64), &mut loose);
    }
    prost::encoding::int32::encode(15, &1, &mut loose);
    let all = decode::<All>(&loose).unwrap();
    assert_eq!(all.sizes, [shapes::Size::Small, shapes::Size::Large]);
    assert_eq!(all.bytes, [-1, -2]);
    assert_eq!(all.orders, [shapes::OrderId(1), shapes::OrderId(2)]);
}
