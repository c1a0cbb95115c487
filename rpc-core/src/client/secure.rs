//! TLS between a byte stream and a protocol's hello.

use crate::{
    Address, Delivery, Io, Status,
    client::dial::{Dial, Failure},
    io::Overheard,
    notices::Notices,
    observer::target,
    registry::ServiceName,
    tls::{Afterthought, Encryption, TlsError, TlsErrorKind},
    transport::ProtocolRefused,
};
use tokio::time::{Instant, timeout_at};

/// What the lines to all servers of a service have to be: plain text, or TLS with a server that has proved who it is.
pub(crate) struct Lines {
    service: ServiceName,
    encryption: Encryption,
    notices: Notices,
}

/// A byte stream on which a protocol can be spoken.
pub(crate) struct Line {
    pub(crate) io: Io,
    pub(crate) doubt: Doubt,
}

/// Why a hello on it may fail for a reason that lies below it.
pub(crate) enum Doubt {
    /// The server answers plain text with TLS.
    Plain(Overheard),
    /// The server has not liked what this side showed.
    Tls(Afterthought),
}

impl Lines {
    pub(crate) fn new(service: ServiceName, encryption: Encryption) -> Self {
        Self { service, encryption, notices: Notices::default() }
    }

    pub(crate) fn encryption(&self) -> &Encryption {
        &self.encryption
    }

    /// Makes such a line of a byte stream to a server.
    pub(crate) async fn open(&self, dial: &Dial, mut io: Io, limit: Instant) -> Result<Line, Failure> {
        let Encryption::Tls { connector, server_name } = &self.encryption else {
            let doubt = Doubt::Plain(io.overhear());
            return Ok(Line { io, doubt });
        };
        let host = host(&dial.address);
        let server = server_name.as_deref().unwrap_or(&host);
        match timeout_at(limit, connector.connect(io, server, dial.transport.alpn())).await {
            Ok(Ok(secured)) => Ok(Line { io: secured.io, doubt: Doubt::Tls(secured.afterthought) }),
            Ok(Err(error)) if error.kind() == TlsErrorKind::Protocol => {
                Err(Failure::Hello(ProtocolRefused::new(error.to_string()).into_status()))
            }
            Ok(Err(error)) => Err(Failure::Unreachable(self.tls_failed(&dial.address, &error))),
            Err(_) => Err(Failure::Unreachable(Status::unavailable("the TLS handshake was not over in time"))),
        }
    }

    /// What to call a server.
    pub(crate) fn authority(&self, address: &Address) -> String {
        match &self.encryption {
            Encryption::Tls { server_name: Some(name), .. } => name.clone(),
            _ => address.to_string(),
        }
    }

    /// What it means that a server speaks TLS.
    #[cold]
    fn speaks_tls(&self, address: &Address) -> Status {
        self.warned(
            address,
            format!(
                "the server at {address} speaks TLS, and this client does not: configure TLS on both sides or on none"
            ),
        )
    }

    #[cold]
    fn tls_failed(&self, address: &Address, error: &TlsError) -> Status {
        self.warned(address, format!("no TLS with the server at {address}: {error}"))
    }

    /// A failure that somebody has to do something about.
    fn warned(&self, address: &Address, sentence: String) -> Status {
        if self.notices.due(address.to_string()) {
            tracing::warn!(target: target::CLIENT, { rpc.service = self.service.as_str() }, "{sentence}");
        }
        Status::unavailable(sentence).with_delivery(Delivery::NeverSent)
    }
}

impl Doubt {
    /// What was heard that explains why a hello failed.
    pub(crate) fn confirmed(&self, lines: &Lines, address: &Address) -> Option<Status> {
        match self {
            Self::Plain(overheard) => overheard.is_tls().then(|| lines.speaks_tls(address)),
            Self::Tls(afterthought) => afterthought.heard().map(|error| lines.tls_failed(address, error)),
        }
    }
}

/// The name that a server's certificate bears when nobody has said another. A socket in the file system is this
/// machine's.
fn host(address: &Address) -> String {
    match address {
        Address::Tcp { host, .. } => host.clone(),
        Address::Unix(_) => "localhost".to_owned(),
    }
}
