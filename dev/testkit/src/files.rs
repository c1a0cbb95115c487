//! As many open files as a crowd needs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process have as many open files as it may at all: 1024, which is what most users begin with, are too few
/// for a test that is both ends of a thousand connections.
pub fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit { current: limit.maximum, ..limit };
    setrlimit(Resource::Nofile, all).expect("everybody may go up to their own maximum");
}
