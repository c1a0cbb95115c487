//! What happens beside the calls, as events of `tracing`.

use super::{Listed, Observer, target};
use crate::{
    Address,
    registry::{RegistrationState, Source},
    transport::{ConnectionState, DrainPhase},
};

/// Logs what happens beside the calls; the calls themselves have spans. What is a warning in any case is logged where
/// it happens, whether or not anybody watches.
pub(super) struct Log;

impl Observer for Log {
    fn connection(&self, endpoint: &Address, transport: &'static str, state: ConnectionState) {
        tracing::debug!(target: target::CLIENT, state = word(state), server.address = %endpoint, rpc.system = transport, "connection");
    }

    fn listed(&self, list: &Listed<'_>) {
        let Listed { service, usable, unusable, skipped, age, source, .. } = *list;
        let source = match source {
            Source::Live => "live",
            Source::Stale => "stale",
            Source::Fixed => "fixed",
        };
        tracing::debug!(
            target: target::CLIENT, source, rpc.service = service, usable, unusable, skipped, ?age, "list of servers"
        );
    }

    fn registration(&self, instance: &str, state: RegistrationState) {
        match state {
            RegistrationState::Pending => tracing::debug!(target: target::SERVER, instance, "being registered"),
            RegistrationState::Refused => tracing::warn!(target: target::SERVER, instance, "the registry refuses"),
            state => tracing::info!(target: target::SERVER, instance, state = state.word(), "registration"),
        }
    }

    fn accepted(&self, peer: Option<&Address>, transport: &'static str, state: ConnectionState) {
        let peer = peer.map(tracing::field::display);
        tracing::debug!(
            target: target::SERVER, state = word(state), network.peer.address = peer, rpc.system = transport, "connection"
        );
    }

    fn drain(&self, phase: DrainPhase) {
        match phase {
            DrainPhase::Serving => {}
            DrainPhase::Draining => {
                tracing::info!(target: target::SERVER, "no new calls from now on; those in flight end in peace");
            }
            DrainPhase::Stopped => tracing::info!(target: target::SERVER, "stopped"),
        }
    }
}

fn word(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Open => "open",
        ConnectionState::Draining => "draining",
        ConnectionState::Closed => "closed",
    }
}
