//! What to do next about a registration: no clock, no input, no output.
//!
//! One goal, "our nodes are there, owned by our session", and after the end, or while the program does nothing, its
//! opposite, "no node of ours is there".
//! Nothing is remembered of what was done, everything is looked at: whatever a write brought (no answer, a session
//! that ended, somebody else's hand in between), the next step is to look, and to change what differs from the goal.

use crate::backoff::{Backoff, about, apart};
use rpc_core::registry::RegistrationState;
use std::time::Duration;
use tokio::time::Instant;

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// There is a connection, perhaps another one than before.
    Up,
    /// There is none.
    Down,
    /// What stands in our nodes, in their order.
    Looked(Vec<Found>),
    /// The write, or the making of parents, is done.
    Written,
    /// What was under way has failed.
    Failed(Failure),
    /// One of our nodes is no longer what it was at the last look.
    Disturbed,
    /// The time asked for has passed.
    Elapsed,
    /// The program that registered does nothing any more.
    Silent,
    /// It does again.
    Beating,
    /// The registration is to end.
    Close,
}

/// What stands in a node. The version is what a change is made conditional on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is none.
    Absent,
    /// Ours, as it should be.
    Current { version: i32 },
    /// Of our session, with other content.
    Outdated { version: i32 },
    /// Written by us in another session, which will take it along when it ends.
    Orphaned { version: i32 },
    /// Somebody else's, under our id.
    Foreign,
}

/// Why something failed, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The nodes are not what they were at the last look: nothing was changed.
    Raced,
    /// A parent is missing: nothing was changed.
    NoParent,
    /// ZooKeeper will not have it: nothing was changed.
    Refused,
    /// It may have been done or not.
    Unknown,
}

/// What is to be done. At most one of the first three is under way at any time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Look at our nodes, and watch them from then on.
    Look,
    /// Change them in one transaction.
    Write(Vec<Change>),
    /// Make the nodes above ours.
    MakeParents,
    /// Say so after this time, instead of whatever time was asked for before.
    Wait(Duration),
    /// Tell whoever holds the registration.
    Announce(RegistrationState),
    /// It is over, and no node of ours is there.
    End,
}

/// A change of the node with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Create(usize),
    Replace(usize, i32),
    /// Delete and create: it is our session's then, and no reader sees a gap.
    TakeOver(usize, i32),
    Delete(usize, i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until there is a connection.
    Idle,
    /// An answer is awaited. Nothing else is sent until it is there, however long it takes: a request that nobody
    /// waits for any more is carried out all the same.
    Busy,
    /// All is well.
    Settled,
    /// Until the time is up, or something changes.
    Pausing,
    Ended,
}

#[derive(Debug)]
pub(crate) struct Machine {
    phase: Phase,
    up: bool,
    closing: bool,
    /// Whether the program does nothing.
    silent: bool,
    /// Whether anything was ever written.
    wrote: bool,
    backoff: Backoff,
    /// How many looks in a row have found something to change.
    rounds: u32,
    disturbed: Option<Instant>,
}

impl Machine {
    /// How often it is checked that all is well when nothing says otherwise.
    const CHECK: Duration = Duration::from_secs(30);
    /// How often a refusal is put to the test.
    const REFUSED: Duration = Duration::from_secs(60);
    /// How often a node that is tampered with is put right.
    const REPAIR: Duration = Duration::from_secs(1);
    /// How many rounds may follow one another without a pause.
    const ROUNDS: u32 = 3;

    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Idle,
            up: false,
            closing: false,
            silent: false,
            wrote: false,
            backoff: Backoff::default(),
            rounds: 0,
            disturbed: None,
        }
    }

    pub(crate) fn step(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::Up => {
                self.up = true;
                self.look_unless_busy()
            }
            Event::Down => {
                self.up = false;
                Vec::new()
            }
            Event::Close => {
                self.closing = true;
                match self.phase {
                    Phase::Busy | Phase::Ended => Vec::new(),
                    _ if !self.wrote => self.end(),
                    _ => self.look_unless_busy(),
                }
            }
            Event::Silent => {
                self.silent = true;
                self.look_unless_busy()
            }
            Event::Beating => {
                self.silent = false;
                self.look_unless_busy()
            }
            Event::Elapsed => self.look_unless_busy(),
            Event::Disturbed => self.disturbed(now),
            Event::Looked(found) => self.looked(&found),
            Event::Written => self.look(),
            Event::Failed(failure) => self.failed(failure),
        }
    }

    /// Whether no node of ours is to be there.
    fn is_leaving(&self) -> bool {
        self.closing || self.silent
    }

    fn look_unless_busy(&mut self) -> Vec<Action> {
        match self.phase {
            Phase::Busy | Phase::Ended => Vec::new(),
            _ => self.look(),
        }
    }

    fn look(&mut self) -> Vec<Action> {
        if !self.up {
            // A node that was well stays so as far as anybody knows; the next connection brings the next look.
            self.phase = Phase::Idle;
            return Vec::new();
        }
        self.phase = Phase::Busy;
        vec![Action::Look]
    }

    /// What was done to our node may have been done to those of a whole fleet, so it is not put right at once.
    fn disturbed(&mut self, now: Instant) -> Vec<Action> {
        if !matches!(self.phase, Phase::Settled | Phase::Pausing) {
            return Vec::new();
        }
        let rest = self.disturbed.map_or(Duration::ZERO, |last| (last + Self::REPAIR).saturating_duration_since(now));
        let rest = rest.max(apart());
        self.disturbed = Some(now + rest);
        self.pause(rest)
    }

    fn looked(&mut self, found: &[Found]) -> Vec<Action> {
        let changes: Vec<_> = found.iter().enumerate().filter_map(|(node, found)| self.change(node, *found)).collect();
        if !changes.is_empty() {
            self.rounds += 1;
            if self.rounds > Self::ROUNDS {
                self.rounds = 0;
                let time = self.backoff.next();
                return self.pause(time);
            }
            self.phase = Phase::Busy;
            self.wrote = true;
            let write = Action::Write(changes);
            return if self.closing { vec![write] } else { vec![Action::Announce(RegistrationState::Pending), write] };
        }
        self.rounds = 0;
        if self.closing {
            return self.end();
        }
        if found.contains(&Found::Foreign) && !self.silent {
            return self.refused();
        }
        self.backoff.reset();
        self.phase = Phase::Settled;
        let state = if self.silent { RegistrationState::Pending } else { RegistrationState::Registered };
        vec![Action::Announce(state), Action::Wait(about(Self::CHECK))]
    }

    fn change(&self, node: usize, found: Found) -> Option<Change> {
        match (found, self.is_leaving()) {
            (Found::Foreign, _) | (Found::Absent, true) | (Found::Current { .. }, false) => None,
            (Found::Current { version } | Found::Outdated { version } | Found::Orphaned { version }, true) => {
                Some(Change::Delete(node, version))
            }
            (Found::Absent, false) => Some(Change::Create(node)),
            (Found::Outdated { version }, false) => Some(Change::Replace(node, version)),
            (Found::Orphaned { version }, false) => Some(Change::TakeOver(node, version)),
        }
    }

    fn failed(&mut self, failure: Failure) -> Vec<Action> {
        match failure {
            Failure::Raced => self.look(),
            Failure::NoParent if self.up && !self.is_leaving() => vec![Action::MakeParents],
            Failure::NoParent => self.look(),
            Failure::Refused => self.refused(),
            Failure::Unknown if self.up => {
                let time = self.backoff.next();
                self.pause(time)
            }
            Failure::Unknown => self.look(),
        }
    }

    fn refused(&mut self) -> Vec<Action> {
        let mut actions = self.pause(about(Self::REFUSED));
        actions.insert(0, Action::Announce(RegistrationState::Refused));
        actions
    }

    fn pause(&mut self, time: Duration) -> Vec<Action> {
        self.phase = Phase::Pausing;
        vec![Action::Wait(time)]
    }

    fn end(&mut self) -> Vec<Action> {
        self.phase = Phase::Ended;
        vec![Action::Announce(RegistrationState::Closed), Action::End]
    }
}

#[cfg(test)]
mod tests;
