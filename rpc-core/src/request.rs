//! A call and its answer.

use crate::{
    Body, Context, Metadata, Method,
    client::{Hedge, Journey},
};
use std::sync::Arc;
use tokio::time::Instant;

/// A call on its way: which method, in what circumstances, with what.
#[derive(Debug)]
pub struct Request {
    /// The method called.
    pub method: &'static Method,
    /// Deadline, metadata, trace, call id.
    pub context: Context,
    /// What this process's client stack should know to route the call. Never travels.
    pub hints: Hints,
    /// The message or the stream of messages.
    pub body: Body,
}

/// The answer to a call.
#[derive(Debug)]
pub struct Response {
    /// What the server says beside the message.
    pub metadata: Metadata,
    /// The message or the stream of messages.
    pub body: Body,
}

/// What the client stack is told about routing one call.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Hints {
    /// Which wires the call may take.
    pub transports: Transports,
    /// The hash of the `#[rpc(key)]` argument. Calls with the same go to the same server while it is well and has no
    /// more than 1.25 times its share of the calls.
    pub key: Option<u64>,
    /// When a stream must have begun; once it has, only the deadline of the context bounds it.
    pub opening: Option<Instant>,
    /// When the call is made a second time beside the first, if somebody has said so.
    pub(crate) hedge: Option<Arc<Hedge>>,
    /// What the call has been through, for the layers of the client.
    pub(crate) journey: Option<Arc<Journey>>,
}

/// Which wires a call may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transports {
    /// The fastest that both sides speak, falling back when it is refused.
    #[default]
    Auto,
    /// This one and no other, by its name: `"grpc"`, `"tarpc"`.
    Only(&'static str),
}

impl Request {
    /// A request without hints.
    pub fn new(method: &'static Method, context: Context, body: Body) -> Self {
        Self { method, context, hints: Hints::default(), body }
    }

    /// The same request once more, if its body can be had twice: a message can, a stream cannot.
    pub fn try_clone(&self) -> Option<Self> {
        Some(Self {
            method: self.method,
            context: self.context.clone(),
            hints: self.hints.clone(),
            body: self.body.try_clone()?,
        })
    }
}

impl Response {
    /// An answer without metadata.
    pub fn new(body: Body) -> Self {
        Self { metadata: Metadata::default(), body }
    }
}
