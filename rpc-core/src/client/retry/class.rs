//! What kind of failure an attempt had.

use crate::{Code, Delivery, Method, Origin, Status};

/// What a failure says about making the call again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Not a byte has left: sending it elsewhere is sending it for the first time.
    NeverSent,
    /// The peer did not begin: once more for free, then from the budget.
    Unprocessed,
    /// The peer has too much to do, and did not begin: another may have less, but nothing is free where all may be
    /// flooded.
    Overloaded,
    /// The connection was lost after writing: it may have happened, and the method says that twice is as good as once.
    Lost,
    /// It may have happened and must not twice, or making it again would fail again.
    Final,
}

impl Class {
    /// The class of a failed attempt.
    ///
    /// Delivery is what counts, and it is a fact only of statuses made in this process. What a peer answers is its
    /// answer: a bare `Unavailable` from a handler may be a dependency's, after half of the work. A message over a
    /// limit is never sent either, yet no other endpoint will do better: only `Unavailable` goes elsewhere, and what
    /// found no place on a connection, which says for how long to leave that alone.
    pub(crate) fn of(status: &Status, method: &Method) -> Self {
        if status.is_callers_own() {
            return Self::Final;
        }
        match (status.delivery(), status.code(), status.origin()) {
            (Delivery::NeverSent, Code::Unavailable, Origin::Local) => Self::NeverSent,
            (Delivery::NeverSent, Code::ResourceExhausted, Origin::Local) if status.incoming_pushback().is_some() => {
                Self::NeverSent
            }
            (Delivery::Unprocessed, Code::Unavailable | Code::Unimplemented, _) => Self::Unprocessed,
            (Delivery::Unprocessed, Code::ResourceExhausted, Origin::Remote) => Self::Overloaded,
            (Delivery::Unknown, Code::Unavailable, Origin::Local) if method.is_idempotent() => Self::Lost,
            _ => Self::Final,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Pushback};
    use std::time::Duration;

    #[test]
    fn the_table_of_the_design() {
        let plain = Method::new("s", "Place", "/s/Place", Kind::Unary);
        let idempotent = Method::new("s", "Find", "/s/Find", Kind::Unary).idempotent();
        let unavailable = |delivery| Status::unavailable("away").with_delivery(delivery);
        let of = |status: Status| (Class::of(&status, &plain), Class::of(&status, &idempotent));
        let both = |class| (class, class);

        assert_eq!(of(unavailable(Delivery::NeverSent)), both(Class::NeverSent));
        assert_eq!(of(unavailable(Delivery::Unprocessed)), both(Class::Unprocessed));
        assert_eq!(of(unavailable(Delivery::Unprocessed).received_from_peer()), both(Class::Unprocessed));
        let router = Status::unimplemented("no such service").with_delivery(Delivery::Unprocessed);
        assert_eq!(of(router), both(Class::Unprocessed));
        let flooded = Status::resource_exhausted("too much to do").with_delivery(Delivery::Unprocessed);
        assert_eq!(of(flooded.clone().received_from_peer()), both(Class::Overloaded));
        assert_eq!(of(flooded.at_edge()), both(Class::Final), "a dependency of the handler's is flooded");
        assert_eq!(of(unavailable(Delivery::Unknown)), (Class::Final, Class::Lost));

        // A relay: what a handler's own dependency did says nothing of this call.
        assert_eq!(of(unavailable(Delivery::Unknown).received_from_peer()), both(Class::Final));
        assert_eq!(of(unavailable(Delivery::NeverSent).at_edge()), both(Class::Final));
        for code in Code::ALL.into_iter().filter(|code| *code != Code::Unavailable) {
            assert_eq!(of(Status::new(code, "")), both(Class::Final), "{code}");
        }
        assert_eq!(of(Status::unavailable("").of_caller()), both(Class::Final), "the caller's stream failed");
        let large = Status::resource_exhausted("too large").with_delivery(Delivery::NeverSent);
        assert_eq!(of(large.clone()), both(Class::Final));
        let crowded = large.with_incoming_pushback(Pushback::After(Duration::from_millis(50)));
        assert_eq!(of(crowded.clone()), both(Class::NeverSent));
        assert_eq!(of(crowded.at_edge()), both(Class::Final));
    }
}
