//! The server's end of a connection.

use crate::{executor::Executor, handle, headers};
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rpc_core::{
    Io, Peer, Tasks,
    transport::{ConnectionInfo, Drain, DrainPhase, Limits, Routes},
};
use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often a silent client is asked whether it is there; it is the only thing that ends a connection whose client
/// lost its power.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long it may take to answer.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the last answers may take to leave once the server has stopped. Less than what the port allows.
const FAREWELL: Duration = Duration::from_millis(250);

/// What the calls on one connection share.
pub(crate) struct Shared {
    pub(crate) routes: Routes,
    pub(crate) peer: Peer,
    pub(crate) limits: Limits,
    /// The id of this process's instance, if it has one.
    pub(crate) instance: Option<String>,
    /// Set when the calls that are left are to be ended.
    pub(crate) stopped: CancellationToken,
}

/// Becomes the server on a byte stream, until the stream or the drain ends.
pub(crate) async fn serve(io: Io, info: ConnectionInfo, routes: Routes, tasks: Tasks, mut drain: Drain) {
    let stopped = CancellationToken::new();
    let shared = Arc::new(Shared {
        routes,
        peer: Peer::new("grpc", info.peer),
        limits: info.limits,
        instance: info.instance,
        stopped: stopped.clone(),
    });
    let service = service_fn(move |request| {
        let shared = shared.clone();
        // Boxed: hyper moves it into a task, and what it holds across awaits is some kilobytes.
        Box::pin(async move { Ok::<_, Infallible>(handle::handle(&shared, request).await) })
    });
    let mut connection = pin!(
        http2::Builder::new(Executor::new(&tasks))
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .max_concurrent_streams(u32::try_from(info.limits.max_concurrent_calls).unwrap_or(u32::MAX))
            // By default the 21st stream that a client opens and resets in one go is an attack, and the end of all calls
            // on the connection; a caller that drops a few dozen futures at once does just that. As many as may be open
            // are as good a bound.
            .max_pending_accept_reset_streams(info.limits.max_concurrent_calls)
            .max_header_list_size(headers::MAX_HEADER_LIST)
            .auto_date_header(false)
            .serve_connection(TokioIo::new(io), service)
    );
    tokio::select! {
        ended = connection.as_mut() => return farewell(ended),
        () = drain.reached(DrainPhase::Draining) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        ended = connection.as_mut() => return farewell(ended),
        () = drain.reached(DrainPhase::Stopped) => stopped.cancel(),
    }
    if let Ok(ended) = tokio::time::timeout(FAREWELL, connection).await {
        farewell(ended);
    }
}

fn farewell(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP/2 connection broke");
    }
}
