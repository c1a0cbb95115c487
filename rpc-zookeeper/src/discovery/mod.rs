//! The list of a service's instances, kept current.
//!
//! One recursive watch per service serves as a doorbell only: what it says is where to look, what is there is read.
//! With every new connection the watch is added anew and everything is read again, because a watch does not survive
//! the old one (a defect of the library: it computes `max(index, index)` and never restores it) and what happened in
//! between would be lost even if it did (ZOOKEEPER-4698). Everything is also read once a minute, in case the doorbell
//! is broken in a way nobody has thought of.

mod read;
mod view;

use crate::{
    backoff::{Backoff, about},
    record::Assumptions,
    session::{Link, Live},
    watcher::TreeWatch,
};
use read::{Unread, answer};
use rpc_core::{
    observer::target,
    registry::{Publisher, ServiceName},
};
use std::{collections::BTreeSet, convert::Infallible, mem, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use view::View;
use zookeeper_client::AddWatchMode;

/// Follows one service until nobody watches it any more.
pub(crate) struct Follower {
    path: String,
    view: View,
    /// Kept over reconnects, and dropped only when the next one is there.
    watch: Option<TreeWatch>,
    connected_before: bool,
    last_look: Instant,
    backoff: Backoff,
}

/// What may have changed since the last look.
#[derive(Debug, PartialEq)]
enum Dirt {
    Nodes(BTreeSet<String>),
    Everything,
}

impl Follower {
    /// Changes come in groups: this long without another one ends the group.
    const QUIET: Duration = Duration::from_millis(50);
    /// A group is at most this long.
    const GROUP: Duration = Duration::from_millis(500);
    /// Two looks are at least this far apart: an instance that comes and goes costs two of them a second.
    const APART: Duration = Duration::from_millis(500);
    /// A change is on the list by then, though it came right behind a look and others with it; half of it is for the
    /// reading.
    pub(crate) const PUBLISHED: Duration = Duration::from_secs(1);
    /// A fleet of clients does not read all at once.
    const JITTER: Duration = Duration::from_millis(50);
    const RECONNECT_JITTER: Duration = Duration::from_millis(500);
    /// More changed nodes than this, and the whole list is read.
    const FEW: usize = 32;
    /// How often the whole list is read when nothing says that it has changed.
    const CHECK: Duration = Duration::from_secs(60);
    /// A list that would become empty is read again this often before it is believed. After its data was lost,
    /// ZooKeeper answers before the servers have come back to it.
    const CONFIRMATIONS: u32 = 3;
    const CONFIRMATION: Duration = Duration::from_millis(400);

    pub(crate) fn new(service: &ServiceName, base: &str, assumptions: Assumptions) -> Self {
        Self {
            path: format!("{base}/{service}"),
            view: View::new(service.clone(), assumptions),
            watch: None,
            connected_before: false,
            last_look: Instant::now(),
            backoff: Backoff::default(),
        }
    }

    pub(crate) async fn run(mut self, publisher: Publisher, links: watch::Receiver<Link>) {
        tokio::select! {
            () = publisher.abandoned() => {}
            () = self.follow_links(&publisher, links) => {}
        }
    }

    async fn follow_links(&mut self, publisher: &Publisher, mut links: watch::Receiver<Link>) {
        loop {
            let link = links.borrow_and_update().clone();
            let mut pause = Duration::MAX;
            match link {
                Link::Opening => {}
                Link::Down(reason) => publisher.unreachable(&*reason),
                Link::Up(live) => tokio::select! {
                    biased;
                    Ok(()) = links.changed() => continue,
                    Err(error) = self.follow(&live, publisher) => {
                        tracing::debug!(target: target::REGISTRY, path = self.path, %error, "the list cannot be read");
                        publisher.unreachable(error.to_string());
                        pause = self.backoff.next();
                    }
                    else => return,
                },
            }
            tokio::select! {
                changed = links.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = sleep(pause), if pause < Duration::MAX => {}
            }
        }
    }

    /// Publishes list after list until this connection is of no use any more.
    async fn follow(&mut self, live: &Live, publisher: &Publisher) -> Result<Infallible, Unread> {
        // Watch, then read: in this order nothing can happen in between unseen. The path need not exist.
        let watch = answer(live.client.watch(&self.path, AddWatchMode::PersistentRecursive)).await?;
        self.watch = Some(TreeWatch::new(watch));
        if mem::replace(&mut self.connected_before, true) {
            sleep(Self::RECONNECT_JITTER.mul_f64(fastrand::f64())).await;
        }
        let mut dirt = Dirt::Everything;
        loop {
            self.look(live, dirt).await?;
            self.last_look = Instant::now();
            self.backoff.reset();
            publisher.publish(self.view.snapshot());
            dirt = self.wait().await;
        }
    }

    /// Waits until there is something to look at.
    async fn wait(&mut self) -> Dirt {
        let Some(watch) = &mut self.watch else { return std::future::pending().await };
        let mut names = BTreeSet::new();
        let mut everything = false;
        let mut note = |path: String| match path.strip_prefix(&self.path).map(|rest| rest.strip_prefix('/')) {
            Some(Some(name)) if name.contains('/') => {}
            Some(Some(name)) if names.len() < Self::FEW => drop(names.insert(name.to_owned())),
            _ => everything = true,
        };
        tokio::select! {
            path = watch.changed() => note(path),
            () = sleep(about(Self::CHECK)) => return Dirt::Everything,
        }
        let jitter = Self::JITTER.mul_f64(fastrand::f64());
        let earliest = self.last_look + Self::APART;
        let latest = (Instant::now() + Self::GROUP).max(earliest);
        loop {
            let quiet = (Instant::now() + Self::QUIET + jitter).max(earliest).min(latest);
            tokio::select! {
                biased;
                () = sleep_until(latest) => break,
                path = watch.changed() => note(path),
                () = sleep_until(quiet) => break,
            }
        }
        if everything { Dirt::Everything } else { Dirt::Nodes(names) }
    }

    async fn look(&mut self, live: &Live, dirt: Dirt) -> Result<(), Unread> {
        if let Dirt::Nodes(names) = dirt {
            let nodes = read::nodes(&live.client, &self.path, &names).await?;
            if !self.view.would_be_empty(&nodes) {
                nodes.into_iter().for_each(|(name, node)| self.view.set(name, node));
                return Ok(());
            }
        }
        let mut doubts = 0;
        loop {
            let list = read::list(&live.client, &self.path).await?;
            let empties = list.names.is_empty() && !self.view.is_empty();
            // Believed in the end all the same: the transactions of an ensemble that lost its data begin anew.
            if doubts < Self::CONFIRMATIONS && (empties || self.view.is_older(list.parent)) {
                doubts += 1;
                sleep(Self::CONFIRMATION).await;
                continue;
            }
            let nodes = read::nodes(&live.client, &self.path, &list.names).await?;
            self.view.set_parent(list.parent, &list.names);
            nodes.into_iter().for_each(|(name, node)| self.view.set(name, node));
            return Ok(());
        }
    }
}
