//! How a process is asked to leave.

use crate::{Error, Result};

/// The signals that ask a server to leave.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// What `docker stop`, Kubernetes and systemd send.
    #[cfg(unix)]
    Terminate,
    /// Ctrl-C.
    Interrupt,
}

impl Signal {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            #[cfg(unix)]
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }

    /// What a shell gives for a process that the signal ended: 128 and the signal's number.
    pub(crate) const fn exit_code(self) -> i32 {
        match self {
            #[cfg(unix)]
            Self::Terminate => 143,
            Self::Interrupt => 130,
        }
    }
}

#[cfg(unix)]
impl Signals {
    /// From now on the signals no longer end the process.
    pub(crate) fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error| Error::new("cannot listen for signals").with_source(error);
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self {})
    }

    pub(crate) async fn next(&mut self) -> Signal {
        // An error: this platform has no Ctrl-C, and nobody can ask.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}
