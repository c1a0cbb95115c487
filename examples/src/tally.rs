//! How many calls a server has answered, in a form that survives its death.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

/// Counts the calls that one server has answered, per transport.
///
/// Each call appends one byte to a file, whose length is the count. A number in memory would be lost with a server that
/// is killed, and a number in a file would have to be written whole each time.
#[derive(Debug)]
pub struct Tally {
    folder: PathBuf,
    files: Mutex<HashMap<&'static str, File>>,
}

impl Tally {
    /// The tally of the server `name` below `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(folder: &Path, name: &str) -> io::Result<Self> {
        let folder = Self::folder(folder, name);
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, files: Mutex::default() })
    }

    /// Counts one call over `transport`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn count(&self, transport: &'static str) -> io::Result<()> {
        let mut files = self.files.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let file = match files.entry(transport) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(OpenOptions::new().create(true).append(true).open(self.folder.join(transport))?)
            }
        };
        file.write_all(b".")
    }

    /// What the server `name` has counted, by transport; nothing if it has never been there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn read(folder: &Path, name: &str) -> io::Result<BTreeMap<String, u64>> {
        let files = match fs::read_dir(Self::folder(folder, name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            other => other?,
        };
        files
            .map(|file| {
                let file = file?;
                Ok((file.file_name().to_string_lossy().into_owned(), file.metadata()?.len()))
            })
            .collect()
    }

    fn folder(folder: &Path, name: &str) -> PathBuf {
        folder.join("served").join(name)
    }
}
