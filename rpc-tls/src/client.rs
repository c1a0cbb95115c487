//! The client's side.

use crate::{
    explain,
    pem::{Part, Pem, SetupError},
    renewed::{Recipe, Renewed},
};
use rpc_core::{
    BoxFuture, Io,
    tls::{Afterthought, Secured, TlsConnector, TlsError, TlsErrorKind},
};
use rustls::{ClientConfig, client::Resumption, pki_types::ServerName};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

/// What a client needs to speak TLS.
#[derive(Clone, Debug)]
pub struct ClientTls {
    ca: Pem,
    own: Option<(Pem, Pem)>,
}

impl ClientTls {
    /// With the certificates of the CAs that it trusts.
    pub fn new(ca: impl Into<Pem>) -> Self {
        Self { ca: ca.into(), own: None }
    }

    /// With a certificate to show to servers that ask who calls (mutual TLS), and its private key.
    #[must_use]
    pub fn with_certificate(mut self, certificate: impl Into<Pem>, key: impl Into<Pem>) -> Self {
        self.own = Some((certificate.into(), key.into()));
        self
    }

    /// Reads everything.
    ///
    /// # Errors
    /// When something cannot be read or does not belong together.
    pub fn connector(self) -> Result<Arc<dyn TlsConnector>, SetupError> {
        Ok(Arc::new(Connector(Renewed::new(self)?)))
    }
}

/// Whether a certificate can bear it: a DNS name or an IP address.
pub fn is_name(text: &str) -> bool {
    ServerName::try_from(text).is_ok()
}

impl Recipe for ClientTls {
    type Config = ClientConfig;

    fn pieces(&self) -> Vec<(Part, &Pem)> {
        let own = self.own.iter().flat_map(|(certificate, key)| [(Part::Certificate, certificate), (Part::Key, key)]);
        std::iter::once((Part::Ca, &self.ca)).chain(own).collect()
    }

    fn make(&self, pem: &[Vec<u8>]) -> Result<ClientConfig, SetupError> {
        let pieces: Vec<_> = self.pieces().into_iter().zip(pem).collect();
        let [((_, ca), roots), own @ ..] = &pieces[..] else {
            return Err(SetupError::new(Part::Ca, "there is no CA"));
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| SetupError::new(Part::Ca, error.to_string()))?
            .with_root_certificates(ca.roots(Part::Ca, roots)?);
        let mut config = match own {
            [((_, certificate), chain), ((_, key), own_key)] => {
                let (chain, key) = (certificate.chain(Part::Certificate, chain)?, key.key(Part::Key, own_key)?);
                config.with_client_auth_cert(chain, key).map_err(|error| explain::mismatch(&error))?
            }
            _ => config.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

struct Connector(Renewed<ClientTls>);

impl TlsConnector for Connector {
    fn connect<'a>(
        &'a self,
        io: Io,
        server: &'a str,
        alpn: Option<&'static str>,
    ) -> BoxFuture<'a, Result<Secured, TlsError>> {
        Box::pin(async move {
            let name = ServerName::try_from(server.to_owned()).map_err(|_| {
                let sentence =
                    format!("`{server}` can stand in no certificate: set `client.server_name` to a name that does");
                TlsError::new(TlsErrorKind::Other, sentence)
            })?;
            let config = self.0.current().await;
            let offered = alpn.map(|name| name.as_bytes().to_vec()).into_iter().collect();
            let connector = tokio_rustls::TlsConnector::from(config);
            let stream = connector
                .with_alpn(offered)
                .connect(name, io)
                .await
                .map_err(|error| explain::at_client(error, alpn))?;
            let agreed = stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
            let afterthought = Afterthought::default();
            let heeded = Heeded { stream, afterthought: afterthought.clone() };
            Ok(Secured::new(Io::new(heeded)).with_alpn(agreed).with_afterthought(afterthought))
        })
    }
}

/// Keeps what a server says of the client's certificate, which in TLS 1.3 comes as an error of reading.
struct Heeded {
    stream: TlsStream<Io>,
    afterthought: Afterthought,
}

impl AsyncRead for Heeded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Err(error)) = &polled
            && let Some(refusal) = explain::refusal(error)
        {
            self.afterthought.set(refusal);
        }
        polled
    }
}

impl AsyncWrite for Heeded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
