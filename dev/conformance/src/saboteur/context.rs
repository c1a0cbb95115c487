//! Circumstances with something missing.

use rpc_core::Context;

pub(super) fn without_deadline(context: &Context) -> Context {
    let copy = Context::default().with_metadata(context.metadata().clone()).with_baggage(context.baggage().clone());
    with_rest(
        match context.trace() {
            Some(trace) => copy.with_trace(trace),
            None => copy,
        },
        context,
    )
}

pub(super) fn without_trace(context: &Context) -> Context {
    let copy = Context::default().with_metadata(context.metadata().clone()).with_baggage(context.baggage().clone());
    with_rest(
        match context.deadline() {
            Some(deadline) => copy.with_deadline(deadline),
            None => copy,
        },
        context,
    )
}

/// Nothing but the call's number and the peer.
pub(super) fn bare(context: &Context) -> Context {
    with_rest(Context::default(), context)
}

/// What none of those above leaves out.
fn with_rest(mut copy: Context, context: &Context) -> Context {
    if let Some(id) = context.call_id() {
        copy = copy.with_attempt(id, context.attempt());
    }
    match context.peer() {
        Some(peer) => copy.with_peer(peer.clone()),
        None => copy,
    }
}
