//! What `#[derive(RpcError)]` asks of an error, so that what is missing is said in our words, and how a detail is read.

use super::{
    derived::{Reading, Slots},
    room,
};
use crate::{Detail, Status};
use prost::{DecodeError, Message};
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

/// Reads the fields of a variant out of the detail that it travels as, with the room of a message of its own.
///
/// # Errors
/// If the detail is no such message.
pub fn read_detail<S: Slots + Default>(detail: &Detail) -> Result<S, DecodeError> {
    room::bounded(detail.value.len(), || {
        let _level = room::level()?;
        let mut reading = Reading(S::default());
        reading.merge(detail.value.clone())?;
        Ok(reading.0)
    })
}
