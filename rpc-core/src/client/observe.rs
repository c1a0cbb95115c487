//! Tells the observers how calls end.

use crate::{
    Layer, Observers, Request, Response, Service, Status, client::Journey, ending::Ending, observer::CallEnded,
};

/// Tells the observers of the beginning and the end of each call, which is where its body ends. Put on the path only
/// where somebody watches.
#[derive(Clone, Debug)]
pub(crate) struct ObserveLayer(pub(crate) Observers);

impl<S: Service> Layer<S> for ObserveLayer {
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
    async fn call(&self, mut request: Request) -> Result<Response, Status> {
        let (journey, method) = (Journey::of(&mut request), request.method);
        let observers = self.observers.clone();
        observers.tell(|observer| observer.call_began(method));
        // From here on the call ends when this does, be it that its caller leaves.
        let ending = Ending::new(move |outcome| {
            let ended = CallEnded { method, outcome, attempts: journey.attempts(), took: journey.started().elapsed() };
            observers.tell(|observer| observer.call_ended(&ended));
        });
        ending.watch(self.inner.call(request).await)
    }
}
