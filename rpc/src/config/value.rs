//! How values are written.

use crate::{Retries, Tls};
use rpc_core::{
    Transports,
    client::{Hedge, Percentile},
    registry::Instance,
};
use std::{path::PathBuf, time::Duration};

/// The protocols that every configuration can name, compiled in or not.
const PROTOCOLS: [&str; 2] = ["grpc", "tarpc"];

/// The protocols that this configuration can name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    /// Those of transports that the program brings itself.
    pub(super) added: &'a [&'static str],
}

/// Reads `300ms`, `2s`, `5m` or `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err(format!("`{text}` leaves no time at all")),
        Ok(duration) => Ok(duration),
        Err(_) => Err(format!("`{text}` is no duration: write 300ms, 2s, 5m or 1h")),
    }
}

impl Names<'_> {
    /// Reads `auto`, or the name of a protocol.
    pub(super) fn transport(self, text: &str) -> Result<Transports, String> {
        match text {
            "auto" => Ok(Transports::Auto),
            name => self
                .find(name)
                .map(Transports::Only)
                .ok_or_else(|| format!("`{name}` is no transport: write auto, {}", self.list("or"))),
        }
    }

    /// Reads the name of a protocol.
    pub(super) fn protocol(self, text: &str) -> Result<&'static str, String> {
        self.find(text).ok_or_else(|| format!("`{text}` is no protocol: there are {}", self.list("and")))
    }

    fn find(self, text: &str) -> Option<&'static str> {
        self.all().find(|known| *known == text)
    }

    fn all(self) -> impl DoubleEndedIterator<Item = &'static str> {
        PROTOCOLS.into_iter().chain(self.added.iter().copied())
    }

    fn list(self, last: &str) -> String {
        let mut names: Vec<_> = self.all().collect();
        let end = names.pop().unwrap_or_default();
        format!("{} {last} {end}", names.join(", "))
    }
}

/// Units of memory, the largest first.
const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Writes a size as [`size`] reads it.
pub(super) fn written_size(bytes: usize) -> String {
    match UNITS.into_iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// Reads a size in bytes: `65536`, `64KiB` or `16MiB`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    // What a frame of gRPC could hold, and more than one message should be.
    const MOST: usize = 1 << 30;
    let unit = UNITS.iter().find_map(|(unit, bytes)| text.strip_suffix(unit).map(|number| (number, *bytes)));
    let (number, bytes) = unit.unwrap_or((text, 1));
    let size = number.trim_end().parse::<usize>().ok().and_then(|number| number.checked_mul(bytes));
    match size {
        Some(size @ 1..=MOST) => Ok(size),
        Some(_) => Err(format!("`{text}` is not between 1 byte and 1GiB")),
        None => Err(format!("`{text}` is no size: write 65536, 64KiB or 16MiB")),
    }
}

/// Reads the weight of a server.
pub(crate) fn weight(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(weight @ 0..=Instance::MAX_WEIGHT) => Ok(weight),
        _ => Err(format!("`{text}` is no weight: write 0 to {}, where 100 is ordinary", Instance::MAX_WEIGHT)),
    }
}

/// Reads what a server says of itself for others to read: a zone, a version.
pub(crate) fn label(text: &str) -> Result<String, String> {
    if (1..=128).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err("it must be 1 to 128 bytes, and on one line".to_owned())
}

/// Reads `on` or `off`.
pub(super) fn retries(text: &str) -> Result<Retries, String> {
    match text {
        "on" => Ok(Retries::On),
        "off" => Ok(Retries::Off),
        _ => Err(format!("`{text}` is neither on nor off")),
    }
}

/// Reads `off`, a percentile as in `p95`, or a duration.
pub(super) fn hedge(text: &str) -> Result<Hedge, String> {
    if text == "off" {
        return Ok(Hedge::Off);
    }
    if let Some(percent) = text.strip_prefix('p') {
        let percentile = percent.parse().ok().and_then(Percentile::new).map(Hedge::Percentile);
        return percentile.ok_or_else(|| format!("`{text}` is no percentile: write one from p50 to p99"));
    }
    duration(text).map(Hedge::After).map_err(|why| format!("{why}; or off, or a percentile as in p95"))
}

/// Reads `on` or `off`.
pub(super) fn tls(text: &str) -> Result<Tls, String> {
    match text {
        "on" => Ok(Tls::On),
        "off" => Ok(Tls::Off),
        _ => Err(format!("`{text}` is neither on nor off")),
    }
}

/// Reads the name of a file. Whoever puts the PEM itself there must not find it in a log.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("it names no file".to_owned());
    }
    if text.contains("-----BEGIN") {
        return Err("it has to be the name of a file, and not what should be in it".to_owned());
    }
    Ok(text.into())
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
    fn a_hedge_is_a_duration_or_a_percentile() {
        assert_eq!(hedge("off").unwrap(), Hedge::Off);
        assert_eq!(hedge("p95").unwrap(), Hedge::P95);
        assert_eq!(hedge("50ms").unwrap(), Hedge::After(Duration::from_millis(50)));
        for text in ["p100", "p49", "p", "p-1"] {
            assert!(hedge(text).unwrap_err().contains("from p50 to p99"), "{text}");
        }
        for text in ["", "on", "50", "0ms"] {
            assert!(hedge(text).unwrap_err().contains("as in p95"), "{text}");
        }
    }

    #[test]
    fn sizes_have_the_units_of_memory() {
        for (text, bytes) in [("1", 1), ("64KiB", 65_536), ("16 MiB", 16_777_216), ("1GiB", 1_073_741_824)] {
            assert_eq!(size(text).unwrap(), bytes);
        }
        for text in ["", "0", "MiB", "-1", "4MB", "1.5MiB", "2GiB", "99999999999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_checked_early() {
        let names = Names { added: &[] };
        assert_eq!(names.transport("auto").unwrap(), Transports::Auto);
        assert_eq!(names.transport("tarpc").unwrap(), Transports::Only("tarpc"));
        assert!(names.transport("http").unwrap_err().contains("auto, grpc or tarpc"));
        assert!(names.protocol("auto").is_err());
    }

    #[test]
    fn a_transport_that_was_added_can_be_named() {
        let names = Names { added: &["pigeon"] };
        assert_eq!(names.transport("pigeon").unwrap(), Transports::Only("pigeon"));
        assert!(names.protocol("owl").unwrap_err().contains("grpc, tarpc and pigeon"));
    }
}
