//! The layers that every server has, whatever the wire.

use crate::{
    BoxService, Observers, Service,
    server::{CatchPanicLayer, DeadlineLayer, ObserveLayer},
};
use tower_layer::Layer;

/// The way in, from the outside to the inside: observe, catch panics, keep the deadline; then `dispatch`, which calls
/// the handler and lets writes finish.
pub(crate) fn layered(dispatch: impl Service, observers: Observers) -> BoxService {
    let inner = CatchPanicLayer.layer(DeadlineLayer::new(observers.clone()).layer(dispatch));
    // On the path only where somebody watches.
    if observers.is_some() { ObserveLayer::new(observers).layer(inner).boxed() } else { inner.boxed() }
}
