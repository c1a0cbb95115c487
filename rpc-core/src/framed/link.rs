//! What the two ends of one connection's machinery share: the frames below, and the calls above them.

use crate::{Delivery, Status, transport::ConnectionState};
use futures_util::task::AtomicWaker;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
};
use tokio::sync::watch;

/// One connection, as calls and frames see it.
#[derive(Debug)]
pub struct Link {
    /// Calls that are open, each once, however many frames or requests it is made of.
    open: AtomicUsize,
    /// Bytes of frames that the byte stream has taken.
    taken: AtomicU64,
    /// No new calls.
    draining: AtomicBool,
    /// Why it ended.
    ended: OnceLock<Status>,
    /// Woken when the last call ends on a connection that drains.
    idle: AtomicWaker,
    state: watch::Sender<ConnectionState>,
}

impl Link {
    /// Of a connection that has just been made.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            ended: OnceLock::new(),
            idle: AtomicWaker::new(),
            state: watch::Sender::new(ConnectionState::Open),
        })
    }

    /// What becomes of it, for who holds the connection.
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.subscribe()
    }

    /// Opens a call, if fewer than `limit` are open.
    pub fn open(self: &Arc<Self>, limit: usize) -> Option<OpenCall> {
        if self.open.fetch_add(1, Ordering::Relaxed) < limit {
            return Some(OpenCall(self.clone()));
        }
        self.open.fetch_sub(1, Ordering::Relaxed);
        None
    }

    /// How many calls are open.
    pub fn calls(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Calls in flight end in peace, new ones go elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.state.send_if_modified(|state| {
            let open = *state == ConnectionState::Open;
            if open {
                *state = ConnectionState::Draining;
            }
            open
        });
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
        self.idle.register(waker);
        self.calls() == 0
    }

    /// The end; the first reason counts.
    pub fn end(&self, why: Status) {
        let _ = self.ended.set(why);
        self.state.send_if_modified(|state| {
            let was = *state;
            *state = ConnectionState::Closed;
            was != ConnectionState::Closed
        });
    }

    /// Why it ended, if it has.
    pub fn why(&self) -> Option<&Status> {
        self.ended.get()
    }

    /// The byte stream has taken everything before this position.
    pub fn take(&self, position: u64) {
        self.taken.store(position, Ordering::Release);
    }
}

/// A call that is open. Counts until it is dropped.
#[derive(Debug)]
pub struct OpenCall(Arc<Link>);

impl Drop for OpenCall {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 && self.0.is_draining() {
            self.0.idle.wake();
        }
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
        let one = link.open(1).unwrap();
        assert!(link.open(1).is_none());
        assert_eq!(link.calls(), 1);
        drop(one);
        assert_eq!(link.calls(), 0);
        link.drain();
        assert!(link.is_drained(futures_util::task::noop_waker_ref()));
    }
}
