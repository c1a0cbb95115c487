//! What generated code answers when bytes or names make no sense.

use crate::{Delivery, Method, PayloadError, Status};
use prost::DecodeError;

/// An error about bytes as a sentence that begins with the place: `OrdersFindRequest.number: invalid string value`.
#[cold]
pub(super) fn unreadable(error: &DecodeError) -> PayloadError {
    let text = error.to_string();
    PayloadError::new(text.strip_prefix("failed to decode Protobuf message: ").unwrap_or(&text))
}

/// A request that its server cannot read: the caller's mistake.
#[cold]
pub(super) fn bad_request(error: PayloadError) -> Status {
    Status::invalid_argument(error.to_string())
}

/// A reply that its caller cannot read: not the caller's mistake.
#[cold]
pub(super) fn bad_reply(error: PayloadError) -> Status {
    Status::internal(format!("the reply cannot be read: {error}"))
}

/// For a method that the descriptor has and the server does not: a request that was made by hand.
#[cold]
pub fn unknown_method(method: &Method) -> Status {
    Status::unimplemented(format!("no method {} here", method.path)).with_delivery(Delivery::Unprocessed)
}
