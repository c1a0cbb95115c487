//! The server's side.

use crate::{
    explain, identity,
    pem::{Part, Pem, SetupError},
    renewed::{Recipe, Renewed},
};
use rpc_core::{
    BoxFuture, Io,
    tls::{Secured, TlsAcceptor, TlsError},
};
use rustls::{
    ServerConfig,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// What a server needs to speak TLS.
#[derive(Clone, Debug)]
pub struct ServerTls {
    certificate: Pem,
    key: Pem,
    client_ca: Option<Pem>,
}

impl ServerTls {
    /// With the certificate it shows, followed by those that lead to its CA, and the private key that belongs to it
    /// (PKCS #8, PKCS #1 or SEC 1; not encrypted).
    pub fn new(certificate: impl Into<Pem>, key: impl Into<Pem>) -> Self {
        Self { certificate: certificate.into(), key: key.into(), client_ca: None }
    }

    /// Asks every client for a certificate of one of these CAs, and turns away whoever shows none (mutual TLS).
    /// Handlers find the name in it in [`Peer::identity`](rpc_core::Peer).
    #[must_use]
    pub fn with_client_ca(mut self, ca: impl Into<Pem>) -> Self {
        self.client_ca = Some(ca.into());
        self
    }

    /// Reads everything, for a server that speaks these protocols, by their ALPN names.
    ///
    /// # Errors
    /// When something cannot be read or does not belong together.
    pub fn acceptor(self, alpn: impl IntoIterator<Item = &'static str>) -> Result<Arc<dyn TlsAcceptor>, SetupError> {
        let alpn = alpn.into_iter().collect();
        Ok(Arc::new(Acceptor(Renewed::new(Server { tls: self, alpn })?)))
    }
}

/// A server's part, and the protocols that it speaks.
struct Server {
    tls: ServerTls,
    alpn: Vec<&'static str>,
}

impl Recipe for Server {
    type Config = ServerConfig;

    fn pieces(&self) -> Vec<(Part, &Pem)> {
        let ServerTls { certificate, key, client_ca } = &self.tls;
        let own = [(Part::Certificate, certificate), (Part::Key, key)];
        own.into_iter().chain(client_ca.iter().map(|ca| (Part::ClientCa, ca))).collect()
    }

    fn make(&self, pem: &[Vec<u8>]) -> Result<ServerConfig, SetupError> {
        let pieces: Vec<_> = self.pieces().into_iter().zip(pem).collect();
        let [((_, certificate), chain), ((_, key), own_key), client_ca @ ..] = &pieces[..] else {
            return Err(SetupError::new(Part::Certificate, "there is no certificate"));
        };
        let (chain, key) = (certificate.chain(Part::Certificate, chain)?, key.key(Part::Key, own_key)?);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| SetupError::new(Part::Certificate, error.to_string()))?;
        let config = match client_ca.first() {
            None => config.with_no_client_auth(),
            Some(((part, ca), pem)) => {
                let roots = Arc::new(ca.roots(*part, pem)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
                config.with_client_cert_verifier(verifier.map_err(|error| SetupError::new(*part, error.to_string()))?)
            }
        };
        let mut config = config.with_single_cert(chain, key).map_err(|error| explain::mismatch(&error))?;
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

struct Acceptor(Renewed<Server>);

impl Acceptor {
    /// For how long, and for how many bytes, a client is listened to that was told what is wrong.
    const FAREWELL: (Duration, u64) = (Duration::from_secs(1), 64 * 1024);
}

impl TlsAcceptor for Acceptor {
    fn accept(&self, io: Io) -> BoxFuture<'_, Result<Secured, TlsError>> {
        Box::pin(async move {
            let config = self.0.current().await;
            let stream = match tokio_rustls::TlsAcceptor::from(config).accept(io).into_fallible().await {
                Ok(stream) => stream,
                Err((error, mut io)) => {
                    // The system resets a connection that is closed with bytes unread, and the alert would be lost.
                    let farewell = async {
                        io.shutdown().await?;
                        tokio::io::copy(&mut io.take(Self::FAREWELL.1), &mut tokio::io::sink()).await
                    };
                    let _ = timeout(Self::FAREWELL.0, farewell).await;
                    return Err(explain::at_server(error));
                }
            };
            let (_, session) = stream.get_ref();
            let alpn = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
            let identity = session.peer_certificates().and_then(|chain| identity::name(chain.first()?));
            Ok(Secured::new(Io::new(stream)).with_alpn(alpn).with_identity(identity))
        })
    }
}
