//! Why no server can be called, in words.

use crate::{Code, registry::ServiceName};
use std::fmt;

/// Why no server of a service can be called right now.
///
/// The summary may travel (a handler's caller sees it), so it names no address; the places stand in what
/// [`Display`](fmt::Display) writes, which becomes the source of the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    pub(crate) service: ServiceName,
    pub(crate) cause: Cause,
    /// One sentence for each place, at most [`Self::MAX_PLACES`].
    pub(crate) places: Vec<String>,
    /// How many places are not listed.
    pub(crate) more: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The registry has not answered yet.
    Pending,
    /// The registry cannot be asked; why.
    Unreachable(String),
    /// Nobody has ever registered the service.
    NoService,
    /// The service is known, and no server of it is there.
    NoInstance { skipped: usize },
    /// Servers are there, and none takes calls.
    NoneUsable { instances: usize, list: List },
    /// Servers are there, and no record says what is spoken.
    NoneDeclares { instances: usize },
    /// Servers are there, and none speaks what the call may take.
    NoneSpeaks { instances: usize, wanted: String },
    /// The channel does not have the wire that was asked for.
    NoTransport { wanted: &'static str, have: String },
    /// So many calls wait for a server already that no other may.
    Crowded { waiting: usize },
    /// The channel was closed.
    Closed,
}

/// How good a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Current,
    /// The registry is away.
    Stale,
}

impl Diagnosis {
    pub(crate) const MAX_PLACES: usize = 16;

    /// Whether waiting is in vain.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.cause, Cause::NoTransport { .. } | Cause::Closed)
    }

    /// What may travel: no addresses.
    pub(crate) fn summary(&self) -> String {
        let service = &self.service;
        match &self.cause {
            Cause::Pending => format!("the registry has not said yet where {service} is"),
            Cause::Unreachable(_) => {
                format!("the registry cannot be reached, so nobody knows where {service} is; check it and its URL")
            }
            Cause::NoService => format!(
                "no server of {service} has ever been registered; start one with this registry, or check the name"
            ),
            Cause::NoInstance { skipped: 0 } => format!("no server of {service} is registered now; start one"),
            Cause::NoInstance { skipped } => {
                format!("no server of {service} has a readable record, and {skipped} unreadable were skipped")
            }
            Cause::NoneUsable { instances, list: List::Current } => {
                format!("0 of {instances} registered servers of {service} can be called")
            }
            Cause::NoneUsable { instances, list: List::Stale } => format!(
                "0 of {instances} servers of {service} can be called, by a list from before the registry went away"
            ),
            Cause::NoneDeclares { instances } => format!(
                "none of the {instances} registered servers of {service} declares a protocol; if you know which they \
                 speak, add it to the URL of the registry or target, as in `?assume=grpc`"
            ),
            Cause::NoneSpeaks { instances, wanted } => format!(
                "none of the {instances} registered servers of {service} speaks {wanted}; let calls take another \
                 transport, or a server speak it as well"
            ),
            Cause::NoTransport { wanted, have } => format!("this client does not speak `{wanted}`; it has {have}"),
            Cause::Closed => format!("this client of {service} has been shut down; make calls before that"),
            Cause::Crowded { waiting } => {
                format!("{waiting} calls wait for a server of {service} already; make fewer at once")
            }
        }
    }

    /// What a call fails with that does not wait.
    pub(crate) fn code(&self) -> Code {
        match self.cause {
            Cause::NoTransport { .. } | Cause::Closed => Code::FailedPrecondition,
            Cause::Crowded { .. } => Code::ResourceExhausted,
            _ => Code::Unavailable,
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())?;
        if let Cause::Unreachable(reason) = &self.cause {
            write!(f, ": {reason}")?;
        }
        for place in &self.places {
            write!(f, "; {place}")?;
        }
        if self.more > 0 {
            write!(f, "; and {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnosis {}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosis(cause: Cause, places: &[&str], more: usize) -> Diagnosis {
        let places = places.iter().map(ToString::to_string).collect();
        Diagnosis { service: "baedal.Orders".parse().unwrap(), cause, places, more }
    }

    #[test]
    fn what_a_person_reads() {
        for (cause, text) in [
            (Cause::Pending, "the registry has not said yet where baedal.Orders is"),
            (
                Cause::Unreachable("zookeeper://z1:2181: connection refused".to_owned()),
                "the registry cannot be reached, so nobody knows where baedal.Orders is; check it and its URL: \
                 zookeeper://z1:2181: connection refused",
            ),
            (
                Cause::NoService,
                "no server of baedal.Orders has ever been registered; start one with this registry, or check the name",
            ),
            (Cause::NoInstance { skipped: 0 }, "no server of baedal.Orders is registered now; start one"),
            (
                Cause::NoInstance { skipped: 2 },
                "no server of baedal.Orders has a readable record, and 2 unreadable were skipped",
            ),
            (
                Cause::NoneUsable { instances: 5, list: List::Stale },
                "0 of 5 servers of baedal.Orders can be called, by a list from before the registry went away",
            ),
            (
                Cause::NoneDeclares { instances: 2 },
                "none of the 2 registered servers of baedal.Orders declares a protocol; if you know which they speak, \
                 add it to the URL of the registry or target, as in `?assume=grpc`",
            ),
            (
                Cause::NoneSpeaks { instances: 2, wanted: "fast".to_owned() },
                "none of the 2 registered servers of baedal.Orders speaks fast; let calls take another transport, or \
                 a server speak it as well",
            ),
            (
                Cause::NoTransport { wanted: "strange", have: "fast, slow".to_owned() },
                "this client does not speak `strange`; it has fast, slow",
            ),
        ] {
            assert_eq!(diagnosis(cause, &[], 0).to_string(), text);
        }
        let places = ["10.0.0.7:7000 over fast: connection refused", "a is marked as down"];
        let many = diagnosis(Cause::NoneUsable { instances: 5, list: List::Current }, &places, 3);
        assert_eq!(
            many.to_string(),
            "0 of 5 registered servers of baedal.Orders can be called; 10.0.0.7:7000 over \
             fast: connection refused; a is marked as down; and 3 more"
        );
        assert!(!many.summary().contains("10.0.0.7"), "an address may not travel");
    }
}
