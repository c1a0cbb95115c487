//! The client's end of a connection: from a byte stream to a [`Connection`].

use crate::{
    caller::Caller,
    frames, headers, keep_alive,
    watched::{FrameHeads, Pulse, Watched, advance},
};
use bytes::Bytes;
use h2::client;
use http::{
    HeaderValue,
    uri::{Authority, Scheme},
};
use rpc_core::{
    Delivery, Io, Service, Status, Tasks,
    tls::Security,
    transport::{ConnectTarget, Connection, ConnectionState, ProtocolRefused},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{oneshot, watch};

/// How often a silent server is asked whether it is there while calls wait for it.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// The same for a server that may be of another framework: what those allow without being told otherwise, and a little.
const KEEP_ALIVE_STRANGER: Duration = Duration::from_secs(310);
/// How long it may take to answer.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How many streams that were cancelled here are remembered, so that what still comes for them does no harm.
const REMEMBERED_RESETS: usize = 1024;
/// How many calls are sent before the server has said how many it takes.
const FIRST_CALLS: usize = 100;

/// Becomes the client on a byte stream. Returns when the server has shown that it speaks HTTP/2: what is written to
/// something else is lost in a way that nobody can tell from a call that was made.
pub(crate) async fn connect(
    io: Io,
    target: ConnectTarget,
    tasks: Tasks,
    keep_alive: Option<Duration>,
) -> Result<Connection, Status> {
    let authority = authority(&target)?;
    let instance = target.instance.as_deref().and_then(|id| HeaderValue::from_str(id).ok());
    let default = if instance.is_some() { KEEP_ALIVE } else { KEEP_ALIVE_STRANGER };
    let (sender, state) = watch::channel(ConnectionState::Open);
    let (greeting, greeted) = oneshot::channel();
    let pulse = Arc::<Pulse>::default();
    let (requests, connection) = client::Builder::new()
        .initial_window_size(frames::STREAM_WINDOW)
        .initial_connection_window_size(frames::CONNECTION_WINDOW)
        .initial_max_send_streams(FIRST_CALLS)
        .max_header_list_size(headers::MAX_HEADER_LIST)
        .max_concurrent_reset_streams(REMEMBERED_RESETS)
        .enable_push(false)
        .handshake(Watched::new(io, sender.clone(), greeting, pulse.clone()))
        .await
        .map_err(|error| refused("the server closed the connection at once").with_source(error))?;
    tasks.spawn(drive(connection, sender, pulse.clone(), keep_alive.unwrap_or(default)));
    match greeted.await {
        Ok(FrameHeads::SETTINGS) => {}
        Ok(_) => {
            let sentence = "the server does not speak HTTP/2: it answered with something else";
            return Err(ProtocolRefused::new(sentence).into_status());
        }
        Err(_) => return Err(refused("the server closed the connection before it said anything")),
    }
    let caller = Caller {
        requests,
        scheme: scheme(target.security),
        authority,
        instance,
        max_message: target.limits.max_message,
        state: state.clone(),
        pulse,
        tasks: tasks.handle(),
    };
    Ok(Connection { service: caller.boxed(), state })
}

/// Moves bytes until the connection ends, or its server turns out to be gone.
async fn drive(
    mut connection: client::Connection<Watched, Bytes>,
    state: watch::Sender<ConnectionState>,
    pulse: Arc<Pulse>,
    interval: Duration,
) {
    let Some(ping) = connection.ping_pong() else { return };
    let ended = tokio::select! {
        biased;
        ended = connection => ended,
        () = keep_alive::lost(ping, interval, KEEP_ALIVE_TIMEOUT, || pulse.is_waiting()) => {
            tracing::warn!("a server that calls wait for has not answered for {KEEP_ALIVE_TIMEOUT:?}; it is given up");
            Ok(())
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP/2 connection broke");
    }
    advance(&state, ConnectionState::Closed);
}

fn scheme(security: Security) -> Scheme {
    match security {
        Security::Plain => Scheme::HTTP,
        Security::Tls => Scheme::HTTPS,
    }
}

fn authority(target: &ConnectTarget) -> Result<Authority, Status> {
    if target.authority.starts_with("unix:") || target.authority.is_empty() {
        // A path is no authority; this is what others send over a Unix socket.
        return Ok(Authority::from_static("localhost"));
    }
    target.authority.parse().map_err(|_| refused("the server's name cannot stand in `:authority`"))
}

#[cold]
fn refused(message: &'static str) -> Status {
    Status::unavailable(message).with_delivery(Delivery::NeverSent)
}
