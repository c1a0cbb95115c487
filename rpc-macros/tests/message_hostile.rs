//! A peer's bytes cause errors, never panics, and what was read can be written.

use crate::shapes::{self, All, Tree, all, bytes_of, check, decode};
use proptest::{collection::vec, prelude::*, sample::Index};
use prost::Message as _;
use rpc::{Detail, Message, Payload, RpcError, Status};
use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

#[test]
fn random_bytes_never_panic() {
    check(512, vec(any::<u8>(), 0..200), |bytes| {
        if let Ok(all) = decode::<All>(&bytes) {
            // A NaN equals nothing, and a HashMap has no order: compare the length of what is written.
            let again = decode::<All>(&all.encode_to_vec()).unwrap();
            prop_assert_eq!(again.encoded_len(), all.encoded_len());
        }
        Ok(())
    });
}

#[test]
fn damaged_messages_never_panic() {
    check(512, (all(), vec((any::<Index>(), any::<u8>()), 1..4), any::<Index>()), |(value, damage, cut)| {
        let mut bytes = value.encode_to_vec();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(read) = decode::<All>(bytes) {
                let again = decode::<All>(&read.encode_to_vec()).unwrap();
                prop_assert_eq!(again.encoded_len(), read.encoded_len());
            }
        }
        Ok(())
    });
}

#[test]
fn every_truncation_is_an_error_or_a_message() {
    check(32, all(), |value| {
        let bytes = value.encode_to_vec();
        for end in 0..bytes.len() {
            let _ = decode::<All>(&bytes[..end]);
        }
        Ok(())
    });
}

fn deep(levels: usize) -> Tree {
    (0..levels).fold(Tree { value: 1, left: None, kids: Vec::new() }, |tree, _| Tree {
        value: 1,
        left: Some(Box::new(tree)),
        kids: Vec::new(),
    })
}

#[derive(Message, Clone, Debug, PartialEq)]
enum Expression {
    Literal(i64),
    Negated(Box<Expression>),
    Sum { terms: Vec<Self> },
    Named { name: String, body: Box<Expression> },
}

/// `shape` nested into itself.
fn nested(levels: usize, shape: impl Fn(Expression) -> Expression) -> Vec<u8> {
    let expression = (0..levels).fold(Expression::Literal(1), |inner, _| shape(inner));
    shapes::whole(expression)
}

#[test]
fn nesting_has_a_limit() {
    assert!(decode::<Tree>(&bytes_of(&deep(100))).is_ok());
    let error = decode::<Tree>(&bytes_of(&deep(101))).unwrap_err();
    assert!(error.ends_with("recursion limit reached"), "{error}");

    let shapes: [fn(Expression) -> Expression; 3] = [
        |inner| Expression::Negated(Box::new(inner)),
        |inner| Expression::Sum { terms: vec![inner] },
        |inner| Expression::Named { name: String::new(), body: Box::new(inner) },
    ];
    for shape in shapes {
        assert!(shapes::from_whole::<_, Expression>(nested(40, shape)).is_ok());
        let error = shapes::from_whole::<_, Expression>(nested(120, shape)).unwrap_err();
        assert!(error.ends_with("recursion limit reached"), "{error}");
    }
}

/// The same field twice is merged: that path has the limit too.
#[test]
fn nesting_has_a_limit_where_messages_merge() {
    let one = bytes_of(&deep(1));
    let both = [one.clone(), bytes_of(&deep(101))].concat();
    assert!(decode::<Tree>(&both).unwrap_err().ends_with("recursion limit reached"));
    let shape = |inner| Expression::Named { name: String::new(), body: Box::new(inner) };
    let both = [nested(60, shape), nested(60, shape)].concat();
    let outcome = shapes::from_whole::<_, Expression>(both);
    assert!(outcome.is_ok() || outcome.unwrap_err().ends_with("recursion limit reached"));
    let both = [nested(40, shape), nested(300, shape)].concat();
    assert!(shapes::from_whole::<_, Expression>(both).unwrap_err().ends_with("recursion limit reached"));
}

#[derive(Message, Clone, Debug, Default, PartialEq)]
struct Stall {
    goods: Vec<Good>,
    prices: HashMap<String, Good>,
    numbers: Vec<u64>,
}

#[derive(Message, Clone, Debug, Default, PartialEq)]
struct Good {
    name: String,
    maker: String,
    colour: String,
    size: String,
}

/// An empty element has two bytes on the wire, and here the size of its type.
#[test]
fn what_a_message_may_become_has_a_limit() {
    const MESSAGE: usize = 4 * 1024 * 1024;
    let read = |bytes: Vec<u8>| Payload::Encoded(bytes.into()).take::<Stall>();
    let error = read(b"\x0a\x00".repeat(MESSAGE / 2)).unwrap_err();
    assert!(error.to_string().contains("Stall.goods: too many elements"), "{error}");
    assert_eq!(read(b"\x0a\x00".repeat(MESSAGE / 16)).unwrap().goods.len(), MESSAGE / 16);

    let entry = |at: usize| [&[0x12, 6, 0x0a, 4], format!("{at:04x}").as_bytes()].concat();
    let entries: Vec<u8> = (0..MESSAGE / 8).flat_map(|at| entry(at % 0xffff)).collect();
    assert_eq!(read(entries).unwrap().prices.len(), 0xffff, "of one key there is one entry");

    let numbers = Stall { goods: vec![], prices: HashMap::new(), numbers: vec![1; MESSAGE - 64] };
    assert_eq!(read(numbers.encode_to_vec()).unwrap(), numbers);
}

#[derive(RpcError, thiserror::Error, Debug)]
enum Refusal {
    #[error("so many")]
    #[rpc(code = Aborted)]
    Many { goods: Vec<Good> },
    #[error(transparent)]
    Rpc(#[from] Status),
}

/// Over some wires a detail may be as long as a message.
#[test]
fn what_a_detail_may_become_has_a_limit() {
    const LENGTH: usize = 4 * 1024 * 1024;
    let read = |bytes: Vec<u8>| {
        let detail = Detail { type_url: "type.googleapis.com/Refusal.Many".into(), value: bytes.into() };
        Refusal::from_status(Status::new(rpc::Code::Aborted, "").with_detail(detail))
    };
    assert!(matches!(read(b"\x0a\x00".repeat(LENGTH / 16)), Refusal::Many { goods } if goods.len() == LENGTH / 16));
    assert!(matches!(read(b"\x0a\x00".repeat(LENGTH / 2)), Refusal::Rpc(_)));
}

macro_rules! wide {
    ($name:ident of $part:ty: $($field:ident)*) => {
        #[derive(Message, Clone, Debug, PartialEq)]
        struct $name { $($field: $part,)* next: Option<Box<$name>>, list: Vec<$name>, other: Option<Box<Choice>> }
    };
}

#[derive(Message, Clone, Debug, PartialEq)]
enum Choice {
    Wide(Box<Wide>),
    Other { name: String, wide: Box<Wide> },
}

wide!(Wide of Good: a b c d e f g h i j k l m n o p q r s t u v w x y z);
wide!(Widest of Wide: a b c d e f g h);

/// So many levels of a field of this number, around nothing.
fn levels(count: usize, path: &[u32]) -> Vec<u8> {
    use prost::encoding::{WireType, encode_key, encode_varint};
    (0..count).fold(Vec::new(), |inner, _| {
        path.iter().rev().fold(inner, |inner, &number| {
            let mut bytes = Vec::new();
            encode_key(number, WireType::LengthDelimited, &mut bytes);
            encode_varint(inner.len() as u64, &mut bytes);
            bytes.extend(inner);
            bytes
        })
    })
}

/// Levels are counted, but what one takes of the stack is the size of its message a few times over.
#[expect(clippy::disallowed_methods, reason = "the stack of a thread is what it is about")]
#[test]
fn nesting_of_large_messages_does_not_overflow_the_stack() {
    // What threads have, those of tokio among them.
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let reading = thread.spawn(|| {
        for path in [&[27][..], &[28], &[29, 1], &[29, 2, 2]] {
            assert!(decode::<Wide>(&levels(20 / path.len(), path)).is_ok(), "{path:?}");
            let outcome = decode::<Wide>(&levels(100 / path.len(), path));
            println!("a message of {} bytes, {path:?} to the limit: {:?}", size_of::<Wide>(), outcome.as_ref().err());
            if let Err(error) = outcome {
                assert!(error.ends_with("over 1 MiB of the stack"), "{error}");
            }
        }
        for path in [[9], [10]] {
            assert!(decode::<Widest>(&levels(5, &path)).is_ok());
            let error = decode::<Widest>(&levels(99, &path)).unwrap_err();
            assert!(error.ends_with("over 1 MiB of the stack"), "{error}");
            // One that failed says nothing of the next.
            assert!(decode::<Widest>(&levels(5, &path)).is_ok());
        }
    });
    reading.unwrap().join().unwrap();
}

#[derive(Message, Clone, Debug, PartialEq)]
struct Times {
    took: Duration,
    at: SystemTime,
    small: i8,
}

#[test]
fn what_does_not_fit_is_an_error_with_the_path() {
    let time = |tag: u32, seconds: i64, nanos: i32| {
        let mut bytes = Vec::new();
        prost::encoding::message::encode(tag, &shapes::PTime { seconds, nanos }, &mut bytes);
        decode::<Times>(&bytes)
    };
    for (seconds, nanos) in [(-1, 0), (0, -1), (0, 1_000_000_000), (315_576_000_001, 0), (i64::MAX, i32::MAX)] {
        let error = time(1, seconds, nanos).unwrap_err();
        assert!(error.contains("Times.took: ") && error.contains("no duration"), "{error}");
    }
    for (seconds, nanos) in [(0, -1), (0, 1_000_000_000), (i64::MIN, 0), (i64::MAX, 0), (-62_135_596_801, 0)] {
        let error = time(2, seconds, nanos).unwrap_err();
        assert!(error.contains("Times.at: ") && error.contains("no time"), "{error}");
    }
    assert_eq!(time(2, -1, 999_999_999).unwrap().at, SystemTime::UNIX_EPOCH - Duration::from_nanos(1));
    let error = decode::<Times>(b"\x18\x80\x01").unwrap_err();
    assert!(error.contains("Times.small: 128 does not fit in i8"), "{error}");
}

#[test]
fn what_protobuf_cannot_hold_is_written_as_the_nearest_it_can() {
    let longest = Duration::from_secs(315_576_000_000);
    let times =
        Times { took: Duration::MAX, at: SystemTime::UNIX_EPOCH - Duration::from_secs(100_000_000_000), small: 0 };
    let read = decode::<Times>(&times.encode_to_vec()).unwrap();
    assert_eq!(read.took, longest);
    assert_eq!(read.at, SystemTime::UNIX_EPOCH - Duration::from_secs(62_135_596_800));
}
