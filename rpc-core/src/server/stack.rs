//! The layers that every server has, whatever the wire.

use crate::{
    BoxService, Observers, Service,
    server::{CatchPanicLayer, DeadlineLayer, ObserveLayer, trace::TraceLayer},
};
use tower_layer::Layer;

/// The way in, from the outside to the inside: trace, observe, catch panics, keep the deadline; then `dispatch`, which calls
/// the handler and lets writes finish.
pub(crate) fn layered(dispatch: impl Service, observers: Observers) -> BoxService {
    let inner = CatchPanicLayer::new(observers.clone()).layer(DeadlineLayer::new(observers.clone()).layer(dispatch));
    // Outside of the panics, so that a handler which panics leaves a span.
    let trace = TraceLayer(observers.spans());
    // On the path only where somebody watches.
    if observers.is_some() {
        trace.layer(ObserveLayer::new(observers).layer(inner)).boxed()
    } else {
        trace.layer(inner).boxed()
    }
}
