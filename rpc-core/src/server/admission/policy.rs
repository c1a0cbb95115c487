//! How many calls a server lets in.

use std::{fmt, num::NonZeroUsize, str::FromStr};

/// How many calls a server lets in at once. What is over is refused before the handler, with `ResourceExhausted` and
/// with nothing done, so that the client may ask another server.
///
/// Calls count until their handler has answered, and a handler that goes on without its caller until it has ended.
/// Streams count until they begin, and calls in which the client streams do not count: how long those last is up to
/// others. What bounds streams is [`Limits::max_concurrent_calls`](crate::transport::Limits).
///
/// Less urgent calls are refused earlier and more urgent ones later: see [`Priority`](crate::Priority).
///
/// Written `adaptive`, `off`, or as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// As many as it gets done, found out by itself: calls are refused while what is ready waits for a worker of the
    /// runtime for more than 50 ms, and at least 64 calls stand there. Handlers that wait for something else, as for a
    /// slow database, are no reason to refuse any; if it is the server that should keep too many from waiting there,
    /// give a number.
    #[default]
    Adaptive,
    /// All.
    Off,
    /// So many; of sheddable ones half as many, of "sheddable plus" three quarters, of "critical plus" a quarter more.
    AtMost(NonZeroUsize),
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adaptive => f.write_str("adaptive"),
            Self::Off => f.write_str("off"),
            Self::AtMost(calls) => calls.fmt(f),
        }
    }
}

impl FromStr for Admission {
    type Err = AdmissionError;

    fn from_str(text: &str) -> Result<Self, AdmissionError> {
        match text {
            "adaptive" => Ok(Self::Adaptive),
            "off" => Ok(Self::Off),
            number => number.parse().map(Self::AtMost).map_err(|_| AdmissionError(text.chars().take(64).collect())),
        }
    }
}

/// A text that is no [`Admission`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionError(String);

impl fmt::Display for AdmissionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no number of calls: write adaptive, off, or a number from 1 on", self.0)
    }
}

impl std::error::Error for AdmissionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        for text in ["adaptive", "off", "200"] {
            assert_eq!(text.parse::<Admission>().unwrap().to_string(), text);
        }
        for text in ["", "0", "-1", "1.5", "on", "Adaptive", "99999999999999999999999"] {
            let error = text.parse::<Admission>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("adaptive, off"), "{error}");
        }
    }
}
