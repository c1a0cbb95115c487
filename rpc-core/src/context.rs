//! The circumstances of a call.

use crate::{
    Address, Metadata,
    spawn::{Home, House},
    transport::{Drain, DrainPhase},
};
use std::{
    fmt,
    str::FromStr,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The circumstances of a call: deadline, metadata, trace, baggage, who called, which call and which attempt at it.
///
/// One pointer wide, cheap to clone, empty by default. Inside a handler it is *ambient*: [`Context::current`] finds
/// it, and a call made there inherits what is left of the deadline, the trace and the baggage, and nothing else: never
/// inbound metadata, never credentials. A task that is spawned leaves it behind unless it is spawned in it.
#[derive(Clone, Default)]
pub struct Context(Option<Arc<Inner>>);

#[derive(Default)]
struct Inner {
    deadline: Option<Instant>,
    metadata: Metadata,
    baggage: Metadata,
    trace: Option<TraceContext>,
    peer: Option<Arc<Peer>>,
    call_id: Option<CallId>,
    attempt: u32,
    cancelled: Cancellation,
    home: Option<Home>,
}

/// Tells that nobody waits, for those calls that go on all the same. Few ever ask, so the token is made by the first
/// who does, or by the one who cancels.
#[derive(Default)]
enum Cancellation {
    #[default]
    Never,
    Possible(OnceLock<CancellationToken>),
}

impl Cancellation {
    fn token(&self) -> Option<&CancellationToken> {
        match self {
            Self::Never => None,
            Self::Possible(token) => Some(token.get_or_init(CancellationToken::new)),
        }
    }
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        let cancelled = match self.cancelled.token() {
            None => Cancellation::Never,
            // Made now, if it was not yet: two contexts of one call must not come to have a token each.
            Some(token) => Cancellation::Possible(OnceLock::from(token.clone())),
        };
        Self {
            deadline: self.deadline,
            metadata: self.metadata.clone(),
            baggage: self.baggage.clone(),
            trace: self.trace,
            peer: self.peer.clone(),
            call_id: self.call_id,
            attempt: self.attempt,
            cancelled,
            home: self.home.clone(),
        }
    }
}

tokio::task_local! {
    static CURRENT: Context;
}

impl Context {
    /// The context of the call that is being handled here; empty outside a handler.
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs a future as part of this call.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    /// Runs a function as part of this call.
    pub fn enter<R>(&self, function: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self.clone(), function)
    }

    /// The context of a call made from here: the sooner of this deadline and `timeout` from now, the trace, the
    /// baggage, and the number of attempts upstream, which keeps a retried call from being retried again downstream.
    #[must_use]
    pub fn child(&self, timeout: Option<Duration>) -> Self {
        let own = timeout.map(|timeout| deadline_in(Instant::now(), timeout));
        let Some(parent) = &self.0 else {
            return Self(Some(Arc::new(Inner { deadline: own, attempt: 1, ..Inner::default() })));
        };
        Self(Some(Arc::new(Inner {
            deadline: sooner(parent.deadline, own),
            baggage: parent.baggage.clone(),
            trace: parent.trace,
            attempt: parent.attempt.max(1),
            ..Inner::default()
        })))
    }

    /// When the caller stops waiting.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().and_then(|inner| inner.deadline)
    }

    /// What is left until then; zero when it has passed.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// What the caller sent beside the message.
    pub fn metadata(&self) -> &Metadata {
        static EMPTY: Metadata = Metadata::EMPTY;
        self.0.as_ref().map_or(&EMPTY, |inner| &inner.metadata)
    }

    /// What the caller wants to be passed on through the whole chain of calls.
    pub fn baggage(&self) -> &Metadata {
        static EMPTY: Metadata = Metadata::EMPTY;
        self.0.as_ref().map_or(&EMPTY, |inner| &inner.baggage)
    }

    /// The trace that the call belongs to.
    pub fn trace(&self) -> Option<TraceContext> {
        self.0.as_ref().and_then(|inner| inner.trace)
    }

    /// Who called.
    pub fn peer(&self) -> Option<&Peer> {
        self.0.as_ref().and_then(|inner| inner.peer.as_deref())
    }

    /// The wire it came over.
    pub(crate) fn transport(&self) -> &'static str {
        self.peer().map_or("local", |peer| peer.transport)
    }

    /// Which call this is: the same for all attempts at it, so that a service can make its writes idempotent.
    pub fn call_id(&self) -> Option<CallId> {
        self.0.as_ref().and_then(|inner| inner.call_id)
    }

    /// Which attempt at the call this is, counted from 1; those that have certainly done nothing are not counted. Above
    /// 1 nothing downstream retries, but for what has done nothing either.
    pub fn attempt(&self) -> u32 {
        self.0.as_ref().map_or(1, |inner| inner.attempt.max(1))
    }

    /// Whether nobody waits for the answer any more. Only a handler that runs to its end can see this; others are gone.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation().is_some_and(CancellationToken::is_cancelled)
    }

    /// Waits until nobody waits for the answer any more.
    pub async fn cancelled(&self) {
        match self.cancellation() {
            Some(token) => token.cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Whether the server that handles this call is about to leave: its port is closed, and new calls go elsewhere. Of
    /// a call in this process: whether the process is.
    pub fn is_draining(&self) -> bool {
        self.drain().is_some_and(|drain| drain.phase() >= DrainPhase::Draining)
    }

    /// Waits until the server that handles this call is about to leave. For whoever works for long: a drain waits 6 s
    /// for it, and then cuts it. A stream that may be followed elsewhere had better end, with `Unavailable`, which is
    /// what tells its reader to open another: by now that one goes to a server which stays.
    ///
    /// Take the context where the call begins, since a stream outlives the handler that made it:
    ///
    /// ```
    /// # use rpc_core::{Context, Status, Streaming};
    /// # async fn next() -> u64 { 1 }
    /// async fn follow() -> Result<Streaming<u64>, Status> {
    ///     let context = Context::current();
    ///     Ok(Streaming::new(futures_util::stream::try_unfold(context, async |context| {
    ///         tokio::select! {
    ///             number = next() => Ok(Some((number, context))),
    ///             () = context.draining() => Err(Status::unavailable("this server is leaving")),
    ///         }
    ///     })))
    /// }
    /// ```
    ///
    /// A service that is called in this process, and that an App serves (`App::serve_local`), hears of it when the last
    /// server of the App does, or when the App is shut down. Outside of a call, and in one that was made by a client
    /// which holds its own service (`OrdersClient::local`), it waits for ever.
    pub async fn draining(&self) {
        match self.drain().cloned() {
            Some(mut drain) => drain.reached(DrainPhase::Draining).await,
            None => std::future::pending().await,
        }
    }

    fn drain(&self) -> Option<&Drain> {
        self.home().and_then(Home::drain)
    }

    fn cancellation(&self) -> Option<&CancellationToken> {
        self.0.as_ref().and_then(|inner| inner.cancelled.token())
    }
}

/// Making one. For callers' options, layers and transports.
impl Context {
    /// With a deadline, unless it has a sooner one: deadlines only shrink.
    #[must_use]
    pub fn with_deadline(self, deadline: Instant) -> Self {
        self.change(|inner| inner.deadline = sooner(inner.deadline, Some(deadline)))
    }

    /// With this metadata instead of what it had. (`with_metadata` of a client adds a pair.)
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        self.change(|inner| inner.metadata = metadata)
    }

    /// With this baggage instead of what it had.
    #[must_use]
    pub fn with_baggage(self, baggage: Metadata) -> Self {
        self.change(|inner| inner.baggage = baggage)
    }

    /// As part of a trace.
    #[must_use]
    pub fn with_trace(self, trace: TraceContext) -> Self {
        self.change(|inner| inner.trace = Some(trace))
    }

    /// From a peer. All calls on a connection share one, so that none copies its address.
    #[must_use]
    pub fn with_peer(self, peer: impl Into<Arc<Peer>>) -> Self {
        self.change(|inner| inner.peer = Some(peer.into()))
    }

    /// As attempt `attempt` at call `id`; a foreign client may say which attempt it is, and not at what.
    #[must_use]
    pub fn with_attempt(self, id: impl Into<Option<CallId>>, attempt: u32) -> Self {
        self.change(|inner| {
            inner.call_id = id.into();
            inner.attempt = attempt;
        })
    }

    /// As one that [`cancel`](Self::cancel) can be called on.
    #[must_use]
    pub fn cancellable(self) -> Self {
        self.change(|inner| inner.cancelled = Cancellation::Possible(OnceLock::new()))
    }

    /// Tells whoever works on this call that nobody waits for the answer any more. Only where
    /// [`cancellable`](Self::cancellable) was called does this mean anything.
    pub fn cancel(&self) {
        if let Some(token) = self.cancellation() {
            token.cancel();
        }
    }

    /// As that of a call to a server, which owns its tasks.
    pub(crate) fn at_home(self, house: Arc<House>) -> Self {
        self.change(|inner| inner.home = Some(Home::new(house)))
    }

    /// Where the tasks of the call live.
    pub(crate) fn home(&self) -> Option<&Home> {
        self.0.as_ref().and_then(|inner| inner.home.as_ref())
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(self.0.get_or_insert_default()));
        self
    }
}

fn sooner(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The instant `timeout` from `now`; a timeout of more than a day is a day, so that no timer overflows.
pub(crate) fn deadline_in(now: Instant, timeout: Duration) -> Instant {
    now + timeout.min(Duration::from_secs(24 * 3600))
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("remaining", &self.remaining())
            .field("metadata", &self.metadata().len())
            .field("call_id", &self.call_id())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}

/// Names one call, whatever the number of attempts at it: 128 random bits, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId(u128);

impl CallId {
    /// A new one.
    pub fn random() -> Self {
        Self(fastrand::u128(..))
    }

    /// Its bits.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The one with these bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CallId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

/// The trace a call belongs to, as in the `traceparent` header of W3C Trace Context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The whole trace.
    pub trace_id: u128,
    /// The span that made the call.
    pub span_id: u64,
    /// Bit 0: the trace is recorded.
    pub flags: u8,
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

impl TraceContext {
    /// A new trace, to be recorded.
    pub fn root() -> Self {
        Self { trace_id: fastrand::u128(1..), span_id: fastrand::u64(1..), flags: 1 }
    }

    /// The same trace, one span further.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span_id: fastrand::u64(1..), ..self }
    }

    /// Reads a `traceparent`. Anything malformed, and ids of zero, give `None`, as the recommendation asks. A version
    /// later than `00` may have more to say, after another dash; it is left out.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Not left to `from_str_radix`, which takes a sign and capitals.
        let hex = |part: &str| part.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let lengths = [(version, 2), (trace, 32), (span, 16), (flags, 2)];
        let well_formed = lengths.iter().all(|&(part, length)| part.len() == length && hex(part));
        if !well_formed || version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|&id| id != 0)?;
        let span_id = u64::from_str_radix(span, 16).ok().filter(|&id| id != 0)?;
        Some(Self { trace_id, span_id, flags: u8::from_str_radix(flags, 16).ok()? })
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Where it is; `None` inside this process.
    pub address: Option<Address>,
    /// The wire it speaks: `"grpc"`, `"tarpc"`, `"local"`.
    pub transport: &'static str,
    /// Who it has proved to be: the name in its certificate, where TLS asked for one. What a layer that decides who may
    /// call should look at; an address proves nothing.
    pub identity: Option<Arc<str>>,
}

impl Peer {
    /// A peer on a wire.
    pub fn new(transport: &'static str, address: Option<Address>) -> Self {
        Self { address, transport, identity: None }
    }

    /// With the name in its certificate.
    #[must_use]
    pub fn with_identity(mut self, identity: Option<Arc<str>>) -> Self {
        self.identity = identity;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_child_never_outlives_its_parent_and_takes_no_metadata() {
        let mut metadata = Metadata::default();
        metadata.append("authorization", "secret").unwrap();
        let now = Instant::now();
        let parent = Context::default()
            .with_deadline(now + Duration::from_millis(300))
            .with_metadata(metadata)
            .with_attempt(CallId::random(), 2);
        let child = parent.child(Some(Duration::from_secs(5)));
        assert_eq!(child.deadline(), Some(now + Duration::from_millis(300)));
        assert!(child.metadata().is_empty());
        assert_eq!(child.call_id(), None);
        assert_eq!(child.attempt(), 2);
        assert_eq!(parent.child(Some(Duration::from_millis(100))).remaining(), Some(Duration::from_millis(100)));
    }

    #[tokio::test]
    async fn it_is_ambient_inside_and_gone_outside() {
        let context = Context::default().with_deadline(Instant::now());
        context.scope(async { assert!(Context::current().deadline().is_some()) }).await;
        assert!(Context::current().deadline().is_none());
    }

    #[test]
    fn traceparent_is_read_and_written() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(TraceContext::parse(text).unwrap().to_string(), text);
        assert_eq!(TraceContext::parse(&format!("01{}-more-of-it", &text[2..])).unwrap().to_string(), text);
        let later = |version: &str| format!("{version}{}", &text[2..]);
        let other = |from, to| text.replace(from, to);
        let bad = ["".to_owned(), "00-0-0-0".to_owned(), later("ff"), later("zz"), later("0A"), format!("{text}-more")];
        let digits =
            [format!("{text}-"), other("b", "g"), text.to_uppercase(), other("-01", "-+1"), other("-0a", "-+a")];
        for bad in bad.into_iter().chain(digits) {
            assert_eq!(TraceContext::parse(&bad), None, "{bad}");
        }
    }

    /// It is handed from layer to layer: one that says nothing costs nothing.
    #[test]
    fn a_context_is_one_pointer_and_allocates_only_for_what_it_says() {
        assert_eq!(size_of::<Context>(), size_of::<usize>());
        assert!(Context::default().0.is_none());
    }

    #[test]
    fn absurd_timeouts_do_not_overflow() {
        assert!(Context::default().child(Some(Duration::MAX)).deadline().is_some());
    }
}
