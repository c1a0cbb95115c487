//! Against a real ZooKeeper. One binary, so that the tests share one server.

mod basics;
mod common;
mod curator;
mod ensembles;
mod faults;
mod links;
mod names;
mod liveness;
mod outages;
mod processes;
