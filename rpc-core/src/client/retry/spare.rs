//! What is kept of a call while an attempt is made.

use crate::{Body, CallId, Context, Hints, Method, Payload, Request, client::Journey, loan::Loan};
use std::sync::Arc;

/// What is kept of a call while an attempt is made, so that another can be.
pub(super) struct Spare {
    method: &'static Method,
    context: Context,
    hints: Hints,
    body: Kept,
}

enum Kept {
    Message(Payload),
    /// To be had back while nothing was taken from it.
    Stream(Loan),
}

impl Spare {
    /// Of a call that is about to be sent.
    pub(super) fn of(request: &mut Request) -> Self {
        let body = match &mut request.body {
            Body::Message(payload) => Kept::Message(payload.clone()),
            Body::Stream(stream) => Kept::Stream(stream.lend()),
        };
        Self { method: request.method, context: request.context.clone(), hints: request.hints.clone(), body }
    }

    pub(super) fn method(&self) -> &'static Method {
        self.method
    }

    /// Which attempt the call is.
    pub(super) fn attempt(&self) -> u32 {
        self.context.attempt()
    }

    /// The same call, for an attempt beside the one that is being made; `None` when the client streams.
    pub(super) fn beside(&self, attempt: u32, journey: Arc<Journey>) -> Option<Request> {
        let Kept::Message(payload) = &self.body else { return None };
        let id = self.context.call_id().unwrap_or_else(CallId::random);
        let hints = Hints { journey: Some(journey), ..self.hints.clone() };
        let context = self.context.clone().with_attempt(id, attempt);
        Some(Request { method: self.method, context, hints, body: Body::Message(payload.clone()) })
    }

    /// The call once more; `None` when the client streams and its first item was taken.
    pub(super) fn request(self) -> Option<Request> {
        let Self { method, context, hints, body } = self;
        let body = match body {
            Kept::Message(payload) => Body::Message(payload),
            Kept::Stream(loan) => Body::Stream(loan.recall()?),
        };
        Some(Request { method, context, hints, body })
    }
}
