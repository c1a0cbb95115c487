//! How streams are kept from running ahead of their readers.

use super::{Credit, Malformed};
use crate::{Metadata, Payload, Status};
use futures_util::task::AtomicWaker;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

/// The streams of one call, as far as it has them.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// What comes in.
    pub(super) inbox: Option<Inbox>,
    /// What goes out.
    pub(super) window: Option<Window>,
}

impl Flow {
    /// The call is over: what was going out stops, and what was coming in ends with `how`, unless it has ended.
    pub(super) fn close(&self, how: impl FnOnce() -> Result<Metadata, Status>) {
        if let Some(window) = &self.window {
            window.stop();
        }
        if let Some(inbox) = &self.inbox {
            inbox.end(how);
        }
    }
}

/// What has come of a stream and has not been read.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<Incoming>,
    waker: AtomicWaker,
}

#[derive(Debug)]
struct Incoming {
    items: VecDeque<Payload>,
    end: Option<Result<Metadata, Status>>,
    /// How much the peer may still send.
    left: Left,
    /// What has been read and not yet granted again.
    read: Credit,
    /// What was granted at first.
    whole: Credit,
}

/// What is read of a stream.
#[derive(Debug)]
pub(super) enum Read {
    /// An item, and what its sender should be granted for it.
    Item(Payload, Option<Credit>),
    /// The end, and what stands behind it.
    End(Metadata),
}

/// Credit that can be overdrawn by one item.
#[derive(Clone, Copy, Debug)]
struct Left {
    items: u32,
    bytes: i64,
}

impl Left {
    fn new(credit: Credit) -> Self {
        Self { items: credit.items, bytes: credit.bytes.into() }
    }

    fn allows_one(self) -> bool {
        self.items > 0 && self.bytes > 0
    }

    fn spend(&mut self, bytes: usize) {
        self.items = self.items.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn grant(&mut self, credit: Credit) {
        self.items = self.items.saturating_add(credit.items);
        self.bytes = self.bytes.saturating_add(credit.bytes.into());
    }
}

impl Inbox {
    pub(super) fn new(whole: Credit) -> Self {
        let incoming = Incoming {
            items: VecDeque::new(),
            end: None,
            left: Left::new(whole),
            read: Credit { items: 0, bytes: 0 },
            whole,
        };
        Self { state: Mutex::new(incoming), waker: AtomicWaker::new() }
    }

    fn state(&self) -> MutexGuard<'_, Incoming> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An item came.
    pub(super) fn push(&self, payload: Payload) -> Result<(), Malformed> {
        let mut state = self.state();
        if !state.left.allows_one() {
            return Err(Malformed("more items than there was credit for"));
        }
        state.left.spend(payload.encoded_len());
        // What comes behind the end is nobody's.
        if state.end.is_none() {
            state.items.push_back(payload);
            drop(state);
            self.waker.wake();
        }
        Ok(())
    }

    /// The stream has ended; the first end counts.
    pub(super) fn end(&self, how: impl FnOnce() -> Result<Metadata, Status>) {
        let mut state = self.state();
        if state.end.is_none() {
            state.end = Some(how());
            drop(state);
            self.waker.wake();
        }
    }

    /// Nobody reads any more: what is there is dropped. Whether the peer may still be sending.
    pub(super) fn abandon(&self) -> bool {
        let mut state = self.state();
        let items = std::mem::take(&mut state.items);
        let sending = state.end.is_none();
        state.end.get_or_insert_with(|| Ok(Metadata::default()));
        drop(state);
        drop(items);
        sending
    }

    /// The next item, and what the peer should be granted now that it is read.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Read, Status>> {
        self.waker.register(cx.waker());
        let mut state = self.state();
        match state.items.pop_front() {
            Some(payload) => {
                let grant = state.grant(payload.encoded_len());
                Poll::Ready(Ok(Read::Item(payload, grant)))
            }
            None => match &state.end {
                Some(end) => Poll::Ready(end.clone().map(Read::End)),
                None => Poll::Pending,
            },
        }
    }
}

impl Incoming {
    /// Counts an item as read. Grants what was read once that is half of what there was at first.
    fn grant(&mut self, bytes: usize) -> Option<Credit> {
        self.read.items += 1;
        self.read.bytes = self.read.bytes.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        let due = self.read.items >= self.whole.items.div_ceil(2) || self.read.bytes >= self.whole.bytes.div_ceil(2);
        if !due || self.end.is_some() {
            return None;
        }
        let credit = std::mem::replace(&mut self.read, Credit { items: 0, bytes: 0 });
        self.left.grant(credit);
        Some(credit)
    }
}

/// What may still be sent of a stream.
#[derive(Debug)]
pub(super) struct Window {
    state: Mutex<Outgoing>,
    waker: AtomicWaker,
}

#[derive(Debug)]
struct Outgoing {
    left: Left,
    stopped: bool,
}

/// Whether a stream may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Go {
    /// An item may be sent.
    On,
    /// Nothing is wanted any more.
    Stop,
}

impl Window {
    pub(super) fn new(credit: Credit) -> Self {
        Self { state: Mutex::new(Outgoing { left: Left::new(credit), stopped: false }), waker: AtomicWaker::new() }
    }

    fn state(&self) -> MutexGuard<'_, Outgoing> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The peer has room for more.
    pub(super) fn grant(&self, credit: Credit) {
        self.state().left.grant(credit);
        self.waker.wake();
    }

    /// Nothing is wanted any more.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.waker.wake();
    }

    /// An item of so many bytes is sent.
    pub(super) fn spend(&self, bytes: usize) {
        self.state().left.spend(bytes);
    }

    /// Ready when an item may be sent or none ever will.
    pub(super) fn poll_go(&self, cx: &mut Context<'_>) -> Poll<Go> {
        self.waker.register(cx.waker());
        let state = self.state();
        match (state.stopped, state.left.allows_one()) {
            (true, _) => Poll::Ready(Go::Stop),
            (false, true) => Poll::Ready(Go::On),
            (false, false) => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::task::noop_waker_ref;

    fn item(bytes: usize) -> Payload {
        Payload::Encoded(vec![0; bytes].into())
    }

    fn next(inbox: &Inbox) -> Poll<Result<Read, Status>> {
        inbox.poll_next(&mut Context::from_waker(noop_waker_ref()))
    }

    #[test]
    fn a_sender_is_held_to_its_credit_and_gets_back_what_was_read() {
        let inbox = Inbox::new(Credit { items: 4, bytes: 100 });
        for _ in 0..4 {
            inbox.push(item(1)).unwrap();
        }
        inbox.push(item(1)).unwrap_err();
        let Poll::Ready(Ok(Read::Item(_, None))) = next(&inbox) else { panic!() };
        let Poll::Ready(Ok(Read::Item(_, Some(credit)))) = next(&inbox) else { panic!() };
        assert_eq!(credit, Credit { items: 2, bytes: 2 });
        inbox.push(item(1)).unwrap();
        inbox.push(item(1)).unwrap();
        inbox.push(item(1)).unwrap_err();
    }

    #[test]
    fn one_item_may_be_larger_than_what_is_left_and_is_then_owed() {
        let (inbox, window) =
            (Inbox::new(Credit { items: 4, bytes: 100 }), Window::new(Credit { items: 4, bytes: 100 }));
        let mut cx = Context::from_waker(noop_waker_ref());
        assert_eq!(window.poll_go(&mut cx), Poll::Ready(Go::On));
        window.spend(1000);
        inbox.push(item(1000)).unwrap();
        assert!(window.poll_go(&mut cx).is_pending());
        inbox.push(item(1)).unwrap_err();
        let Poll::Ready(Ok(Read::Item(_, Some(credit)))) = next(&inbox) else { panic!() };
        window.grant(credit);
        assert_eq!(window.poll_go(&mut cx), Poll::Ready(Go::On));
        window.stop();
        assert_eq!(window.poll_go(&mut cx), Poll::Ready(Go::Stop));
    }

    #[test]
    fn what_came_before_the_end_is_read_before_it() {
        let inbox = Inbox::new(Credit::default());
        inbox.push(item(3)).unwrap();
        inbox.end(|| Err(Status::unavailable("cut")));
        inbox.end(|| Ok(Metadata::default()));
        assert!(matches!(next(&inbox), Poll::Ready(Ok(Read::Item(..)))));
        assert!(matches!(next(&inbox), Poll::Ready(Err(_))));
    }
}
