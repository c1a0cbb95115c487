//! What stands in configuration for a place where servers are found.

use crate::Address;
use std::{fmt, path::PathBuf, str::FromStr};

/// A place where servers are found, as configuration writes it.
///
/// ```text
/// zookeeper://h1:2181,h2:2181/base       the path is the whole base path, no chroot; behind it ?session_timeout=15s,
///                                        and assume=grpc for servers of others whose records name no protocol
/// file:///run/user/1000/rpc              a directory on this host
/// static://10.0.0.1:7000,10.0.0.2:7000?assume=grpc
/// dns://orders.internal:7000?assume=grpc
/// local://                               servers in this process, called without a wire
/// memory://                              a registry inside this process
/// ```
///
/// Neither an address nor a name in the DNS says which protocol is spoken there: `assume` does, once for each.
/// Written out again it is what was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// A ZooKeeper ensemble.
    ZooKeeper {
        /// Its servers; the port is 2181 where none is written.
        servers: Vec<Address>,
        /// The base path: empty, or beginning with `/` and not ending with one.
        base: String,
        /// What follows a `?`, as in `session_timeout=15s`; the registry itself knows what it means.
        options: String,
    },
    /// A directory on this host.
    File(PathBuf),
    /// These servers and no others.
    Fixed {
        /// Where they are.
        addresses: Vec<Address>,
        /// The protocols that they speak.
        assume: Vec<String>,
    },
    /// Whatever addresses a name has.
    Dns {
        /// The name and the port.
        name: Address,
        /// The protocols that are spoken there.
        assume: Vec<String>,
    },
    /// This process.
    Local,
    /// A registry inside this process.
    Memory,
}

impl Target {
    /// Whether configuration alone could say which protocol is spoken there, and has not: no call could be made.
    #[must_use]
    pub fn lacks_protocol(&self) -> bool {
        matches!(self, Self::Fixed { assume, .. } | Self::Dns { assume, .. } if assume.is_empty())
    }

    const SCHEMES: &str = "zookeeper://, file:///, static://, dns://, local:// or memory://";
    const MAX_BYTES: usize = 4096;
    const MAX_ADDRESSES: usize = 1024;
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        parse(text).map_err(|reason| TargetError { text: without_user(text).chars().take(256).collect(), reason })
    }
}

fn parse(text: &str) -> Result<Target, String> {
    if text.len() > Target::MAX_BYTES {
        return Err(format!("it has over {} bytes", Target::MAX_BYTES));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(format!("it has no scheme: begin with {}", Target::SCHEMES));
    };
    // Before anything else, for every other error repeats what it is about.
    if scheme.contains('@')
        || scheme != "file" && rest.split(',').any(|item| item.contains('@') && !item.starts_with("unix:"))
    {
        return Err("no user and no password stands in it: leave out what is before the `@`".to_owned());
    }
    match scheme {
        "zookeeper" | "zk" => zookeeper(rest),
        "file" => file(rest),
        "static" => {
            let (list, assume) = with_assumed(rest)?;
            Ok(Target::Fixed { addresses: addresses(list, None)?, assume })
        }
        "dns" => {
            let (name, assume) = with_assumed(rest)?;
            match name.parse() {
                Ok(name @ Address::Tcp { .. }) => Ok(Target::Dns { name, assume }),
                _ => Err(format!("`{name}` is no name with a port: write dns://NAME:PORT?assume=PROTOCOL")),
            }
        }
        "local" if rest.is_empty() => Ok(Target::Local),
        "memory" if rest.is_empty() => Ok(Target::Memory),
        "local" | "memory" => Err(format!("nothing follows {scheme}://, and here stands `{rest}`")),
        _ => Err(format!("nothing is known of `{scheme}://`: write {}", Target::SCHEMES)),
    }
}

/// The text without a user and a password, which may stand before an `@`: errors are logged, and read by others.
fn without_user(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('@') => (format!("{scheme}://"), rest),
        _ => (String::new(), text),
    };
    match rest.rsplit_once('@') {
        Some((_, place)) => format!("{scheme}..@{place}"),
        None => text.to_owned(),
    }
}

fn zookeeper(rest: &str) -> Result<Target, String> {
    if rest.contains('#') {
        return Err("a ZooKeeper URL is servers and a path: leave out `#`".to_owned());
    }
    let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (servers, base) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let servers = addresses(servers, Some(2181))?;
    if servers.iter().any(|server| matches!(server, Address::Unix(_))) {
        return Err("ZooKeeper is not reached over Unix sockets: write HOST:PORT".to_owned());
    }
    let base = base.trim_end_matches('/');
    let segments = base.strip_prefix('/').into_iter().flat_map(|base| base.split('/'));
    for segment in segments {
        if matches!(segment, "" | "." | "..") || segment.chars().any(char::is_control) {
            return Err(format!(
                "the path `{base}` has a part that ZooKeeper does not take: `{}`",
                segment.escape_debug()
            ));
        }
    }
    Ok(Target::ZooKeeper { servers, base: base.to_owned(), options: options.to_owned() })
}

fn file(rest: &str) -> Result<Target, String> {
    if !rest.starts_with('/') || rest == "/" {
        return Err("a directory is written with three slashes, as in file:///run/user/1000/rpc".to_owned());
    }
    if rest.contains(['?', '#', '%', '\0']) {
        return Err("a directory here has neither `?`, `#` nor `%` in its name".to_owned());
    }
    Ok(Target::File(PathBuf::from(rest)))
}

/// Splits off `?assume=a&assume=b`.
fn with_assumed(rest: &str) -> Result<(&str, Vec<String>), String> {
    let Some((place, query)) = rest.split_once('?') else { return Ok((rest, Vec::new())) };
    let mut assume = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("assume", protocol)) => assume.push(assumed(protocol)?),
            _ => return Err(format!("nothing is known of `{pair}`: the one thing behind `?` is assume=PROTOCOL")),
        }
    }
    Ok((place, assume))
}

/// Reads the protocol in `assume=grpc`, wherever a URL may have it: a name, and a version perhaps.
///
/// # Errors
/// A sentence, for what is neither.
pub fn assumed(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-');
    if (1..=32).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is no protocol: write one as in assume=grpc"))
}

/// Addresses between commas.
fn addresses(list: &str, port: Option<u16>) -> Result<Vec<Address>, String> {
    if list.is_empty() {
        return Err("it names no server: write HOST:PORT,HOST:PORT".to_owned());
    }
    if list.split(',').count() > Target::MAX_ADDRESSES {
        return Err(format!("it names over {} servers", Target::MAX_ADDRESSES));
    }
    list.split(',').map(|text| address(text, port)).collect()
}

fn address(text: &str, port: Option<u16>) -> Result<Address, String> {
    let parsed = match (text.parse(), port) {
        (Err(_), Some(port)) => format!("{text}:{port}").parse(),
        (parsed, _) => parsed,
    };
    match parsed {
        Ok(Address::Tcp { port: 0, .. }) => Err(format!("`{text}` has port 0, which nobody can call")),
        Ok(address) => Ok(address),
        // With the text as it stands there.
        Err(_) => text.parse::<Address>().map_err(|error| error.to_string()),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZooKeeper { servers, base, options } => {
                let mark = if options.is_empty() { "" } else { "?" };
                write!(f, "zookeeper://{}{base}{mark}{options}", joined(servers))
            }
            Self::File(path) => write!(f, "file://{}", path.display()),
            Self::Fixed { addresses, assume } => write!(f, "static://{}{}", joined(addresses), query(assume)),
            Self::Dns { name, assume } => write!(f, "dns://{name}{}", query(assume)),
            Self::Local => f.write_str("local://"),
            Self::Memory => f.write_str("memory://"),
        }
    }
}

fn joined(addresses: &[Address]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn query(assume: &[String]) -> String {
    let pairs: Vec<_> = assume.iter().map(|protocol| format!("assume={protocol}")).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// The text is no target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetError {
    text: String,
    reason: String,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no place where servers are found: {}", self.text, self.reason)
    }
}

impl std::error::Error for TargetError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "zookeeper://h1:2181,h2:2182/rpc/orders",
            "zookeeper://[::1]:2181",
            "zookeeper://h1:2181/rpc?session_timeout=4s",
            "file:///run/user/1000/rpc",
            "static://10.0.0.1:7000,unix:/run/orders.sock?assume=grpc&assume=tarpc/1",
            "static://10.0.0.1:7000",
            "dns://orders.internal:7000?assume=grpc",
            "local://",
            "memory://",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        for (text, full) in
            [("zookeeper://h1,h2/rpc/", "zookeeper://h1:2181,h2:2181/rpc"), ("zk://h1:2181/", "zookeeper://h1:2181")]
        {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), full);
        }
    }

    #[test]
    fn a_mistake_names_the_place_and_the_way_out() {
        for (text, reason) in [
            ("h1:2181", "it has no scheme: begin with zookeeper://, file:///"),
            ("consul://h1", "nothing is known of `consul://`: write zookeeper://"),
            ("zookeeper://", "it names no server"),
            ("zookeeper://h1,,h2/rpc", "`` is no address"),
            ("zookeeper://h 1/rpc", "`h 1` is no address"),
            ("zookeeper://h1/rpc//orders", "has a part that ZooKeeper does not take: ``"),
            ("zookeeper://h1/a/../b", "has a part that ZooKeeper does not take: `..`"),
            ("zookeeper://h1/rpc#top", "leave out `#`"),
            ("file://run/rpc", "three slashes"),
            ("file:///", "three slashes"),
            ("static://a", "`a` is no address"),
            ("static://a:0", "`a:0` has port 0"),
            ("static://a:1?asume=grpc", "nothing is known of `asume=grpc`"),
            ("static://a:1?assume=", "`` is no protocol"),
            ("dns://orders", "write dns://NAME:PORT"),
            ("dns://unix:/x", "write dns://NAME:PORT"),
            ("local://here", "nothing follows local://"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is no place")), "{error}");
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_password_is_in_no_error() {
        for text in [
            "zookeeper://user:secret@h1/rpc",
            "zookeeper://h1,user:sec/secret@h2/rpc",
            "zk://user:secret@h1,,/rpc?assume=",
            "static://user:secret@h1:7000,h2",
            "static://h1:7000,user:secret@h2:7000",
            "dns://user:secret@h1",
            "local://user:secret@h1",
            "redis://user:secret@h1:6379",
            "user:secret@h1:2181",
            "user:secret@h1://rpc",
            "file:/user:secret@h1",
        ] {
            let error = text.parse::<Target>().unwrap_err();
            for said in [error.to_string(), format!("{error:?}")] {
                assert!(!said.contains("secret") && said.contains("..@h"), "{text}: {said}");
            }
        }
        // An abstract socket begins with one.
        assert!("static://unix:@orders?assume=grpc".parse::<Target>().is_ok());
    }

    proptest! {
        #[test]
        fn anything_may_stand_in_configuration(text in "(zookeeper|file|static|dns)://\\PC{0,40}") {
            if let Ok(target) = text.parse::<Target>() {
                prop_assert_eq!(target.to_string().parse::<Target>(), Ok(target));
            }
        }
    }
}
