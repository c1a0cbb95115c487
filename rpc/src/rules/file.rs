//! The file of rules.

use rpc_core::observer::target;
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A file that may have rules, and what became of what was in it.
#[derive(Debug)]
pub(crate) struct RulesFile {
    path: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The text that holds; `None` without a file.
    held: Option<String>,
    /// Why what is there now does not: it is said once.
    refused: Option<String>,
}

impl RulesFile {
    /// How often it is looked at.
    pub(crate) const EVERY: Duration = Duration::from_secs(1);
    /// No file of rules is as large.
    const LIMIT: u64 = 1024 * 1024;

    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, seen: Mutex::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is there, if it is not what holds. Read whole each time: what the clock of a file system says of two
    /// changes in one second is not to be relied on, and the file is small.
    pub(crate) fn news(&self) -> Result<Option<Option<String>>, String> {
        let text = match read(&self.path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("cannot read {}: {error}", self.path.display())),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if text == seen.held {
            seen.refused = None;
            return Ok(None);
        }
        Ok(Some(text))
    }

    /// This is what holds now.
    pub(crate) fn holds(&self, text: Option<String>) {
        match &text {
            Some(_) => {
                tracing::info!(
                    target: target::CONFIG, path = %self.path.display(),
                    "rules read; they hold from the next call on"
                )
            }
            None => {
                tracing::info!(
                    target: target::CONFIG, path = %self.path.display(),
                    "the file of rules is gone, and its rules with it"
                )
            }
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen { held: text, refused: None };
    }

    /// What is there does not hold, for this reason. It is tried again at every look, and named once.
    pub(crate) fn refuse(&self, reason: String) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.refused.as_ref() != Some(&reason) {
            tracing::warn!(
                target: target::CONFIG, path = %self.path.display(), reason,
                "these rules do not hold; the last good ones do"
            );
            seen.refused = Some(reason);
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(RulesFile::LIMIT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > RulesFile::LIMIT {
        return Err(io::Error::other(format!("it has more than {} bytes", RulesFile::LIMIT)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_there_is_news_until_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let file = RulesFile::new(folder.path().join("rules.toml"));
        assert_eq!(file.news().unwrap(), None, "no file, and no rules");
        fs::write(file.path(), "a").unwrap();
        assert_eq!(file.news().unwrap(), Some(Some("a".to_owned())));
        file.refuse("no".to_owned());
        assert_eq!(file.news().unwrap(), Some(Some("a".to_owned())), "it is tried again");
        file.holds(Some("a".to_owned()));
        assert_eq!(file.news().unwrap(), None);
        fs::remove_file(file.path()).unwrap();
        assert_eq!(file.news().unwrap(), Some(None));
    }

    #[test]
    fn what_cannot_be_read_is_no_absence() {
        let folder = tempfile::tempdir().unwrap();
        let file = RulesFile::new(folder.path().join("rules.toml"));
        fs::write(file.path(), [0xff, 0xfe]).unwrap();
        assert!(file.news().unwrap_err().contains("rules.toml"));
        fs::write(file.path(), vec![b'#'; 1024 * 1024 + 1]).unwrap();
        assert!(file.news().unwrap_err().contains("more than 1048576 bytes"));
        assert!(RulesFile::new(folder.path().to_owned()).news().is_err());
    }
}
