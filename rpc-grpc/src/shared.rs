//! What the calls on one connection of a server have in common.

use rpc_core::{
    Peer,
    transport::{Limits, Routes},
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the calls on one connection share.
pub(crate) struct Shared {
    pub(crate) routes: Routes,
    pub(crate) peer: Arc<Peer>,
    pub(crate) limits: Limits,
    /// The id of this process's instance, if it has one.
    pub(crate) instance: Option<String>,
    /// Set when the calls that are left are to be ended.
    pub(crate) stopped: CancellationToken,
}
