//! Tells the observers of every call that was handled.

use crate::{Observers, Request, Response, Service, Status, ending::Ending, observer::Handled};
use tokio::time::Instant;
use tower_layer::Layer;

/// Tells [`Observers`] of every call that comes here, and of its end, which is where its body ends.
#[derive(Clone, Debug)]
pub(crate) struct ObserveLayer(Observers);

impl ObserveLayer {
    /// Tells `observers`.
    pub(crate) fn new(observers: Observers) -> Self {
        Self(observers)
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe { inner, observers: self.0.clone() }
    }
}

/// See [`ObserveLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Observe<S> {
    inner: S,
    observers: Observers,
}

impl<S: Service> Service for Observe<S> {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let (observers, context) = (self.observers.clone(), request.context.clone());
        let (method, transport, begun) = (request.method, context.transport(), Instant::now());
        observers.tell(|observer| observer.handling(method, transport));
        let ending = Ending::new(move |outcome| {
            let peer = context.peer().and_then(|peer| peer.address.as_ref());
            let handled = Handled { method, transport, peer, outcome, took: begun.elapsed() };
            observers.tell(|observer| observer.handled(&handled));
        });
        ending.watch(self.inner.call(request).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Body, Context, Kind, Method, Observer, Payload, PayloadStream, Peer, ServiceDescriptor, Tasks,
        server::{NamedService, Router},
    };
    use bytes::Bytes;
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    static ECHO: Method = Method::new("t.T", "Echo", "/t.T/Echo", Kind::Unary);
    static FAIL: Method = Method::new("t.T", "Fail", "/t.T/Fail", Kind::Unary);
    static COUNT: Method = Method::new("t.T", "Count", "/t.T/Count", Kind::ServerStream);
    static T: ServiceDescriptor = ServiceDescriptor::new("t.T", &[&ECHO, &FAIL, &COUNT], "");

    struct Named;

    impl NamedService for Named {
        fn descriptor(&self) -> &'static ServiceDescriptor {
            &T
        }
    }

    impl Service for Named {
        async fn call(&self, request: Request) -> Result<Response, Status> {
            let item = || Ok(Payload::Encoded(Bytes::new()));
            match request.method.name {
                "Echo" => Ok(Response::new(request.body)),
                "Count" => {
                    let items = PayloadStream::new(futures_util::stream::iter([item(), item()]));
                    Ok(Response::new(Body::Stream(items)))
                }
                _ => panic!("as it should"),
            }
        }
    }

    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);

    impl Log {
        fn take(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl Observer for Log {
        fn handling(&self, method: &'static Method, transport: &'static str) {
            self.0.lock().unwrap().push(format!("handling {} over {transport}", method.name));
        }
        fn handled(&self, handled: &Handled<'_>) {
            let Handled { method, peer, outcome, .. } = handled;
            let outcome = outcome.map_err(Status::code);
            self.0.lock().unwrap().push(format!("handled {} of {} {outcome:?}", method.name, peer.unwrap()));
        }
        fn expired(&self, method: &'static Method, transport: &'static str) {
            self.0.lock().unwrap().push(format!("expired {} over {transport}", method.name));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_with_its_body_and_what_came_too_late_is_told_of() {
        let (tasks, log) = (Tasks::owner(), Arc::new(Log::default()));
        let mut router = Router::new();
        router.add(Named).unwrap();
        let routes = router.into_routes(tasks.clone(), Observers::new(log.clone()));
        let call = async |method, left: Duration| {
            let peer = Peer::new("wire", Some("a:1".parse().unwrap()));
            let context = Context::default().with_peer(peer).with_deadline(Instant::now() + left);
            let body = Body::Message(Payload::Encoded(Bytes::new()));
            routes.service.call(Request::new(method, context, body)).await
        };
        let second = Duration::from_secs(1);

        call(&ECHO, second).await.unwrap();
        assert_eq!(log.take(), ["handling Echo over wire", "handled Echo of a:1 Ok(())"]);
        call(&FAIL, second).await.unwrap_err();
        assert_eq!(log.take(), ["handling Fail over wire", "handled Fail of a:1 Err(Internal)"]);

        let mut stream = call(&COUNT, second).await.unwrap().body.into_stream();
        stream.next().await.unwrap().unwrap();
        stream.next().await.unwrap().unwrap();
        assert_eq!(log.take(), ["handling Count over wire"], "it has not ended");
        assert!(stream.next().await.is_none());
        assert_eq!(log.take(), ["handled Count of a:1 Ok(())"]);
        drop(stream);
        drop(call(&COUNT, second).await.unwrap());
        assert_eq!(log.take(), ["handling Count over wire", "handled Count of a:1 Err(Cancelled)"]);

        call(&ECHO, Duration::ZERO).await.unwrap_err();
        assert_eq!(
            log.take(),
            ["handling Echo over wire", "expired Echo over wire", "handled Echo of a:1 Err(DeadlineExceeded)"]
        );
    }
}
