//! A request that is a stream, sent beside the call that it belongs to.

use crate::frames::{self, Frames, Sent};
use bytes::Bytes;
use h2::{Reason, SendStream};
use rpc_core::Status;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

/// What a call knows of its request's stream; nothing when it has none.
#[derive(Default)]
pub(crate) struct Progress {
    failure: Option<Arc<Failure>>,
    /// Dropped with the call, or with the reply's body: nobody reads what a call says that is over.
    over: Option<oneshot::Sender<()>>,
}

type Failure = Mutex<Option<Status>>;

impl Progress {
    /// The call is over: what is left of the stream is not sent.
    pub(crate) fn end(&mut self) {
        self.over = None;
    }

    /// The error with which the caller's own stream ended, which is why the call failed.
    pub(crate) fn take_failure(&self) -> Option<Status> {
        self.failure.as_ref().and_then(|failure| failure.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}

/// What sends the stream, and what shows its progress. Nothing is sent behind the deadline of the call: it is over
/// then, but a caller who reads no replies does not know, nor does he hear it from the server.
pub(crate) fn upload(
    mut frames: Frames,
    mut to: SendStream<Bytes>,
    deadline: Option<Instant>,
) -> (impl Future<Output = ()> + Send, Progress) {
    let (sender, over) = oneshot::channel();
    let failure = Arc::<Failure>::default();
    let progress = Progress { failure: Some(failure.clone()), over: Some(sender) };
    let sending = async move {
        let sent = tokio::select! {
            sent = frames::send(&mut frames, &mut to) => sent,
            _ = over => Sent::Abandoned,
            // Without a reset, which would take away the replies that are here already.
            () = passed(deadline) => return,
        };
        match sent {
            // A failure here is one of the whole stream, of which the call hears by itself.
            Sent::All => drop(to.send_data(Bytes::new(), true)),
            Sent::Abandoned => to.send_reset(Reason::CANCEL),
            Sent::Failed(status) => {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
                to.send_reset(Reason::CANCEL);
            }
        }
    };
    (sending, progress)
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
