//! Which addresses a record may name.
//!
//! Whoever can write to the registry decides where clients connect. So an address that no server of a fleet has, and
//! that would turn clients against themselves or against the machine they run on, is not accepted from it.

use rpc_core::Address;
use std::net::IpAddr;

/// What the place of the registry says about the addresses in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The registry is on this machine, and so may the servers be.
    Loopback,
    /// The registry is somewhere else: a loopback address in it means the reader, not the server.
    Network,
}

/// Why an address is not accepted; the end of a sentence that begins with the address.
pub(crate) fn objection(address: &Address, reach: Reach) -> Option<&'static str> {
    let Address::Tcp { host, port } = address else {
        return Some("is no address on a network");
    };
    if *port == 0 {
        return Some("has no port");
    }
    if reach == Reach::Network && address.is_loopback() {
        return Some("is a loopback address, which nobody else can reach, in a registry on another machine");
    }
    match host.parse::<IpAddr>() {
        Ok(ip) => Address::unfit(ip),
        // What a name leads to is looked at when it is called: `rpc_core::client::Sockets`.
        Err(_) if address.to_string().parse::<Address>().is_err() => Some("is no address"),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_server_has_is_refused() {
        for (address, on_this_machine, elsewhere) in [
            ("10.0.0.7:7000", true, true),
            ("orders.internal:7000", true, true),
            ("[fd00::7]:7000", true, true),
            ("127.0.0.1:7000", true, false),
            ("127.8.8.8:7000", true, false),
            ("localhost:7000", true, false),
            ("[::1]:7000", true, false),
            ("[::ffff:127.0.0.1]:7000", true, false),
            ("0.0.0.0:7000", false, false),
            ("0.1.2.3:7000", false, false),
            ("[::]:7000", false, false),
            ("224.0.0.1:7000", false, false),
            ("255.255.255.255:7000", false, false),
            ("[ff02::1]:7000", false, false),
            ("169.254.169.254:80", false, false),
            ("[::ffff:169.254.169.254]:80", false, false),
            ("[fe80::1]:7000", false, false),
            ("10.0.0.7:0", false, false),
            ("unix:/run/orders.sock", false, false),
        ] {
            let parsed = address.parse().unwrap();
            assert_eq!(objection(&parsed, Reach::Loopback).is_none(), on_this_machine, "{address} on this machine");
            assert_eq!(objection(&parsed, Reach::Network).is_none(), elsewhere, "{address} elsewhere");
        }
    }

    #[test]
    fn another_spelling_does_not_help() {
        for host in ["2852039166", "0xA9FEA9FE", "127.1", "0", "169.254.43518", "0177.0.0.1", "localhost\n"] {
            let address = Address::tcp(host, 7000);
            for reach in [Reach::Loopback, Reach::Network] {
                assert_eq!(objection(&address, reach), Some("is no address"), "{host}");
            }
        }
        for host in ["LOCALHOST", "localhost.", "x.localhost", "X.LocalHost."] {
            assert!(objection(&Address::tcp(host, 7000), Reach::Network).unwrap().contains("loopback"), "{host}");
        }
    }
}
