//! Orders, one file each.

use crate::{Order, Receipt};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Keeps orders in a folder that any number of servers share.
///
/// An order is written beside its place and then moved there, if nobody was faster: whoever is killed in the middle
/// leaves no half order, and of two who place the same number one finds the other's.
#[derive(Debug)]
pub struct OrderBook {
    folder: PathBuf,
}

/// What stands in an order's file.
#[derive(Serialize, Deserialize)]
struct Entry {
    accepted: SystemTime,
    order: Order,
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
    /// The book below `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let folder = folder.join("orders");
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Takes an order whose number has been checked; taking the same one again gives the first receipt.
    ///
    /// # Errors
    /// When the number belongs to another order, or the file system fails.
    pub fn place(&self, order: &Order) -> Result<Receipt, BookError> {
        let path = self.path(&order.number);
        let entry = Entry { accepted: SystemTime::now(), order: order.clone() };
        let mut file = tempfile::NamedTempFile::with_prefix_in(".new-", &self.folder)?;
        serde_json::to_writer_pretty(&mut file, &entry).map_err(io::Error::from)?;
        let accepted = match file.persist_noclobber(&path) {
            Ok(_) => entry.accepted,
            Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => {
                let before = self.read(&order.number)?;
                if before.order != *order {
                    return Err(BookError::Conflict(order.number.clone()));
                }
                before.accepted
            }
            Err(other) => return Err(other.error.into()),
        };
        Ok(Receipt { number: order.number.clone(), total: order.total(), accepted })
    }

    /// The order with a number that has been checked.
    ///
    /// # Errors
    /// When there is none, or the file system fails.
    pub fn find(&self, number: &str) -> Result<Order, BookError> {
        Ok(self.read(number)?.order)
    }

    fn read(&self, number: &str) -> Result<Entry, BookError> {
        let text = fs::read(self.path(number)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BookError::NotFound(number.to_owned()),
            _ => error.into(),
        })?;
        Ok(serde_json::from_slice(&text).map_err(io::Error::from)?)
    }

    fn path(&self, number: &str) -> PathBuf {
        self.folder.join(format!("{number}.json"))
    }
}
