//! The layers that every server has, whatever the wire.

use crate::{
    BoxService, Observers, Service,
    server::{CatchPanicLayer, DeadlineLayer, ObserveLayer, admission::AdmissionLayer, trace::TraceLayer},
};
use tower_layer::Layer;

/// The way in, from the outside to the inside: trace, observe, catch panics, keep the deadline, admit; then `dispatch`,
/// which calls the user's layers and the handler and lets writes finish.
pub(crate) fn layered(dispatch: impl Service, admission: &AdmissionLayer, observers: Observers) -> BoxService {
    // Inside the deadline: what has passed it takes no place, and gives its place back when it does.
    let admitted = DeadlineLayer::new(observers.clone()).layer(admission.layer(dispatch));
    let inner = CatchPanicLayer::new(observers.clone()).layer(admitted);
    // Outside of the panics, so that a handler which panics leaves a span.
    let trace = TraceLayer(observers.spans());
    // On the path only where somebody watches.
    if observers.is_some() {
        trace.layer(ObserveLayer::new(observers).layer(inner)).boxed()
    } else {
        trace.layer(inner).boxed()
    }
}
