//! Who is alive.

use super::directory;
use std::{
    fs::{self, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The lock beside a record, held by this process: while it is, the record's owner is alive.
#[derive(Debug)]
pub(super) struct Held {
    file: fs::File,
    path: PathBuf,
}

/// What a try to take a lock gives.
#[derive(Debug)]
pub(super) enum Taken {
    Held(Held),
    /// Another process holds it, or looks at it just now.
    Busy,
}

impl Held {
    /// Tries to take the lock at `path`, making the file if it is not there.
    pub(super) fn take(path: &Path) -> io::Result<Taken> {
        let file = directory::options().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Taken::Busy),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Between opening and locking somebody may have removed the file as a dead one's: a lock on a file without a
        // name tells nobody anything.
        Ok(if is_at(&file, path)? { Taken::Held(Self { file, path: path.to_owned() }) } else { Taken::Busy })
    }

    /// Whether the lock still has its name.
    pub(super) fn is_intact(&self) -> io::Result<bool> {
        is_at(&self.file, &self.path)
    }

    /// Gives the lock up, and removes its file.
    pub(super) fn release(self) -> io::Result<()> {
        if self.is_intact()? { fs::remove_file(&self.path) } else { Ok(()) }
    }
}

/// Whether the owner of a record is alive.
#[derive(Debug)]
pub(super) enum Owner {
    Alive,
    /// Nobody holds the lock. While this is kept nobody can take it either, so the record cannot become somebody's.
    Dead(Option<fs::File>),
}

/// Looks whether anybody holds the lock at `path`. By a shared lock, so that two who look do not take each other for
/// the owner.
pub(super) fn owner(path: &Path) -> io::Result<Owner> {
    let file = match directory::options().read(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Owner::Dead(None)),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Owner::Dead(Some(file))),
        Err(TryLockError::WouldBlock) => Ok(Owner::Alive),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes what a dead owner left: the record at `record`, if it still is the file that `seen` is, then the lock.
pub(super) fn bury(record: &Path, seen: &fs::File, lock: &Path, dead: Option<fs::File>) -> io::Result<()> {
    if is_at(seen, record)? {
        fs::remove_file(record)?;
    }
    match dead {
        Some(file) if is_at(&file, lock)? => fs::remove_file(lock),
        _ => Ok(()),
    }
}

/// Whether an open file is the one at `path`.
pub(super) fn is_at(file: &fs::File, path: &Path) -> io::Result<bool> {
    let opened = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
