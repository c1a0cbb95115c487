//! How orders get from stores to doors.

use crate::{
    Instruction, Position, Progress, Stage,
    book::{BookError, Entry, OrderBook},
};
use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Keeps how far orders have come, in the folder of the [`OrderBook`], for any number of servers.
///
/// A stage that somebody brings about is a file, which whoever is first makes and nobody changes: no stage is reached
/// twice, whichever servers are asked, and whoever is killed in the middle has either done it or not. The other files
/// are hints: a number in `waiting` wants a rider, one in `riders/NAME` is in that rider's hands. A hint that was left
/// behind is found out by the stages and dropped.
#[derive(Debug)]
pub struct Deliveries {
    stages: PathBuf,
    waiting: PathBuf,
    riders: PathBuf,
}

impl Deliveries {
    /// How many hints one rider's question looks at.
    const HINTS: usize = 64;

    /// The deliveries below `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let below = |name| {
            let folder = folder.join(name);
            fs::create_dir_all(&folder).map(|()| folder)
        };
        Ok(Self { stages: below("stages")?, waiting: below("waiting")?, riders: below("riders")? })
    }

    /// Asks for a rider for an order in the book, unless there is one. Asking again does no harm.
    ///
    /// # Errors
    /// What the file system says.
    pub fn request(&self, number: &str) -> io::Result<()> {
        match self.reached(number, Stage::Assigned)? {
            Some(_) => Ok(()),
            None => fs::write(self.waiting.join(number), ""),
        }
    }

    /// When and by whom an order reached a stage, if it has.
    ///
    /// # Errors
    /// When there is no such order, or the file system fails.
    pub fn progress(&self, book: &OrderBook, number: &str, stage: Stage) -> Result<Option<Progress>, BookError> {
        let by_itself = |at| Some(Progress { stage, at, rider: None });
        match stage {
            Stage::Accepted => Ok(by_itself(book.find(number)?.accepted)),
            Stage::Cooked => {
                let cooked = book.find(number)?.cooked;
                Ok(if cooked <= SystemTime::now() { by_itself(cooked) } else { None })
            }
            Stage::Assigned | Stage::PickedUp | Stage::Delivered => Ok(self.reached(number, stage)?),
        }
    }

    /// The numbers of all orders that were delivered.
    ///
    /// # Errors
    /// What the file system says.
    pub fn delivered(&self) -> io::Result<HashSet<String>> {
        let end = format!(".{:?}.json", Stage::Delivered);
        let names = fs::read_dir(&self.stages)?.map(|file| Ok(file?.file_name().to_string_lossy().into_owned()));
        let number = |name: String| name.strip_suffix(&end).map(str::to_owned);
        names.filter_map(|name: io::Result<_>| name.map(number).transpose()).collect()
    }

    /// Takes note of where a rider is, and says what to do next.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn guide(&self, book: &OrderBook, position: &Position) -> Result<Instruction, BookError> {
        let Position { rider, place } = position;
        let hands = self.riders.join(rider);
        fs::create_dir_all(&hands)?;
        for _ in 0..Self::HINTS {
            let number = match first(&hands)? {
                Some(number) => number,
                None => match self.take(book, &hands)? {
                    Some(number) => number,
                    None => break,
                },
            };
            if self.reach(&number, Stage::Assigned, rider)?.rider.as_ref() == Some(rider)
                && let Some(instruction) = self.go_on(&book.find(&number)?, rider, place)?
            {
                return Ok(instruction);
            }
            // Delivered, or somebody else's. A server that was killed may have left it here.
            remove(&hands.join(&number))?;
        }
        Ok(Instruction::Wait)
    }

    /// The next step for an order in somebody's hands; none once it is delivered.
    fn go_on(&self, Entry { order, .. }: &Entry, rider: &str, place: &str) -> io::Result<Option<Instruction>> {
        let number = order.number.clone();
        if self.reached(&number, Stage::PickedUp)?.is_none() {
            if place != order.store {
                return Ok(Some(Instruction::PickUp { number, store: order.store.clone() }));
            }
            self.reach(&number, Stage::PickedUp, rider)?;
        } else if place == order.address {
            self.reach(&number, Stage::Delivered, rider)?;
            return Ok(None);
        } else if self.reached(&number, Stage::Delivered)?.is_some() {
            return Ok(None);
        }
        Ok(Some(Instruction::Deliver { number, address: order.address.clone() }))
    }

    /// Puts an order that is cooked into somebody's hands.
    fn take(&self, book: &OrderBook, hands: &Path) -> Result<Option<String>, BookError> {
        for hint in fs::read_dir(&self.waiting)?.take(Self::HINTS) {
            let Ok(number) = hint?.file_name().into_string() else { continue };
            if book.find(&number)?.cooked > SystemTime::now() {
                continue;
            }
            match fs::rename(self.waiting.join(&number), hands.join(&number)) {
                Ok(()) => return Ok(Some(number)),
                // Another rider was faster.
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
                Err(other) => return Err(other.into()),
            }
        }
        Ok(None)
    }

    /// Reaches a stage, unless somebody has; gives what holds then.
    fn reach(&self, number: &str, stage: Stage, rider: &str) -> io::Result<Progress> {
        let now = Progress { stage, at: SystemTime::now(), rider: Some(rider.to_owned()) };
        let mut file = tempfile::NamedTempFile::with_prefix_in(".new-", &self.stages)?;
        serde_json::to_writer(&mut file, &now)?;
        match file.persist_noclobber(self.path(number, stage)) {
            Ok(_) => Ok(now),
            Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(self.reached(number, stage)?.unwrap_or(now))
            }
            Err(other) => Err(other.error),
        }
    }

    fn reached(&self, number: &str, stage: Stage) -> io::Result<Option<Progress>> {
        match fs::read(self.path(number, stage)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn path(&self, number: &str, stage: Stage) -> PathBuf {
        self.stages.join(format!("{number}.{stage:?}.json"))
    }
}

/// The first name in a folder.
fn first(folder: &Path) -> io::Result<Option<String>> {
    let mut names = fs::read_dir(folder)?.map(|file| file.map(|file| file.file_name().into_string()));
    names.find_map(|name| name.map(Result::ok).transpose()).transpose()
}

/// Removes what another server may have removed.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
