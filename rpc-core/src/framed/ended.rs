//! How connections end.

use super::draining;
use crate::Status;
use std::{fmt, io};

/// Bytes that are not what the wire says. The connection ends: where the next frame begins is not known any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(
    /// What came, so that it follows on "the peer sent": "a frame of no bytes".
    pub &'static str,
);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

/// Why a connection ended.
#[derive(Debug)]
pub enum Ended {
    /// The peer closed it.
    Closed,
    /// The byte stream failed.
    Failed(io::Error),
    /// The peer sent what is not this protocol.
    Malformed(Malformed),
    /// The peer said why.
    Reset(Status),
    /// The peer did not answer a ping.
    Silent,
    /// No new calls are taken, and nothing is left.
    Drained,
}

impl Ended {
    /// What the calls of a client end with.
    pub fn into_status(self) -> Status {
        match self {
            Self::Closed => Status::unavailable("the server closed the connection"),
            Self::Failed(error) => Status::unavailable("the connection to the server was lost").with_source(error),
            Self::Malformed(malformed) => Status::unavailable(format!("the server sent {malformed}")),
            Self::Reset(status) => status,
            Self::Silent => Status::unavailable("the server did not answer a ping for 10 s"),
            Self::Drained => draining(),
        }
    }
}
