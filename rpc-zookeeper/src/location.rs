//! Where a ZooKeeper is, and where in it we are.

use rpc_core::{
    Address,
    registry::{RegistryError, assumed},
};
use std::{fmt, str::FromStr, time::Duration};

/// `zookeeper://h1:2181,h2:2181/base?session_timeout=15s&assume=grpc`, parsed once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Location {
    /// The servers of the ensemble; at least one.
    hosts: Vec<Address>,
    /// Where services are, `/rpc`: absolute, without a slash at its end.
    base: String,
    /// How long the ensemble keeps our records once it has lost us. It has the last word on it.
    session_timeout: Duration,
    /// The protocols of servers whose records declare none.
    assume: Vec<String>,
}

impl Location {
    const PORT: u16 = 2181;
    const BASE: &str = "/rpc";
    /// Long enough for a paused virtual machine, short enough for a dead one.
    const SESSION_TIMEOUT: Duration = Duration::from_secs(15);
    const FORM: &str = "write zookeeper://HOST:PORT,HOST:PORT/BASE?session_timeout=15s&assume=grpc";
    /// More protocols than anybody speaks.
    const MAX_ASSUMED: usize = 8;

    /// The hosts as the client wants them: `h1:2181,h2:2181`. Never with a scheme: an item `tcp://` would talk in the
    /// clear where TLS is meant.
    pub(crate) fn cluster(&self) -> String {
        self.hosts.iter().map(Address::to_string).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn session_timeout(&self) -> Duration {
        self.session_timeout
    }

    pub(crate) fn assume(&self) -> &[String] {
        &self.assume
    }

    /// Whether every server is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.hosts.iter().all(Address::is_loopback)
    }
}

impl FromStr for Location {
    type Err = RegistryError;

    fn from_str(url: &str) -> Result<Self, RegistryError> {
        if url.contains('@') {
            // No message repeats a password.
            return Err(RegistryError::new(format!("a ZooKeeper URL holds no user or password; {}", Self::FORM)));
        }
        let wrong = |what: String| RegistryError::new(format!("`{url}`: {what}; {}", Self::FORM));
        let rest = match url.split_once("://") {
            Some(("zookeeper", rest)) => rest,
            Some((scheme, _)) if scheme.starts_with("zookeeper+") => {
                return Err(wrong("ZooKeeper over TLS is not supported yet".into()));
            }
            _ => return Err(wrong("this is no address of a ZooKeeper".into())),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, base) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let hosts = hosts
            .split(',')
            .map(|host| parse_host(host).ok_or_else(|| wrong(format!("`{host}` is no host"))))
            .collect::<Result<_, _>>()?;
        let base = parse_base(base).map_err(|what| wrong(what.into()))?;
        let mut session_timeout = Self::SESSION_TIMEOUT;
        let mut assume = Vec::new();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("session_timeout", text)) => {
                    session_timeout = parse_timeout(text)
                        .ok_or_else(|| wrong(format!("`{text}` is no session timeout between 500ms and 10m")))?;
                }
                Some(("assume", protocol)) => assume.push(assumed(protocol).map_err(wrong)?),
                _ => return Err(wrong(format!("`{option}` is no option: there are session_timeout and assume"))),
            }
        }
        if assume.len() > Self::MAX_ASSUMED {
            return Err(wrong(format!("it assumes over {} protocols", Self::MAX_ASSUMED)));
        }
        Ok(Self { hosts, base, session_timeout, assume })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zookeeper://{}{}", self.cluster(), self.base)?;
        let mut mark = '?';
        if self.session_timeout != Self::SESSION_TIMEOUT {
            write!(f, "{mark}session_timeout={}ms", self.session_timeout.as_millis())?;
            mark = '&';
        }
        for protocol in &self.assume {
            write!(f, "{mark}assume={protocol}")?;
            mark = '&';
        }
        Ok(())
    }
}

fn parse_host(text: &str) -> Option<Address> {
    let has_port = match text.rsplit_once(']') {
        Some((_, rest)) => rest.starts_with(':'),
        None => text.contains(':'),
    };
    let address = if has_port { text.parse() } else { format!("{text}:{}", Location::PORT).parse() };
    match address {
        Ok(Address::Tcp { host, port }) if port != 0 => Some(Address::Tcp { host, port }),
        _ => None,
    }
}

fn parse_base(text: &str) -> Result<String, &'static str> {
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.is_empty() {
        return Ok(Location::BASE.to_owned());
    }
    for (index, segment) in text.split('/').skip(1).enumerate() {
        let printable = segment.bytes().all(|byte| byte.is_ascii_graphic());
        if segment.is_empty() || segment == "." || segment == ".." || !printable {
            return Err("the base path has a segment that is no name");
        }
        if index == 0 && segment == "zookeeper" {
            return Err("/zookeeper belongs to ZooKeeper itself");
        }
    }
    if text.len() > 512 { Err("the base path is longer than 512 bytes") } else { Ok(text.to_owned()) }
}

fn parse_timeout(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return None,
    };
    let timeout = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(millis)?);
    (Duration::from_millis(500)..=Duration::from_secs(600)).contains(&timeout).then_some(timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Location {
        url.parse().unwrap()
    }

    #[test]
    fn hosts_base_and_options_are_read() {
        let location = parse("zookeeper://zk1,zk2.internal:2182,[::1]:2183,[fe80::1]/fleet/rpc?session_timeout=4s");
        assert_eq!(location.cluster(), "zk1:2181,zk2.internal:2182,[::1]:2183,[fe80::1]:2181");
        assert_eq!(location.base(), "/fleet/rpc");
        assert_eq!(location.session_timeout(), Duration::from_secs(4));
        assert!(location.assume().is_empty() && !location.is_loopback());
        assert_eq!(parse(&location.to_string()), location);
        let location = parse("zookeeper://zk1?assume=grpc&session_timeout=4s&assume=tarpc/1");
        assert_eq!(location.assume(), ["grpc", "tarpc/1"]);
        assert_eq!(location.to_string(), "zookeeper://zk1:2181/rpc?session_timeout=4000ms&assume=grpc&assume=tarpc/1");
        assert_eq!(parse(&location.to_string()), location);
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        for url in ["zookeeper://127.0.0.1", "zookeeper://127.0.0.1:2181/", "zookeeper://127.0.0.1/rpc"] {
            let location = parse(url);
            assert_eq!(location.to_string(), "zookeeper://127.0.0.1:2181/rpc");
            assert_eq!(location.session_timeout(), Duration::from_secs(15));
            assert!(location.is_loopback());
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, says) in [
            ("redis://h", "no address of a ZooKeeper"),
            ("zookeeper+tls://h", "TLS is not supported yet"),
            ("zookeeper://", "no host"),
            ("zookeeper://h1,,h2", "no host"),
            ("zookeeper://tcp+tls://h1:2181", "no host"),
            ("zookeeper://h:0", "no host"),
            ("zookeeper://h:99999", "no host"),
            ("zookeeper://-h", "no host"),
            ("zookeeper://h/a//b", "no name"),
            ("zookeeper://h/a/../b", "no name"),
            ("zookeeper://h/zookeeper/x", "itself"),
            ("zookeeper://h?timeout=1s", "no option"),
            ("zookeeper://h?session_timeout=1h", "no session timeout"),
            ("zookeeper://h?session_timeout=1ms", "no session timeout"),
            ("zookeeper://h?assume=", "no protocol"),
            ("zookeeper://h?assume=g%20", "no protocol"),
        ] {
            let error = url.parse::<Location>().unwrap_err().to_string();
            assert!(error.contains(says), "{url}: {error}");
        }
        for url in ["zookeeper://user:secret@h", "zookeeper://user:sec/secret@h", "zoo://user:secret@h"] {
            let error = url.parse::<Location>().unwrap_err().to_string();
            assert!(!error.contains("secret") && error.contains("no user or password"), "{error}");
        }
    }
}
