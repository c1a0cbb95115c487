//! Ports and folders of a test's own.

use std::io;

/// A port of the loopback interface on which nothing listens now.
///
/// Only for programs that cannot choose a port themselves and say which: between this answer and its use somebody else
/// may take it. Whatever can bind to port 0 should.
///
/// # Errors
/// What the system says.
pub fn free_port() -> io::Result<u16> {
    std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr().map(|address| address.port())
}

/// A folder that is removed with the value returned.
///
/// # Errors
/// What the system says.
pub fn scratch(name: &str) -> io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix(&format!("rpc-{name}-")).tempdir()
}
