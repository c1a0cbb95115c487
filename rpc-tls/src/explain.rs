//! What went wrong, and what to do about it.

use crate::pem::{Part, SetupError};
use rpc_core::tls::{TlsError, TlsErrorKind};
use rustls::{AlertDescription, CertificateError, Error, InconsistentKeys, pki_types::UnixTime};
use std::io;

/// A certificate and a key that are of no use together.
#[cold]
pub(crate) fn mismatch(error: &Error) -> SetupError {
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            SetupError::new(Part::Key, "the key does not belong to the certificate")
                .with_remedy("name the key for which the certificate was issued")
        }
        error => SetupError::new(Part::Certificate, format!("the certificate and its key are of no use: {error}"))
            .with_remedy("name a certificate of X.509 version 3, and its RSA, ECDSA or Ed25519 key"),
    }
}

/// Why a handshake with a server failed, so that it follows on "no TLS with the server: ".
#[cold]
pub(crate) fn at_client(error: io::Error, alpn: Option<&str>) -> TlsError {
    let (cause, sentence) = match rustls_error(&error) {
        None if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => (
            TlsErrorKind::Gone,
            "it closed the connection instead of shaking hands; it may speak plain text".to_owned(),
        ),
        None => (TlsErrorKind::Gone, error.to_string()),
        Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            (TlsErrorKind::Protocol, format!("the server speaks TLS, but not {}", alpn.unwrap_or("this protocol")))
        }
        Some(Error::AlertReceived(alert)) => (TlsErrorKind::Other, refused(*alert)),
        Some(Error::InvalidCertificate(error)) => (TlsErrorKind::Other, server_certificate(error)),
        Some(Error::InvalidMessage(_)) => (
            TlsErrorKind::Other,
            "it answered with something that is not TLS: configure TLS on both sides or on none".to_owned(),
        ),
        Some(Error::PeerIncompatible(why)) => {
            (TlsErrorKind::Other, format!("it lacks TLS 1.2 or 1.3 as spoken here ({why:?}): bring it up to date"))
        }
        Some(error) => (TlsErrorKind::Other, error.to_string()),
    };
    TlsError::new(cause, sentence).with_source(error)
}

/// What an error of reading says of this client's certificate, if it does.
pub(crate) fn refusal(error: &io::Error) -> Option<TlsError> {
    match rustls_error(error)? {
        Error::AlertReceived(alert) => Some(TlsError::new(TlsErrorKind::Other, refused(*alert))),
        _ => None,
    }
}

/// Why a handshake with a client failed, so that it follows on "a TLS handshake failed: ".
#[cold]
pub(crate) fn at_server(error: io::Error) -> TlsError {
    let (cause, sentence) = match rustls_error(&error) {
        None => (TlsErrorKind::Gone, error.to_string()),
        Some(Error::NoCertificatesPresented) => {
            (TlsErrorKind::Other, "the client has shown no certificate, which `client_ca` asks for".to_owned())
        }
        Some(Error::InvalidCertificate(error)) => {
            (TlsErrorKind::Other, format!("the client's certificate {}", flaw(error)))
        }
        Some(Error::NoApplicationProtocol) => {
            (TlsErrorKind::Protocol, "the client speaks none of the protocols that are served here".to_owned())
        }
        Some(Error::AlertReceived(alert)) => (TlsErrorKind::Other, format!("the client does not go on: {alert:?}")),
        Some(Error::PeerIncompatible(why)) => {
            (TlsErrorKind::Other, format!("the client lacks TLS 1.2 or 1.3 as spoken here: {why:?}"))
        }
        Some(error) => (TlsErrorKind::Other, error.to_string()),
    };
    TlsError::new(cause, sentence).with_source(error)
}

fn rustls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What a server's alert means.
fn refused(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired => {
            "it wants to know who calls: set `client.certificate` and `client.key`".to_owned()
        }
        Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown | Alert::AccessDenied => format!(
            "it does not trust this client's certificate ({alert:?}): let `client.certificate` be of a CA that the server \
             knows (its `client_ca`)"
        ),
        Alert::CertificateExpired => {
            "it says that this client's certificate has expired: renew `client.certificate`".to_owned()
        }
        Alert::HandshakeFailure => "it refuses the handshake, perhaps because it wants to know who calls: set \
                                    `client.certificate` and `client.key`"
            .to_owned(),
        Alert::ProtocolVersion => "it speaks neither TLS 1.2 nor 1.3: bring it up to date".to_owned(),
        alert => format!("it refuses the handshake: {alert:?}"),
    }
}

fn server_certificate(error: &CertificateError) -> String {
    let flaw = flaw(error);
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!("its certificate {flaw}: add that CA to `client.ca`, if this is the right server")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "its certificate {flaw}: set `client.server_name` to a name that it bears, or have one issued for this"
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("its certificate {flaw}: renew it at the server, and see whether the clock here is right")
        }
        _ => format!("its certificate {flaw}"),
    }
}

/// What is wrong with a certificate, so that it follows on "its certificate ".
fn flaw(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "is of a CA that is not trusted here".to_owned(),
        // As when a CA was made anew under its old name.
        CertificateError::BadSignature => "is not signed by the CA of that name that is trusted here".to_owned(),
        CertificateError::Expired => "has expired".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => format!("has expired {} ago", span(*not_after, *time)),
        CertificateError::NotValidYet => "is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => {
            format!("is not valid for another {}", span(*time, *not_before))
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented: Vec<_> = presented.iter().take(8).map(String::as_str).collect();
            let presented = if presented.is_empty() { "no name at all".to_owned() } else { presented.join(", ") };
            format!("is for {presented}, and not for {}", expected.to_str())
        }
        CertificateError::NotValidForName => "is for another name".to_owned(),
        error => format!("is no good: {error}"),
    }
}

/// A time that people understand.
fn span(from: UnixTime, to: UnixTime) -> String {
    let seconds = to.as_secs().saturating_sub(from.as_secs());
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} minutes", seconds / 60),
        7200..=172_799 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
