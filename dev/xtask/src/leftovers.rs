//! What the tests leave behind, which must be nothing.

use crate::shell;
use anyhow::{Context, Result, bail};
use std::{
    collections::hash_map::DefaultHasher,
    env, fs,
    hash::{Hash as _, Hasher as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::PathBuf,
    process::Command,
    thread,
    time::Duration,
};

/// A temporary folder of one run of the tests, and of all that they start: so whatever is left is theirs, and not a
/// neighbour's.
///
/// Its name is the same for a checkout each time, since what is compiled in it is used again; so a checkout runs its
/// tests once at a time. And it is short: the path of a Unix socket is at most 107 bytes.
pub(crate) struct Place {
    folder: PathBuf,
    lock: fs::File,
}

impl Place {
    /// Folders that programs look for in the environment: temporary files, and what lives as long as a session.
    const TEMPORARY: &str = "TMPDIR";
    const SESSION: &str = "XDG_RUNTIME_DIR";

    /// Who ends a program learns of it before all of it is gone: it is looked again so often.
    const PATIENCE: u32 = 100;

    /// Makes it; what an earlier run left there that was killed is removed.
    pub(crate) fn make() -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        shell::root().hash(&mut hasher);
        let folder = env::temp_dir().join(format!("rpc-test-{:08x}", hasher.finish() as u32));
        let lock =
            fs::File::create(shell::target().join("test.lock")).context("cannot make a lock in the target folder")?;
        if lock.try_lock().is_err() {
            bail!("the tests of this checkout are running already");
        }
        let place = Self { folder, lock };
        match fs::symlink_metadata(&place.folder) {
            Ok(found) if found.uid() != fs::metadata("/proc/self")?.uid() => {
                bail!("{} belongs to somebody else: set TMPDIR to another folder", place.folder.display())
            }
            Ok(_) => place.remove()?,
            Err(_) => {}
        }
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700);
        for folder in [&place.folder, &place.session()] {
            builder.create(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(place)
    }

    fn session(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// Gives it to a command and to whatever that starts.
    pub(crate) fn give(&self, command: &mut Command) {
        command.env(Self::TEMPORARY, &self.folder).env(Self::SESSION, self.session());
    }

    /// Removes it, and says what was in it and who is still at work there.
    pub(crate) fn leave(self) -> Result<Vec<String>> {
        let mut left = self.left()?;
        for _ in 0..Self::PATIENCE {
            if left.is_empty() {
                break;
            }
            pause();
            left = self.left()?;
        }
        self.remove()?;
        drop(self.lock);
        Ok(left)
    }

    fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder).with_context(|| format!("cannot remove {}", self.folder.display()))
    }

    fn left(&self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        for folder in [&self.folder, &self.session()] {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if path != self.session() {
                    left.push(format!("file: {}", path.display()));
                }
            }
        }
        left.extend(self.processes().map(|process| format!("process: {process}")));
        Ok(left)
    }

    /// Processes that were given this folder and come from here: a compiler's cache may have been started on the way,
    /// and stays.
    fn processes(&self) -> impl Iterator<Item = String> {
        let given = format!("{}={}", Self::TEMPORARY, self.folder.display());
        let ours = [self.folder.display().to_string(), shell::target().display().to_string()];
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter_map(move |entry| {
            let words = |file: &str| Some(words(&fs::read(entry.path().join(file)).ok()?));
            if !words("environ")?.iter().any(|variable| variable.starts_with(&given)) {
                return None;
            }
            let command = words("cmdline")?.join(" ");
            let is_ours = ours.iter().any(|folder| command.contains(folder));
            is_ours.then(|| format!("{} {command}", entry.file_name().to_string_lossy()))
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "nobody tells of the end of a process that is no child")]
fn pause() {
    thread::sleep(Duration::from_millis(100));
}

/// What stands in a file between its zeros.
fn words(bytes: &[u8]) -> Vec<String> {
    bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_processes_that_are_left_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let lock = tempfile::tempfile().unwrap();
        let place = Place { folder: folder.path().to_path_buf(), lock };
        fs::create_dir(place.session()).unwrap();
        assert_eq!(place.left().unwrap(), Vec::<String>::new());

        fs::write(place.session().join("record"), "").unwrap();
        let mut stranger = Command::new("sleep");
        let mut stranger = stranger.arg("60").env(Place::TEMPORARY, folder.path()).spawn().unwrap();
        // It starts nothing, which would look like it until it has become something else.
        let mut left_behind = Command::new("sh");
        left_behind.args(["-c", "read -r line", "sh"]).arg(folder.path()).stdin(std::process::Stdio::piped());
        place.give(&mut left_behind);
        let mut left_behind = left_behind.spawn().unwrap();
        let left = place.left().unwrap();
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        drop(left_behind.stdin.take());
        left_behind.wait().unwrap();

        let (file, process) = (place.session().join("record"), format!("process: {} sh -c ", left_behind.id()));
        assert_eq!(left.len(), 2, "{left:?}");
        assert_eq!(left[0], format!("file: {}", file.display()));
        assert!(left[1].starts_with(&process), "{left:?}");
    }
}
