//! The way into a process: listener, layers, router, handler.

// The port, and who comes to it.
mod connections;
mod listener;
mod lobby;
mod running;
mod visitor;

// What every call goes through.
mod admission;
mod completion;
mod deadline;
mod observe;
mod pace;
mod panic;
mod stack;
mod trace;

// Who handles it, and what that needs.
mod expiry;
mod local;
mod router;
mod sample;
mod unfinished;

pub use admission::{Admission, AdmissionError};
pub(crate) use deadline::DeadlineLayer;
pub use local::{Fidelity, Local};
pub(crate) use observe::ObserveLayer;
pub(crate) use panic::CatchPanicLayer;
pub use router::{NamedService, Router, RouterError};
pub use running::{Running, Server, ServerError};
