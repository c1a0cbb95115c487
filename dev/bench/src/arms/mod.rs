//! One service, four ways, and without a wire.

pub(crate) mod local;
pub(crate) mod ours;
pub(crate) mod tarpc;
pub(crate) mod tonic;
