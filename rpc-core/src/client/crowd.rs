//! Servers that vanish from a list in a crowd.
//!
//! What ends in crowds is sessions at a registry, and the few servers that are left would get every call. A server that
//! does leave ends its connections soon, and one that is to get no calls is on the list, marked.

use crate::{
    client::endpoint::{Endpoint, Listing},
    registry::Identity,
};
use std::collections::BTreeSet;

/// Fewer servers than this may well leave at once.
const CROWD: usize = 3;

/// The ids of those servers, of all that a list of so many others leaves out, whose connections are to be used on: they
/// are more than those that are listed, or were already missing. Who was written down by somebody has no session that
/// could end.
pub(crate) fn missing<'a>(left_out: impl Iterator<Item = &'a Endpoint>, listed: usize) -> BTreeSet<String> {
    let connected = left_out.filter(|endpoint| endpoint.is_ready() && endpoint.instance.identity != Identity::MadeUp);
    let connected: Vec<_> = connected.collect();
    let is_crowd = connected.len() >= CROWD && connected.len() > listed;
    let missing = connected.into_iter().filter(|endpoint| is_crowd || endpoint.listing == Listing::Missing);
    missing.map(|endpoint| endpoint.instance.id.clone()).collect()
}
