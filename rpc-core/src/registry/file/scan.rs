//! Reads the records of a service.

use super::{
    directory::{self, Directory},
    lock::{self, Owner},
    record,
};
use crate::registry::{Instance, ServiceName};
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

/// Reads the records of a service, and removes those of the dead.
///
/// Bad records are skipped and counted: one must not take the others with it.
pub(super) fn scan(directory: &Directory, service: &ServiceName) -> io::Result<Found> {
    let Some(path) = directory.service(service)? else { return Ok(Found::default()) };
    let mut found = Found { directory: true, ..Found::default() };
    for entry in fs::read_dir(&path)?.take(2 * MAX_RECORDS) {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".json")) else { continue };
        if found.instances.len() == MAX_RECORDS {
            found.skipped += 1;
            continue;
        }
        match look(&path, id, service) {
            Ok(Some(instance)) => found.instances.push(Arc::new(instance)),
            Ok(None) => {}
            Err(reason) => {
                tracing::debug!(place = %path.display(), id, reason, "a record is skipped");
                found.skipped += 1;
            }
        }
    }
    found.instances.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}

/// The record of a server that is alive.
fn look(path: &Path, id: &str, service: &ServiceName) -> Result<Option<Instance>, String> {
    if !record::is_id(id) {
        return Err("its name is no id".to_owned());
    }
    let (record_path, lock_path) = (path.join(format!("{id}.json")), path.join(format!("{id}.lock")));
    // The record first: had its owner died and another taken the lock in between, its record would be another file.
    let mut file = match directory::options().read(true).open(&record_path) {
        Ok(file) => file,
        // Withdrawn since the directory was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    match lock::owner(&lock_path).map_err(|error| error.to_string())? {
        Owner::Alive => {}
        Owner::Dead(dead) => {
            let buried = lock::bury(&record_path, &file, &lock_path, dead);
            return buried.map(|()| None).map_err(|error| error.to_string());
        }
    }
    let mut text = Vec::new();
    let length = file.by_ref().take(record::MAX_BYTES + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if length as u64 > record::MAX_BYTES {
        return Err(format!("it has over {} bytes", record::MAX_BYTES));
    }
    record::read(&text, id, service).map(Some)
}
