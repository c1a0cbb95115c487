//! What to say, and to exit with, when something failed.

use orders::OrderError;
use rpc::{Code, Status};
use std::{error::Error, process::ExitCode};

/// Something failed, and there is something that can be done about it.
pub(crate) struct Failure {
    error: Box<dyn Error + Send + Sync>,
    code: u8,
    remedy: &'static str,
}

impl Failure {
    /// What concerns the command line or what it names.
    pub(crate) fn usage(error: impl Into<Box<dyn Error + Send + Sync>>, remedy: &'static str) -> Self {
        Self { error: error.into(), code: 2, remedy }
    }

    /// Says what went wrong and what to do, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let mut said = self.error.to_string();
        eprintln!("order-client: {said}");
        let mut cause = self.error.source();
        while let Some(reason) = cause {
            let text = reason.to_string();
            if let Some(news) = news(&said, &text) {
                eprintln!("  because: {news}");
            }
            said = text;
            cause = reason.source();
        }
        eprintln!("  what to do: {}", self.remedy);
        ExitCode::from(self.code)
    }
}

impl From<OrderError> for Failure {
    fn from(error: OrderError) -> Self {
        let (code, remedy) = match &error {
            OrderError::NotFound { .. } => {
                (3, "see whether the number is right, and whether the servers share a --data folder")
            }
            OrderError::Conflict { .. } | OrderError::Invalid { .. } => (4, "correct the order"),
            OrderError::Rider { .. } => (2, "choose another name"),
            OrderError::TooMany { .. } => (4, "split the file"),
            OrderError::Storage { .. } => (1, "see the server's log"),
            OrderError::Rpc(status) => (1, remedy(status)),
        };
        Self { error: Box::new(error), code, remedy }
    }
}

/// What a reason adds: many begin with the words that what they explain has ended with.
fn news<'a>(said: &str, reason: &'a str) -> Option<&'a str> {
    let tails = said.match_indices([':', ',']).map(|(at, _)| said[at + 1..].trim_start());
    let known = std::iter::once(said).chain(tails).find_map(|tail| reason.strip_prefix(tail));
    let news = known.unwrap_or(reason).trim_start_matches([';', ':', ' ']);
    (!news.is_empty()).then_some(news)
}

fn remedy(status: &Status) -> &'static str {
    match status.code() {
        Code::Unavailable => "see whether an order-server runs, with the same --registry, and speaks this --transport",
        Code::DeadlineExceeded => {
            "see whether an order-server runs, with the same --registry, and is not overloaded; or allow more time: --timeout 10s"
        }
        Code::ResourceExhausted => {
            "see which limit it names: send less at once, allow larger messages on both sides (RPC_MAX_MESSAGE), or come back later"
        }
        Code::Unauthenticated => "show the servers who you are: [client] `certificate` and `key` in rpc.toml",
        Code::PermissionDenied => "ask who runs the servers whether you may do this",
        Code::Unimplemented => "see whether server and client are of the same version",
        _ => "see the server's log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_twice() {
        assert_eq!(news("UNAVAILABLE: 0 of 1 servers", "0 of 1 servers; a:1: refused"), Some("a:1: refused"));
        assert_eq!(news("0 of 1 servers", "0 of 1 servers: refused"), Some("refused"));
        assert_eq!(news("LATE: 0 attempts sent, 0 of 1 servers", "0 of 1 servers"), None);
        assert_eq!(news("UNAVAILABLE: the connection was lost", "broken pipe"), Some("broken pipe"));
    }
}
