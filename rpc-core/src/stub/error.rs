//! What generated code answers when bytes or names make no sense.

use crate::{Delivery, Method, Status};
use prost::DecodeError;

/// An error about bytes as a sentence that begins with the place: `OrdersFindRequest.number: invalid string value`.
#[cold]
pub(super) fn sentence(error: &DecodeError) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to decode Protobuf message: ").map(str::to_owned).unwrap_or(text)
}

/// A request that its server cannot read: the caller's mistake.
#[cold]
pub(super) fn bad_request(sentence: String) -> Status {
    Status::invalid_argument(sentence)
}

/// A reply that its caller cannot read: not the caller's mistake.
#[cold]
pub(super) fn bad_reply(sentence: String) -> Status {
    Status::internal(format!("the reply cannot be read: {sentence}"))
}

/// For a method that the descriptor has and the server does not: a request that was made by hand.
#[cold]
pub fn unknown_method(method: &Method) -> Status {
    Status::unimplemented(format!("no method {} here", method.path)).with_delivery(Delivery::Unprocessed)
}
