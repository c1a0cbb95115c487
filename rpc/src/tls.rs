//! Whether connections are encrypted: so far, no.

use crate::{Config, Error, Result, Tls};

/// What holds: the first of these keys of which something is said.
///
/// # Errors
/// When that is "on", which is not built yet.
pub(crate) fn settled<'a>(
    config: &Config,
    levels: impl IntoIterator<Item = (&'a str, Option<Tls>)>,
) -> Result<Option<Tls>> {
    match levels.into_iter().find_map(|(key, said)| Some((key, said?))) {
        Some((key, Tls::On)) => Err(Error::new(format!("{}: `{key}` is \"on\", and TLS is not built yet", config.origin(key)))
            .with_remedy(format!("set `{key}` to \"off\" and keep the traffic in a network that you trust, or let a proxy on each machine encrypt it"))),
        Some((_, Tls::Off)) => Ok(Some(Tls::Off)),
        None => Ok(None),
    }
}
