//! What spans of calls on both sides have in common.

use crate::{
    Batch, Payload, PayloadStream, Status, TraceContext,
    rider::{Next, Source},
};
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tracing::{Span, field};

/// Whether calls have spans and what happens beside them is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracing {
    /// They do. Where no subscriber listens, they cost a comparison.
    On,
    /// They do not.
    #[default]
    Off,
}

/// Targets of `tracing`: filters name them, so they do not change.
pub mod target {
    /// Calls that are made here, and connections of clients.
    pub const CLIENT: &str = "rpc::client";
    /// Calls that are handled here, visitors of the port, registration and drain.
    pub const SERVER: &str = "rpc::server";
    /// What the registry in use does and says, on the way to a list of servers or to a record on it.
    pub const REGISTRY: &str = "rpc::registry";
    /// What the configuration was read from, and what in it does not hold.
    pub const CONFIG: &str = "rpc::config";
}

/// Makes the span of one more hop a part of the trace `from`, or of a new one, and says so in the span's fields. None
/// of it for a span that nobody wants.
pub(crate) fn hop(span: &Span, from: Option<TraceContext>) -> Option<TraceContext> {
    if span.is_disabled() {
        return None;
    }
    let own = from.map_or_else(TraceContext::root, TraceContext::child);
    span.record("trace_id", field::display(format_args!("{:032x}", own.trace_id)));
    span.record("span_id", field::display(format_args!("{:016x}", own.span_id)));
    if let Some(parent) = from {
        span.record("parent_span_id", field::display(format_args!("{:016x}", parent.span_id)));
    }
    Some(own)
}

/// Says in a span's fields how its call ended.
pub(crate) fn ended(span: &Span, system: &str, outcome: Result<(), &Status>) {
    let (number, name) = match outcome {
        Ok(()) => (0, "OK"),
        Err(status) => (status.code().number(), status.code().name()),
    };
    span.record("rpc.response.status_code", name);
    if system == "grpc" {
        span.record("rpc.grpc.status_code", number);
    }
    if outcome.is_err() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", name);
    }
}

/// As OpenTelemetry has it: in milliseconds.
pub(crate) fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

/// A stream that is polled, and dropped, inside a span.
pub(crate) struct Entered {
    // `None` once it is dropped.
    inner: Option<PayloadStream>,
    span: Span,
}

impl Entered {
    pub(crate) fn new(inner: PayloadStream, span: Span) -> Self {
        Self { inner: Some(inner), span }
    }
}

impl Source for Entered {
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Next<Payload> {
        let Self { inner, span } = self.get_mut();
        let Some(inner) = inner else { return Poll::Ready(None) };
        span.in_scope(|| Pin::new(inner).poll_next(cx))
    }

    fn poll_batch(self: Pin<&mut Self>, cx: &mut Context<'_>, batch: &mut Batch) -> Next<()> {
        let Self { inner, span } = self.get_mut();
        let Some(inner) = inner else { return Poll::Ready(None) };
        span.in_scope(|| inner.poll_batch(cx, batch))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let inner = self.inner.take();
        self.span.in_scope(|| drop(inner));
    }
}
