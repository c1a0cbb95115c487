//! What the two ends of one connection's machinery share: the frames below, and the calls above them.

use super::draining;
use crate::{
    Code, Delivery, Status,
    transport::{ConnectionState, Places},
};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
};
use tokio::sync::watch;

/// One connection, as calls and frames see it.
#[derive(Debug)]
pub struct Link {
    /// Of calls, each of which has one, however many frames or requests it is made of.
    places: Arc<Places>,
    /// Bytes of frames that the byte stream has taken.
    taken: AtomicU64,
    /// No new calls.
    draining: AtomicBool,
    /// Why it ended.
    ended: OnceLock<Status>,
    state: watch::Sender<ConnectionState>,
}

impl Link {
    /// Of a connection that has just been made.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            places: Arc::default(),
            taken: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            ended: OnceLock::new(),
            state: watch::Sender::new(ConnectionState::Open),
        })
    }

    /// What becomes of it, for who holds the connection.
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.subscribe()
    }

    /// Its places for calls. Their number has no limit until one is set.
    pub fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// How many calls are open.
    pub fn calls(&self) -> usize {
        self.places.taken()
    }

    /// Calls in flight end in peace, new ones and those that wait go elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.places.close();
        ConnectionState::Draining.advance(&self.state);
    }

    /// Whether new calls go elsewhere.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether it drains and nothing is left; if not, `waker` is woken when that may have changed.
    pub fn is_drained(&self, waker: &Waker) -> bool {
        if !self.is_draining() {
            return false;
        }
        self.places.is_idle(waker)
    }

    /// The end; the first reason counts.
    pub fn end(&self, why: Status) {
        let _ = self.ended.set(why);
        self.places.close();
        ConnectionState::Closed.advance(&self.state);
    }

    /// Why it ended, if it has.
    pub fn why(&self) -> Option<&Status> {
        self.ended.get()
    }

    /// What a call ends with that the connection ended before, as far as it got: a fact of this side, whoever ended it.
    /// One that was never sent may always go elsewhere, whatever the last word was about.
    pub fn lost(&self, delivery: Delivery) -> Status {
        let status = match self.why() {
            None if self.is_draining() => draining(),
            None => Status::unavailable("the connection has ended"),
            Some(why) => {
                let code = if delivery == Delivery::NeverSent { Code::Unavailable } else { why.code() };
                let status = Status::new(code, why.message().to_owned());
                match std::error::Error::source(why) {
                    Some(source) => status.with_source(source.to_string()),
                    None => status,
                }
            }
        };
        status.with_delivery(delivery)
    }

    /// The byte stream has taken everything before this position.
    pub fn take(&self, position: u64) {
        self.taken.store(position, Ordering::Release);
    }
}

/// Where in the stream of bytes the frame of a request begins, and so whether any of it can have left.
#[derive(Clone, Debug)]
pub struct Position(Arc<AtomicU64>);

impl Position {
    const NOWHERE: u64 = u64::MAX;

    /// Of a request that has no place yet.
    pub fn nowhere() -> Self {
        Self(Arc::new(AtomicU64::new(Self::NOWHERE)))
    }

    /// It has one now.
    pub fn set(&self, position: u64) {
        self.0.store(position, Ordering::Release);
    }

    /// Whether it has a place.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire) != Self::NOWHERE
    }

    /// How far a request got on a connection that goes on. What has a place may leave at any moment, and may have left
    /// by the time somebody acts on the answer.
    pub fn delivery_so_far(&self) -> Delivery {
        if self.is_set() { Delivery::Unknown } else { Delivery::NeverSent }
    }

    /// How far a request got on a connection that has ended, and on which nothing more is sent.
    pub fn delivery(&self, link: &Link) -> Delivery {
        match self.0.load(Ordering::Acquire) {
            Self::NOWHERE => Delivery::NeverSent,
            position if position >= link.taken.load(Ordering::Acquire) => Delivery::NeverSent,
            _ => Delivery::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_sent_once_its_first_byte_has_left() {
        let (link, position) = (Link::new(), Position::nowhere());
        assert_eq!(position.delivery(&link), Delivery::NeverSent);
        assert_eq!(position.delivery_so_far(), Delivery::NeverSent);
        link.take(99);
        position.set(100);
        assert_eq!(position.delivery(&link), Delivery::NeverSent);
        assert_eq!(position.delivery_so_far(), Delivery::Unknown, "it may leave while this is looked at");
        link.take(100);
        assert_eq!(position.delivery(&link), Delivery::NeverSent);
        link.take(101);
        assert_eq!(position.delivery(&link), Delivery::Unknown);
    }

    #[test]
    fn calls_are_counted_and_limited() {
        let link = Link::new();
        link.places().set_limit(1);
        let one = link.places().take().unwrap();
        assert!(link.places().take().is_none());
        assert_eq!(link.calls(), 1);
        drop(one);
        assert_eq!(link.calls(), 0);
        link.drain();
        assert!(link.is_drained(futures_util::task::noop_waker_ref()));
    }
}
