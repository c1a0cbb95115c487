//! Who is alive.

use super::directory;
use std::{
    fs::{self, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// How old a lock without a record is for certain nobody's who is about to write one.
const STALE: Duration = Duration::from_secs(10);

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
        Self::take_opened(file, path)
    }

    fn take_opened(file: fs::File, path: &Path) -> io::Result<Taken> {
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

/// Removes a lock, and the draft beside it, of an owner that died before its record was there, or after. Whoever begins
/// just now has a lock without a record as well, so it has to be old.
pub(super) fn clear(lock: &Path) -> io::Result<()> {
    let record = lock.with_extension("json");
    // By a clock that may be set: at worst an owner has to try once more.
    let is_old = |metadata: &fs::Metadata| Ok(metadata.modified()?.elapsed().is_ok_and(|age| age > STALE));
    if record.try_exists()? || !fs::symlink_metadata(lock).and_then(|metadata| is_old(&metadata))? {
        return Ok(());
    }
    let Owner::Dead(Some(dead)) = owner(lock)? else { return Ok(()) };
    // As long as `dead` is kept, no record comes.
    if record.try_exists()? || !is_at(&dead, lock)? {
        return Ok(());
    }
    match fs::remove_file(lock.with_extension("draft")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::remove_file(lock),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(path: &Path) -> Held {
        match Held::take(path).unwrap() {
            Taken::Held(held) => held,
            Taken::Busy => panic!("{} is busy", path.display()),
        }
    }

    #[test]
    fn who_looks_is_not_taken_for_the_owner() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a.lock");
        let held = locked(&path);
        assert!(matches!(owner(&path).unwrap(), Owner::Alive));
        assert!(matches!(Held::take(&path).unwrap(), Taken::Busy));
        // As the kernel does when the owner dies: the file stays.
        drop(held);
        let looking = owner(&path).unwrap();
        assert!(matches!(looking, Owner::Dead(Some(_))));
        assert!(matches!(owner(&path).unwrap(), Owner::Dead(Some(_))), "two may look at once");
        // Until the record is buried, nobody can take the lock, so it is the dead one's for certain.
        assert!(matches!(Held::take(&path).unwrap(), Taken::Busy));
        drop(looking);
        locked(&path).release().unwrap();
        assert!(matches!(owner(&path).unwrap(), Owner::Dead(None)));
    }

    #[test]
    fn a_lock_without_its_name_is_no_lock() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a.lock");
        let opened = fs::File::create(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(matches!(Held::take_opened(opened, &path).unwrap(), Taken::Busy));

        let held = locked(&path);
        fs::remove_file(&path).unwrap();
        assert!(!held.is_intact().unwrap());
        let next = locked(&path);
        // The file is the next one's now.
        held.release().unwrap();
        assert!(next.is_intact().unwrap());
    }

    #[test]
    fn a_lock_without_a_record_is_removed_when_it_is_old_and_nobodys() {
        let temporary = tempfile::tempdir().unwrap();
        let [lock, draft, record] =
            ["lock", "draft", "json"].map(|kind| temporary.path().join(format!("host_1.2.{kind}")));
        let age = |file: &fs::File| file.set_modified(std::time::SystemTime::now() - STALE * 2).unwrap();
        fs::write(&draft, "{").unwrap();

        fs::write(&lock, "").unwrap();
        clear(&lock).unwrap();
        assert!(lock.exists() && draft.exists(), "somebody may be about to take it");
        let held = locked(&lock);
        age(&held.file);
        clear(&lock).unwrap();
        assert!(lock.exists(), "its owner lives");
        drop(held);
        fs::write(&record, "{}").unwrap();
        clear(&lock).unwrap();
        assert!(lock.exists() && draft.exists(), "whoever finds the record sees to it");
        fs::remove_file(&record).unwrap();
        clear(&lock).unwrap();
        assert!(!lock.exists() && !draft.exists());
    }

    #[test]
    fn only_the_record_that_was_seen_is_buried() {
        let temporary = tempfile::tempdir().unwrap();
        let (record, lock) = (temporary.path().join("a.json"), temporary.path().join("a.lock"));
        fs::write(&record, "old").unwrap();
        let seen = fs::File::open(&record).unwrap();
        fs::write(temporary.path().join("draft"), "new").unwrap();
        fs::rename(temporary.path().join("draft"), &record).unwrap();
        bury(&record, &seen, &lock, None).unwrap();
        assert_eq!(fs::read_to_string(&record).unwrap(), "new");

        let seen = fs::File::open(&record).unwrap();
        drop(locked(&lock));
        let Owner::Dead(dead) = owner(&lock).unwrap() else { panic!("nobody holds it") };
        bury(&record, &seen, &lock, dead).unwrap();
        assert!(!record.exists() && !lock.exists());
    }
}
