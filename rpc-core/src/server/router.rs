//! From the name of a service to its implementation.

use crate::{
    Body, BoxService, Delivery, Layers, Method, Observers, PayloadStream, Request, Response, Service,
    ServiceDescriptor, Status, Tasks,
    fnv::Words,
    rider::{Next, Rider},
    server::{
        Admission,
        admission::{AdmissionLayer, Gate},
        completion::{self, CallEnd},
        stack,
        unfinished::{AtWork, Unfinished},
    },
    spawn::House,
    tasks::StopOnDrop,
    transport::{Drain, Lookup, Routes},
};
use std::{
    collections::HashMap,
    fmt,
    hash::BuildHasherDefault,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// A service that says which one it is: what `..Server::new` gives.
pub trait NamedService: Service {
    /// Its name and its methods.
    fn descriptor(&self) -> &'static ServiceDescriptor;
}

/// Sends each call to the service that its path names.
#[derive(Default)]
pub struct Router {
    services: Vec<(&'static str, BoxService)>,
    /// By their paths. What is in the table is chosen by this program alone, so that nobody can make them collide.
    methods: HashMap<&'static [u8], &'static Method, BuildHasherDefault<Words>>,
    descriptors: Vec<&'static ServiceDescriptor>,
    layers: Layers,
    drain: Option<Drain>,
    admission: Admission,
    unfinished: Arc<Unfinished>,
}

impl Router {
    /// A router without services.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a service.
    ///
    /// # Errors
    /// When there is one of that name already.
    pub fn add(&mut self, service: impl NamedService) -> Result<(), RouterError> {
        let descriptor = service.descriptor();
        if self.services.iter().any(|(name, _)| *name == descriptor.name) {
            return Err(RouterError(descriptor.name));
        }
        self.services.push((descriptor.name, service.boxed()));
        self.methods.extend(descriptor.methods.iter().map(|method| (method.path.as_bytes(), *method)));
        self.descriptors.push(descriptor);
        Ok(())
    }

    /// Puts the layers of a user around all services, inside those that every server has.
    pub fn wrap(&mut self, layers: Layers) {
        self.layers = std::mem::take(&mut self.layers).and_all(layers);
    }

    /// How the server ends, for handlers that want to know.
    pub(crate) fn ends_with(&mut self, drain: Drain) {
        self.drain = Some(drain);
    }

    /// How many calls are let in at once.
    pub fn admit(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// Which calls were cut at the end.
    pub(crate) fn unfinished(&self) -> &Arc<Unfinished> {
        &self.unfinished
    }

    /// The services, in the order in which they were added.
    pub fn descriptors(&self) -> &[&'static ServiceDescriptor] {
        &self.descriptors
    }

    /// What transports need: a way to find methods, and the way in, with the layers that every server has. Handlers
    /// that go on without their caller do so in `tasks`.
    pub fn into_routes(self, tasks: Tasks, observers: Observers) -> Routes {
        let router = Arc::new(self);
        let admission = AdmissionLayer::new(router.admission, &tasks, observers.clone());
        let gate = admission.gate().clone();
        let house = House { tasks: tasks.handle(), drain: router.drain.clone() };
        let dispatch = Dispatch { router: router.clone(), gate, house: Arc::new(house), owner: tasks };
        let service = if router.layers.is_empty() {
            stack::layered(dispatch, &admission, observers)
        } else {
            stack::layered(Edge(router.layers.around(dispatch.boxed())), &admission, observers)
        };
        Routes::new(router, service)
    }

    /// A server has a handful of services, and nearly always the name is the very one that was registered: looking
    /// along a list for an equal pointer beats hashing it.
    fn service(&self, name: &'static str) -> Option<&BoxService> {
        let same = |known: &&'static str| std::ptr::eq(*known, name) || *known == name;
        self.services.iter().find(|(known, _)| same(known)).map(|(_, service)| service)
    }

    #[cold]
    fn unknown(&self, path: &[u8]) -> Status {
        // What the peer sent is cut; an error should not be a way to have us repeat a megabyte.
        let path = String::from_utf8_lossy(&path[..path.len().min(256)]);
        let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let message = match self.descriptors.iter().find(|descriptor| descriptor.name == service) {
            Some(descriptor) => {
                let methods: Vec<_> = descriptor.methods.iter().map(|method| method.name).collect();
                format!("no method {path} here; {service} has {}", methods.join(", "))
            }
            None => {
                let services: Vec<_> = self.descriptors.iter().map(|descriptor| descriptor.name).collect();
                format!("no service `{service}` here; this server has {}", services.join(", "))
            }
        };
        Status::unimplemented(message).with_delivery(Delivery::Unprocessed)
    }
}

impl Lookup for Router {
    fn method(&self, path: &[u8]) -> Result<&'static Method, Status> {
        self.methods.get(path).copied().ok_or_else(|| self.unknown(path))
    }
}

/// Calls the service that a path names.
#[derive(Debug)]
pub(crate) struct Dispatch {
    router: Arc<Router>,
    gate: Arc<Gate>,
    /// A handle without the right to keep them: the tasks themselves hold it.
    house: Arc<House>,
    owner: Tasks,
}

impl Service for Dispatch {
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Status>> + Send {
        let method = request.method;
        let called = match self.router.service(method.service) {
            Some(handler) => Ok(completion::call(handler, request, &self.house, &self.owner, &self.gate)),
            None => Err(self.router.unknown(method.path.as_bytes())),
        };
        async move {
            let (called, router) = (called?, &*self.router);
            let _at_work = AtWork::new(&*router.unfinished, method);
            // A handler's status crosses the edge here; the router's own, above, is a fact about this very call.
            match called.await {
                (Ok(Response { metadata, body: body @ Body::Message(_) }), _) => Ok(Response { metadata, body }),
                (Ok(response), end) => {
                    let at_work = AtWork::new(router.unfinished.clone(), method);
                    let keeper = self.owner.keeper();
                    let replies = || Replies { complete: false, end, at_work: Some(at_work), _keeper: keeper };
                    Ok(Response { body: response.body.ridden(replies), ..response })
                }
                (Err(status), _) => Err(status.at_edge()),
            }
        }
    }
}

/// With what a handler streams, at the edge. The call ends with it, and its tasks with the call.
struct Replies {
    complete: bool,
    end: CallEnd,
    at_work: Option<AtWork<Arc<Unfinished>>>,
    /// Of the tasks that the items may come from: a service of this process whose client is gone.
    _keeper: Option<Arc<StopOnDrop>>,
}

impl Rider for Replies {
    fn poll<T>(
        &mut self,
        stream: &mut PayloadStream,
        cx: &mut Context<'_>,
        next: impl FnOnce(&mut PayloadStream, &mut Context<'_>) -> Next<T>,
    ) -> Next<T> {
        if !self.complete {
            match ready!(next(stream, cx)) {
                Some(item) => return Poll::Ready(Some(item.map_err(Status::at_edge))),
                None => self.complete = true,
            }
        }
        let ended = ready!(self.end.poll_end(cx));
        self.at_work = None;
        Poll::Ready(ended.err().map(Err))
    }
}

/// Around the layers of a user, whose statuses cross the edge like those of a handler: they may be a dependency's. What
/// the router itself has to say was said before, when the transport looked for the method.
struct Edge(BoxService);

impl Service for Edge {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        match self.0.call(request).await {
            Ok(Response { metadata, body: body @ Body::Message(_) }) => Ok(Response { metadata, body }),
            Ok(response) => Ok(Response { body: response.body.ridden(|| AtEdge), ..response }),
            Err(status) => Err(status.at_edge()),
        }
    }
}

struct AtEdge;

impl Rider for AtEdge {
    fn poll<T>(
        &mut self,
        stream: &mut PayloadStream,
        cx: &mut Context<'_>,
        next: impl FnOnce(&mut PayloadStream, &mut Context<'_>) -> Next<T>,
    ) -> Next<T> {
        next(stream, cx).map_err(Status::at_edge)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.descriptors.iter().map(|descriptor| descriptor.name)).finish()
    }
}

/// Two services of one name in one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterError(&'static str);

impl fmt::Display for RouterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this server already has a service {}; give each its own `name` or `package`", self.0)
    }
}

impl std::error::Error for RouterError {}
