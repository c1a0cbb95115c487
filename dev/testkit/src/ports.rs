//! Ports for programs that must be told theirs.

use std::net::{Ipv4Addr, TcpListener};

/// A port on `127.0.0.1` that nobody else who reserves one will be given while this value lives.
///
/// A program of ours would listen on port 0. A Java server wants a number, and wants the same one when it is
/// restarted; between its two lives the port must not go to somebody else. Holding the port itself would keep the
/// server from it, so the reservation holds the same number on another loopback address, which everybody who
/// reserves tries first. Numbers stay below 32768, where the kernel hands out none to outgoing connections.
#[derive(Debug)]
pub struct ReservedPort {
    port: u16,
    _guard: TcpListener,
}

impl ReservedPort {
    const GUARD: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);

    /// Finds one.
    ///
    /// # Errors
    /// When none of a thousand tries found a free one.
    pub fn reserve() -> anyhow::Result<Self> {
        for _ in 0..1000 {
            let port = fastrand::u16(15_000..32_000);
            let Ok(guard) = TcpListener::bind((Self::GUARD, port)) else { continue };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(Self { port, _guard: guard });
            }
        }
        anyhow::bail!("no port between 15000 and 32000 is free on 127.0.0.1")
    }

    /// The number.
    pub fn number(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_differ_and_can_be_listened_on() {
        let ports: Vec<_> = (0..50).map(|_| ReservedPort::reserve().unwrap()).collect();
        let mut numbers: Vec<_> = ports.iter().map(ReservedPort::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 50);
        TcpListener::bind((Ipv4Addr::LOCALHOST, numbers[0])).unwrap();
    }
}
