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
        eprintln!("order-client: {}", self.error);
        let mut cause = self.error.source();
        while let Some(reason) = cause {
            eprintln!("  because: {reason}");
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

fn remedy(status: &Status) -> &'static str {
    match status.code() {
        Code::Unavailable => "see whether an order-server runs, with the same --registry, and speaks this --transport",
        Code::DeadlineExceeded => {
            "see whether an order-server runs, with the same --registry, and is not overloaded; or allow more time: --timeout 10s"
        }
        Code::Unimplemented => "see whether server and client are of the same version",
        _ => "see the server's log",
    }
}
