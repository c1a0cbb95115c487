//! The service under test, made by the macro as a user would.

mod bench;

pub use bench::{Bench, signature};

use rpc::Status;
use rpc::prelude::*;
use std::{collections::BTreeMap, time::Duration};

/// A message with something of everything in it.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Parcel {
    /// A text.
    pub label: String,
    /// Bytes.
    pub content: Vec<u8>,
    /// Presence.
    pub note: Option<String>,
    /// A map.
    pub stamps: BTreeMap<String, u32>,
    /// Messages in a message.
    pub inside: Vec<Parcel>,
    /// A span of time.
    pub delay: Duration,
    /// A signed number.
    pub weight: i64,
}

/// What a handler sees of the call beside its arguments.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Circumstances {
    /// What is left until the deadline.
    pub remaining: Option<Duration>,
    /// The metadata, in order.
    pub metadata: Vec<Pair>,
    /// The baggage, in order.
    pub baggage: Vec<Pair>,
    /// The trace, as `traceparent`; its trace id only, for every hop has a span of its own.
    pub trace: Option<String>,
    /// The call id.
    pub call_id: Option<String>,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The wire on which it came.
    pub transport: Option<String>,
    /// How urgent it is.
    pub priority: String,
}

/// One entry of metadata.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Pair {
    /// The key.
    pub key: String,
    /// A text value.
    pub text: Option<String>,
    /// A binary value.
    pub bytes: Option<Vec<u8>>,
}

/// What came of a stream of numbers.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How many there were.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// How many were not one more than the one before.
    pub jumps: u64,
}

/// How a stream ends behind its items.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Well.
    Clean,
    /// With an error that carries fields.
    Burst,
    /// With an error that carries none.
    Empty,
    /// With a status that has a detail.
    Refused,
    /// With a panic.
    Panic,
    /// With an error before it has begun.
    Never,
}

/// What may go wrong in the laboratory.
#[derive(RpcError, thiserror::Error, Debug)]
pub enum LabError {
    /// Carries fields of its own.
    #[error("vessel {vessel} burst at {degrees} degrees")]
    #[rpc(code = FailedPrecondition)]
    Burst {
        /// Which.
        vessel: String,
        /// When.
        degrees: i64,
    },
    /// Carries none.
    #[error("out of reagents")]
    #[rpc(code = ResourceExhausted)]
    Empty,
    /// Whatever the wire did.
    #[error(transparent)]
    Rpc(#[from] Status),
}

/// A service that does on demand what services do.
#[rpc_service(package = "conformance.v1")]
pub trait Lab {
    /// Gives a text back.
    async fn echo(&self, text: String) -> Result<String, Status>;

    /// Gives a message back.
    async fn carry(&self, parcel: Parcel, times: u32) -> Result<Parcel, Status>;

    /// Fails in the way that is asked for.
    async fn fail(&self, burst: bool, vessel: String, degrees: i64) -> Result<u64, LabError>;

    /// Fails with this code, this message and a detail of these bytes.
    async fn refuse(&self, code: u32, message: String, detail: Vec<u8>) -> Result<(), Status>;

    /// Panics.
    async fn explode(&self) -> Result<(), Status>;

    /// Tells what the handler sees.
    #[rpc(idempotent)]
    async fn reflect(&self) -> Result<Circumstances, Status>;

    /// Does a job that must not be done twice: waits while handlers are held, ends whatever its caller does.
    async fn write(&self, job: u64) -> Result<u64, Status>;

    /// Does a job that may be done twice: waits while handlers are held.
    #[rpc(idempotent)]
    async fn read(&self, job: u64) -> Result<u64, Status>;

    /// Does a job that must not be done twice, and takes its time.
    async fn labour(&self, job: u64, takes: Duration) -> Result<u64, Status>;

    /// Does a job that may be done twice, and takes its time.
    #[rpc(idempotent)]
    async fn study(&self, job: u64, takes: Duration) -> Result<u64, Status>;

    /// Asks the next laboratory to [`reflect`](Self::reflect).
    async fn relay_reflect(&self) -> Result<Circumstances, Status>;

    /// Has the next laboratory [`write`](Self::write) the job, having noted it here, and passes on its failure.
    async fn relay_write(&self, job: u64) -> Result<u64, Status>;

    /// Counts from 1 to `last`, one item each.
    async fn count(&self, last: u64) -> Result<Streaming<u64>, Status>;

    /// Counts from 1 to `last`, and says so in metadata behind the last item, with as many entries more as there is
    /// room for or `entries` says.
    async fn sign(&self, last: u64, entries: u32) -> Result<Streaming<u64>, Status>;

    /// Adds up what it is sent, as job 0.
    async fn gather(&self, numbers: Streaming<u64>) -> Result<Tally, Status>;

    /// Answers each number with the next one.
    async fn converse(&self, numbers: Streaming<u64>) -> Result<Streaming<u64, LabError>, LabError>;

    /// Counts from 1 to `last`, and ends as is asked for.
    async fn leak(&self, last: u64, ending: Ending) -> Result<Streaming<u64, LabError>, LabError>;

    /// Counts from 1 to `last`, each item waiting while handlers are held. The stream is the job.
    async fn watch(&self, job: u64, last: u64) -> Result<Streaming<u64>, Status>;

    /// The same, but that it waits before the stream begins.
    async fn dawdle(&self, job: u64, last: u64) -> Result<Streaming<u64>, Status>;

    /// Takes the first number for its job and reads as many more as the second says; leaves the rest, and waits while
    /// handlers are held. Answers with how many it has read in all.
    async fn sip(&self, numbers: Streaming<u64>) -> Result<u64, Status>;

    /// Tells what is seen in the stream of replies itself, and then what a nested call is seen with that is made there.
    async fn reflect_streaming(&self) -> Result<Streaming<Circumstances>, Status>;

    /// Counts from 1 to `last` in a task of the call, which is the job: it notes what it sees, and what a nested call
    /// is seen with that is made there, and waits before each item while handlers are held. In the end it panics, if
    /// asked to.
    async fn fork(&self, job: u64, last: u64, panic: bool) -> Result<Streaming<u64>, Status>;

    /// Starts a task that never ends, as the job, and a detached one that waits while handlers are held, as the next
    /// job.
    async fn leave_behind(&self, job: u64) -> Result<u64, Status>;

    /// Streams to the next laboratory's [`gather`](Self::gather), and tells what is seen where the numbers are made.
    async fn relay_upload(&self) -> Result<Circumstances, Status>;

    /// One number, and then nothing until the server is about to leave; then it ends as unavailable, by its own hand.
    async fn linger(&self) -> Result<Streaming<u64>, Status>;

    /// Passes on, unread, what the next laboratory counts.
    async fn relay_count(&self, last: u64) -> Result<Streaming<u64>, Status>;

    /// Passes on, unread, what the next laboratory signs, or how it refuses.
    async fn relay_sign(&self, last: u64, refuse: bool) -> Result<Streaming<u64>, Status>;

    /// Passes on, unread, what the next laboratory is to gather.
    async fn relay_gather(&self, numbers: Streaming<u64>) -> Result<Tally, Status>;

    /// Tells what is left until the deadline here, then, from inside the stream, what the next laboratory tells; the
    /// last one waits while handlers are held. The stream is the job.
    async fn descend(&self, job: u64) -> Result<Streaming<Duration>, Status>;
}

/// The type of the detail that [`Lab::refuse`] sends.
pub const DETAIL: &str = "type.googleapis.com/conformance.v1.Detail";

impl Circumstances {
    /// Those of the call that is handled here.
    pub fn current() -> Self {
        let context = Context::current();
        Self {
            remaining: context.remaining(),
            metadata: pairs(context.metadata()),
            baggage: pairs(context.baggage()),
            trace: context.trace().map(|trace| format!("{:032x}", trace.trace_id)),
            call_id: context.call_id().map(|id| id.to_string()),
            attempt: context.attempt(),
            transport: context.peer().map(|peer| peer.transport.to_owned()),
            priority: context.priority().to_string(),
        }
    }
}

impl Circumstances {
    /// In one line: the trace, the first entry of baggage, and how many milliseconds are left.
    pub fn summary(&self) -> String {
        let tenant = self.baggage.first().and_then(|pair| pair.text.as_deref());
        let left = self.remaining.map(|left| left.as_millis());
        format!("{} {} {left:?}", self.trace.as_deref().unwrap_or("none"), tenant.unwrap_or("none"))
    }
}

/// Metadata as a message.
pub fn pairs(metadata: &rpc::Metadata) -> Vec<Pair> {
    let pair = |(key, value): (&str, &rpc_core::Value)| match value {
        rpc_core::Value::Text(text) => Pair { key: key.to_owned(), text: Some(text.to_string()), bytes: None },
        rpc_core::Value::Binary(bytes) => Pair { key: key.to_owned(), text: None, bytes: Some(bytes.to_vec()) },
    };
    metadata.iter().map(pair).collect()
}
