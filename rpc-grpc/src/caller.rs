//! A call on its way out.

use crate::{answer, failure, headers, upload::Upload};
use bytes::Bytes;
use http::{
    HeaderValue, Uri, Version,
    uri::{Authority, PathAndQuery, Scheme},
};
use hyper::client::conn::http2::SendRequest;
use rpc_core::{Context, Delivery, Method, Request, Response, Service, Status, transport::ConnectionState};
use tokio::sync::watch;

/// Makes calls on one connection.
pub(crate) struct Caller {
    requests: SendRequest<Upload>,
    authority: Authority,
    /// The instance that is expected at the other end.
    instance: Option<HeaderValue>,
    max_message: usize,
    state: watch::Receiver<ConnectionState>,
}

impl Caller {
    pub(crate) fn new(
        requests: SendRequest<Upload>,
        authority: Authority,
        instance: Option<HeaderValue>,
        max_message: usize,
        state: watch::Receiver<ConnectionState>,
    ) -> Self {
        Self { requests, authority, instance, max_message, state }
    }

    fn head(&self, method: &'static Method, context: &Context) -> Result<http::request::Builder, Status> {
        let path = PathAndQuery::from_maybe_shared(Bytes::from_static(method.path.as_bytes()))
            .map_err(|_| Status::internal(format!("`{}` is no path of a method", method.path)))?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        let uri = Uri::from_parts(parts).map_err(|_| Status::internal("a path that no URI can have"))?;
        let mut builder = http::Request::builder().method(http::Method::POST).uri(uri).version(Version::HTTP_2);
        if let Some(place) = builder.headers_mut() {
            *place = headers::of_request(context, self.instance.as_ref())?;
        }
        Ok(builder)
    }
}

impl Service for Caller {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let method = request.method;
        let never_sent = |status: Status| status.with_delivery(Delivery::NeverSent);
        if *self.state.borrow() != ConnectionState::Open {
            return Err(never_sent(Status::unavailable("the server is leaving and takes no more calls here")));
        }
        let (upload, progress) = Upload::new(request.body, self.max_message).map_err(never_sent)?;
        let head = self.head(method, &request.context).map_err(never_sent)?;
        let request = head.body(upload).map_err(|_| never_sent(Status::internal("a request that HTTP cannot have")))?;
        match self.requests.clone().try_send_request(request).await {
            Ok(response) => answer::read(response, method, progress, self.max_message).await,
            Err(error) if error.message().is_some() => Err(failure::unsent(error.into_error())),
            Err(error) => Err(failure::sending(error.into_error(), method, &progress)),
        }
    }
}
