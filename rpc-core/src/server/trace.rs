//! A span for every call that is handled.

use crate::{
    Code, Layer, Request, Response, Service, Status,
    ending::Ending,
    observer::{
        Tracing,
        span::{Entered, ended, hop, milliseconds},
        target,
    },
};
use futures_util::future::Either;
use tokio::time::Instant;
use tracing::{Instrument, Level, Span, field::Empty};

/// Puts a call into a span by OpenTelemetry's names, which the handler and its stream are polled in, and logs its
/// failure: what only this service can mend as a warning, everything else for those who debug.
///
/// Where no subscriber listens there is neither a span nor a look at the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TraceLayer(pub(crate) Tracing);

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner, tracing: self.0 }
    }
}

/// See [`TraceLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Trace<S> {
    inner: S,
    tracing: Tracing,
}

impl<S: Service> Service for Trace<S> {
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Status>> + Send {
        if self.tracing == Tracing::On && tracing::enabled!(target: target::SERVER, Level::WARN) {
            Either::Right(Box::pin(self.traced(request)))
        } else {
            Either::Left(self.inner.call(request))
        }
    }
}

impl<S: Service> Trace<S> {
    #[cold]
    async fn traced(&self, mut request: Request) -> Result<Response, Status> {
        let (method, system, begun) = (request.method, request.context.transport(), Instant::now());
        let span = span(&request);
        if let Some(own) = hop(&span, request.context.trace()) {
            request.context = request.context.with_trace(own);
        }
        let whole = span.clone();
        let ending = Ending::new(move |outcome| {
            whole.record("rpc.server.duration", milliseconds(begun.elapsed()));
            ended(&whole, system, outcome);
            whole.in_scope(|| outcome.unwrap_or_else(|status| failed(method.path, status)));
        });
        let result = self.inner.call(request).instrument(span.clone()).await;
        ending.watch(result.map(|response| Response {
            body: response.body.map_source(|stream| Entered::new(stream, span)),
            ..response
        }))
    }
}

fn span(request: &Request) -> Span {
    let (method, peer) = (request.method, request.context.peer());
    let address = peer.and_then(|peer| peer.address.as_ref());
    // What is current on a connection's task is the protocol's own affair. Inside the process it is the caller's span.
    let parent = if address.is_none() { Span::current().id() } else { None };
    tracing::info_span!(
        target: target::SERVER,
        parent: parent,
        "rpc.server",
        otel.name = &method.path[1..],
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = request.context.transport(),
        rpc.service = method.service,
        rpc.method = method.name,
        rpc.grpc.status_code = Empty,
        rpc.response.status_code = Empty,
        rpc.server.duration = Empty,
        error.type = Empty,
        network.peer.address = address.map(tracing::field::display),
        trace_id = Empty,
        span_id = Empty,
        parent_span_id = Empty,
    )
}

#[cold]
fn failed(path: &'static str, status: &Status) {
    match status.code() {
        Code::Internal | Code::Unknown | Code::DataLoss => {
            tracing::warn!(target: target::SERVER, method = path, error = %status, "a call failed");
        }
        _ => tracing::debug!(target: target::SERVER, method = path, error = %status, "a call failed"),
    }
}
