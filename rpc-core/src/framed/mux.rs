//! One connection, as its calls and the task that drives it share it.

use super::{Credit, Frame, Hello, Link, Malformed, Pipe, codec::AnyCodec, flow::Flow};
use crate::{Delivery, Metadata, Payload, Status, transport::Limits};
use bytes::BytesMut;
use futures_util::task::AtomicWaker;
use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

/// One connection: the calls that are open on it, and what is to be sent.
#[derive(Debug)]
pub(super) struct Mux {
    pub(super) link: Arc<Link>,
    /// The largest message that may be sent.
    pub(super) max_outgoing: usize,
    /// What a stream from here may begin with.
    credit: Credit,
    calls: Mutex<HashMap<u64, Open>>,
    out: Mutex<Out>,
    /// Told when there is room to send again.
    room: Notify,
    driver: AtomicWaker,
}

/// What is to be sent.
struct Out {
    codec: Box<dyn AnyCodec>,
    bytes: BytesMut,
    /// Where in the stream of bytes the next frame begins.
    position: u64,
    closed: bool,
}

/// A call that is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) party: Party,
    pub(super) flow: Option<Arc<Flow>>,
}

/// Who on this side is concerned with a call.
#[derive(Debug)]
pub(super) enum Party {
    /// Waits for how the answer begins.
    Caller(Option<oneshot::Sender<Answer>>),
    /// Handles it.
    Handler {
        /// Tells it from other calls of the same number, of which all but the last have been cancelled.
        serial: u64,
        /// Stops the handler.
        token: CancellationToken,
    },
}

/// How an answer begins.
#[derive(Debug)]
pub(super) enum Answer {
    Message(Metadata, Payload),
    Stream(Metadata),
    Failed(Status),
}

/// Why a frame is not sent.
enum Unsent {
    /// There is no room yet.
    Full,
    /// There is no connection any more.
    Gone,
}

impl Mux {
    /// A connection whose greetings have been exchanged through `pipe`.
    pub(super) fn new(link: Arc<Link>, codec: Box<dyn AnyCodec>, pipe: &Pipe, ours: Limits, theirs: &Hello) -> Self {
        let out = Out { codec, bytes: BytesMut::new(), position: pipe.position(), closed: false };
        Self {
            link,
            max_outgoing: ours.max_message.min(theirs.limits.max_message),
            credit: theirs.credit,
            calls: Mutex::default(),
            out: Mutex::new(out),
            room: Notify::new(),
            driver: AtomicWaker::new(),
        }
    }

    /// What a stream from here may begin with.
    pub(super) fn credit(&self) -> Credit {
        self.credit
    }

    /// Makes a call known; an error if one of that number is open.
    pub(super) fn insert(&self, id: u64, open: Open) -> Result<(), Malformed> {
        match self.calls().entry(id) {
            Entry::Occupied(_) => Err(Malformed("a call of a number that is in use")),
            Entry::Vacant(vacant) => {
                vacant.insert(open);
                Ok(())
            }
        }
    }

    /// The call is not open any more. `None` if it was not.
    pub(super) fn remove(&self, id: u64) -> Option<Open> {
        self.calls().remove(&id)
    }

    /// A handler has ended: its call is not open any more. Whether it was; another of its number stays.
    pub(super) fn remove_handled(&self, id: u64, ended: u64) -> bool {
        match self.calls().entry(id) {
            Entry::Occupied(open) if matches!(open.get().party, Party::Handler { serial, .. } if serial == ended) => {
                open.remove();
                true
            }
            _ => false,
        }
    }

    /// Looks at a call, if it is open.
    pub(super) fn with<R>(&self, id: u64, look: impl FnOnce(&mut Open) -> R) -> Option<R> {
        self.calls().get_mut(&id).map(look)
    }

    /// The streams of a call, if it is open and has any.
    pub(super) fn flow(&self, id: u64) -> Option<Arc<Flow>> {
        self.calls().get(&id).and_then(|open| open.flow.clone())
    }

    /// Sends a frame when there is room, and says where in the stream of bytes it begins; `None` once the connection
    /// has ended.
    pub(super) async fn send(&self, frame: &Frame) -> Option<u64> {
        loop {
            // Made before the look, so that room which comes in between is not missed.
            let room = self.room.notified();
            match self.append(frame, Pipe::HIGH_WATER) {
                Ok(position) => return Some(position),
                Err(Unsent::Gone) => return None,
                Err(Unsent::Full) => room.await,
            }
        }
    }

    /// Sends a frame whatever room there is. For frames of which a call has one, or a peer gets one for one of its own.
    pub(super) fn put(&self, frame: &Frame) {
        let _ = self.append(frame, usize::MAX);
    }

    fn append(&self, frame: &Frame, limit: usize) -> Result<u64, Unsent> {
        let mut out = self.out();
        let Out { codec, bytes, position, closed } = &mut *out;
        if *closed {
            return Err(Unsent::Gone);
        }
        let before = bytes.len();
        if before >= limit {
            return Err(Unsent::Full);
        }
        codec.encode(frame, bytes);
        let begin = *position;
        *position += (bytes.len() - before) as u64;
        drop(out);
        self.driver.wake();
        Ok(begin)
    }

    /// For whoever drives the connection: is woken when there is something to send.
    pub(super) fn drive(&self, waker: &Waker) {
        self.driver.register(waker);
    }

    /// Something has changed that whoever drives the connection should know.
    pub(super) fn nudge(&self) {
        self.driver.wake();
    }

    /// Whether so much is to be sent that nothing should be added.
    pub(super) fn is_full(&self) -> bool {
        self.out().bytes.len() >= Pipe::HIGH_WATER
    }

    /// Moves what is to be sent to where it is sent from, and says whether there is anything.
    pub(super) fn hand_over(&self, pipe: &mut Pipe) -> bool {
        let mut out = self.out();
        if pipe.write.is_empty() && !out.bytes.is_empty() {
            std::mem::swap(&mut out.bytes, &mut pipe.write);
            drop(out);
            self.room.notify_waiters();
        }
        !pipe.write.is_empty()
    }

    /// The connection has ended: every call on it hears of it, and nobody can begin another.
    pub(super) fn close(&self, why: Status) {
        // In this order: who finds the way out closed finds out why.
        self.link.end(why);
        self.out().closed = true;
        let calls = std::mem::take(&mut *self.calls());
        for (_, Open { party, flow }) in calls {
            if let Some(flow) = flow {
                flow.close(|| Err(self.why()));
            }
            match party {
                // Dropped: the caller asks the connection why it ended.
                Party::Caller(answer) => drop(answer),
                Party::Handler { token, .. } => token.cancel(),
            }
        }
        self.room.notify_waiters();
    }

    /// After [`close`](Self::close): forgets what has not been sent, since its calls are told that it never was. `word`
    /// is all that is said yet, where the peer can tell it from the rest of a frame.
    pub(super) fn recall(&self, pipe: &mut Pipe, word: Option<Status>) {
        let mut out = self.out();
        out.bytes = BytesMut::new();
        if pipe.recall()
            && let Some(status) = word
        {
            out.codec.encode(&Frame::Goodbye { status }, &mut pipe.write);
        }
    }

    /// Why the connection ended, for a call that may have been sent.
    pub(super) fn why(&self) -> Status {
        self.link.lost(Delivery::Unknown)
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<u64, Open>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes to send", self.bytes.len())
    }
}

/// The error for a call beyond the limit.
#[cold]
pub fn too_many_calls(limit: usize) -> Status {
    Status::resource_exhausted(format!(
        "{limit} calls are open on this connection, which is the limit; make fewer at once, or raise \
         `max_concurrent_calls` on both sides"
    ))
}

/// What a server says that is about to leave.
#[cold]
pub fn draining() -> Status {
    Status::unavailable("server draining")
}
