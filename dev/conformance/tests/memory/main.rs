//! What a stream costs whose reader has stopped: little memory on either side, and nothing once it is dropped.
//!
//! Each case has a server and a client in processes of their own, this program again in another role, so that what the
//! kernel says of their memory is said of them alone.

mod client;
mod process;
mod tank;

use process::{Judgement, Role, Server};
use rpc_conformance::columns;
use std::process::ExitCode;
use tank::Pace;

/// Which way the items go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the server to the client.
    Down,
    /// From the client to the server.
    Up,
}

/// One stream that is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Which way the items go.
    pub(crate) way: Way,
    /// Bytes of an item.
    pub(crate) size: u64,
    /// When items are made.
    pub(crate) pace: Pace,
}

/// Large items, and items where what surrounds them is what counts.
const SIZES: [u64; 2] = [64 * 1024, 100];

fn main() -> ExitCode {
    match Role::current() {
        Role::Judge => judge(),
        Role::Server { wire } => process::serve(&wire),
        Role::Client { wire, address, server, case } => client::run(&wire, &address, server, case),
    }
}

fn judge() -> ExitCode {
    let (mut passed, mut failed) = (0, 0);
    for wire in columns::wires() {
        for way in [Way::Down, Way::Up] {
            for size in SIZES {
                let verdict = process::client(&Server::start(wire.name()), Case { way, size, pace: Pace::AsRead });
                println!("{} {way:?}, items of {size} bytes: {verdict}", wire.name());
                *(if verdict.judgement == Judgement::Good { &mut passed } else { &mut failed }) += 1;
            }
            // Whether this notices anything: a stream of which much is made ahead.
            let verdict = process::client(&Server::start(wire.name()), Case { way, size: 100, pace: Pace::Ahead });
            println!("{} {way:?}, made ahead, which has to be caught: {verdict}", wire.name());
            *(if verdict.judgement == Judgement::Grew { &mut passed } else { &mut failed }) += 1;
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
