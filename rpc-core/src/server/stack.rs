//! The layers that every server has, whatever the wire.

use crate::{
    Observers, Service, Tasks,
    server::{CatchPanicLayer, CompletionLayer, DeadlineLayer, ObserveLayer, Router},
    transport::Routes,
};
use tower_layer::Layer;

/// The way in, from the outside to the inside: observe, catch panics, keep the deadline, let writes finish, route.
pub(crate) fn routes(router: Router, tasks: Tasks, observers: Observers) -> Routes {
    router.into_routes(|router| {
        let inner = CompletionLayer::new(tasks).layer(router);
        ObserveLayer::new(observers).layer(CatchPanicLayer.layer(DeadlineLayer.layer(inner))).boxed()
    })
}
