//! What is told, and by which names.

use crate::{
    Address, Method, Status,
    registry::{Snapshot, Source},
};
use std::{fmt, time::Duration};

/// What an [`Observer`](super::Observer) is told, by names that do not change: for metrics, logs and dashboards.
///
/// The names are in OpenTelemetry's name space `rpc`, beside those of its semantic conventions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Event {
    /// [`Observer::call_began`](super::Observer::call_began).
    CallBegan,
    /// [`Observer::call_ended`](super::Observer::call_ended).
    CallEnded,
    /// [`Observer::picked`](super::Observer::picked).
    Picked,
    /// [`Observer::attempt_ended`](super::Observer::attempt_ended).
    AttemptEnded,
    /// [`Observer::retried`](super::Observer::retried).
    Retried,
    /// [`Observer::hedged`](super::Observer::hedged).
    Hedged,
    /// [`Observer::hedge_won`](super::Observer::hedge_won).
    HedgeWon,
    /// [`Observer::connection`](super::Observer::connection).
    Connection,
    /// [`Observer::connect_failed`](super::Observer::connect_failed).
    ConnectFailed,
    /// [`Observer::fell_back`](super::Observer::fell_back).
    FellBack,
    /// [`Observer::ejected`](super::Observer::ejected).
    Ejected,
    /// [`Observer::readmitted`](super::Observer::readmitted).
    Readmitted,
    /// [`Observer::listed`](super::Observer::listed).
    Listed,
    /// [`Observer::registration`](super::Observer::registration).
    Registration,
    /// [`Observer::handling`](super::Observer::handling).
    Handling,
    /// [`Observer::handled`](super::Observer::handled).
    Handled,
    /// [`Observer::expired`](super::Observer::expired).
    Expired,
    /// [`Observer::refused`](super::Observer::refused).
    Refused,
    /// [`Observer::blocked`](super::Observer::blocked).
    Blocked,
    /// [`Observer::accepted`](super::Observer::accepted).
    Accepted,
    /// [`Observer::unclassified`](super::Observer::unclassified).
    Unclassified,
    /// [`Observer::drain`](super::Observer::drain).
    Drain,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 22] = [
        Self::CallBegan,
        Self::CallEnded,
        Self::Picked,
        Self::AttemptEnded,
        Self::Retried,
        Self::Hedged,
        Self::HedgeWon,
        Self::Connection,
        Self::ConnectFailed,
        Self::FellBack,
        Self::Ejected,
        Self::Readmitted,
        Self::Listed,
        Self::Registration,
        Self::Handling,
        Self::Handled,
        Self::Expired,
        Self::Refused,
        Self::Blocked,
        Self::Accepted,
        Self::Unclassified,
        Self::Drain,
    ];

    /// Its name. What tells of a client begins with `rpc.client`, what tells of a server with `rpc.server`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallBegan => "rpc.client.call.began",
            Self::CallEnded => "rpc.client.call.ended",
            Self::Picked => "rpc.client.attempt.began",
            Self::AttemptEnded => "rpc.client.attempt.ended",
            Self::Retried => "rpc.client.retry",
            Self::Hedged => "rpc.client.hedge",
            Self::HedgeWon => "rpc.client.hedge.won",
            Self::Connection => "rpc.client.connection",
            Self::ConnectFailed => "rpc.client.connect_failed",
            Self::FellBack => "rpc.client.fallback",
            Self::Ejected => "rpc.client.ejected",
            Self::Readmitted => "rpc.client.readmitted",
            Self::Listed => "rpc.client.list",
            Self::Registration => "rpc.server.registration",
            Self::Handling => "rpc.server.call.began",
            Self::Handled => "rpc.server.call.ended",
            Self::Expired => "rpc.server.expired",
            Self::Refused => "rpc.server.refused",
            Self::Blocked => "rpc.server.blocked",
            Self::Accepted => "rpc.server.connection",
            Self::Unclassified => "rpc.server.unclassified",
            Self::Drain => "rpc.server.drain",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a client's call ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallEnded<'a> {
    /// What was called.
    pub method: &'static Method,
    /// Whether it went well. A caller who leaves before the end is `Cancelled`.
    pub outcome: Result<(), &'a Status>,
    /// How many attempts may have left this process; 0 when none could be made.
    pub attempts: u32,
    /// From the call to the end of the reply's body.
    pub took: Duration,
}

/// How one attempt at a call ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AttemptEnded<'a> {
    /// What was called.
    pub method: &'static Method,
    /// Where it went.
    pub endpoint: &'a Address,
    /// Over which wire.
    pub transport: &'static str,
    /// Whether it went well.
    pub outcome: Result<(), &'a Status>,
    /// Until the end of the reply's body.
    pub took: Duration,
}

/// A call goes to another server as well, since it takes long.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Hedged<'a> {
    /// What was called.
    pub method: &'static Method,
    /// Where the second attempt goes.
    pub endpoint: &'a Address,
    /// Over which wire.
    pub transport: &'static str,
    /// The number of the attempt.
    pub attempt: u32,
    /// How long after the beginning of the call.
    pub after: Duration,
}

/// A slower protocol stands in for one whose hello failed, for 60 s.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FellBack<'a> {
    /// Whose servers these are.
    pub service: &'a str,
    /// The server.
    pub endpoint: &'a Address,
    /// The protocol that it does not speak, or not now.
    pub from: &'static str,
    /// The protocol that calls take instead.
    pub to: &'static str,
    /// What became of the hello.
    pub because: &'a Status,
}

/// A server gets no calls for a while, since it fails.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Ejected<'a> {
    /// Whose servers these are.
    pub service: &'a str,
    /// The server.
    pub endpoint: &'a Address,
    /// What it did, in words; the text is not an interface.
    pub reason: &'a dyn fmt::Display,
    /// For how long; after that a single call tries it.
    pub time: Duration,
}

impl fmt::Debug for Ejected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ejected({} of {} for {:?} after {})", self.endpoint, self.service, self.time, self.reason)
    }
}

/// A list of instances, as a client has it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Listed<'a> {
    /// Whose servers these are.
    pub service: &'a str,
    /// Where the list comes from.
    pub source: Source,
    /// How old it is: what has been true so long ago may not be now.
    pub age: Duration,
    /// Instances that this client can call.
    pub usable: usize,
    /// Instances that it cannot: marked as down, without weight, or speaking none of its protocols.
    pub unusable: usize,
    /// Records that could not be read.
    pub skipped: usize,
    /// The whole of it.
    pub snapshot: &'a Snapshot,
}

/// How a call ended on the server.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Handled<'a> {
    /// What was called.
    pub method: &'static Method,
    /// Over which wire; `"local"` inside the process.
    pub transport: &'static str,
    /// Who called.
    pub peer: Option<&'a Address>,
    /// Whether it went well. When the caller leaves it is `Cancelled`, even if the handler goes on.
    pub outcome: Result<(), &'a Status>,
    /// Until the end of the reply's body.
    pub took: Duration,
}

/// Someone who spoke no protocol that is served here.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Unclassified<'a> {
    /// Where it came from.
    pub peer: Option<&'a Address>,
    /// Who it seems to be.
    pub visitor: Visitor,
    /// The first bytes it sent, 8 at most; none when it was not listened to.
    pub first: &'a [u8],
}

/// Those who come to the wrong port often enough to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Visitor {
    /// A browser, or an HTTP/1 client.
    Http1,
    /// A client that wants TLS, which is not spoken here.
    Tls,
    /// A client in plain text, where TLS is spoken.
    PlainText,
    /// A client whose TLS handshake failed.
    Handshake,
    /// A load balancer that says whom it speaks for, in a PROXY header.
    Proxy,
    /// One too many: of those who have not said what they speak, the one who was silent for longest; or of all
    /// connections, one who came when there was no room.
    Crowd,
    /// Somebody else.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_those_that_dashboards_know() {
        let names: Vec<_> = Event::ALL.into_iter().map(Event::name).collect();
        assert_eq!(
            names,
            [
                "rpc.client.call.began",
                "rpc.client.call.ended",
                "rpc.client.attempt.began",
                "rpc.client.attempt.ended",
                "rpc.client.retry",
                "rpc.client.hedge",
                "rpc.client.hedge.won",
                "rpc.client.connection",
                "rpc.client.connect_failed",
                "rpc.client.fallback",
                "rpc.client.ejected",
                "rpc.client.readmitted",
                "rpc.client.list",
                "rpc.server.registration",
                "rpc.server.call.began",
                "rpc.server.call.ended",
                "rpc.server.expired",
                "rpc.server.refused",
                "rpc.server.blocked",
                "rpc.server.connection",
                "rpc.server.unclassified",
                "rpc.server.drain",
            ]
        );
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), Event::ALL.len());
    }
}
