//! What `#[derive(RpcError)]` asks of an error, so that what is missing is said in our words.

use crate::Status;
use std::fmt;

/// What the variant marked `#[rpc(status)]` holds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `rpc::Status`",
    label = "the variant marked `#[rpc(status)]` has to hold an `rpc::Status`",
    note = "a failure of your own is a variant with `#[rpc(code = ..)]`, whose fields are messages"
)]
pub trait IsStatus {
    /// The status that is held.
    fn into_status(self) -> Status;

    /// Holds a status.
    fn hold(status: Status) -> Self;
}

impl IsStatus for Status {
    fn into_status(self) -> Status {
        self
    }

    fn hold(status: Status) -> Self {
        status
    }
}

/// An error that has words for people: its `Display`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no words to travel with",
    label = "this error does not implement `Display`",
    note = "derive `thiserror::Error` too, with `#[error(\"..\")]` on every variant, or implement `std::fmt::Display`"
)]
pub trait Words {
    /// The message of the status.
    fn words(&self) -> String;
}

#[diagnostic::do_not_recommend]
impl<E: fmt::Display> Words for E {
    fn words(&self) -> String {
        self.to_string()
    }
}
