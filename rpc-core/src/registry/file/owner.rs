//! Keeps the records of one server where they are.

use super::{
    directory::{self, Directory},
    lock::{self, Held, Taken},
    record,
};
use crate::{
    Tasks,
    observer::target,
    registry::{Instance, Registrar, RegistrationState, RegistryError},
};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// How often an owner looks whether its records are still there; somebody may have cleared the directory.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it tries when they are not, and cannot be made.
const TRY_EVERY: Duration = Duration::from_millis(250);

/// What a server wants: its record under each of its services.
pub(super) struct Owner {
    directory: Directory,
    instance: Arc<Instance>,
    text: Arc<[u8]>,
}

/// A record that is there, and what keeps it alive.
struct Kept {
    path: PathBuf,
    file: fs::File,
    lock: Held,
}

impl Owner {
    /// # Errors
    /// When such an instance can never be registered here.
    pub(super) fn new(directory: Directory, instance: Instance) -> Result<Self, RegistryError> {
        let id = &instance.id;
        if !record::is_id(id) {
            let sentence = "is no name of a file: write up to 128 letters, digits, `-`, `_` and `.`";
            return Err(RegistryError::new(format!("the id of the instance, `{id}`, {sentence}")));
        }
        let Some(service) = instance.services.first() else {
            return Err(RegistryError::new(format!(
                "instance {id} offers no service; add one to the server before it registers"
            )));
        };
        let text = record::write(&instance).map_err(|error| {
            RegistryError::new(format!("instance {id} cannot be written as JSON: {error}")).with_source(error)
        })?;
        // By the readers' own rules, or nobody would see it.
        if text.len() as u64 > record::MAX_BYTES {
            let (length, most) = (text.len(), record::MAX_BYTES);
            return Err(RegistryError::new(format!(
                "the record of instance {id} has {length} bytes, and {most} are read; put less into `extra`"
            )));
        }
        record::read(&text, id, service)
            .map_err(|reason| RegistryError::new(format!("the record of instance {id} could not be read: {reason}")))?;
        Ok(Self { directory, instance: Arc::new(instance), text: text.into() })
    }

    /// Puts the records there, and again whenever they are gone, until they are to be withdrawn.
    pub(super) async fn keep(self, registrar: Registrar) {
        let owner = Arc::new(self);
        let mut kept = Vec::new();
        let mut complained = false;
        loop {
            let before = std::mem::take(&mut kept);
            let (this, closing) = (owner.clone(), registrar.is_closing());
            if closing {
                break withdraw(before, &registrar).await;
            }
            let result = Tasks::blocking(move || this.mend(before)).await;
            let (now, result) = result.unwrap_or_else(|error| (Vec::new(), Err(error)));
            kept = now;
            match result {
                Ok(()) => {
                    complained = false;
                    registrar.set(RegistrationState::Registered);
                }
                Err(error) => {
                    registrar.set(RegistrationState::Pending);
                    if !std::mem::replace(&mut complained, true) {
                        let (id, place) = (&owner.instance.id, owner.directory.path().display());
                        tracing::warn!(
                            target: target::REGISTRY, instance = %id, %place, %error,
                            "the server cannot be registered yet; trying again"
                        );
                    }
                }
            }
            let pause = if complained { TRY_EVERY } else { LOOK_EVERY };
            // Whether it is time or over: the beginning of the loop tells.
            let _ = tokio::time::timeout(pause, registrar.closing()).await;
        }
    }

    /// The records, as they are where they are intact, made anew where they are not; and the first mistake. One that
    /// fails does not take the others with it.
    fn mend(&self, kept: Vec<Kept>) -> (Vec<Kept>, io::Result<()>) {
        let mut result = Ok(());
        let mut intact = Vec::new();
        for record in kept {
            match record.is_intact() {
                Ok(true) => intact.push(record),
                // Its remains would be in the way of the new one, and belong to this process.
                Ok(false) => _ = record.remove(),
                Err(error) => {
                    // It may well be there.
                    result = result.and(Err(error));
                    intact.push(record);
                }
            }
        }
        for service in &self.instance.services {
            let name = format!("{}.json", self.instance.id);
            if intact.iter().any(|record: &Kept| record.path == self.directory.of(service).join(&name)) {
                continue;
            }
            match self.directory.make_service(service).and_then(|directory| self.make(directory.join(name))) {
                Ok(record) => intact.push(record),
                Err(error) => result = result.and(Err(error)),
            }
        }
        (intact, result)
    }

    /// Lock first, record second: at no moment is there a record whose owner seems dead.
    fn make(&self, path: PathBuf) -> io::Result<Kept> {
        let lock = path.with_extension("lock");
        let Taken::Held(lock) = Held::take(&lock)? else {
            let sentence = "another process holds the lock of this id; ids are for one process";
            return Err(io::Error::new(io::ErrorKind::WouldBlock, format!("{}: {sentence}", lock.display())));
        };
        let draft = path.with_extension("draft");
        let made = self.draft(&draft).and_then(|file| fs::rename(&draft, &path).map(|()| file));
        match made {
            Ok(file) => Ok(Kept { path, file, lock }),
            Err(error) => {
                let _ = fs::remove_file(&draft);
                let _ = lock.release();
                Err(error)
            }
        }
    }

    fn draft(&self, path: &Path) -> io::Result<fs::File> {
        // One left behind by a process that died while writing is in nobody's way: the lock is ours.
        let mut file = directory::options().write(true).create(true).truncate(true).open(path)?;
        file.write_all(&self.text)?;
        Ok(file)
    }
}

async fn withdraw(kept: Vec<Kept>, registrar: &Registrar) {
    let removed =
        Tasks::blocking(move || kept.into_iter().map(Kept::remove).collect::<io::Result<Vec<_>>>()).await.flatten();
    match removed {
        Ok(_) => registrar.set(RegistrationState::Closed),
        // The lock ends with this process; then somebody else removes the record.
        Err(error) => tracing::warn!(target: target::REGISTRY, %error, "a record could not be withdrawn"),
    }
}

impl Kept {
    fn is_intact(&self) -> io::Result<bool> {
        Ok(lock::is_at(&self.file, &self.path)? && self.lock.is_intact()?)
    }

    /// Record first, lock second: at no moment is there a record whose owner seems dead.
    fn remove(self) -> io::Result<()> {
        if lock::is_at(&self.file, &self.path)? {
            fs::remove_file(&self.path)?;
        }
        self.lock.release()
    }
}
