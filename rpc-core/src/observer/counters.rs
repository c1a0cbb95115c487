//! Everything that is told, counted.

use super::{AttemptEnded, CallEnded, Ejected, Event, FellBack, Handled, Hedged, Listed, Observer, Unclassified};
use crate::{
    Address, Code, Method, Status,
    registry::RegistrationState,
    transport::{ConnectionState, DrainPhase},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// An [`Observer`] that counts: for tests, and for programs that have no other metrics.
///
/// ```
/// # extern crate rpc_core as rpc;
/// use rpc::{Observers, observer::Counters};
/// use std::sync::Arc;
///
/// let counters = Arc::new(Counters::default());
/// let observers = Observers::new(counters.clone()); // and these to a channel, a server or an App
/// assert_eq!(counters.snapshot().calls.total(), 0);
/// # drop(observers);
/// ```
///
/// Its lock is taken for a few instructions per event. It grows with the number of methods that this program has, and
/// not with what peers do.
#[derive(Debug, Default)]
pub struct Counters(Mutex<Counts>);

/// What [`Counters`] have counted up to one moment.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls made by clients.
    pub calls: Outcomes,
    /// Attempts at them.
    pub attempts: Outcomes,
    /// Calls handled by servers.
    pub handled: Outcomes,
    /// Calls that are being made now.
    pub calls_open: u64,
    /// Calls that are being handled now.
    pub handling: u64,
    /// Connections of clients that are open now, draining or not.
    pub connections: u64,
    /// Clients that are connected to servers now.
    pub clients: u64,
    /// How often each event was told; none that was not.
    pub events: BTreeMap<Event, u64>,
}

/// How calls ended, by method and outcome.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcomes(BTreeMap<(&'static str, Option<Code>), Tally>);

/// How many there were, and how long they took together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    count: u64,
    took: Duration,
}

impl Counters {
    /// What has been counted so far.
    pub fn snapshot(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, event: Event, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.lock();
        *counts.events.entry(event).or_default() += 1;
        change(&mut counts);
    }
}

impl Counts {
    /// How often an event was told.
    pub fn of(&self, event: Event) -> u64 {
        self.events.get(&event).copied().unwrap_or_default()
    }

    /// Calls that were made once more.
    pub fn retries(&self) -> u64 {
        self.of(Event::Retried)
    }

    /// Calls that went to a second server, and how many of them were answered from there first.
    pub fn hedges(&self) -> (u64, u64) {
        (self.of(Event::Hedged), self.of(Event::HedgeWon))
    }
}

impl Outcomes {
    /// All that ended.
    pub fn total(&self) -> u64 {
        self.sum(|_, _| true)
    }

    /// Those that went well.
    pub fn succeeded(&self) -> u64 {
        self.sum(|_, code| code.is_none())
    }

    /// Those that did not.
    pub fn failed(&self) -> u64 {
        self.sum(|_, code| code.is_some())
    }

    /// Those that ended with this code.
    pub fn with(&self, code: Code) -> u64 {
        self.sum(|_, other| other == Some(code))
    }

    /// Those of one method, given as its path: `/package.Service/Method`.
    pub fn method(&self, path: &str) -> u64 {
        self.sum(|other, _| other == path)
    }

    /// Each method's path and outcome (`None`: it went well), how many there were, and how long they took together.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Option<Code>, u64, Duration)> + '_ {
        self.0.iter().map(|((path, code), tally)| (*path, *code, tally.count, tally.took))
    }

    fn sum(&self, wanted: impl Fn(&str, Option<Code>) -> bool) -> u64 {
        self.iter().filter(|(path, code, ..)| wanted(path, *code)).map(|(.., count, _)| count).sum()
    }

    fn add(&mut self, method: &Method, outcome: Result<(), &Status>, took: Duration) {
        let tally = self.0.entry((method.path, outcome.err().map(Status::code))).or_default();
        tally.count += 1;
        tally.took += took;
    }
}

impl Observer for Counters {
    fn call_began(&self, _: &'static Method) {
        self.count(Event::CallBegan, |counts| counts.calls_open += 1);
    }

    fn call_ended(&self, call: &CallEnded<'_>) {
        self.count(Event::CallEnded, |counts| {
            counts.calls_open = counts.calls_open.saturating_sub(1);
            counts.calls.add(call.method, call.outcome, call.took);
        });
    }

    fn picked(&self, _: &'static Method, _: &Address, _: &'static str) {
        self.count(Event::Picked, |_| {});
    }

    fn attempt_ended(&self, attempt: &AttemptEnded<'_>) {
        self.count(Event::AttemptEnded, |counts| counts.attempts.add(attempt.method, attempt.outcome, attempt.took));
    }

    fn retried(&self, _: &'static Method, _: u32, _: &Status) {
        self.count(Event::Retried, |_| {});
    }

    fn hedged(&self, _: &Hedged<'_>) {
        self.count(Event::Hedged, |_| {});
    }

    fn hedge_won(&self, _: &'static Method) {
        self.count(Event::HedgeWon, |_| {});
    }

    fn connection(&self, _: &Address, _: &'static str, state: ConnectionState) {
        self.count(Event::Connection, |counts| change(&mut counts.connections, state));
    }

    fn connect_failed(&self, _: &Address, _: &'static str, _: &Status) {
        self.count(Event::ConnectFailed, |_| {});
    }

    fn fell_back(&self, _: &FellBack<'_>) {
        self.count(Event::FellBack, |_| {});
    }

    fn ejected(&self, _: &Ejected<'_>) {
        self.count(Event::Ejected, |_| {});
    }

    fn readmitted(&self, _: &str, _: &Address) {
        self.count(Event::Readmitted, |_| {});
    }

    fn listed(&self, _: &Listed<'_>) {
        self.count(Event::Listed, |_| {});
    }

    fn registration(&self, _: &str, _: RegistrationState) {
        self.count(Event::Registration, |_| {});
    }

    fn handling(&self, _: &'static Method, _: &'static str) {
        self.count(Event::Handling, |counts| counts.handling += 1);
    }

    fn handled(&self, call: &Handled<'_>) {
        self.count(Event::Handled, |counts| {
            counts.handling = counts.handling.saturating_sub(1);
            counts.handled.add(call.method, call.outcome, call.took);
        });
    }

    fn expired(&self, _: &'static Method, _: &'static str) {
        self.count(Event::Expired, |_| {});
    }

    fn refused(&self, _: &'static Method, _: &'static str) {
        self.count(Event::Refused, |_| {});
    }

    fn blocked(&self, _: &'static Method, _: Duration) {
        self.count(Event::Blocked, |_| {});
    }

    fn accepted(&self, _: Option<&Address>, _: &'static str, state: ConnectionState) {
        self.count(Event::Accepted, |counts| change(&mut counts.clients, state));
    }

    fn unclassified(&self, _: &Unclassified<'_>) {
        self.count(Event::Unclassified, |_| {});
    }

    fn drain(&self, _: DrainPhase) {
        self.count(Event::Drain, |_| {});
    }
}

fn change(connections: &mut u64, state: ConnectionState) {
    match state {
        ConnectionState::Open => *connections += 1,
        ConnectionState::Draining => {}
        ConnectionState::Closed => *connections = connections.saturating_sub(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    static FIND: Method = Method::new("t.T", "Find", "/t.T/Find", Kind::Unary);
    static PLACE: Method = Method::new("t.T", "Place", "/t.T/Place", Kind::Unary);

    #[test]
    fn what_is_told_is_counted_by_method_and_outcome() {
        let counters = Counters::default();
        let refused = Status::not_found("");
        for (method, outcome) in [(&FIND, Ok(())), (&FIND, Err(&refused)), (&PLACE, Ok(()))] {
            counters.call_began(method);
            let took = Duration::from_millis(5);
            counters.call_ended(&CallEnded { method, outcome, attempts: 1, took });
        }
        counters.call_began(&PLACE);
        counters.retried(&PLACE, 2, &refused);
        let address = Address::tcp("a", 1);
        for state in [ConnectionState::Open, ConnectionState::Open, ConnectionState::Draining, ConnectionState::Closed]
        {
            counters.connection(&address, "wire", state);
        }
        let counts = counters.snapshot();
        assert_eq!((counts.calls.total(), counts.calls.succeeded(), counts.calls.failed()), (3, 2, 1));
        assert_eq!((counts.calls.method("/t.T/Find"), counts.calls.with(Code::NotFound)), (2, 1));
        assert_eq!((counts.calls_open, counts.connections, counts.retries()), (1, 1, 1));
        assert_eq!((counts.of(Event::CallBegan), counts.of(Event::Drain)), (4, 0));
        let find = counts.calls.iter().next().unwrap();
        assert_eq!(find, ("/t.T/Find", None, 1, Duration::from_millis(5)));
    }
}
