//! The programs, as people run them: nearly every test here starts processes.

mod configuration;
mod json_lines;
mod order;
mod process;
mod programs;
mod quickstart;
mod readme;
mod rolling;
mod signals;
#[cfg(feature = "tls")]
mod tls;
mod warnings;
mod zookeeper;
