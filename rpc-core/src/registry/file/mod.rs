//! The embedded registry: a directory.

mod directory;
mod lock;
mod owner;
mod record;
mod scan;

#[cfg(test)]
mod tests;

use crate::{
    BoxFuture, Tasks,
    registry::{
        Availability, Instance, Publisher, Registration, Registry, RegistryError, ServiceName, Snapshot, Source, Watch,
    },
};
use directory::Directory;
use scan::Found;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The embedded registry: a directory on this host, for servers and clients of one user under one kernel.
///
/// `<service>/<id>.json` is the record of a server, `<service>/<id>.lock` a file that its owner has locked for as long
/// as it lives: the kernel drops the lock when the process dies, however it dies. Readers look every 250 ms, and try
/// the lock of each record; one whose lock is free is removed by whoever finds it. Owners look every second whether
/// their records are there, and put them back; the directory as well, if it is gone. A reader that the system denies a
/// look (it has too many files open, the disk fails) keeps the list it has, and says that it is stale.
///
/// It keeps the promises of a [`Registry`], and is not ZooKeeper:
/// - It ends at this host, and at this user: two containers, or two users, see different directories.
/// - A server that is stopped (`SIGSTOP`), or hangs, stays listed, since it holds its lock; ZooKeeper would end its
///   session, and `rpc-zookeeper` withdraws the record of one that hangs.
/// - A killed server is off a reader's list at its next look, which begins 250 ms after the last one has ended; in
///   ZooKeeper after its session timeout. A look is work that blocks: where all of the runtime's threads for such work
///   are taken, it waits for one.
/// - Nothing tells readers of a change; they look. A record that comes and goes between two looks is never seen.
#[derive(Clone, Debug)]
pub struct File(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    directory: Directory,
    // A registration's task holds this whole: the record is withdrawn even after the last `File` is gone.
    tasks: Tasks,
}

impl File {
    /// How long readers wait between two looks.
    pub const LOOK_EVERY: Duration = Duration::from_millis(250);

    /// The registry in a directory, which is made if it is not there. Its parent has to be.
    ///
    /// # Errors
    /// When the directory cannot be trusted (it is a link, another user's, open to others) or its locks cannot (a
    /// network file system), or when it cannot be made.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, RegistryError> {
        let directory = Directory::open(directory.into())?;
        Ok(Self(Arc::new(Shared { directory, tasks: Tasks::owner() })))
    }

    /// Where the registry of this user is by convention: `rpc` under `xdg`, which is what `XDG_RUNTIME_DIR` holds, and
    /// `/tmp/rpc-<uid>` without one.
    pub fn default_directory(xdg: Option<PathBuf>) -> PathBuf {
        match xdg.filter(|path| path.is_absolute()) {
            Some(path) => path.join("rpc"),
            None => PathBuf::from(format!("/tmp/rpc-{}", rustix::process::geteuid().as_raw())),
        }
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        self.0.directory.path()
    }
}

impl Registry for File {
    fn register(&self, instance: Instance) -> BoxFuture<'_, Result<Registration, RegistryError>> {
        Box::pin(async move {
            let (registrar, mut registration) = Registration::new();
            let owner = owner::Owner::new(self.0.directory.clone(), instance)?;
            let shared = self.0.clone();
            self.0.tasks.handle().spawn(async move {
                owner.keep(registrar).await;
                drop(shared);
            });
            registration.tried().await;
            Ok(registration)
        })
    }

    fn watch(&self, service: &ServiceName) -> Watch {
        // The task ends with the last clone of the watch.
        let tasks = Tasks::owner();
        let (publisher, watch) = Watch::new(Snapshot::pending(), tasks.clone());
        tasks.handle().spawn(look(self.0.directory.clone(), service.clone(), publisher));
        watch
    }

    fn url(&self) -> String {
        format!("file://{}", self.directory().display())
    }

    fn is_remote(&self) -> bool {
        false
    }
}

/// Looks at the records of a service again and again, and publishes what has changed.
async fn look(directory: Directory, service: ServiceName, publisher: Publisher) {
    let mut last: Option<Found> = None;
    loop {
        let (place, name) = (directory.clone(), service.clone());
        match Tasks::blocking(move || scan::scan(&place, &name)).await.flatten() {
            Ok(found) => {
                // After an absence of the directory the same list is news: it is live again.
                if last.as_ref() != Some(&found) {
                    publisher.publish(found.snapshot(&publisher.latest()));
                }
                last = Some(found);
            }
            Err(error) => {
                last = None;
                publisher.unreachable(error.to_string());
            }
        }
        tokio::time::sleep(File::LOOK_EVERY).await;
    }
}

impl Found {
    fn snapshot(&self, before: &Snapshot) -> Snapshot {
        let known = before.availability == Availability::Listed;
        let availability = if self.directory || known { Availability::Listed } else { Availability::NoService };
        let mut snapshot = Snapshot::new(self.instances.clone(), availability, Source::Live);
        snapshot.skipped = self.skipped;
        snapshot
    }
}
