//! The seam for TLS: what a byte stream goes through before a protocol is spoken on it.
//!
//! No library is named here. The crate `rpc-tls` stands behind both traits; tests put in what they like.

use crate::{BoxFuture, Io};
use std::{
    error::Error,
    fmt,
    sync::{Arc, OnceLock},
};

/// The server's side of TLS.
pub trait TlsAcceptor: Send + Sync + 'static {
    /// Shakes hands on a byte stream that begins with a client's hello. The caller bounds the time.
    ///
    /// # Errors
    /// Why there is no connection, so that it follows on "a TLS handshake failed: ".
    fn accept(&self, io: Io) -> BoxFuture<'_, Result<Secured, TlsError>>;
}

/// The client's side of TLS.
pub trait TlsConnector: Send + Sync + 'static {
    /// Shakes hands with a server that has to prove that it is `server`: a name, or an IP address. `alpn` is the
    /// protocol that will be spoken, where it has a name for this
    /// ([`Transport::alpn`](crate::transport::Transport::alpn)). The caller bounds the time.
    ///
    /// # Errors
    /// Why there is no connection, and what to do about it.
    fn connect<'a>(
        &'a self,
        io: Io,
        server: &'a str,
        alpn: Option<&'static str>,
    ) -> BoxFuture<'a, Result<Secured, TlsError>>;
}

/// A byte stream that nobody reads along.
#[derive(Debug)]
#[non_exhaustive]
pub struct Secured {
    /// What both sides write and read in the clear. A stream that is cut without TLS saying so ends with an error.
    pub io: Io,
    /// The protocol both sides have agreed on, if the client named any.
    pub alpn: Option<String>,
    /// Who the far end has proved to be, where it has shown a certificate with a name.
    pub identity: Option<Arc<str>>,
    /// What the far end still says of the handshake.
    pub afterthought: Afterthought,
}

impl Secured {
    /// Of a far end that has agreed on nothing and proved nothing.
    pub fn new(io: Io) -> Self {
        Self { io, alpn: None, identity: None, afterthought: Afterthought::default() }
    }

    /// With the protocol both sides have agreed on.
    #[must_use]
    pub fn with_alpn(mut self, alpn: Option<String>) -> Self {
        self.alpn = alpn;
        self
    }

    /// With the name of the far end.
    #[must_use]
    pub fn with_identity(mut self, identity: Option<Arc<str>>) -> Self {
        self.identity = identity;
        self
    }

    /// With a place for what the far end still says.
    #[must_use]
    pub fn with_afterthought(mut self, afterthought: Afterthought) -> Self {
        self.afterthought = afterthought;
        self
    }
}

/// What a server says of a handshake that seemed to be over: in TLS 1.3 it looks at the client's certificate only then,
/// and the client hears of it instead of the answer to its hello.
#[derive(Clone, Debug, Default)]
pub struct Afterthought(Arc<OnceLock<TlsError>>);

impl Afterthought {
    /// The server has refused after all. The first time counts.
    pub fn set(&self, error: TlsError) {
        let _ = self.0.set(error);
    }

    /// What it has said, if it has.
    pub fn heard(&self) -> Option<&TlsError> {
        self.0.get()
    }
}

/// Why a handshake failed.
#[derive(Debug)]
pub struct TlsError {
    message: String,
    kind: TlsErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What a failed handshake means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsErrorKind {
    /// The server speaks TLS, but not the protocol that was asked for; another may do.
    Protocol,
    /// The far end has gone. It may have had no other wish than to see whether the port is open.
    Gone,
    /// Anything else: certificates, versions, no TLS at all. No protocol would fare better.
    Other,
}

impl TlsError {
    /// With a sentence that says what failed, and at a client what to do about it.
    #[cold]
    pub fn new(kind: TlsErrorKind, message: impl Into<String>) -> Self {
        Self { message: message.into(), kind, source: None }
    }

    /// Adds what the library says.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What it means.
    pub fn kind(&self) -> TlsErrorKind {
        self.kind
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Whether a client's connections are encrypted. There is no third: who asks for TLS never speaks plain text instead.
#[derive(Clone, Default)]
pub enum Encryption {
    /// Plain text.
    #[default]
    Off,
    /// TLS.
    Tls {
        /// What shakes hands.
        connector: Arc<dyn TlsConnector>,
        /// The name that every server's certificate has to bear. Without one it is the host of the server's address.
        server_name: Option<String>,
    },
}

impl Encryption {
    /// What it makes of connections.
    pub fn security(&self) -> Security {
        match self {
            Self::Off => Security::Plain,
            Self::Tls { .. } => Security::Tls,
        }
    }
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("Off"),
            Self::Tls { server_name, .. } => {
                f.debug_struct("Tls").field("server_name", server_name).finish_non_exhaustive()
            }
        }
    }
}

/// Whether others can read along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// They can.
    #[default]
    Plain,
    /// It is encrypted.
    Tls,
}
