//! The server's end of a connection.

use crate::{TARGET, authority::Renamed, frames, handle, headers, keep_alive, late, shared::Shared};
use bytes::Bytes;
use h2::{RecvStream, server};
use rpc_core::{
    Address, Io, Peer, Tasks,
    transport::{ConnectionInfo, Drain, DrainPhase, Routes},
};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often a client is asked whether it is there; it is the only thing that ends a connection whose client lost its
/// power.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long it may take to answer.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the first answer may take, which whoever has sent a preface and nothing else does not give.
const GREETING: Duration = Duration::from_secs(10);
/// How long the last answers may take to leave once the server has stopped. Less than what the port allows.
const FAREWELL: Duration = Duration::from_millis(250);

type Connection = server::Connection<Io, Bytes>;
type Call = (http::Request<RecvStream>, server::SendResponse<Bytes>);

/// Becomes the server on a byte stream, until the stream or the drain ends.
pub(crate) async fn serve(io: Io, info: ConnectionInfo, routes: Routes, tasks: Tasks, drain: Drain) {
    let io = match info.local {
        Some(Address::Unix(_)) => Io::new(Renamed::new(io)),
        _ => io,
    };
    let handshake = server::Builder::new()
        .initial_window_size(frames::STREAM_WINDOW)
        .initial_connection_window_size(frames::CONNECTION_WINDOW)
        .max_concurrent_streams(u32::try_from(info.limits.max_concurrent_calls).unwrap_or(u32::MAX))
        // By default the 21st stream that a client opens and resets in one go is an attack, and the end of all calls on
        // the connection; a caller that drops a few dozen futures at once does just that. As many as may be open are as
        // good a bound.
        .max_pending_accept_reset_streams(info.limits.max_concurrent_calls)
        .max_concurrent_reset_streams(late::remembered(info.limits.max_concurrent_calls))
        .reset_stream_duration(late::REMEMBERED_FOR)
        .max_local_error_reset_streams(Some(late::forgiven(info.limits.max_concurrent_calls)))
        .max_header_list_size(headers::MAX_HEADER_LIST)
        .handshake(io);
    let mut stopping = drain.clone();
    let mut connection = tokio::select! {
        connection = handshake => match connection {
            Ok(connection) => connection,
            Err(error) => return tracing::debug!(target: TARGET, %error, "an HTTP/2 connection did not come about"),
        },
        () = stopping.reached(DrainPhase::Stopped) => return,
    };
    let stopped = CancellationToken::new();
    let shared = Arc::new(Shared {
        routes,
        peer: Arc::new(Peer::new("grpc", info.peer).with_identity(info.identity)),
        limits: info.limits,
        instance: info.instance,
        stopped: stopped.clone(),
    });
    let Some(mut ping) = connection.ping_pong() else { return };
    // It ends with its stream, and that with the connection, which is a task that can be stopped.
    // In a box: a task is moved several times, and this one is some kilobytes.
    let begin = move |(request, respond): Call| {
        tasks.spawn_call(Box::pin(handle::handle(shared.clone(), request, respond)));
    };
    let silent = async {
        if keep_alive::answers(&mut ping, GREETING).await {
            keep_alive::lost(ping, KEEP_ALIVE, KEEP_ALIVE_TIMEOUT, || true).await;
        }
    };
    tokio::select! {
        biased;
        () = accept(&mut connection, drain, stopped, begin) => {}
        () = silent => tracing::debug!(target: TARGET, "a client does not answer; its connection is closed"),
    }
}

/// Takes calls until the connection or the drain ends.
async fn accept(connection: &mut Connection, mut drain: Drain, stopped: CancellationToken, begin: impl Fn(Call)) {
    let mut stopping = drain.clone();
    if !accept_until(connection, drain.reached(DrainPhase::Draining), &begin).await {
        return;
    }
    // GOAWAY. Until the client has seen it, calls still come, and are taken.
    connection.graceful_shutdown();
    if !accept_until(connection, stopping.reached(DrainPhase::Stopped), &begin).await {
        return;
    }
    stopped.cancel();
    accept_until(connection, tokio::time::sleep(FAREWELL), &begin).await;
}

/// Takes calls until the `end`. False if the connection has ended before.
async fn accept_until(connection: &mut Connection, end: impl Future<Output = ()>, begin: &impl Fn(Call)) -> bool {
    let mut end = pin!(end);
    loop {
        tokio::select! {
            biased;
            accepted = next(connection) => match accepted {
                Some(call) => begin(call),
                None => return false,
            },
            () = &mut end => return true,
        }
    }
}

/// The next call; `None` at the end of the connection. Moves all bytes meanwhile.
async fn next(connection: &mut Connection) -> Option<Call> {
    match connection.accept().await? {
        Ok(call) => Some(call),
        Err(error) => {
            tracing::debug!(target: TARGET, %error, "an HTTP/2 connection broke");
            None
        }
    }
}
