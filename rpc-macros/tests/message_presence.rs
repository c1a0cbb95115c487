//! What it means that something was not sent: never silently a variant.

use crate::shapes::{self, Item, bytes_of, decode, from_whole, whole};
use prost::Message as _;
use rpc::Message;
use std::{collections::BTreeMap, time::Duration};

#[derive(Message, Clone, Debug, PartialEq)]
enum Kind {
    Plain,
    Gift,
}

#[derive(Message, Clone, Debug, PartialEq)]
enum Lenient {
    #[rpc(unknown)]
    Other,
    Known,
}

#[derive(Message, Clone, Debug, PartialEq)]
enum Payment {
    Card { number: String, kind: Kind },
    Cash(u64),
    Nothing,
}

#[derive(Message, Clone, Debug, PartialEq)]
enum Choice {
    One(u32),
    #[rpc(default)]
    Fallback {
        depth: u32,
        note: String,
    },
}

#[derive(Message, Clone, Debug, PartialEq)]
struct Order {
    pay: Kind,
}

#[derive(Message, Clone, Debug, PartialEq)]
struct Paid {
    by: Payment,
}

#[derive(Message, Clone, Debug, PartialEq)]
struct Nested {
    number: u64,
    order: Order,
}

#[derive(Message, Clone, Debug, PartialEq)]
struct Easy {
    number: u64,
    item: Item,
    other: Lenient,
    choice: Choice,
    took: Duration,
}

#[derive(Message, Clone, Debug, PartialEq)]
struct Lists {
    kinds: Vec<Kind>,
    lenient: Vec<Lenient>,
    payments: Vec<Payment>,
    by_name: BTreeMap<String, Kind>,
    maybe: Option<Kind>,
    orders: Vec<Order>,
}

#[derive(Message, Clone, Debug, Default, PartialEq)]
struct WithDefault {
    number: u32,
    kind: Option<Lenient2>,
}

#[derive(Message, Clone, Debug, Default, PartialEq)]
enum Lenient2 {
    #[default]
    #[rpc(unknown)]
    Other,
    Known,
}

fn refused<M: rpc::__private::v1::message::Derived + std::fmt::Debug>(bytes: &[u8]) -> String {
    let error = decode::<M>(bytes).expect_err("bytes that must be refused");
    error.strip_prefix("failed to decode Protobuf message: ").unwrap_or(&error).to_owned()
}

#[test]
fn an_enum_that_is_absent_zero_or_unknown_is_an_error_with_the_path() {
    assert_eq!(refused::<Order>(b""), "Order.pay: missing; it has to be a variant of Kind");
    assert_eq!(refused::<Order>(b"\x08\x00"), "Order.pay: 0 is no variant of Kind known here");
    assert_eq!(refused::<Order>(b"\x08\x07"), "Order.pay: 7 is no variant of Kind known here");
    assert_eq!(decode::<Order>(b"\x08\x02"), Ok(Order { pay: Kind::Gift }));
}

#[test]
fn the_variant_for_the_unknown_takes_zero_absence_and_strange_numbers() {
    let other = |bytes: &[u8]| decode::<Easy>(bytes).unwrap().other;
    assert_eq!(other(b""), Lenient::Other);
    assert_eq!(other(b"\x18\x00"), Lenient::Other);
    assert_eq!(other(b"\x18\x63"), Lenient::Other);
    assert_eq!(other(b"\x18\x01"), Lenient::Known);
}

#[test]
fn a_data_enum_that_is_absent_or_unknown_is_an_error_with_the_path() {
    assert_eq!(refused::<Paid>(b""), "Paid.by: missing; it has to be a variant of Payment");
    assert_eq!(refused::<Paid>(b"\x0a\x00"), "Paid.by: no variant of Payment known here");
    // Variant 9 of a newer peer.
    assert_eq!(refused::<Paid>(b"\x0a\x02\x48\x01"), "Paid.by: no variant of Payment known here");
    assert_eq!(decode::<Paid>(b"\x0a\x02\x10\x05"), Ok(Paid { by: Payment::Cash(5) }));
    // Inside a variant the rules are the same.
    let place = "Payment.Card.kind: Paid.by: missing; it has to be a variant of Kind";
    assert_eq!(refused::<Paid>(b"\x0a\x02\x0a\x00"), place);
}

#[test]
fn the_default_variant_stands_for_absent_and_unknown() {
    let fallback = Choice::Fallback { depth: 0, note: String::new() };
    assert_eq!(decode::<Easy>(b"").unwrap().choice, fallback);
    assert_eq!(decode::<Easy>(b"\x22\x00").unwrap().choice, fallback);
    assert_eq!(decode::<Easy>(b"\x22\x02\x48\x01").unwrap().choice, fallback);
    assert_eq!(decode::<Easy>(b"\x22\x02\x08\x01").unwrap().choice, Choice::One(1));
}

#[test]
fn a_missing_struct_has_its_fields_missing() {
    let easy = decode::<Easy>(b"").unwrap();
    assert_eq!(easy.item, Item { menu: String::new(), count: 0 });
    assert_eq!(easy.took, Duration::ZERO);
    let missing = "Order.pay: Nested.order: missing; it has to be a variant of Kind";
    assert_eq!(refused::<Nested>(b"\x08\x01"), missing);
    assert_eq!(refused::<Nested>(b"\x12\x00"), missing);
}

/// Protobuf merges the parts of a message. Here each has to be whole by itself where something may not be absent, which
/// is argued in ARCHITECTURE.md; no encoder writes half of one.
#[test]
fn a_message_in_two_parts_is_merged_if_its_first_part_is_whole() {
    let nested = |bytes: &[u8]| decode::<Nested>(bytes);
    assert_eq!(nested(b"\x12\x02\x08\x01\x12\x02\x08\x02").unwrap().order, Order { pay: Kind::Gift });
    assert_eq!(nested(b"\x12\x02\x08\x02\x12\x00").unwrap().order, Order { pay: Kind::Gift });
    let missing = "Order.pay: Nested.order: missing; it has to be a variant of Kind";
    assert_eq!(refused::<Nested>(b"\x12\x00\x12\x02\x08\x01"), missing);
    // What may be absent is merged whatever comes first.
    let easy = decode::<Easy>(b"\x12\x02\x10\x07\x12\x03\x0a\x01x").unwrap();
    assert_eq!(easy.item, Item { menu: "x".to_owned(), count: 7 });
    assert_eq!(decode::<Easy>(b"\x22\x00\x22\x02\x08\x01").unwrap().choice, Choice::One(1));
}

#[test]
fn nothing_is_invented_in_lists_maps_and_options() {
    assert_eq!(refused::<Lists>(b"\x0a\x02\x01\x09"), "Lists.kinds: 9 is no variant of Kind known here");
    assert_eq!(refused::<Lists>(b"\x08\x00"), "Lists.kinds: 0 is no variant of Kind known here");
    assert_eq!(decode::<Lists>(b"\x12\x02\x01\x09").unwrap().lenient, [Lenient::Known, Lenient::Other]);
    assert_eq!(refused::<Lists>(b"\x1a\x00"), "Lists.payments: no variant of Payment known here");
    assert_eq!(refused::<Lists>(b"\x22\x03\x0a\x01k"), "Lists.by_name: missing; it has to be a variant of Kind");
    assert_eq!(refused::<Lists>(b"\x28\x00"), "Lists.maybe: 0 is no variant of Kind known here");
    assert_eq!(refused::<Lists>(b"\x32\x00"), "Order.pay: Lists.orders: missing; it has to be a variant of Kind");
    let empty = decode::<Lists>(b"").unwrap();
    assert_eq!((empty.kinds.len(), empty.by_name.len(), empty.maybe), (0, 0, None));
}

#[test]
fn prosts_own_decode_knows_the_rules() {
    assert_eq!(WithDefault::decode(&b"\x08\x05"[..]).unwrap(), WithDefault { number: 5, kind: None });
    let bytes = WithDefault { number: 5, kind: Some(Lenient2::Known) }.encode_length_delimited_to_vec();
    assert_eq!(WithDefault::decode_length_delimited(&*bytes).unwrap().kind, Some(Lenient2::Known));

    #[derive(Message, Debug)]
    struct Strict {
        kind: Kind,
    }
    impl Default for Strict {
        fn default() -> Self {
            Self { kind: Kind::Plain }
        }
    }
    assert!(Strict::decode(&b""[..]).is_err());
}

#[test]
fn clearing_empties_what_may_be_empty() {
    let mut nested = Nested { number: 5, order: Order { pay: Kind::Gift } };
    nested.clear();
    assert_eq!(nested, Nested { number: 0, order: Order { pay: Kind::Gift } });
}

#[test]
fn alone_a_message_is_itself_and_anything_else_is_field_one() {
    let order = Order { pay: Kind::Gift };
    assert_eq!(whole(order.clone()), bytes_of(&order));
    assert_eq!(from_whole::<_, Order>(whole(order.clone())), Ok(order));
    assert_eq!(whole(5u64), b"\x08\x05");
    assert_eq!(whole(()), b"");
    assert_eq!(whole(Some("x".to_owned())), b"\x0a\x01x");
    assert_eq!(whole(vec![1u32, 2]), b"\x0a\x02\x01\x02");
    assert_eq!(whole(Kind::Gift), b"\x08\x02");
    assert_eq!(whole(Payment::Cash(5)), b"\x10\x05");
    assert_eq!(whole(Duration::from_secs(3)), b"\x08\x03");
    assert_eq!(whole(shapes::OrderId(7)), b"\x08\x07");
    assert_eq!(from_whole::<_, shapes::OrderId>(&b"\x08\x07"[..]), Ok(shapes::OrderId(7)));
    assert_eq!(from_whole::<_, Vec<u32>>(&b"\x0a\x02\x01\x02"[..]), Ok(vec![1, 2]));
    assert_eq!(from_whole::<_, u64>(&b""[..]), Ok(0));
    assert!(from_whole::<_, Kind>(&b""[..]).is_err());
    assert!(from_whole::<_, Payment>(&b""[..]).is_err());
    assert!(from_whole::<_, Box<Order>>(&b""[..]).is_err());
}
