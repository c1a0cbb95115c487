//! How values are written.

use crate::Retries;
use rpc_core::Transports;
use std::time::Duration;

/// The protocols that a configuration can name, compiled in or not.
pub(super) const PROTOCOLS: [&str; 2] = ["grpc", "tarpc"];

/// Reads `300ms`, `2s`, `5m` or `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err(format!("`{text}` leaves no time at all")),
        Ok(duration) => Ok(duration),
        Err(_) => Err(format!("`{text}` is no duration: write 300ms, 2s, 5m or 1h")),
    }
}

/// Reads `auto`, or the name of a protocol.
pub(super) fn transport(text: &str) -> Result<Transports, String> {
    match text {
        "auto" => Ok(Transports::Auto),
        name => protocol(name)
            .map(Transports::Only)
            .map_err(|_| format!("`{name}` is no transport: write auto, grpc or tarpc")),
    }
}

/// Reads the name of a protocol.
pub(super) fn protocol(text: &str) -> Result<&'static str, String> {
    let known = PROTOCOLS.into_iter().find(|known| *known == text);
    known.ok_or_else(|| format!("`{text}` is no protocol: there are {}", PROTOCOLS.join(" and ")))
}

/// Reads `on` or `off`.
pub(super) fn retries(text: &str) -> Result<Retries, String> {
    match text {
        "on" => Ok(Retries::On),
        "off" => Ok(Retries::Off),
        _ => Err(format!("`{text}` is neither on nor off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, millis) in [("300ms", 300), ("2s", 2000), ("5m", 300_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(millis));
        }
        for text in ["", "5", "s", "-1s", "0ms", "99999999999999999999s", "9999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_checked_early() {
        assert_eq!(transport("auto").unwrap(), Transports::Auto);
        assert_eq!(transport("tarpc").unwrap(), Transports::Only("tarpc"));
        assert!(transport("http").unwrap_err().contains("auto, grpc or tarpc"));
        assert!(protocol("auto").is_err());
    }
}
