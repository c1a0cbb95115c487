//! What is wrong with bytes, and where.

use prost::DecodeError;
use std::borrow::Cow;

/// An error about a peer's bytes. The one place that makes them: prost's constructor is hidden and will move.
#[cold]
#[expect(deprecated, reason = "prost 0.14 offers no other way to say what is wrong")]
pub fn malformed(description: impl Into<Cow<'static, str>>) -> DecodeError {
    DecodeError::new(description)
}

/// Adds the place to an error: prost prints the places before the description, the innermost first.
#[cold]
pub fn at(mut error: DecodeError, message: &'static str, field: &'static str) -> DecodeError {
    error.push(message, field);
    error
}
