//! Middleware written for tower.

use crate::{BoxFuture, BoxService, Layer, Request, Response, Service, Status};
use std::{
    future::poll_fn,
    task::{Context, Poll},
};

/// Makes a layer of one that was written for tower: anything between a `tower_service::Service<Request>` and another.
///
/// tower's services are taken by `&mut self` and asked whether they are ready before they are given a call, so each
/// call has a clone of its own, which is asked first; what a middleware shares between calls it shares between clones
/// (a limit of concurrency does, for instance). Its errors have to become a [`Status`]; those of tower's own middleware
/// are boxed, and become `Unavailable`.
#[derive(Clone, Copy, Debug)]
pub struct TowerLayer<L>(L);

impl<L> TowerLayer<L> {
    /// From a layer of tower's.
    pub fn new(layer: L) -> Self {
        Self(layer)
    }
}

impl<L, S> Layer<BoxService> for TowerLayer<L>
where
    L: Layer<AsTower, Service = S>,
    Tower<S>: Service,
{
    type Service = Tower<S>;

    fn layer(&self, inner: BoxService) -> Tower<S> {
        Tower(self.0.layer(AsTower(inner)))
    }
}

/// See [`TowerLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Tower<S>(S);

impl<S> Service for Tower<S>
where
    S: tower_service::Service<Request, Response = Response, Future: Send, Error: IntoStatus>
        + Clone
        + Send
        + Sync
        + 'static,
{
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let mut service = self.0.clone();
        poll_fn(|cx| service.poll_ready(cx)).await.map_err(IntoStatus::into_status)?;
        service.call(request).await.map_err(IntoStatus::into_status)
    }
}

/// A service of ours, as tower's middleware sees it: always ready.
#[derive(Clone, Debug)]
pub struct AsTower(BoxService);

impl tower_service::Service<Request> for AsTower {
    type Response = Response;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.0.call_owned(request)
    }
}

/// What middleware of tower's can fail with: a [`Status`] of ours, or a box around one or around anything else.
pub trait IntoStatus {
    /// The status that it is.
    fn into_status(self) -> Status;
}

impl IntoStatus for Status {
    fn into_status(self) -> Status {
        self
    }
}

impl IntoStatus for Box<dyn std::error::Error + Send + Sync> {
    fn into_status(self) -> Status {
        match self.downcast::<Status>() {
            Ok(status) => *status,
            Err(other) => Status::unavailable(format!("refused by a layer: {other}")).with_source(other),
        }
    }
}

impl IntoStatus for std::convert::Infallible {
    fn into_status(self) -> Status {
        match self {}
    }
}
