//! What callers may rely on.

mod cancellation;
mod circumstances;
mod deadlines;
mod drain;
mod failures;
mod faults;
mod hedges;
mod load;
mod messages;
mod metadata;
mod streams;

use crate::scenario::Scenario;

/// All of them, in the order of the table.
pub fn all() -> impl Iterator<Item = Scenario> {
    let calls = [
        messages::ALL,
        metadata::ALL,
        failures::ALL,
        circumstances::ALL,
        deadlines::ALL,
        cancellation::ALL,
        load::ALL,
        faults::ALL,
        hedges::ALL,
        drain::ALL,
    ];
    calls.into_iter().chain(streams::ALL).flatten().copied()
}
