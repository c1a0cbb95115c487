//! Whether connections are encrypted, and with whose certificates.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod present;

#[cfg(not(feature = "tls"))]
pub(crate) use absent::{ClientTls, ServerTls, acceptor, check_name, connector};
#[cfg(feature = "tls")]
pub use present::{ClientTls, ServerTls};
#[cfg(feature = "tls")]
pub(crate) use present::{acceptor, check_name, connector};

use crate::{Config, Error, Result, Tls};
use rpc_core::tls::Security;

/// What holds of TLS, and the key that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Nobody has said anything: plain text, with a warning as soon as other machines are concerned.
    Unsaid,
    /// Plain text is meant.
    Off,
    /// TLS is, as this key says.
    On(String),
}

/// What holds: the first of these keys of which something is said.
pub(crate) fn settled<'a>(levels: impl IntoIterator<Item = (&'a str, Option<Tls>)>) -> Settled {
    match levels.into_iter().find_map(|(key, said)| Some((key, said?))) {
        Some((key, Tls::On)) => Settled::On(key.to_owned()),
        Some((_, Tls::Off)) => Settled::Off,
        None => Settled::Unsaid,
    }
}

impl Settled {
    /// What that makes of connections.
    pub(crate) fn security(&self) -> Security {
        match self {
            Self::Unsaid | Self::Off => Security::Plain,
            Self::On(_) => Security::Tls,
        }
    }

    /// The same where the program has brought certificates of its own, which nobody does for nothing.
    pub(crate) fn or_on(self, given: bool) -> Self {
        if given && self == Self::Unsaid { Self::On("tls".to_owned()) } else { self }
    }

    /// The same, unless somebody has named certificates and not said that they are to be used: nothing goes out in
    /// plain text because a line was forgotten.
    ///
    /// # Errors
    /// Then.
    pub(crate) fn unless_forgotten(self, config: &Config, key: &str, named: bool) -> Result<Self> {
        if named && self == Self::Unsaid {
            return Err(Error::configuration(format!(
                "{}: `{key}` is said, and whether there is TLS is not",
                config.origin(key)
            ))
            .with_remedy("set `tls` (RPC_TLS) to \"on\", or to \"off\" if plain text is meant all the same"));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_of_which_something_is_said_counts() {
        assert_eq!(settled([("server.tls", None), ("tls", Some(Tls::On))]), Settled::On("tls".to_owned()));
        assert_eq!(settled([("server.tls", Some(Tls::Off)), ("tls", Some(Tls::On))]), Settled::Off);
        assert_eq!(settled([("server.tls", None), ("tls", None)]), Settled::Unsaid);
        assert_eq!(Settled::Unsaid.or_on(true), Settled::On("tls".to_owned()));
        assert_eq!(Settled::Off.or_on(true), Settled::Off, "the operator has the last word");
    }
}
