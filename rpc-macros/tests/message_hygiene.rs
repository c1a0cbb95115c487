//! Generated code meets nothing of its surroundings.

#![no_implicit_prelude]
#![deny(unused, unreachable_pub, deprecated, clippy::all)]
#![allow(missing_docs, dead_code, reason = "shapes of messages, not an interface")]

extern crate std;

use ::rpc::__private::v1::message::Derived;
use ::std::{assert_eq, clone::Clone, cmp::PartialEq, fmt::Debug, result::Result::Ok};

// Names that generated code would use if it were careless.
type Result = ();
struct Option;
struct Vec;
struct String;
struct Box;
#[derive(::rpc::Message, Clone, Debug, PartialEq)]
struct Raw {
    r#type: u32,
    r#match: ::std::option::Option<::std::boxed::Box<Raw>>,
    buffer: ::std::string::String,
    tag: ::std::vec::Vec<u32>,
    context: ::std::vec::Vec<u8>,
    #[deprecated]
    slots: bool,
}

#[derive(::rpc::Message, Clone, Debug, PartialEq)]
enum r#Loop {
    r#Type,
    #[rpc(unknown)]
    Some,
}

#[derive(::rpc::Message, Clone, Debug, PartialEq)]
enum Either {
    None,
    Some(u32),
    Ok { one: u64, error: r#Loop },
}

#[derive(::rpc::Message, Clone, Debug, PartialEq)]
struct Id(pub ::std::string::String);

#[derive(::rpc::Message, Clone, Debug, PartialEq)]
struct Page<B: Derived, T>
where
    T: Derived,
{
    items: ::std::vec::Vec<T>,
    first: T,
    more: ::std::option::Option<::std::boxed::Box<Page<B, T>>>,
    b: ::std::collections::HashMap<u32, B>,
}

#[derive(::rpc::Message, Clone, Debug, PartialEq)]
enum Answer<T> {
    Found(T),
    Many {
        items: ::std::vec::Vec<T>,
    },
    #[rpc(default)]
    None,
}

#[derive(::rpc::Message, Clone, Debug, PartialEq)]
struct Wrapped<T>(T);

#[derive(::rpc::Message, Clone, Debug, PartialEq)]
struct Unit;

#[derive(::rpc::Message, Clone, Debug, PartialEq)]
struct Braces {}

#[derive(::rpc::RpcError, Debug)]
enum Failure {
    #[rpc(code = NotFound)]
    Some { error: u32, value: ::std::string::String },
    #[rpc(code = Internal)]
    Text(::std::string::String),
    #[rpc(status)]
    Rpc(::rpc::Status),
}

impl ::std::fmt::Display for Failure {
    fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
        f.write_str("failed")
    }
}

#[test]
fn generic_messages_are_read_back() {
    #[expect(deprecated, reason = "the field is")]
    let raw = Raw {
        r#type: 1,
        r#match: ::std::option::Option::None,
        buffer: ::std::convert::From::from("x"),
        tag: ::std::vec![1],
        context: ::std::vec![2],
        slots: true,
    };
    let page = Page::<Unit, Raw> {
        items: ::std::vec![raw.clone()],
        first: raw.clone(),
        more: ::std::option::Option::None,
        b: ::std::convert::From::from([(1, Unit)]),
    };
    let bytes = ::prost::Message::encode_to_vec(&page);
    assert_eq!(Page::decode_whole(&*bytes).unwrap(), page);
    assert_eq!(<Raw as Derived>::SCHEMA.name(), "Raw");

    #[derive(::rpc::Message, Clone, Debug, PartialEq)]
    struct Holder {
        answer: Answer<Raw>,
        other: Answer<Raw>,
        wrapped: Wrapped<Raw>,
        either: Either,
        id: Id,
        unit: Unit,
        braces: Braces,
    }
    let holder = Holder {
        answer: Answer::Many { items: ::std::vec![raw.clone()] },
        other: Answer::Found(raw.clone()),
        wrapped: Wrapped(raw),
        either: Either::Ok { one: 1, error: r#Loop::r#Type },
        id: Id(::std::convert::From::from("y")),
        unit: Unit,
        braces: Braces {},
    };
    let bytes = ::prost::Message::encode_to_vec(&holder);
    let Ok(read) = Holder::decode_whole(&*bytes) else { ::std::panic!("unreadable") };
    assert_eq!(read, holder);
}

/// A crate that re-exports ours under another name.
mod elsewhere {
    pub(crate) mod framework {
        pub(crate) use ::rpc::__private;
    }
}

#[derive(::rpc::Message, Clone, Debug, PartialEq)]
#[rpc(crate = crate::elsewhere::framework, package = "a.b", name = "C")]
struct Moved {
    id: u32,
}

#[test]
fn the_contract_can_be_elsewhere() {
    let schema = <Moved as Derived>::SCHEMA;
    assert_eq!((schema.package(), &*schema.name()), ("a.b", "C"));
}
