//! The one shape of everything that a call passes through.

use crate::{Request, Response, Status};
use std::{pin::Pin, sync::Arc};

/// A future whose type is forgotten.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An asynchronous function from a request to a response.
///
/// Clients, layers, balancers, connections, routers and generated servers are all services; `tower_layer::Layer`
/// composes them. There is no `poll_ready`: readiness that is asked for before the request is known costs a queue and a
/// hop, and holds up discovery when there is no traffic. A service that cannot take a call says so in its answer.
///
/// **A call ends when its body ends.** The future resolves when the response *begins*; whatever a layer holds for the
/// life of a call must go into the response's body, through [`Body::guarded`](crate::Body::guarded) or
/// [`Body::in_context`](crate::Body::in_context).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an rpc `Service`",
    note = "a function becomes one through `rpc::service_fn`; the implementation of a service's trait through its generated `..Server::new`"
)]
pub trait Service: Send + Sync + 'static {
    /// Makes the call. Dropping the future abandons it.
    ///
    /// # Errors
    /// What the call ended with before its response began, of whatever made it. A response that has begun may still
    /// fail, in its body.
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Status>> + Send;

    /// Forgets the type. Boxing a [`BoxService`] gives it back as it is.
    fn boxed(self) -> BoxService
    where
        Self: Sized,
    {
        BoxService(Arc::new(self))
    }
}

/// The object-safe twin: every service has it, nobody implements it.
trait Erased: Send + Sync + 'static {
    fn call<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, Status>>;

    /// The same for a call that may outlive whoever makes it: one box, which holds the service too.
    fn call_owned(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<Response, Status>>;
}

impl<S: Service> Erased for S {
    fn call<'a>(&'a self, request: Request) -> BoxFuture<'a, Result<Response, Status>> {
        Box::pin(Service::call(self, request))
    }

    fn call_owned(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<Response, Status>> {
        Box::pin(async move { Service::call(&*self, request).await })
    }
}

/// A service whose type is forgotten; cloning shares it.
#[derive(Clone)]
pub struct BoxService(Arc<dyn Erased>);

impl BoxService {
    /// Makes a call whose future has a name.
    pub(crate) fn call_boxed(&self, request: Request) -> BoxFuture<'_, Result<Response, Status>> {
        self.0.call(request)
    }

    /// Makes a call that may outlive whoever makes it.
    pub(crate) fn call_owned(&self, request: Request) -> BoxFuture<'static, Result<Response, Status>> {
        self.0.clone().call_owned(request)
    }
}

impl Service for BoxService {
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Status>> + Send {
        self.0.call(request)
    }

    fn boxed(self) -> BoxService {
        self
    }
}

impl std::fmt::Debug for BoxService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BoxService")
    }
}

impl<S: Service> Service for Arc<S> {
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Status>> + Send {
        (**self).call(request)
    }
}

/// Makes a service of an asynchronous function.
pub fn service_fn<F, R>(function: F) -> ServiceFn<F>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response, Status>> + Send,
{
    ServiceFn(function)
}

/// See [`service_fn`].
#[derive(Clone, Copy, Debug)]
pub struct ServiceFn<F>(F);

impl<F, R> Service for ServiceFn<F>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response, Status>> + Send,
{
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Status>> + Send {
        (self.0)(request)
    }
}
