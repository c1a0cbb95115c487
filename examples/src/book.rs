//! Orders, one file each.

use crate::{Order, Receipt};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Keeps orders in a folder that any number of servers share.
///
/// An order is written beside its place and then moved there, if nobody was faster: whoever is killed in the middle
/// leaves no half order, and of two who place the same number one finds the other's.
#[derive(Debug)]
pub struct OrderBook {
    folder: PathBuf,
    cooking: Duration,
}

/// What stands in an order's file.
#[derive(Serialize, Deserialize)]
pub struct Entry {
    /// When it was placed.
    pub accepted: SystemTime,
    /// When it can be picked up. Written down when it is placed, so that all servers say the same.
    pub cooked: SystemTime,
    /// What was ordered.
    pub order: Order,
}

/// What came of placing an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is in the book now.
    New,
    /// It was there before.
    Known,
}

/// Why the book has no answer.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// No order has this number.
    #[error("there is no order {0}")]
    NotFound(String),
    /// Another order has this number.
    #[error("there is another order {0}")]
    Conflict(String),
    /// The file system would not.
    #[error(transparent)]
    Storage(#[from] io::Error),
}

impl OrderBook {
    /// The book below `folder`, which is made if it is not there. Stores take `cooking` for an order.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(folder: &Path, cooking: Duration) -> io::Result<Self> {
        let folder = folder.join("orders");
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, cooking })
    }

    /// Takes an order whose number has been checked; taking the same one again gives the first receipt.
    ///
    /// # Errors
    /// When the number belongs to another order, or the file system fails.
    pub fn place(&self, order: &Order) -> Result<(Receipt, Placed), BookError> {
        let now = SystemTime::now();
        let entry = Entry { accepted: now, cooked: now + self.cooking, order: order.clone() };
        let mut file = tempfile::NamedTempFile::with_prefix_in(".new-", &self.folder)?;
        serde_json::to_writer_pretty(&mut file, &entry).map_err(io::Error::from)?;
        let (accepted, placed) = match file.persist_noclobber(self.path(&order.number)) {
            Ok(_) => (now, Placed::New),
            Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => {
                let before = self.find(&order.number)?;
                if before.order != *order {
                    return Err(BookError::Conflict(order.number.clone()));
                }
                (before.accepted, Placed::Known)
            }
            Err(other) => return Err(other.error.into()),
        };
        Ok((Receipt { number: order.number.clone(), total: order.total(), accepted }, placed))
    }

    /// What is written under a number that has been checked.
    ///
    /// # Errors
    /// When nothing is, or the file system fails.
    pub fn find(&self, number: &str) -> Result<Entry, BookError> {
        let text = fs::read(self.path(number)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BookError::NotFound(number.to_owned()),
            _ => error.into(),
        })?;
        Ok(serde_json::from_slice(&text).map_err(io::Error::from)?)
    }

    /// The numbers of all orders.
    ///
    /// # Errors
    /// What the file system says.
    pub fn numbers(&self) -> io::Result<HashSet<String>> {
        let names = fs::read_dir(&self.folder)?.map(|file| Ok(file?.file_name().to_string_lossy().into_owned()));
        let number = |name: String| name.strip_suffix(".json").map(str::to_owned);
        names.filter_map(|name: io::Result<_>| name.map(number).transpose()).collect()
    }

    fn path(&self, number: &str) -> PathBuf {
        self.folder.join(format!("{number}.json"))
    }
}
