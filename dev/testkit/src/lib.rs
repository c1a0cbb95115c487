//! What the tests of several crates share. Nothing here is for users.

mod certificates;
mod chance;
mod eventually;
mod files;
mod logs;
mod place;
mod ports;
mod proxy;
mod python;
mod zookeeper;

pub use certificates::{Ca, Issued, Validity};
pub use chance::Seed;
pub use eventually::eventually;
pub use files::allow_open_files;
pub use logs::{Logged, Logs};
pub use place::{free_port, scratch};
pub use ports::ReservedPort;
pub use proxy::{Cut, Direction, FaultProxy, Mode};
pub use python::python_with_grpcio;
pub use zookeeper::{ZooKeeperEnsemble, ZooKeeperServer};
