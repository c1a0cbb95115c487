//! What goes wrong before and around calls.

use rpc_core::{Code, RpcError, Status, observer::target};
use std::{error::Error as StdError, fmt};

/// The result of setting something up. Not in the prelude: a `Result` of one argument there would shadow everybody's
/// own.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be set up: a configuration that makes no sense, a port that is taken, a registry that
/// nobody can reach.
///
/// A failed *call* is a [`Status`], or the service's own error; both become this one through `?`, so that `main` can
/// return `rpc::Result<()>`. What `main` prints is `Debug`, which is therefore the whole story for people: what
/// happened, why, and what to do about it.
pub struct Error(Box<Inner>);

struct Inner {
    cause: Cause,
    message: String,
    remedy: Option<String>,
    status: Option<Status>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What has to change before the same is worth another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Configuration,
    Circumstances,
}

impl Error {
    /// With a sentence that names the place.
    #[cold]
    pub fn new(message: impl Into<String>) -> Self {
        Self::of(Cause::Circumstances, message.into())
    }

    /// The same, of something that the configuration says, or should.
    #[cold]
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::of(Cause::Configuration, message.into())
    }

    fn of(cause: Cause, message: String) -> Self {
        Self(Box::new(Inner { cause, message, remedy: None, status: None, source: None }))
    }

    /// Whether the configuration is wrong: a key, a value, something that has to be said and is not, or that this
    /// program was not built for. To try again is of no use then. Programs say so in their exit code, as a rule with 2.
    pub fn is_configuration(&self) -> bool {
        self.0.cause == Cause::Configuration
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What to do about it, if that is known.
    pub fn remedy(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// The failed call, if that is what it was.
    pub fn status(&self) -> Option<&Status> {
        self.0.status.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut said = self.0.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors repeat their cause in their own text.
            if !said.contains(&text) {
                write!(f, "\n  because: {text}")?;
            }
            said = text;
            cause = error.source();
        }
        match &self.0.remedy {
            Some(remedy) => write!(f, "\n  what to do: {remedy}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Every error that a method of a service may have: [`Status`], and whatever derives `RpcError`.
impl<E: RpcError> From<E> for Error {
    fn from(error: E) -> Self {
        let status = error.into_status();
        let mut made = Self::new(format!("{} ({})", status.message(), status.code()));
        made.0.source = status.source().map(|source| source.to_string().into());
        made.0.status = Some(status);
        made
    }
}

/// A handler that could not set up a client of its own cannot answer: `FailedPrecondition` when its configuration is
/// wrong, else `Unavailable`; or what the call it made said.
///
/// The message travels to whoever called, and what an error of setting up names is places: URLs of registries, paths of
/// files. So it stays here, as the source of the status and in the log.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        if let Some(status) = &error.0.status {
            return status.clone();
        }
        tracing::warn!(
            target: target::SERVER, ?error,
            "a call cannot be answered, since what it needs could not be set up"
        );
        let code = if error.is_configuration() { Code::FailedPrecondition } else { Code::Unavailable };
        Self::new(code, "the server could not set up what it needs for this call, such as a client; its log says why")
            .with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn main_prints_the_place_the_cause_and_the_remedy_once_each() {
        let cause = Error::new("permission denied");
        let error = Error::new("cannot listen on 10.0.0.7:80: permission denied")
            .with_source(Error::new("the port is privileged").with_source(cause))
            .with_remedy("choose a port above 1023");
        assert_eq!(
            format!("{error:?}"),
            "cannot listen on 10.0.0.7:80: permission denied\n  because: the port is privileged\n  because: permission denied\n  what to do: choose a port above 1023"
        );
    }

    #[test]
    fn calls_that_fail_become_errors_and_the_reverse() {
        fn call() -> Result<()> {
            Err(Status::not_found("there is no order 7"))?
        }
        let error = call().unwrap_err();
        assert_eq!(format!("{error:?}"), "there is no order 7 (NotFound)");
        assert_eq!(Status::from(error).code(), Code::NotFound);
    }

    #[test]
    fn what_could_not_be_set_up_is_told_to_callers_without_its_place() {
        let place = "zookeeper://10.0.0.1:2181/rpc";
        let away = || Error::new(format!("cannot open {place}")).with_remedy(place).with_source(Error::new(place));
        let wrong = || Error::configuration(format!("/etc/rpc.toml: `registry`: {place}"));
        for (error, code) in [(away(), Code::Unavailable), (wrong(), Code::FailedPrecondition)] {
            let story = format!("{error:?}");
            let status = Status::from(error);
            assert_eq!(status.code(), code);
            assert!(!status.message().contains("10.0.0.1") && !status.message().contains("/etc"), "{status}");
            let source = status.source().expect("the log has it");
            assert_eq!(format!("{source:?}"), story);
        }
    }
}
