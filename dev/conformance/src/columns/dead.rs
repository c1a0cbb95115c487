//! Connections that have just died.

use rpc_core::{BoxService, CallId, Delivery, Layer, Request, Response, Service, Status};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

/// Refuses the first attempt at each call, as a connection does that has just died: nothing leaves.
#[derive(Clone, Default)]
pub(super) struct Dead {
    met: Arc<Mutex<HashSet<Option<CallId>>>>,
}

impl Layer<BoxService> for Dead {
    type Service = Dying;

    fn layer(&self, inner: BoxService) -> Dying {
        Dying { inner, dead: self.clone() }
    }
}

/// See [`Dead`].
pub(super) struct Dying {
    inner: BoxService,
    dead: Dead,
}

impl Service for Dying {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let first = self.dead.met.lock().unwrap_or_else(PoisonError::into_inner).insert(request.context.call_id());
        if first {
            return Err(Status::unavailable("connection closed").with_delivery(Delivery::NeverSent));
        }
        self.inner.call(request).await
    }
}
