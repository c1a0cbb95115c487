//! Errors travel as code, message and one typed detail, and come back as the same variant.

use rpc::{Code, Detail, Message, RpcError, Status};
use std::fmt;

#[derive(Message, Clone, Debug, PartialEq)]
pub enum Reason {
    Closed,
    Full,
}

#[derive(RpcError, thiserror::Error, Debug)]
#[rpc(package = "baedal.orders.v1")]
pub enum OrderError {
    #[error("there is no order {number}")]
    #[rpc(code = NotFound)]
    NotFound { number: String },
    #[error("store {0} cannot take it: {1:?}")]
    #[rpc(code = FailedPrecondition)]
    Store(String, Reason),
    #[error("too late")]
    #[rpc(code = rpc::Code::Aborted)]
    Late,
    #[error(transparent)]
    Rpc(#[from] Status),
}

/// Without thiserror: its own `Display`, and `From<Status>` comes from the derive.
#[derive(RpcError, Debug)]
pub enum PlainError {
    #[rpc(code = Internal, name = "Broken")]
    Worn { r#type: u32, parts: Vec<String> },
    #[rpc(status)]
    Rest { status: Status },
}

impl fmt::Display for PlainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain")
    }
}

fn over_the_wire(status: Status) -> Status {
    let details = status.details().to_vec();
    let fresh = Status::new(status.code(), status.message().to_owned());
    details.into_iter().fold(fresh, Status::with_detail)
}

#[test]
fn a_variant_comes_back_as_itself() {
    let status = OrderError::NotFound { number: "A-1".into() }.into_status();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "there is no order A-1");
    assert_eq!(status.details()[0].type_url, "type.googleapis.com/baedal.orders.v1.OrderError.NotFound");
    assert_eq!(&*status.details()[0].value, b"\x0a\x03A-1");
    let back = OrderError::from_status(over_the_wire(status));
    assert!(matches!(back, OrderError::NotFound { number } if number == "A-1"));

    let back = OrderError::from_status(OrderError::Store("S".into(), Reason::Full).into_status());
    assert!(matches!(back, OrderError::Store(store, Reason::Full) if store == "S"));
    assert!(matches!(OrderError::from_status(OrderError::Late.into_status()), OrderError::Late));
}

#[test]
fn without_thiserror_too() {
    let worn = PlainError::Worn { r#type: 3, parts: vec!["belt".into()] };
    let status = worn.into_status();
    assert_eq!((status.code(), status.message()), (Code::Internal, "plain"));
    assert_eq!(status.details()[0].type_name(), "PlainError.Broken");
    let back = PlainError::from_status(status);
    assert!(matches!(back, PlainError::Worn { r#type: 3, parts } if parts == ["belt"]));
    let rest: PlainError = Status::unavailable("away").into();
    assert!(matches!(&rest, PlainError::Rest { status } if status.code() == Code::Unavailable));
    assert_eq!(rest.into_status().message(), "away");
}

#[test]
fn a_status_passes_through_unchanged() {
    let status = Status::unavailable("no server").with_detail(Detail {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
        value: b"\x0a\x00".as_slice().into(),
    });
    let error = OrderError::from_status(status);
    let OrderError::Rpc(inner) = &error else { panic!("{error:?}") };
    assert_eq!(inner.code(), Code::Unavailable);
    let status = error.into_status();
    assert_eq!((status.message(), status.details().len()), ("no server", 1));
}

#[test]
fn what_is_unknown_or_cannot_be_read_is_a_status() {
    let with = |type_url: &str, value: &[u8]| {
        Status::not_found("?")
            .with_detail(Detail { type_url: type_url.to_owned().into(), value: value.to_vec().into() })
    };
    let unknown = with("type.googleapis.com/baedal.orders.v1.OrderError.Newer", b"");
    assert!(matches!(OrderError::from_status(unknown), OrderError::Rpc(_)));
    let other_package = with("type.googleapis.com/OrderError.NotFound", b"\x0a\x03A-1");
    assert!(matches!(OrderError::from_status(other_package), OrderError::Rpc(_)));
    let cut = with("type.googleapis.com/baedal.orders.v1.OrderError.NotFound", b"\x0a\x09A-1");
    let OrderError::Rpc(status) = OrderError::from_status(cut) else { panic!("made of broken bytes") };
    assert_eq!((status.code(), status.details().len()), (Code::NotFound, 1));
    // A variant that nobody sent is not invented here either.
    let no_reason = with("type.googleapis.com/baedal.orders.v1.OrderError.Store", b"\x0a\x01S");
    assert!(matches!(OrderError::from_status(no_reason), OrderError::Rpc(_)));
    // The part before the slash is anybody's.
    let elsewhere = with("example.org/baedal.orders.v1.OrderError.Late", b"");
    assert!(matches!(OrderError::from_status(elsewhere), OrderError::Late));
}

#[test]
fn the_first_detail_that_can_be_read_counts() {
    let bad = OrderError::Store("S".into(), Reason::Closed).into_status().details()[0].clone();
    let good = OrderError::NotFound { number: "B".into() }.into_status().details()[0].clone();
    let status =
        Status::internal("x").with_detail(Detail { value: b"\xff".as_slice().into(), ..bad }).with_detail(good);
    assert!(matches!(OrderError::from_status(status), OrderError::NotFound { number } if number == "B"));
}
