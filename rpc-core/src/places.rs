//! The places for calls on one connection.

use crate::{Delivery, Pushback, Request, Status};
use futures_util::task::AtomicWaker;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Waker,
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout_at};

/// How much later than its deadline a call ends on a connection. The layers above keep the deadline and know more of
/// what became of the call, so that they should be first; this is for calls that are made without them.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// For how long a server is left alone at whose connection the line is full, if there is another.
const STAY_AWAY: Duration = Duration::from_millis(50);

/// The places for calls on one connection, and the line of those that wait for one.
///
/// Each side says how many calls it takes at once. A client that has so many open lets the next one wait until another
/// ends: first come, first served, without a byte of it being sent. Who leaves the line is forgotten.
#[derive(Debug)]
pub struct Places {
    limit: AtomicUsize,
    taken: AtomicUsize,
    /// How long the line is, for those who do not want to wait for its lock.
    waiting: AtomicUsize,
    line: Mutex<Line>,
    /// Woken when the last call ends.
    idle: AtomicWaker,
}

#[derive(Debug, Default)]
struct Line {
    /// In the order in which they came.
    calls: BTreeMap<u64, oneshot::Sender<Place>>,
    next: u64,
    closed: bool,
}

impl Places {
    /// How many calls may wait for one connection. Were it any number, a server that stops would fill the memory of
    /// each of its clients; these are more than a server answers while they wait.
    pub const MAX_WAITING: usize = 16 * 1024;

    /// Places for `limit` calls at once.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit: AtomicUsize::new(limit), ..Self::default() })
    }

    /// Makes it room for `limit` calls at once from now on. Calls that are open beyond that go on.
    pub fn set_limit(self: &Arc<Self>, limit: usize) {
        if self.limit.swap(limit, SeqCst) < limit {
            self.admit();
        }
    }

    /// How many calls may be open at once.
    pub fn limit(&self) -> usize {
        self.limit.load(SeqCst)
    }

    /// How many calls are open.
    pub fn taken(&self) -> usize {
        self.taken.load(SeqCst)
    }

    /// Whether a call would have to wait.
    pub fn is_full(&self) -> bool {
        self.taken() >= self.limit() || self.waiting.load(SeqCst) > 0
    }

    /// Takes a place if one is free and nobody waits for it.
    pub fn take(self: &Arc<Self>) -> Option<Place> {
        if self.waiting.load(SeqCst) > 0 { None } else { self.seize() }
    }

    fn seize(self: &Arc<Self>) -> Option<Place> {
        let limit = self.limit();
        // Not by adding and looking: a place that is taken and given back at once would be free without anybody's being
        // told.
        self.taken.fetch_update(SeqCst, SeqCst, |taken| (taken < limit).then_some(taken + 1)).ok()?;
        Some(Place(self.clone()))
    }

    /// A place for a call, at once or when one comes free: see [`wait`](Self::wait). `Ok(None)` means that the
    /// connection is [closed](Self::close) to new calls.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait).
    pub async fn claim(self: &Arc<Self>, request: &Request) -> Result<Option<Place>, Status> {
        match self.take() {
            // Boxed: most calls find one.
            None => Box::pin(self.wait(request)).await,
            place => Ok(place),
        }
    }

    /// Waits for a place for a call, as long as its deadline lets it. `Ok(None)` means that the connection is
    /// [closed](Self::close) to new calls. Dropping the future leaves the line.
    ///
    /// # Errors
    /// `ResourceExhausted` when [`MAX_WAITING`](Self::MAX_WAITING) calls wait already, `DeadlineExceeded` a second
    /// after the deadline; the call was not sent.
    pub async fn wait(self: &Arc<Self>, request: &Request) -> Result<Option<Place>, Status> {
        let Some((_ticket, place)) = self.queue()? else { return Ok(None) };
        let journey = request.hints.journey.as_deref();
        journey.inspect(|journey| journey.queues());
        let place = match request.context.deadline() {
            None => Ok(place.await.ok()),
            Some(deadline) => match timeout_at(deadline + GRACE, place).await {
                Ok(place) => Ok(place.ok()),
                Err(_) => Err(expired()),
            },
        };
        // Not when it is dropped: then the call ends as one that has not left.
        journey.inspect(|journey| journey.leaves());
        place
    }

    fn queue(self: &Arc<Self>) -> Result<Option<(Ticket<'_>, oneshot::Receiver<Place>)>, Status> {
        let (sender, place) = oneshot::channel();
        let mut line = self.line();
        if line.closed {
            return Ok(None);
        }
        if line.calls.len() >= Self::MAX_WAITING {
            return Err(crowded(self.limit()));
        }
        let number = line.next;
        line.next += 1;
        line.calls.insert(number, sender);
        self.waiting.store(line.calls.len(), SeqCst);
        drop(line);
        // One that was given back before it was known that somebody waits.
        self.admit();
        Ok(Some((Ticket { places: self, number }, place)))
    }

    /// Gives the places that are free to those who wait.
    fn admit(self: &Arc<Self>) {
        let mut line = self.line();
        let mut place = None;
        while !line.calls.is_empty() {
            place = place.or_else(|| self.seize());
            let Some(free) = place.take() else { break };
            let Some((_, call)) = line.calls.pop_first() else { break };
            // Who has just left gives it back.
            place = call.send(free).err();
        }
        self.waiting.store(line.calls.len(), SeqCst);
        // Before a place that nobody wants is given back, which may want the lock.
        drop(line);
    }

    /// Lets no call in any more, and tells those who wait.
    pub fn close(&self) {
        let mut line = self.line();
        line.closed = true;
        let calls = std::mem::take(&mut line.calls);
        self.waiting.store(0, SeqCst);
        drop(line);
        drop(calls);
    }

    /// Whether no place is taken; if not, `waker` is woken when that may have changed.
    pub fn is_idle(&self, waker: &Waker) -> bool {
        self.idle.register(waker);
        self.taken() == 0
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Places {
    /// Places without a limit.
    fn default() -> Self {
        Self {
            limit: AtomicUsize::new(usize::MAX),
            taken: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            line: Mutex::default(),
            idle: AtomicWaker::new(),
        }
    }
}

/// A place that is taken. Dropping it gives it back.
#[derive(Debug)]
pub struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        let places = &self.0;
        if places.taken.fetch_sub(1, SeqCst) == 1 {
            places.idle.wake();
        }
        if places.waiting.load(SeqCst) > 0 {
            places.admit();
        }
    }
}

/// Somebody's place in the line.
struct Ticket<'a> {
    places: &'a Places,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut line = self.places.line();
        let left = line.calls.remove(&self.number);
        self.places.waiting.store(line.calls.len(), SeqCst);
        drop(line);
        drop(left);
    }
}

/// The error of a call that may not even wait.
#[cold]
fn crowded(limit: usize) -> Status {
    Status::resource_exhausted(format!(
        "{limit} calls are open on this connection, which is the limit, and {} wait for them to end; make fewer at \
         once, or raise `max_concurrent_calls` on both sides",
        Places::MAX_WAITING
    ))
    .with_delivery(Delivery::NeverSent)
    .with_incoming_pushback(Pushback::After(STAY_AWAY))
}

#[cold]
fn expired() -> Status {
    Status::deadline_exceeded("as many calls as the connection takes were open until the deadline")
        .with_delivery(Delivery::NeverSent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, Code, Context, Kind, Method, Payload, Tasks};
    use futures_util::poll;
    use std::{pin::Pin, task::Poll};

    static FIND: Method = Method::new("t.T", "Find", "/t.T/Find", Kind::Unary);

    fn request(timeout: Option<Duration>) -> Request {
        let body = Body::Message(Payload::Encoded(bytes::Bytes::new()));
        Request::new(&FIND, Context::default().child(timeout), body)
    }

    type Waiting = Pin<Box<dyn Future<Output = Result<Option<Place>, Status>> + Send>>;

    /// Calls that wait, in this order.
    async fn waiting(places: &Arc<Places>, calls: usize) -> Vec<Waiting> {
        let mut all = Vec::new();
        for _ in 0..calls {
            let places = places.clone();
            let mut call: Waiting = Box::pin(async move { places.wait(&request(None)).await });
            assert!(poll!(&mut call).is_pending());
            all.push(call);
        }
        all
    }

    async fn placed(call: &mut Waiting) -> Option<Place> {
        match poll!(call) {
            Poll::Ready(place) => Some(place.unwrap().unwrap()),
            Poll::Pending => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn first_come_first_served() {
        let places = Places::new(2);
        let (one, two) = (places.take().unwrap(), places.take().unwrap());
        let mut calls = waiting(&places, 3).await;
        drop(one);
        assert!(places.take().is_none() && places.is_full(), "somebody pushed in");
        assert!(placed(&mut calls[1]).await.is_none() && placed(&mut calls[2]).await.is_none());
        let one = placed(&mut calls[0]).await.unwrap();
        drop((one, two));
        let (_one, two) = (placed(&mut calls[1]).await.unwrap(), placed(&mut calls[2]).await.unwrap());
        assert_eq!(places.taken(), 2);
        drop(two);
        assert!(!places.is_full());
        assert!(places.take().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_the_line_holds_up_nobody_and_is_forgotten() {
        let places = Places::new(1);
        let one = places.take().unwrap();
        let mut calls = waiting(&places, 3).await;
        drop(calls.remove(0));
        assert_eq!(places.line().calls.len(), 2);
        // The place is his already when he leaves.
        drop(one);
        drop(calls.remove(0));
        let one = placed(&mut calls[0]).await.unwrap();
        assert_eq!(places.taken(), 1);
        drop((one, calls));
        assert_eq!((places.taken(), places.waiting.load(SeqCst)), (0, 0));
        assert!(places.take().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_is_bounded_and_so_is_the_time_in_it() {
        let places = Places::new(0);
        let calls = waiting(&places, Places::MAX_WAITING).await;
        let refused = places.wait(&request(None)).await.unwrap_err();
        assert_eq!((refused.code(), refused.delivery()), (Code::ResourceExhausted, Delivery::NeverSent));
        drop(calls);
        let late = places.wait(&request(Some(Duration::from_millis(200)))).await.unwrap_err();
        assert_eq!((late.code(), late.delivery()), (Code::DeadlineExceeded, Delivery::NeverSent));
        assert!(places.line().calls.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_hear_of_the_end_and_of_a_new_limit() {
        let places = Places::new(0);
        let mut calls = waiting(&places, 3).await;
        places.set_limit(2);
        let _two = (placed(&mut calls[0]).await.unwrap(), placed(&mut calls[1]).await.unwrap());
        assert!(placed(&mut calls[2]).await.is_none());
        places.close();
        assert!(calls[2].as_mut().await.unwrap().is_none());
        assert!(places.wait(&request(None)).await.unwrap().is_none());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_place_is_lost_and_none_is_given_twice() {
        let places = Places::new(3);
        let (tasks, most) = (Tasks::owner(), Arc::new(AtomicUsize::new(0)));
        for number in 0..50_usize {
            let (places, most) = (places.clone(), most.clone());
            tasks.spawn(async move {
                for turn in 0..200 {
                    let request = request(None);
                    let place = match places.take() {
                        None if (number + turn).is_multiple_of(7) => {
                            // It leaves after a turn, perhaps with a place on its way.
                            let mut call = std::pin::pin!(places.wait(&request));
                            let _ = poll!(&mut call);
                            tokio::task::yield_now().await;
                            continue;
                        }
                        None => places.wait(&request).await.unwrap(),
                        place => place,
                    };
                    most.fetch_max(places.taken(), SeqCst);
                    tokio::task::yield_now().await;
                    drop(place);
                }
            });
        }
        tokio::time::timeout(Duration::from_secs(60), tasks.finished()).await.expect("a place was lost");
        assert_eq!((places.taken(), places.line().calls.len()), (0, 0));
        assert_eq!(most.load(SeqCst), 3);
    }
}
