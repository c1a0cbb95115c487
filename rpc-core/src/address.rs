//! Where a server can be reached.

use std::{borrow::Cow, fmt, net::IpAddr, path::PathBuf, str::FromStr};

/// Where a server can be reached: a host and a port, or a Unix socket.
///
/// Written `10.0.0.7:7000`, `orders.internal:7000`, `[::1]:7000` or `unix:/run/orders.sock`. An IPv4 address has four
/// decimal numbers: resolvers take `127.1`, `0x7f000001` and `2130706433` for 127.0.0.1 too, and whoever looks at an
/// address would not see it, so a host name does not end in a number (as in WHATWG's URLs).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Address {
    /// An IP address or a host name, and a port.
    Tcp {
        /// The IP address, without brackets, or the host name.
        host: String,
        /// The port, not 0 in a record.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Address {
    /// A host and a port.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::Tcp { host: host.into(), port }
    }

    /// The host, or the path of the socket.
    pub fn host(&self) -> Cow<'_, str> {
        match self {
            Self::Tcp { host, .. } => Cow::Borrowed(host),
            Self::Unix(path) => path.to_string_lossy(),
        }
    }

    /// The port, where there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp { port, .. } => Some(*port),
            Self::Unix(_) => None,
        }
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => match host.parse::<IpAddr>() {
                Ok(ip) => ip.to_canonical().is_loopback(),
                Err(_) => is_localhost(host),
            },
        }
    }

    /// Why no server is called at this IP address, the end of a sentence that begins with it; `None` for all that a
    /// server may have. For those who read addresses that others have written: a record, or what a name in one leads
    /// to.
    pub fn unfit(ip: IpAddr) -> Option<&'static str> {
        match ip.to_canonical() {
            ip if ip.is_unspecified() => Some("means every address and therefore none"),
            IpAddr::V4(ip) if ip.octets()[0] == 0 => Some("means every address and therefore none"),
            ip if ip.is_multicast() => Some("is an address of many machines"),
            IpAddr::V4(ip) if ip.is_broadcast() => Some("is an address of many machines"),
            // Cloud providers answer with credentials there.
            IpAddr::V4(ip) if ip.is_link_local() => Some("is a link-local address"),
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Some("is a link-local address"),
            _ => None,
        }
    }
}

/// Names that mean this machine, whatever the DNS says (RFC 6761, section 6.3).
fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.rsplit('.').next().is_some_and(|label| label.eq_ignore_ascii_case("localhost"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<std::net::SocketAddr> for Address {
    fn from(address: std::net::SocketAddr) -> Self {
        Self::tcp(address.ip().to_string(), address.port())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError { text: text.chars().take(256).collect() };
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Unix(path.into())) };
        }
        if let Ok(address) = text.parse::<std::net::SocketAddr>() {
            return Ok(address.into());
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        if is_host_name(host) { Ok(Self::tcp(host, port)) } else { Err(wrong()) }
    }
}

/// RFC 1123: labels of letters, digits and inner hyphens, 253 bytes in all, the last one no number. (An underscore is
/// common and harmless.)
fn is_host_name(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 253
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
        && !ends_in_number(host)
}

/// Whether resolvers would take a name for an IPv4 address: its last label is a number, be it a hexadecimal one.
fn ends_in_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.bytes().all(|byte| byte.is_ascii_digit())
        || hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The text is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError {
    text: String,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no address: write HOST:PORT (an IPv4 address with four numbers), [IPv6]:PORT or unix:PATH",
            self.text
        )
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["10.0.0.7:7000", "orders.internal:7000", "[::1]:7000", "unix:/run/orders.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["", "7000", "host", "host:70000", "ho st:1", "-a:1", "a..b:1", "unix:", "::1:7000"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_ip_address_has_one_spelling() {
        for host in [
            "2852039166",
            "0xA9FEA9FE",
            "0XA9FEA9FE",
            "127.1",
            "127.0.1",
            "0",
            "169.254.43518",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "127.0.0.0x1",
            "10.0.0.7.8",
            "256.0.0.1",
            "0x",
            "orders.0x",
            "orders.7",
        ] {
            assert!(format!("{host}:80").parse::<Address>().is_err(), "{host}");
        }
        for host in ["7.orders", "orders-7", "7-11.internal", "0xorders", "x0.0xfg", "1e100.net", "localhost"] {
            assert_eq!(format!("{host}:80").parse::<Address>().unwrap(), Address::tcp(host, 80));
        }
    }

    #[test]
    fn loopback_is_known() {
        for host in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert!(Address::tcp(host, 1).is_loopback(), "{host}");
        }
        for host in ["localhost", "LOCALHOST", "LocalHost.", "x.localhost", "x.LOCALHOST."] {
            assert!(Address::tcp(host, 1).is_loopback(), "{host}");
        }
        for host in ["10.0.0.1", "localhost.internal", "mylocalhost", "orders.internal"] {
            assert!(!Address::tcp(host, 1).is_loopback(), "{host}");
        }
    }

    #[test]
    fn what_no_server_has_is_known() {
        for ip in ["0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "255.255.255.255", "ff02::1", "169.254.169.254", "fe80::1"]
        {
            assert!(Address::unfit(ip.parse().unwrap()).is_some(), "{ip}");
        }
        for ip in ["::ffff:169.254.169.254", "::ffff:0.0.0.0"] {
            assert!(Address::unfit(ip.parse().unwrap()).is_some(), "{ip}");
        }
        for ip in ["10.0.0.7", "127.0.0.1", "fd00::7", "2001:db8::7", "192.168.1.1"] {
            assert_eq!(Address::unfit(ip.parse().unwrap()), None, "{ip}");
        }
    }
}
