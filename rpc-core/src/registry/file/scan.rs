//! Reads the records of a service.

use super::{
    directory::{self, Directory},
    lock::{self, Owner},
    record,
};
use crate::{
    observer::target,
    registry::{Instance, ServiceName},
};
use rustix::io::Errno;
use std::{
    fs,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

/// What stands in the directory of a service.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    /// Whether there is one.
    pub(super) directory: bool,
    /// The records of those that are alive, by id.
    pub(super) instances: Vec<Arc<Instance>>,
    /// How many records could not be read.
    pub(super) skipped: usize,
}

/// How many servers of one service are listed; more on one host is somebody's mistake.
const MAX_RECORDS: usize = 4096;

/// Why there is nothing to be had from a record.
#[derive(Debug)]
enum Failure {
    /// It is of no use, whoever reads it.
    Record(String),
    /// The system cannot say: this process has too many files open, or the disk is ill. Nothing is known of the record.
    System(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{InvalidInput, IsADirectory, PermissionDenied};
        let errno = Errno::from_io_error(&error);
        // What somebody has put there: no file, a link, one that may not be read. Whatever else it is, a list that
        // leaves the record out would say that its server is gone.
        let is_its_own = matches!(error.kind(), IsADirectory | PermissionDenied | InvalidInput)
            || matches!(errno, Some(Errno::LOOP | Errno::NXIO | Errno::NODEV));
        if is_its_own { Self::Record(error.to_string()) } else { Self::System(error) }
    }
}

/// Reads the records of a service, and removes those of the dead.
///
/// Bad records are skipped and counted: one must not take the others with it.
///
/// # Errors
/// When the system cannot say what is there. A part of the list is not given then, or none.
pub(super) fn scan(directory: &Directory, service: &ServiceName) -> io::Result<Found> {
    let Some(path) = directory.service(service)? else { return Ok(Found::default()) };
    let mut found = Found { directory: true, ..Found::default() };
    for entry in fs::read_dir(&path)?.take(2 * MAX_RECORDS) {
        let name = entry?.file_name();
        let Some((id, kind)) = name.to_str().and_then(|name| name.rsplit_once('.')) else { continue };
        if kind == "lock" && record::is_id(id) {
            // Nobody's loss if it stays.
            let _ = lock::clear(&path.join(&name));
        }
        if kind != "json" {
            continue;
        }
        if found.instances.len() == MAX_RECORDS {
            found.skipped += 1;
            continue;
        }
        match look(&path, id, service) {
            Ok(Some(instance)) => found.instances.push(Arc::new(instance)),
            Ok(None) => {}
            Err(Failure::Record(reason)) => {
                tracing::debug!(
                    target: target::REGISTRY, place = %path.display(), instance = id, reason,
                    "a record is skipped"
                );
                found.skipped += 1;
            }
            Err(Failure::System(error)) => return Err(error),
        }
    }
    found.instances.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}

/// The record of a server that is alive.
fn look(path: &Path, id: &str, service: &ServiceName) -> Result<Option<Instance>, Failure> {
    if !record::is_id(id) {
        return Err(Failure::Record("its name is no id".to_owned()));
    }
    let (record_path, lock_path) = (path.join(format!("{id}.json")), path.join(format!("{id}.lock")));
    // The record first: had its owner died and another taken the lock in between, its record would be another file.
    let mut file = match directory::options().read(true).open(&record_path) {
        Ok(file) => file,
        // Withdrawn since the directory was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match lock::owner(&lock_path)? {
        Owner::Alive => {}
        Owner::Dead(dead) => {
            let buried = lock::bury(&record_path, &file, &lock_path, dead);
            // Dead it is all the same.
            return buried.map(|()| None).map_err(|error| Failure::Record(error.to_string()));
        }
    }
    let mut text = Vec::new();
    let length = file.by_ref().take(record::MAX_BYTES + 1).read_to_end(&mut text)?;
    if length as u64 > record::MAX_BYTES {
        return Err(Failure::Record(format!("it has over {} bytes", record::MAX_BYTES)));
    }
    record::read(&text, id, service).map(Some).map_err(Failure::Record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_somebody_has_put_there_is_the_records_own_fault() {
        let failure = |errno: Errno| Failure::from(io::Error::from(errno));
        for errno in [Errno::LOOP, Errno::ACCESS, Errno::ISDIR, Errno::NXIO, Errno::PERM] {
            assert!(matches!(failure(errno), Failure::Record(_)), "{errno}");
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::IO, Errno::NOMEM, Errno::NOLCK, Errno::STALE] {
            assert!(matches!(failure(errno), Failure::System(_)), "{errno}");
        }
    }
}
