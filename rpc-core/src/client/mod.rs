//! The way out of a process.

mod channel;

pub use channel::{Channel, Client};
