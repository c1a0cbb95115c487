//! Against a real ZooKeeper. One binary, so that the tests share one server.

mod basics;
mod common;
mod curator;
mod ensembles;
mod faults;
mod links;
mod liveness;
mod names;
mod outages;
mod processes;
