//! The way out of a process.
//!
//! The groups of modules are in the order in which a call meets them: [`Service`](crate::Service)s around each other,
//! down to the balancer, and then what that picks from.

// What a generated client holds, and how it is made.
mod builder;
mod channel;
mod hedge;
mod route;
mod stack;
mod timeouts;

// Per call.
mod deadline;
mod journey;
mod observe;
mod retry;
mod trace;

// Per attempt.
mod balancer;
mod picker;
mod shards;
mod verdict;

// What is known of each server.
mod gate;
mod latency;
mod load;
mod outliers;
mod standing;
mod trouble;
mod warmth;

// Beside the calls: what keeps the list of ready connections current.
mod alarm;
mod backoff;
mod changes;
mod connector;
mod crowd;
mod diagnosis;
mod dial;
mod dialer;
mod endpoint;
mod fleet;
mod link;
mod live;
mod pool;
mod roster;
mod secure;
mod subset;
mod tend;

#[cfg(test)]
mod tests;

pub use builder::{ChannelBuilder, Servers};
pub use channel::{Channel, Client};
pub use connector::{Connector, Sockets};
pub(crate) use deadline::DeadlineLayer;
pub use hedge::{Hedge, Hedges, NotHedged, Percentile};
pub(crate) use journey::Journey;
pub use retry::{RetryLimits, RetryPolicy};
pub use timeouts::Timeouts;
