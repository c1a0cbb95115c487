//! The programs, as people run them: every test here starts processes.

mod process;
mod programs;
mod quickstart;
mod zookeeper;
