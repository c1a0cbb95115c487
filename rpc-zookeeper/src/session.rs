//! The one session, and what happens when it ends.
//!
//! The client library reconnects within a session. What it leaves to us is done here: a session that has ended is
//! first taken up again (the library gives one up after 7/5 of its timeout, while a server that was away itself still
//! knows it: our records would stay as they are) and only then replaced by a new one, for ever. And since the library
//! says nothing when its own task has died, the session is asked for a sign of life now and then.

use crate::{
    backoff::{Backoff, apart},
    location::Location,
};
use rpc_core::{BoxFuture, observer::target};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use zookeeper_client::{Client, Error, SessionInfo, SessionState, StateWatcher};

/// Whether ZooKeeper can be asked just now.
///
/// Every connection is announced, also when the one before is not known to have been lost: whoever holds a persistent
/// watch has to begin anew with each. (The library does not restore them, and what happened in between would be lost
/// if it did.)
#[derive(Clone, Debug)]
pub(crate) enum Link {
    /// It has never been reached, and the first try is not over.
    Opening,
    /// It cannot be; why.
    Down(Arc<str>),
    /// It can.
    Up(Live),
}

/// A session with a connection.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) client: Client,
    /// Which client of ours it is: another number, and nothing sent before can still be carried out.
    pub(crate) generation: u64,
}

impl Live {
    /// Whether a request sent now goes out now. One that is sent while the connection is away is queued, not refused,
    /// and carried out later whether or not anybody still waits for it.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.state() == SessionState::SyncConnected
    }
}

/// Opens a session, taking an old one up again if there is one.
pub(crate) type Open = Box<dyn Fn(Option<SessionInfo>) -> BoxFuture<'static, Result<Client, Error>> + Send + Sync>;

/// Keeps a session open until it is told to stop.
pub(crate) struct Supervisor {
    open: Open,
    /// What is asked for; the ensemble may grant less.
    session_timeout: Duration,
    link: watch::Sender<Link>,
    stop: CancellationToken,
    generation: u64,
}

enum End {
    /// The session is over, says the library.
    Over(SessionState),
    /// The library is: no sign of life for two session timeouts, while its own limit is 7/5 of one.
    Dead,
    /// We are.
    Stopped,
}

impl Supervisor {
    /// How long the end of a session is waited for.
    const CLOSING: Duration = Duration::from_secs(2);

    pub(crate) fn new(
        open: Open,
        session_timeout: Duration,
        link: watch::Sender<Link>,
        stop: CancellationToken,
    ) -> Self {
        Self { open, session_timeout, link, stop, generation: 0 }
    }

    pub(crate) async fn run(mut self) {
        let mut last = None;
        while let Some(client) = self.connect(last.take()).await {
            self.generation += 1;
            // The states are watched from before the first look at one, so that none is missed.
            let mut states = client.state_watcher();
            let end = self.supervise(&client, &mut states).await;
            match end {
                End::Over(state) => {
                    tracing::warn!(
                        target: target::REGISTRY, session = %client.session_id(), %state,
                        "the ZooKeeper session has ended"
                    );
                    self.link.send_replace(Link::Down("the session has ended".into()));
                    last = Some(client.into_session());
                }
                End::Dead => {
                    // Not taken up again: if it should live after all, the two would keep ending each other.
                    tracing::error!(
                        target: target::REGISTRY, session = %client.session_id(),
                        "the ZooKeeper client does not answer; opening another"
                    );
                    self.link.send_replace(Link::Down("the client does not answer".into()));
                }
                End::Stopped => {
                    self.link.send_replace(Link::Down("closed".into()));
                    return close(client, states).await;
                }
            }
        }
        self.link.send_replace(Link::Down("closed".into()));
    }

    /// A client, or none when it is time to stop.
    async fn connect(&self, mut last: Option<SessionInfo>) -> Option<Client> {
        // A server that was away gives each session one timeout to come back: one try must fall into it for certain.
        let mut backoff = Backoff::at_most(self.session_timeout / 4);
        loop {
            let error = match self.stop.run_until_cancelled((self.open)(last.clone())).await? {
                Ok(client) => return Some(client),
                Err(Error::SessionExpired) if last.is_some() => {
                    // Of one cause, the sessions of a whole fleet end together.
                    last = None;
                    self.stop.run_until_cancelled(sleep(apart())).await?;
                    continue;
                }
                // Nothing can have been lost by it: the server either keeps the old session or will say so.
                Err(error) => error,
            };
            tracing::debug!(target: target::REGISTRY, %error, "ZooKeeper cannot be reached");
            self.link.send_replace(Link::Down(error.to_string().into()));
            self.stop.run_until_cancelled(sleep(backoff.next())).await?;
        }
    }

    async fn supervise(&mut self, client: &Client, states: &mut StateWatcher) -> End {
        let patience = client.session_timeout() * 2;
        let pause = client.session_timeout() / 3;
        let mut sign_of_life = Box::pin(sign_of_life(client, pause));
        let mut alive = Instant::now();
        let mut state = states.peek_state();
        loop {
            if state.is_terminated() {
                return End::Over(state);
            }
            self.announce(client, state);
            loop {
                tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return End::Stopped,
                    now = states.changed() => {
                        state = now;
                        alive = Instant::now();
                        break;
                    }
                    () = &mut sign_of_life => {
                        sign_of_life.set(self::sign_of_life(client, pause));
                        alive = Instant::now();
                    }
                    () = sleep_until(alive + patience) => return End::Dead,
                }
            }
        }
    }

    fn announce(&self, client: &Client, state: SessionState) {
        self.link.send_replace(if state == SessionState::SyncConnected {
            tracing::debug!(target: target::REGISTRY, session = %client.session_id(), "connected to ZooKeeper");
            Link::Up(Live { client: client.clone(), generation: self.generation })
        } else {
            Link::Down("the connection is lost".into())
        });
    }
}

/// Ready when the server has answered something.
async fn sign_of_life(client: &Client, pause: Duration) {
    loop {
        sleep(pause).await;
        if client.check_stat("/").await.is_ok() {
            return;
        }
    }
}

/// The library has no `close().await`: the session is closed once every client is dropped, and its end is seen in the
/// state. Until then our records may be there.
async fn close(client: Client, mut states: StateWatcher) {
    let session = client.session_id();
    drop(client);
    let closed = async { while !states.changed().await.is_terminated() {} };
    if timeout(Supervisor::CLOSING, closed).await.is_err() {
        tracing::warn!(
            target: target::REGISTRY, %session,
            "the ZooKeeper session could not be closed; it ends when its timeout has passed"
        );
    }
}

/// How sessions are opened in earnest.
pub(crate) fn opener(location: &Location) -> Open {
    let (cluster, session_timeout) = (location.cluster(), location.session_timeout());
    Box::new(move |last| {
        let cluster = cluster.clone();
        Box::pin(async move {
            // Failing after one pass over the hosts lets us say early that there is nobody; we try again ourselves.
            let connector = Client::connector().with_session_timeout(session_timeout).with_fail_eagerly();
            match last {
                Some(session) => connector.with_session(session),
                None => connector,
            }
            .connect(&cluster)
            .await
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{backoff::APART, testing::server};
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    };
    use tokio::{runtime::Builder, task::JoinSet};

    async fn location() -> Location {
        format!("zookeeper://{}/rpc?session_timeout=1s", server().await.connect_string()).parse().unwrap()
    }

    async fn up(link: &mut watch::Receiver<Link>, generation: u64) -> Live {
        let reached = link.wait_for(|link| matches!(link, Link::Up(live) if live.generation == generation));
        match &*timeout(Duration::from_secs(10), reached).await.expect("a session in time").unwrap() {
            Link::Up(live) => live.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// The library's task dies with the runtime it was started on, and nothing says so: without the limit on silence
    /// (the branch that ends in `End::Dead`) this waits for ever.
    #[expect(clippy::disallowed_methods, reason = "what a test spawns ends with it")]
    #[tokio::test]
    async fn a_client_that_died_without_a_word_is_replaced() {
        let location = location().await;
        let real = opener(&location);
        let scrap =
            Arc::new(Mutex::new(Some(Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())));
        let (runtime, cluster, opened) = (scrap.clone(), location.cluster(), AtomicUsize::new(0));
        let open: Open = Box::new(move |last| {
            assert!(last.is_none(), "a client that may live is not taken up again");
            if opened.fetch_add(1, Ordering::Relaxed) > 0 {
                return real(last);
            }
            let connector = Client::connector().with_session_timeout(Duration::from_secs(1));
            let cluster = cluster.clone();
            let first =
                runtime.lock().unwrap().as_ref().unwrap().spawn(async move { connector.connect(&cluster).await });
            Box::pin(async { first.await.unwrap() })
        });
        let (sender, mut link) = watch::channel(Link::Opening);
        let stop = CancellationToken::new();
        let supervisor = Supervisor::new(open, Duration::from_secs(1), sender, stop.clone());
        let mut running = JoinSet::new();
        running.spawn(supervisor.run());
        up(&mut link, 1).await;
        scrap.lock().unwrap().take().unwrap().shutdown_background();
        let second = up(&mut link, 2).await;
        assert!(second.client.check_stat("/").await.is_ok());
        stop.cancel();
        drop(second);
        drop(link);
        running.join_next().await.unwrap().unwrap();
    }
    /// When the sessions of a fleet have ended, new ones are not opened in step; and one that is still known is taken
    /// up again at once.
    #[tokio::test]
    async fn new_sessions_are_opened_apart_and_old_ones_taken_up_at_once() {
        let ended = opener(&location().await)(None).await.unwrap().into_session();
        tokio::time::pause();
        let mut times = Vec::new();
        for _ in 0..100 {
            let stop = CancellationToken::new();
            let (opened, told) = (Arc::new(Mutex::new(Vec::new())), stop.clone());
            let seen = opened.clone();
            let open: Open = Box::new(move |last| {
                seen.lock().unwrap().push(Instant::now());
                if last.is_none() {
                    told.cancel();
                }
                Box::pin(async move { Err(if last.is_some() { Error::SessionExpired } else { Error::NoHosts }) })
            });
            let supervisor = Supervisor::new(open, Duration::from_secs(1), watch::channel(Link::Opening).0, stop);
            let asked = Instant::now();
            assert!(supervisor.connect(Some(ended.clone())).await.is_none());
            let opened = opened.lock().unwrap();
            assert_eq!((opened.len(), opened[0]), (2, asked), "first the old one, then a new one");
            times.push(opened[1] - opened[0]);
        }
        times.sort_unstable();
        // The clock of tokio counts whole milliseconds.
        let most = APART + Duration::from_millis(1);
        assert!(times[10] < APART / 3 && times[90] > APART * 2 / 3 && times[99] <= most, "{times:?}");
    }
}
