//! A span for every call that is made.

use crate::{
    Layer, Request, Response, Service, Status,
    client::Journey,
    ending::Ending,
    observer::{
        Tracing,
        span::{ended, hop, milliseconds},
        target,
    },
};
use futures_util::future::Either;
use tracing::{Instrument, Level, Span, field::Empty};

/// Puts a call, all its attempts, into a span by OpenTelemetry's names, and passes the trace on to the server.
///
/// Where no subscriber listens there is no span, and a trace that comes from upstream is passed on as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TraceLayer {
    pub(crate) tracing: Tracing,
    /// The wire, where it does not depend on the server that is found.
    pub(crate) system: Option<&'static str>,
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner, layer: *self }
    }
}

/// See [`TraceLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Trace<S> {
    inner: S,
    layer: TraceLayer,
}

impl<S: Service> Service for Trace<S> {
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Status>> + Send {
        if self.layer.tracing == Tracing::On && tracing::enabled!(target: target::CLIENT, Level::INFO) {
            Either::Right(Box::pin(self.traced(request)))
        } else {
            Either::Left(self.inner.call(request))
        }
    }
}

impl<S: Service> Trace<S> {
    #[cold]
    async fn traced(&self, mut request: Request) -> Result<Response, Status> {
        let (method, journey, system) = (request.method, Journey::of(&mut request), self.layer.system);
        let span = span(&request);
        if let Some(own) = hop(&span, request.context.trace()) {
            request.context = request.context.with_trace(own);
        }
        let whole = span.clone();
        let ending = Ending::new(move |outcome| {
            whole.record("rpc.client.duration", milliseconds(journey.started().elapsed()));
            whole.record("rpc.attempts", journey.attempts());
            journey.hedge().map(|end| whole.record("rpc.hedge", end));
            let system = match journey.destination() {
                Some((address, transport)) => {
                    whole.record("server.address", &*address.host());
                    address.port().map(|port| whole.record("server.port", port));
                    transport
                }
                None => system.unwrap_or_default(),
            };
            if !system.is_empty() {
                whole.record("rpc.system", system);
            }
            ended(&whole, system, outcome);
            if let Err(status) = outcome {
                whole.in_scope(|| {
                    tracing::debug!(target: target::CLIENT, method = method.path, error = %status, "a call failed");
                });
            }
        });
        ending.watch(self.inner.call(request).instrument(span).await)
    }
}

fn span(request: &Request) -> Span {
    let method = request.method;
    tracing::info_span!(
        target: target::CLIENT,
        "rpc.client",
        otel.name = &method.path[1..],
        otel.kind = "client",
        otel.status_code = Empty,
        rpc.system = Empty,
        rpc.service = method.service,
        rpc.method = method.name,
        rpc.attempts = Empty,
        rpc.hedge = Empty,
        rpc.grpc.status_code = Empty,
        rpc.response.status_code = Empty,
        rpc.client.duration = Empty,
        error.type = Empty,
        server.address = Empty,
        server.port = Empty,
        trace_id = Empty,
        span_id = Empty,
        parent_span_id = Empty,
    )
}
