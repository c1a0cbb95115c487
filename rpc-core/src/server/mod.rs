//! The way into a process.

mod router;

pub use router::{NamedService, Router, RouterError};
