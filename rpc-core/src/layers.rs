//! Layers that users bring.

use crate::{BoxService, Layer, Service};
use std::{fmt, sync::Arc};

/// Layers that a user puts around calls: the first one added is the outermost, and sees a call first.
///
/// They cost what they do, and a box per call; where there are none, nothing is on the path.
#[derive(Clone, Default)]
pub struct Layers(Vec<Arc<dyn Wrap>>);

/// The object-safe twin of `Layer<BoxService>`.
trait Wrap: Send + Sync {
    fn wrap(&self, inner: BoxService) -> BoxService;
}

impl<L> Wrap for L
where
    L: Layer<BoxService, Service: Service> + Send + Sync,
{
    fn wrap(&self, inner: BoxService) -> BoxService {
        self.layer(inner).boxed()
    }
}

impl Layers {
    /// These, and one more inside them.
    #[must_use]
    pub fn and(mut self, layer: impl Layer<BoxService, Service: Service> + Send + Sync + 'static) -> Self {
        self.0.push(Arc::new(layer));
        self
    }

    /// These, and those inside them.
    #[must_use]
    pub fn and_all(mut self, inner: Self) -> Self {
        self.0.extend(inner.0);
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts them around a service.
    pub(crate) fn around(&self, inner: BoxService) -> BoxService {
        self.0.iter().rev().fold(inner, |inner, layer| layer.wrap(inner))
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layers({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, Context, Kind, Method, Payload, Request, Response, Status, service_fn};
    use std::sync::Mutex;

    static METHOD: Method = Method::new("t.T", "M", "/t.T/M", Kind::Unary);

    struct Note(&'static str, Arc<Mutex<Vec<&'static str>>>);

    struct Noted(BoxService, &'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Layer<BoxService> for Note {
        type Service = Noted;

        fn layer(&self, inner: BoxService) -> Noted {
            Noted(inner, self.0, self.1.clone())
        }
    }

    impl Service for Noted {
        async fn call(&self, request: Request) -> Result<Response, Status> {
            self.2.lock().unwrap().push(self.1);
            self.0.call(request).await
        }
    }

    #[tokio::test]
    async fn the_first_one_sees_a_call_first() {
        let seen = Arc::new(Mutex::default());
        let inner = Layers::default().and(Note("c", Arc::clone(&seen)));
        let layers = Layers::default().and(Note("a", seen.clone())).and(Note("b", seen.clone())).and_all(inner);
        let echo = service_fn(async |request: Request| Ok(Response::new(request.body))).boxed();
        let body = Body::Message(Payload::Encoded(bytes::Bytes::new()));
        layers.around(echo).call(Request::new(&METHOD, Context::default(), body)).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), ["a", "b", "c"]);
        assert!(Layers::default().is_empty() && !layers.is_empty());
    }
}
