//! TLS below every protocol, by rustls.
//!
//! The core knows TLS as a step between a byte stream and a protocol ([`rpc_core::tls`]); here is that step. TLS 1.2
//! and 1.3, with ring; no renegotiation, no session is resumed, nothing is sent before the handshake is over.
//! Connections of this framework live long, so that a handshake is rare; and without tickets a certificate that was
//! renewed or a CA that was taken away counts from the next connection on.
//!
//! Whom to trust has to be said: no CA of the operating system's or of browsers' is trusted by itself, since the
//! servers of a fleet have certificates of the fleet's own CA. (`/etc/ssl/certs/ca-certificates.crt` or the like can be
//! named where public ones are meant.)
//!
//! What it does not do: revocation lists and OCSP. Give certificates that live for days, and renew them: files that
//! change are read again.

// What is said, in the order in which it is needed.
mod client;
mod pem;
mod server;

// How it comes to be a configuration of rustls, and stays the right one.
mod renewed;

// What is known of the other side, and what is said when it is not to be trusted.
mod explain;
mod identity;

pub use client::{ClientTls, is_name};
pub use pem::{Part, Pem, SetupError};
pub use server::ServerTls;

/// The target of what this crate logs: filters name it, so it does not change.
pub(crate) const TARGET: &str = "rpc_tls";
