//! What a failed call says.

use crate::{Code, Metadata, Pushback, observer::target, schema::Failures};
use bytes::Bytes;
use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

/// The failure of a call: a [`Code`], a message for people, typed details for programs, and the cause on this side.
///
/// One pointer wide. Code, message, details and metadata travel; everything else is known to this process alone. In
/// particular [`delivery`](Self::delivery), which decides whether a call may be sent again, is set only by a transport
/// or the balancer, is never encoded, and is reset where a call enters a server: a dependency's "never sent" is not a
/// fact about the caller's own call.
#[derive(Clone)]
pub struct Status(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    delivery: Delivery,
    origin: Origin,
    message: Cow<'static, str>,
    details: Vec<Detail>,
    metadata: Metadata,
    /// Whose metadata it is: a peer's, for this process alone.
    received: bool,
    /// It is the end of the stream of requests that the caller gave, and so no word of the server's.
    callers_own: bool,
    pushback: Option<Pushback>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// How far a failed call got, as far as this side can know; the less far, the less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Delivery {
    /// Not a byte of it left this process. Sending it elsewhere is always safe.
    NeverSent,
    /// The peer said that it did not begin: a refused stream, a stream above GOAWAY's last, a draining server, a router
    /// that knows no such method.
    Unprocessed,
    /// It may have happened.
    Unknown,
}

/// Who made a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This process: its client stack, or a handler.
    Local,
    /// The peer; it came over a wire.
    Remote,
}

/// A typed detail of a status: `google.protobuf.Any`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Names the type of `value`, as in `type.googleapis.com/baedal.orders.v1.OrderError.NotFound`.
    pub type_url: Cow<'static, str>,
    /// The encoded message.
    pub value: Bytes,
}

impl Detail {
    /// The full name of the type of `value`: what follows the last slash, for the part before it may differ by who
    /// wrote it.
    pub fn type_name(&self) -> &str {
        self.type_url.rsplit_once('/').map_or(&*self.type_url, |(_, name)| name)
    }
}

impl Status {
    /// A failure made here, of which nothing is known but that it failed.
    #[cold]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            delivery: Delivery::Unknown,
            origin: Origin::Local,
            message: message.into(),
            details: Vec::new(),
            metadata: Metadata::EMPTY,
            received: false,
            callers_own: false,
            pushback: None,
            source: None,
        }))
    }

    /// Why it failed.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// For people; its text is not an interface.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// For programs.
    pub fn details(&self) -> &[Detail] {
        &self.0.details
    }

    /// What stands beside the failure: gRPC's trailing metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// How far the call got.
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// How long the server that refused the call wants to be left alone: at the client that was refused, and at nobody
    /// further on. It is read out of what the server sent by [`received_from_peer`](Self::received_from_peer), or set
    /// by a transport through [`with_incoming_pushback`](Self::with_incoming_pushback).
    pub fn incoming_pushback(&self) -> Option<Pushback> {
        self.0.pushback
    }

    /// How long clients are asked to stay away by this refusal, which is about to leave its server: what
    /// [`with_outgoing_pushback`](Self::with_outgoing_pushback) has set, and only where the call did not begin
    /// ([`Delivery::Unprocessed`]). For transports that have a place of their own for it, beside the details.
    pub fn outgoing_pushback(&self) -> Option<Duration> {
        if self.0.delivery != Delivery::Unprocessed {
            return None;
        }
        self.0.details.iter().find_map(Pushback::of)
    }

    /// Who made this status.
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// Bytes of a message that every wire carries; where it stands in a header, a longer one is cut.
    pub const MAX_MESSAGE: usize = 4 * 1024;

    /// Bytes that the message and all details may have together; details over it are left out where the failure leaves
    /// its server, and the message says so. The limit is gRPC's, whose headers they become, and holds on every wire.
    pub const MAX_DETAILS: usize = 6 * 1024;

    /// Adds a typed detail, which travels unless there is [too much](Self::MAX_DETAILS).
    #[must_use]
    pub fn with_detail(mut self, detail: Detail) -> Self {
        self.0.details.push(detail);
        self
    }

    /// Puts this metadata beside the failure, instead of what stood there. It travels to the caller and no further: a
    /// status that came from a server and is passed on leaves behind what stood beside it there.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.0.metadata = metadata;
        self.0.received = false;
        self
    }

    /// Adds the cause, which stays in this process: it is for the log, not for the peer.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Says how far the call got. For transports and the balancer.
    #[must_use]
    pub fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.0.delivery = delivery;
        self
    }

    /// Asks the client to stay away for this long: for what refuses a call at the server before it begins, as admission
    /// does. It travels as a detail, and the client has it as [`incoming_pushback`](Self::incoming_pushback).
    #[must_use]
    pub fn with_outgoing_pushback(self, after: Duration) -> Self {
        self.with_detail(Pushback::detail(after))
    }

    /// Says how long the server wants to be left alone. For the client's side of transports that have a place of their
    /// own for it; it stays in this process.
    #[must_use]
    pub fn with_incoming_pushback(mut self, pushback: Pushback) -> Self {
        self.0.pushback = Some(pushback);
        self
    }

    /// Puts words before the message, and keeps the rest.
    #[must_use]
    pub fn with_context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message).into();
        self
    }

    /// Marks a status as one that came over a wire: its [origin](Self::origin) is [`Origin::Remote`], what the server
    /// asked for becomes its [`incoming_pushback`](Self::incoming_pushback), and its metadata goes no further than to
    /// the caller. For the client's side of transports.
    #[must_use]
    pub fn received_from_peer(mut self) -> Self {
        self.0.origin = Origin::Remote;
        self.received()
    }

    /// Marks one that came from a server, be it in this process.
    pub(crate) fn received(mut self) -> Self {
        self.0.received = true;
        if let Some(after) = self.outgoing_pushback() {
            self.0.pushback = Some(Pushback::After(after));
            self.0.details.retain(|detail| Pushback::of(detail).is_none());
        }
        self
    }

    /// Marks the error with which the caller's own stream of requests ended. A call that ends with it has been sent,
    /// and what is known of another call, from which it may come, says nothing of this one or of its server.
    #[cold]
    #[must_use]
    pub(crate) fn of_caller(mut self) -> Self {
        self.0.callers_own = true;
        self.0.delivery = Delivery::Unknown;
        self.0.pushback = None;
        self
    }

    /// Whether the call failed since its caller's stream of requests did.
    pub(crate) fn is_callers_own(&self) -> bool {
        self.0.callers_own
    }

    /// What of a handler's failure its caller may know: code, message, details, and the handler's own metadata. Whether
    /// a call *that the handler made* was sent says nothing of the caller's own call, and what stood beside its failure
    /// was for the handler.
    #[must_use]
    pub fn at_edge(mut self) -> Self {
        if std::mem::take(&mut self.0.received) {
            self.0.metadata = Metadata::EMPTY;
        }
        self.0.delivery = Delivery::Unknown;
        self.0.origin = Origin::Remote;
        self.0.callers_own = false;
        self.0.pushback = None;
        self.0.source = None;
        self.without_large_details()
    }

    fn without_large_details(mut self) -> Self {
        /// What protobuf writes around a detail, at most.
        const FRAME: usize = 12;
        let details = self.0.details.iter().map(|detail| detail.type_url.len() + detail.value.len() + FRAME);
        let bytes = details.sum::<usize>();
        if bytes == 0 || self.0.message.len().min(Self::MAX_MESSAGE) + FRAME + bytes <= Self::MAX_DETAILS {
            return self;
        }
        tracing::warn!(
            target: target::SERVER, bytes, code = %self.0.code,
            "details of a failure are too long to be sent"
        );
        self.0.details.clear();
        let limit = Self::MAX_DETAILS;
        self.0.message =
            format!("{} (its details, {bytes} bytes, are over the limit of {limit})", self.0.message).into();
        self
    }
}

/// One constructor per code that this project itself makes often.
impl Status {
    /// [`Code::Cancelled`].
    pub fn cancelled(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Cancelled, message)
    }

    /// [`Code::InvalidArgument`].
    pub fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// [`Code::DeadlineExceeded`].
    pub fn deadline_exceeded(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::DeadlineExceeded, message)
    }

    /// [`Code::NotFound`].
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// [`Code::ResourceExhausted`].
    pub fn resource_exhausted(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ResourceExhausted, message)
    }

    /// [`Code::Unimplemented`].
    pub fn unimplemented(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unimplemented, message)
    }

    /// [`Code::Internal`].
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// [`Code::Unavailable`].
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unavailable, message)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { code, delivery, origin, message, details, metadata, pushback, source, .. } = &*self.0;
        f.debug_struct("Status")
            .field("code", code)
            .field("message", message)
            .field("details", &details.len())
            .field("metadata", &metadata.len())
            .field("delivery", delivery)
            .field("pushback", pushback)
            .field("origin", origin)
            .field("source", source)
            .finish()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl Error for Status {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// An error that a method of a service may return.
///
/// Derive it with `#[derive(RpcError)]`. A variant travels as code, message and one typed detail, and the client gets
/// the same variant back; whatever the wire, the deadline or the fleet did comes as the variant that holds a
/// [`Status`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of an RPC method",
    label = "this error has no way to say that the network failed",
    note = "derive it: `#[derive(rpc::RpcError, thiserror::Error, Debug)]` on an enum with a variant `Rpc(#[from] rpc::Status)`, or return `Result<_, rpc::Status>`"
)]
pub trait RpcError: Sized + Send + 'static {
    /// What its variants are in protobuf, for the schema of a service. Written by the derive.
    #[doc(hidden)]
    const SCHEMA: Option<&'static Failures> = None;

    /// What travels: code, message and details.
    fn into_status(self) -> Status;

    /// The variant that the details name; anything else becomes the variant that holds a [`Status`].
    fn from_status(status: Status) -> Self;
}

impl RpcError for Status {
    fn into_status(self) -> Status {
        self
    }

    fn from_status(status: Status) -> Self {
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_pointer() {
        assert_eq!(size_of::<Status>(), size_of::<usize>());
        assert_eq!(size_of::<Result<(), Status>>(), size_of::<usize>());
    }

    #[test]
    fn the_edge_forgets_what_only_this_process_knows() {
        let relayed = Status::unavailable("orders is away")
            .with_delivery(Delivery::NeverSent)
            .with_source("connection refused to 10.0.0.7:7000")
            .at_edge();
        assert_eq!(relayed.delivery(), Delivery::Unknown);
        assert_eq!(relayed.origin(), Origin::Remote);
        assert!(relayed.source().is_none());
        assert_eq!(relayed.to_string(), "Unavailable: orders is away");
    }

    #[test]
    fn details_that_are_too_long_are_left_behind_at_the_edge() {
        let detailed = |length| {
            let detail = Detail { type_url: "x/y".into(), value: vec![0; length].into() };
            Status::not_found("no").with_detail(detail).at_edge()
        };
        assert_eq!(detailed(Status::MAX_DETAILS - 64).details().len(), 1);
        let status = detailed(Status::MAX_DETAILS);
        assert!(status.details().is_empty());
        assert_eq!(status.message(), "no (its details, 6159 bytes, are over the limit of 6144)");
    }

    #[test]
    fn a_pushback_is_for_the_client_that_was_refused_alone() {
        let second = Duration::from_secs(1);
        let refused =
            Status::resource_exhausted("full").with_delivery(Delivery::Unprocessed).with_outgoing_pushback(second);
        assert_eq!((refused.incoming_pushback(), refused.outgoing_pushback()), (None, Some(second)));
        let told = refused.received_from_peer();
        assert_eq!((told.incoming_pushback(), told.details().len()), (Some(Pushback::After(second)), 0));
        let relayed = told.at_edge().received_from_peer();
        assert_eq!(
            (relayed.incoming_pushback(), relayed.details().len()),
            (None, 0),
            "of a dependency, to somebody's caller"
        );
        // A handler may say what it likes, and it stays a detail.
        let own =
            Status::resource_exhausted("later").with_detail(Pushback::detail(second)).at_edge().received_from_peer();
        assert_eq!((own.incoming_pushback(), own.details().len()), (None, 1));
    }

    #[test]
    fn metadata_travels_one_hop() {
        let mut metadata = Metadata::default();
        metadata.append("retry-after", "3").unwrap();
        let own = Status::unavailable("later").with_metadata(metadata.clone());
        assert_eq!(own.clone().at_edge().at_edge().metadata(), &metadata, "with layers there are two edges");
        let passed_on = own.received_from_peer();
        assert!(passed_on.clone().at_edge().metadata().is_empty());
        assert_eq!(passed_on.with_metadata(metadata.clone()).at_edge().metadata(), &metadata);
    }
}
