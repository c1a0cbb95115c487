//! The service under test, made by the macro as a user would.

use crate::ledger::Ledger;
use rpc::prelude::*;
use rpc::{Code, Detail, Status};
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

    /// Asks the next laboratory to [`reflect`](Self::reflect).
    async fn relay_reflect(&self) -> Result<Circumstances, Status>;

    /// Has the next laboratory [`write`](Self::write) the job, having noted it here, and passes on its failure.
    async fn relay_write(&self, job: u64) -> Result<u64, Status>;

    /// Counts from 1 to `last`, one item each.
    async fn count(&self, last: u64) -> Result<Streaming<u64>, Status>;
}

/// The laboratory: what its handlers remember, and the next one, if calls are relayed.
#[derive(Clone, Debug, Default)]
pub struct Bench {
    /// What the handlers remember.
    pub ledger: Ledger,
    /// Where relayed calls go.
    pub next: Option<LabClient>,
}

impl Bench {
    /// One that relays to `next`.
    pub fn relaying_to(next: LabClient) -> Self {
        Self { ledger: Ledger::default(), next: Some(next) }
    }

    fn next(&self) -> Result<&LabClient, Status> {
        self.next.as_ref().ok_or_else(|| Status::internal("this laboratory relays to nobody"))
    }
}

impl Lab for Bench {
    async fn echo(&self, text: String) -> Result<String, Status> {
        Ok(text)
    }

    async fn carry(&self, parcel: Parcel, times: u32) -> Result<Parcel, Status> {
        let inside = (0..times).map(|_| parcel.clone()).collect();
        Ok(Parcel { inside, ..parcel })
    }

    async fn fail(&self, burst: bool, vessel: String, degrees: i64) -> Result<u64, LabError> {
        Err(if burst { LabError::Burst { vessel, degrees } } else { LabError::Empty })
    }

    async fn refuse(&self, code: u32, message: String, detail: Vec<u8>) -> Result<(), Status> {
        let code = u8::try_from(code).ok().and_then(Code::from_number);
        let code = code.ok_or_else(|| Status::internal("the test asked for a code that does not exist"))?;
        Err(Status::new(code, message)
            .with_detail(Detail { type_url: DETAIL.into(), value: detail.into() })
            .with_source("a secret of the server"))
    }

    async fn explode(&self) -> Result<(), Status> {
        panic!("on purpose")
    }

    async fn reflect(&self) -> Result<Circumstances, Status> {
        Ok(Circumstances::current())
    }

    async fn write(&self, job: u64) -> Result<u64, Status> {
        let visit = self.ledger.enter(job);
        let context = Context::current();
        tokio::select! {
            biased;
            () = self.ledger.pass() => {}
            () = context.cancelled() => visit.saw_cancellation(),
        }
        self.ledger.pass().await;
        visit.end();
        Ok(job)
    }

    async fn read(&self, job: u64) -> Result<u64, Status> {
        let visit = self.ledger.enter(job);
        self.ledger.pass().await;
        visit.end();
        Ok(job)
    }

    async fn relay_reflect(&self) -> Result<Circumstances, Status> {
        self.next()?.reflect().await
    }

    async fn relay_write(&self, job: u64) -> Result<u64, Status> {
        let visit = self.ledger.enter(job);
        let outcome = self.next()?.write(job).await;
        visit.end();
        outcome
    }

    async fn count(&self, last: u64) -> Result<Streaming<u64>, Status> {
        Ok(Streaming::from_iter(1..=last))
    }
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
        }
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
