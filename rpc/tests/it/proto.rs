//! The `.proto` that was committed, and the test that it stays.

#![allow(missing_docs, unreachable_pub, reason = "shapes of messages, not an interface")]

use rpc::{
    prelude::*,
    schema::{Committed, check_committed},
};

/// As it was.
mod before {
    use super::*;

    #[derive(Message, Debug, PartialEq)]
    pub struct Order {
        pub number: String,
        pub count: u32,
    }

    #[rpc_service(package = "a.v1")]
    pub trait Orders {
        async fn find(&self, number: String) -> Result<Order, Status>;
    }
}

/// After somebody has sorted the fields.
mod after {
    use super::*;

    #[derive(Message, Debug, PartialEq)]
    pub struct Order {
        pub count: u32,
        pub number: String,
    }

    #[rpc_service(package = "a.v1")]
    pub trait Orders {
        async fn find(&self, number: String) -> Result<Order, Status>;
    }
}

#[test]
fn a_field_that_moved_fails_the_test_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.proto");
    let schema = before::OrdersClient::SERVICE.schema();
    let missing = check_committed(&path, &schema, Committed::Compared).unwrap_err();
    assert!(missing.contains("orders.proto is not there") && missing.contains("UPDATE_PROTO=1"), "{missing}");
    check_committed(&path, &schema, Committed::Written).unwrap();
    check_committed(&path, &schema, Committed::Compared).unwrap();

    let moved = check_committed(&path, &after::OrdersClient::SERVICE.schema(), Committed::Compared).unwrap_err();
    assert!(moved.contains("`Order.number` has moved: its number was 1 and is 2"), "{moved}");
    assert!(moved.contains("#[rpc(tag = 1)]") && moved.contains("UPDATE_PROTO=1"), "{moved}");
}

#[test]
fn the_macro_begins_at_the_manifest() {
    let said = std::panic::catch_unwind(|| rpc::assert_proto!("tests/nowhere.proto", before::OrdersClient));
    let said = said.unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nowhere.proto is not there")), "{said}");
}
