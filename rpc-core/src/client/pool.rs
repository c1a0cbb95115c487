//! The connections that take calls.

use crate::{
    Transports,
    client::{
        live::{Choice, Live},
        picker::{Draw, Picker},
        shards::Shards,
    },
};
use std::sync::Arc;

/// The connections that take calls.
#[derive(Debug, Default)]
pub(crate) struct ReadySet {
    /// Which servers are kept from calls, in words; empty when none is.
    pub(crate) ejected: String,
    pub(super) automatic: Pool,
    pub(super) only: Vec<(&'static str, Pool)>,
}

/// Connections to choose from, one for each server.
#[derive(Debug)]
pub(crate) struct Pool {
    choices: Vec<Choice>,
    /// Servers that were ejected, and that one call should go to.
    probes: Vec<Arc<Live>>,
    picker: Picker,
    /// For calls with keys, once there was one.
    pub(crate) shards: Option<Shards>,
}

impl ReadySet {
    /// The connections for a call.
    pub(crate) fn pool(&self, transports: Transports) -> Option<&Pool> {
        match transports {
            Transports::Auto => Some(&self.automatic),
            Transports::Only(wanted) => self.only.iter().find(|(name, _)| *name == wanted).map(|(_, pool)| pool),
        }
    }
}

impl Pool {
    pub(super) fn new(choices: Vec<Choice>, probes: Vec<Arc<Live>>, shards: Option<Shards>) -> Self {
        let picker = Picker::new(&choices);
        Self { choices, probes, picker, shards }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.choices.is_empty()
    }

    /// One that has a place for the call, if there is one: at another it would wait, for as long as the calls there
    /// last.
    pub(crate) fn pick(&self, draw: Draw, tried: &[u32]) -> Option<&Arc<Live>> {
        let mut index = self.picker.pick(&self.choices, draw, tried)?;
        if self.choices.get(index)?.live.is_full() {
            let has_room = |choice: &Choice| !choice.live.is_full() && !tried.contains(&choice.live.endpoint);
            index = Picker::pick_where(&self.choices, draw, has_room).unwrap_or(index);
        }
        self.choices.get(index).map(|choice| &choice.live)
    }

    /// A server that is to be probed by the caller.
    pub(crate) fn probe(&self) -> Option<&Arc<Live>> {
        if self.probes.is_empty() { None } else { self.probes.iter().find(|live| live.pass()) }
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new(), None)
    }
}
