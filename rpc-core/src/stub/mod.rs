//! What generated code calls: a typed shell around the erased core.
//!
//! A client method is three statements: [`Arguments::wrap`], [`Channel::call`](crate::client::Channel::call),
//! [`Reply::unwrap`]; the arm of a server is the same the other way round. Everything that has to be known of a user's
//! type is asked for in one place per type, [`Argument::of`] and [`Reply::of`], so that one missing derive is one error
//! at that type. They keep function pointers; what is generic ends there, and a method costs no future of its own.
//!
//! Arguments are the fields of one request message, so that adding one is compatible; a stream stands alone.

mod argument;
mod arguments;
mod error;
mod key;
mod list;
mod part;
mod reply;

pub use argument::Argument;
pub use arguments::{Arguments, List, Parameter};
pub use error::unknown_method;
pub use part::{Part, Single, StreamOf};
pub use reply::{Outcome, Reply};

use crate::{
    client::Channel,
    server::{Fidelity, NamedService},
};

/// The channel of a generated client's `local`.
pub fn local(service: impl NamedService) -> Channel {
    Channel::local(service, Fidelity::Value)
}
