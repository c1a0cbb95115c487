//! The end of an [`App`].

use super::{App, lock};
use rpc_core::{observer::target, server::Local, transport::DrainPhase};
use std::{
    sync::atomic::{
        AtomicBool,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

impl App {
    /// How long calls in flight may take to end.
    const IN_FLIGHT: Duration = Duration::from_secs(6);
    /// The same once the servers have ended: all handlers are gone, and so is nearly all of the time.
    pub(crate) const AFTER_SERVERS: Duration = Duration::from_millis(50);

    /// Ends its clients in peace: new calls fail, those in flight have up to 6 s to end, connections and sessions with
    /// registries close. True when every call has ended. For programs that only call; servers are ended by
    /// [`Running::shutdown`](crate::Running::shutdown), and before this, since their handlers may call.
    ///
    /// All clones are the same App: none makes clients any more.
    pub async fn shutdown(&self) -> bool {
        self.end(Self::IN_FLIGHT).await
    }

    async fn end(&self, grace: Duration) -> bool {
        self.0.ended.store(true, Relaxed);
        let servers = self.0.serving.load(Acquire);
        if servers > 0 {
            tracing::warn!(
                target: target::SERVER, servers,
                "servers of this App still run; what their handlers call from now on fails"
            );
        }
        self.tell_locals();
        self.0.tasks.abort();
        let until = Instant::now() + grace;
        // First those who may call others to get done.
        let mut peaceful = self.locals_finished(until).await;
        if !peaceful {
            tracing::warn!(
                target: target::SERVER,
                "services in this process were still at work for callers that had left; they are cut"
            );
        }
        let held: Vec<_> = lock(&self.0.clients).held.drain().collect();
        let channels = held.into_iter().flat_map(|(name, held)| held.channels().map(move |channel| (name, channel)));
        let channels: Vec<_> = channels.collect();
        let left = until.saturating_duration_since(Instant::now());
        let closing = channels.iter().map(|(name, channel)| async move { (*name, channel.close(left).await) });
        for (service, ended) in all(closing).await {
            if !ended {
                tracing::warn!(
                    target: target::CLIENT, { rpc.service = service },
                    "calls of this client were still in flight when it was shut down; they are cut"
                );
            }
            peaceful &= ended;
        }
        lock(&self.0.locals).drain().for_each(|(_, local)| local.abort());
        lock(&self.0.registries).clear();
        peaceful
    }

    /// Waits for the handlers of services in this process that go on without their callers. False when some are left.
    async fn locals_finished(&self, until: Instant) -> bool {
        let locals: Vec<_> = lock(&self.0.locals).values().cloned().collect();
        timeout_at(until, all(locals.iter().map(Local::finished))).await.is_ok()
    }

    /// Services in this process hear that it is about to leave when that is so of every server there is, and at the
    /// end. Where a program goes on without servers, so do they.
    pub(super) fn tell_locals(&self) {
        let locals = lock(&self.0.locals);
        let (serving, leaving) = (self.0.serving.load(Acquire), self.0.leaving.load(Acquire));
        let ended = self.0.ended.load(Relaxed);
        let phase =
            if ended || (serving > 0 && leaving == serving) { DrainPhase::Draining } else { DrainPhase::Serving };
        locals.values().for_each(|local| local.turn(phase));
    }

    /// Works until the App ends.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(work);
    }

    /// A server of it has begun.
    pub(crate) fn begun(&self) -> Serving {
        self.0.serving.fetch_add(1, AcqRel);
        self.tell_locals();
        Serving { app: self.clone(), leaving: AtomicBool::new(false) }
    }
}

/// A server that runs, for as long as this is held.
pub(crate) struct Serving {
    app: App,
    leaving: AtomicBool,
}

impl Serving {
    /// The server takes no new calls any more (GOAWAY).
    pub(crate) fn leave(&self) {
        if !self.leaving.swap(true, Relaxed) {
            self.app.0.leaving.fetch_add(1, AcqRel);
            self.app.tell_locals();
        }
    }

    /// If it is the last server: waits for what services in this process have begun, as it does for its own calls.
    /// (While another server runs, theirs may go on for ever.) False when something is left.
    pub(crate) async fn locals_finished(&self, until: Instant) -> bool {
        self.app.0.serving.load(Acquire) > 1 || self.app.locals_finished(until).await
    }

    /// The server has ended: if it was the last one, the clients that its handlers used end as well.
    pub(crate) async fn last(self) {
        let app = self.app.clone();
        drop(self);
        if app.0.serving.load(Acquire) == 0 {
            app.end(App::AFTER_SERVERS).await;
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if *self.leaving.get_mut() {
            self.app.0.leaving.fetch_sub(1, AcqRel);
        }
        self.app.0.serving.fetch_sub(1, AcqRel);
        self.app.tell_locals();
    }
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Serving").field(&self.app).finish()
    }
}

/// Waits for all of these at once.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    futures_util::future::join_all(futures).await
}
