//! A server that has too much to do says so at once.

mod codel;
mod gate;
mod policy;

pub(crate) use gate::Gate;
pub use policy::{Admission, AdmissionError};

use crate::{Delivery, Observers, Request, Response, Service, Status, Tasks};
use futures_util::future::Either;
use gate::Permit;
use pin_project_lite::pin_project;
use std::{
    future::ready,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower_layer::Layer;

/// Refuses calls that the server would not get done; [`Admission`] says how many those are. There is no queue: whoever
/// would stand in one is better off elsewhere, or knowing.
#[derive(Clone, Debug)]
pub(crate) struct AdmissionLayer {
    gate: Arc<Gate>,
    observers: Observers,
}

impl AdmissionLayer {
    /// Tells `observers` of calls that were refused. What it has to measure with are `tasks`.
    pub(crate) fn new(admission: Admission, tasks: &Tasks, observers: Observers) -> Self {
        Self { gate: Arc::new(Gate::new(admission, tasks)), observers }
    }

    /// Where the calls are counted.
    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admit<S>;

    fn layer(&self, inner: S) -> Admit<S> {
        Admit { inner, gate: self.gate.clone(), observers: self.observers.clone() }
    }
}

/// See [`AdmissionLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Admit<S> {
    inner: S,
    gate: Arc<Gate>,
    observers: Observers,
}

impl<S: Service> Service for Admit<S> {
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Status>> + Send {
        let Some(permit) = self.gate.enter(&request) else {
            return Either::Left(ready(Err(self.refuse(&request))));
        };
        let permit = (!request.method.kind.request_streams()).then_some(permit);
        Either::Right(Admitted { call: self.inner.call(request), _permit: permit })
    }
}

pin_project! {
    struct Admitted<'a, F> {
        #[pin]
        call: F,
        _permit: Option<Permit<'a>>,
    }
}

impl<F: Future> Future for Admitted<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().call.poll(cx)
    }
}

impl<S> Admit<S> {
    #[cold]
    fn refuse(&self, request: &Request) -> Status {
        self.observers.tell(|observer| observer.refused(request.method, request.context.transport()));
        Status::resource_exhausted("the server has too much to do; nothing was done")
            .with_delivery(Delivery::Unprocessed)
            .with_outgoing_pushback(pushback())
    }
}

/// How long clients are to stay away: as long as a queue takes to become shorter, and not all of them equally long, or
/// they would come back together.
fn pushback() -> Duration {
    Duration::from_millis(fastrand::u64(50..150))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Body, BoxService, Code, Kind, Method, Payload, PayloadStream, ServiceDescriptor, observer::Counters,
        observer::Event, server::NamedService, server::Router, service_fn,
    };
    use bytes::Bytes;
    use tokio::time::{sleep, timeout};

    static FIND: Method = Method::new("t.T", "Find", "/t.T/Find", Kind::Unary).idempotent();
    static WRITE: Method = Method::new("t.T", "Write", "/t.T/Write", Kind::Unary);
    static SEND: Method = Method::new("t.T", "Send", "/t.T/Send", Kind::ClientStream);
    static FOLLOW: Method = Method::new("t.T", "Follow", "/t.T/Follow", Kind::ServerStream);
    static T: ServiceDescriptor = ServiceDescriptor::new("t.T", &[&FIND, &WRITE, &SEND, &FOLLOW], "");

    fn request(method: &'static Method) -> Request {
        Request::new(method, crate::Context::default(), Body::Message(Payload::Encoded(Bytes::new())))
    }

    /// Takes a second for everything.
    struct Slow;

    impl NamedService for Slow {
        fn descriptor(&self) -> &'static ServiceDescriptor {
            &T
        }
    }

    impl Service for Slow {
        async fn call(&self, request: Request) -> Result<Response, Status> {
            sleep(Duration::from_secs(1)).await;
            if request.method.kind == Kind::ServerStream {
                return Ok(Response::new(Body::Stream(PayloadStream::new(futures_util::stream::pending()))));
            }
            Ok(Response::new(request.body))
        }
    }

    fn one_at_a_time(tasks: &Tasks, observers: Observers) -> BoxService {
        let mut router = Router::new();
        router.add(Slow).unwrap();
        router.admit("1".parse().unwrap());
        router.into_routes(tasks.clone(), observers).service
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_given_back_by_who_ends_who_leaves_and_who_is_refused() {
        let (tasks, counters) = (Tasks::owner(), Arc::new(Counters::default()));
        let service = one_at_a_time(&tasks, Observers::new(counters.clone()));
        let refused = async {
            sleep(Duration::from_millis(500)).await;
            service.call(request(&FIND)).await.unwrap_err()
        };
        let (found, refused) = tokio::join!(service.call(request(&FIND)), refused);
        found.unwrap();
        assert_eq!((refused.code(), refused.delivery()), (Code::ResourceExhausted, Delivery::Unprocessed));
        assert_eq!(counters.snapshot().of(Event::Refused), 1);
        assert!(refused.outgoing_pushback().is_some_and(|time| !time.is_zero()), "{refused:?}");

        timeout(Duration::from_millis(1), service.call(request(&FIND))).await.unwrap_err();
        service.call(request(&FIND)).await.unwrap();
        assert_eq!(counters.snapshot().of(Event::Refused), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_counts_until_it_has_ended_and_a_stream_until_it_has_begun() {
        let tasks = Tasks::owner();
        let service = one_at_a_time(&tasks, Observers::default());
        timeout(Duration::from_millis(1), service.call(request(&WRITE))).await.unwrap_err();
        assert_eq!(service.call(request(&FIND)).await.unwrap_err().code(), Code::ResourceExhausted, "it goes on");
        sleep(Duration::from_secs(2)).await;

        let stream = service.call(request(&FOLLOW)).await.unwrap();
        let (sent, found) = tokio::join!(service.call(request(&SEND)), service.call(request(&FIND)));
        sent.unwrap();
        found.unwrap();
        drop(stream);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_writes_and_leaves_in_a_loop_finds_a_bound_also_where_all_are_let_in() {
        let tasks = Tasks::owner();
        let mut router = Router::new();
        router.add(Slow).unwrap();
        router.admit(Admission::Off);
        let service = router.into_routes(tasks.clone(), Observers::default()).service;
        let mut refused = None;
        for _ in 0..5000 {
            let left = futures_util::FutureExt::now_or_never(service.call(request(&WRITE)));
            refused = refused.or(left.and_then(Result::err));
        }
        let refused = refused.expect("there is a bound");
        assert_eq!((refused.code(), refused.delivery()), (Code::ResourceExhausted, Delivery::Unprocessed));
        assert_eq!(tasks.len(), 4096);
        service.call(request(&FIND)).await.expect("this one would not go on");
        tasks.finished().await;
        service.call(request(&WRITE)).await.unwrap();
    }

    /// Handlers that hold their only worker, many of them at once, and then as many that wait for somebody else.
    #[tokio::test]
    #[expect(
        clippy::disallowed_methods,
        reason = "it stands for work, which takes the worker and no time of the clock"
    )]
    async fn calls_are_refused_while_what_is_ready_waits_and_not_while_it_is_others_who_are_slow() {
        let tasks = Tasks::owner();
        let counters = Arc::new(Counters::default());
        let layer = AdmissionLayer::new(Admission::Adaptive, &tasks, Observers::new(counters.clone()));
        let gate = layer.gate().clone();
        let waits = layer.layer(service_fn(async |request: Request| {
            sleep(Duration::from_millis(200)).await;
            Ok(Response::new(request.body))
        }));
        let works = layer.layer(service_fn(async |request: Request| {
            for _ in 0..2 {
                std::thread::sleep(Duration::from_micros(500));
                tokio::task::yield_now().await;
            }
            Ok(Response::new(request.body))
        }));
        let (waits, works) = (waits.boxed(), works.boxed());
        let flood = async |service: &BoxService, rounds: usize| {
            let callers = (0..1000).map(|_| {
                let service = service.clone();
                let (done, end) = tokio::sync::oneshot::channel::<()>();
                tasks.spawn(async move {
                    for _ in 0..rounds {
                        if service.call(request(&FIND)).await.is_err() {
                            sleep(Duration::from_millis(50)).await;
                        }
                    }
                    drop(done);
                });
                end
            });
            futures_util::future::join_all(callers.collect::<Vec<_>>()).await;
        };
        flood(&works, 4).await;
        assert!(counters.snapshot().of(Event::Refused) > 100);
        assert_eq!(gate.at_work(), 0);
        // Until the limit is lifted.
        flood(&waits, 10).await;
        let before = counters.snapshot().of(Event::Refused);
        flood(&waits, 5).await;
        assert_eq!(counters.snapshot().of(Event::Refused), before);
    }
}
