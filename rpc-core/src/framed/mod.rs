//! What every wire of frames needs that carries many calls on one byte stream.

mod eager;
mod ended;
mod link;
mod pipe;
mod pulse;

pub use eager::Eager;
pub use ended::{Ended, Malformed};
pub use link::{Link, OpenCall, Position};
pub use pipe::Pipe;
pub use pulse::{Beat, Pulse, Side};
