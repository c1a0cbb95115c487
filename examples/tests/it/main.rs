//! The programs, as people run them: every test here starts processes.

mod configuration;
mod process;
mod programs;
mod quickstart;
mod rolling;
mod zookeeper;
