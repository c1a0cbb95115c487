//! Enums that prost generated stand wherever derived ones do, with prost's bytes.

use prost::Message as _;
use rpc::{Channel, prelude::*};
use rpc_core::{message::Derived, server::Fidelity};
use std::collections::BTreeMap;

/// As prost would generate it from a proto3 file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum Kind {
    Unspecified = 0,
    Small = 1,
    Large = 300,
    Below = -2,
}

/// From a proto2 file: nothing is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
enum Old {
    First = 1,
}

#[derive(Message, Clone, Debug, PartialEq)]
struct Wrapped(Kind);

#[derive(Message, Clone, Debug, PartialEq)]
struct Ours {
    one: Kind,
    maybe: Option<Kind>,
    many: Vec<Kind>,
    by_name: BTreeMap<String, Kind>,
    wrapped: Wrapped,
    boxed: Box<Kind>,
    choice: Option<Choice>,
}

#[derive(Message, Clone, Debug, PartialEq)]
enum Choice {
    Kind(Kind),
    Named { kind: Kind },
}

#[derive(Clone, PartialEq, prost::Message)]
struct Theirs {
    #[prost(enumeration = "Kind", tag = "1")]
    one: i32,
    #[prost(enumeration = "Kind", optional, tag = "2")]
    maybe: Option<i32>,
    #[prost(enumeration = "Kind", repeated, tag = "3")]
    many: Vec<i32>,
    #[prost(btree_map = "string, enumeration(Kind)", tag = "4")]
    by_name: BTreeMap<String, i32>,
    #[prost(enumeration = "Kind", tag = "5")]
    wrapped: i32,
    #[prost(enumeration = "Kind", tag = "6")]
    boxed: i32,
    #[prost(message, optional, tag = "7")]
    choice: Option<TheirChoice>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TheirChoice {
    #[prost(enumeration = "Kind", optional, tag = "1")]
    kind: Option<i32>,
    #[prost(message, optional, tag = "2")]
    named: Option<TheirNamed>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TheirNamed {
    #[prost(enumeration = "Kind", tag = "1")]
    kind: i32,
}

fn both(kind: Kind) -> (Ours, Theirs) {
    let number = i32::from(kind);
    let ours = Ours {
        one: kind,
        maybe: Some(kind),
        many: vec![kind, Kind::Unspecified, Kind::Below],
        by_name: BTreeMap::from([("a".to_owned(), kind)]),
        wrapped: Wrapped(kind),
        boxed: Box::new(kind),
        choice: Some(Choice::Kind(kind)),
    };
    let theirs = Theirs {
        one: number,
        maybe: Some(number),
        many: vec![number, 0, -2],
        by_name: BTreeMap::from([("a".to_owned(), number)]),
        wrapped: number,
        boxed: number,
        choice: Some(TheirChoice { kind: Some(number), named: None }),
    };
    (ours, theirs)
}

#[test]
fn bytes_are_prosts_both_ways() {
    for kind in [Kind::Unspecified, Kind::Small, Kind::Large, Kind::Below] {
        let (ours, theirs) = both(kind);
        let bytes = ours.encode_to_vec();
        assert_eq!(bytes, theirs.encode_to_vec());
        assert_eq!(bytes.len(), ours.encoded_len());
        assert_eq!(Ours::decode_whole(&*bytes).unwrap(), ours);
        let ours = Ours { choice: Some(Choice::Named { kind }), ..ours };
        let named = TheirChoice { kind: None, named: Some(TheirNamed { kind: kind.into() }) };
        let bytes = Theirs { choice: Some(named), ..theirs }.encode_to_vec();
        assert_eq!(ours.encode_to_vec(), bytes);
        assert_eq!(Ours::decode_whole(&*bytes).unwrap(), ours);
    }
}

#[test]
fn an_absent_one_is_the_value_of_zero() {
    let nothing = Ours::decode_whole(&[][..]).unwrap();
    assert_eq!((nothing.one, nothing.maybe, nothing.many.len()), (Kind::Unspecified, None, 0));
    assert_eq!((nothing.wrapped, nothing.boxed), (Wrapped(Kind::Unspecified), Box::new(Kind::Unspecified)));
}

#[test]
fn a_number_that_is_not_known_is_an_error_that_names_the_field() {
    let fails = |theirs: Theirs| Ours::decode_whole(&*theirs.encode_to_vec()).unwrap_err().to_string();
    let said = fails(Theirs { one: 7, ..Theirs::default() });
    assert!(said.contains("Ours.one") && said.contains("7 is no value of Kind known here"), "{said}");
    let said = fails(Theirs { many: vec![0, 9], ..Theirs::default() });
    assert!(said.contains("Ours.many") && said.contains("9 is no value of Kind"), "{said}");
    let named = TheirChoice { kind: None, named: Some(TheirNamed { kind: 8 }) };
    let said = fails(Theirs { choice: Some(named), ..Theirs::default() });
    assert!(said.contains("Choice.Named.kind") && said.contains("8 is no value of Kind"), "{said}");
}

#[test]
fn one_without_a_zero_may_not_be_absent() {
    #[derive(Message, Debug)]
    struct Of {
        old: Old,
        maybe: Option<Old>,
    }

    let said = Of::decode_whole(&[][..]).unwrap_err().to_string();
    assert!(said.contains("Of.old") && said.contains("missing; it has to be a value of Old"), "{said}");
    let of = Of::decode_whole(&[8, 1][..]).unwrap();
    assert_eq!((of.old, of.maybe), (Old::First, None));
}

#[rpc_service(package = "test.kinds.v1")]
trait Kinds {
    async fn next(&self, #[rpc(key)] kind: Kind) -> Result<Kind, Status>;
    async fn all(&self, kinds: Streaming<Kind>) -> Result<Vec<Kind>, Status>;
}

struct Server;

impl Kinds for Server {
    async fn next(&self, kind: Kind) -> Result<Kind, Status> {
        Ok(if kind == Kind::Small { Kind::Large } else { Kind::Small })
    }

    async fn all(&self, mut kinds: Streaming<Kind>) -> Result<Vec<Kind>, Status> {
        let mut all = Vec::new();
        while let Some(kind) = kinds.next().await {
            all.push(kind?);
        }
        Ok(all)
    }
}

#[tokio::test]
async fn arguments_replies_and_items_of_streams_may_be_of_prosts() {
    for fidelity in [Fidelity::Value, Fidelity::Wire] {
        let kinds = KindsClient::from_channel(Channel::local(KindsServer::new(Server), fidelity));
        assert_eq!(kinds.next(Kind::Small).await.unwrap(), Kind::Large);
        assert_eq!(kinds.next(Kind::Unspecified).await.unwrap(), Kind::Small);
        let all = kinds.all(Streaming::from_iter([Kind::Large, Kind::Below, Kind::Unspecified])).await.unwrap();
        assert_eq!(all, [Kind::Large, Kind::Below, Kind::Unspecified]);
    }
}
