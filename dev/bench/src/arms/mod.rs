//! One echo service, four ways.

pub(crate) mod ours;
pub(crate) mod tarpc;
pub(crate) mod tonic;
