//! A link that is to be connected, and why it is not.

use crate::{Address, Status, client::load::Load, transport::Transport};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Which link of which endpoint a task works for.
pub(crate) struct Dial {
    pub(crate) endpoint: u32,
    pub(crate) link: usize,
    pub(crate) load: Arc<Load>,
    /// The id of the instance that is expected at the address, where the record knows it.
    pub(crate) expected: Option<String>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) address: Address,
    /// Another connection is wanted in the place of this one.
    pub(crate) renew: Arc<Notify>,
    /// The endpoint is not wanted any more.
    pub(crate) stop: CancellationToken,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody is there, or the wrong one; another protocol would fare no better.
    Unreachable(Status),
    /// Somebody is there, and does not speak the protocol.
    Hello(Status),
}
