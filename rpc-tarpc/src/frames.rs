//! For who wants to use tarpc itself on this wire: its own client functions over our frames reach any of our ports.
//!
//! ```no_run
//! # async fn example(method: &'static rpc_core::Method, payload: rpc_core::Payload) -> Result<(), Box<dyn std::error::Error>> {
//! use rpc_core::{Context, Io, transport::ConnectTarget};
//! use rpc_tarpc::frames::{Req, dial};
//!
//! let io = Io::new(tokio::net::TcpStream::connect("127.0.0.1:7000").await?);
//! let frames = dial(io, &ConnectTarget::new("127.0.0.1:7000")).await?;
//! let new = tarpc::client::new(tarpc::client::Config::default(), frames);
//! let tasks = rpc_core::Tasks::owner();
//! tasks.spawn(async move { drop(new.dispatch.await) });
//! let request = Req::unary(method, Context::default(), payload);
//! let response = new.client.call(tarpc::context::current(), request).await?;
//! # drop(response);
//! # Ok(())
//! # }
//! ```

pub use crate::message::{Call, Pull, Push, Req, Resp, StreamEnd};

use crate::{
    client::{self, ClientEnd},
    wire::Wire,
};
use futures_core::Stream;
use futures_sink::Sink;
use rpc_core::{Io, Status, framed::Link, transport::ConnectTarget};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};
use tarpc::{ClientMessage, Response};

/// Says hello on a byte stream; what comes of it is what `tarpc::client::new` takes.
///
/// # Errors
/// As for [`Transport::connect`](rpc_core::transport::Transport::connect).
pub async fn dial(mut io: Io, target: &ConnectTarget) -> Result<ClientFrames, Status> {
    let (end, _) = client::open(&mut io, target).await?;
    Ok(ClientFrames(Wire::new(io, end, Link::new(), target.limits)))
}

/// A transport for tarpc's client.
#[derive(Debug)]
pub struct ClientFrames(Wire<ClientEnd>);

impl Stream for ClientFrames {
    type Item = Result<Response<Resp>, WireError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}

impl Sink<ClientMessage<Req>> for ClientFrames {
    type Error = WireError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        Pin::new(&mut self.0).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, item: ClientMessage<Req>) -> Result<(), WireError> {
        Pin::new(&mut self.0).start_send(item)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

/// Why a connection, or one request on it, failed.
#[derive(Clone, Debug)]
pub struct WireError(pub(crate) Status);

impl WireError {
    /// What a call that fails of it ends with.
    pub fn status(&self) -> &Status {
        &self.0
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message())
    }
}

impl std::error::Error for WireError {}
