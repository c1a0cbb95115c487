//! A call on its way out.

use crate::{
    answer, failure,
    frames::{self, Frames},
    headers,
    upload::{self, Progress},
    watched::Pulse,
};
use bytes::Bytes;
use h2::{SendStream, client::SendRequest};
use http::{
    HeaderValue, Uri, Version,
    uri::{Authority, PathAndQuery, Scheme},
};
use rpc_core::{
    Body, Context, Delivery, Method, Request, Response, Service, Status, Tasks,
    transport::{ConnectionState, Place},
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};
use tokio::{sync::watch, time::Instant};

/// Makes calls on one connection.
pub(crate) struct Caller {
    pub(crate) requests: SendRequest<Bytes>,
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    /// The instance that is expected at the other end.
    pub(crate) instance: Option<HeaderValue>,
    pub(crate) max_message: usize,
    pub(crate) state: watch::Sender<ConnectionState>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) tasks: Tasks,
    /// How many calls there were.
    pub(crate) calls: AtomicU32,
    /// How many there may be.
    pub(crate) max_calls: u32,
}

/// The body of a request.
enum RequestBody {
    Message(Bytes),
    Stream(Frames),
}

impl Caller {
    fn request(&self, method: &'static Method, context: &Context) -> Result<http::Request<()>, Status> {
        let path = PathAndQuery::from_maybe_shared(Bytes::from_static(method.path.as_bytes()))
            .map_err(|_| Status::internal(format!("`{}` is no path of a method", method.path)))?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        let mut request = http::Request::new(());
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Status::internal("a path that no URI can have"))?;
        *request.headers_mut() = headers::of_request(context, self.instance.as_ref())?;
        Ok(request)
    }

    fn body(&self, body: Body) -> Result<RequestBody, Status> {
        Ok(match body {
            Body::Message(payload) => RequestBody::Message(frames::frame(&payload, self.max_message)?),
            Body::Stream(stream) => RequestBody::Stream(Frames::new(stream, self.max_message)),
        })
    }

    /// Counts a call. The last one that the connection can take is taken, and makes room for another connection.
    fn number(&self) -> Result<(), Status> {
        let before = self.calls.fetch_add(1, Ordering::Relaxed);
        if before + 1 >= self.max_calls {
            return self.numbers_end(before);
        }
        Ok(())
    }

    #[cold]
    fn numbers_end(&self, before: u32) -> Result<(), Status> {
        ConnectionState::Draining.advance(&self.state);
        // Those that wait for a place would be too late.
        self.pulse.places.close();
        if before < self.max_calls { Ok(()) } else { Err(leaving()) }
    }

    /// A place for a call, unless the connection takes no more.
    async fn place(&self, request: &Request) -> Result<Place, Status> {
        if *self.state.borrow() == ConnectionState::Open
            && let Some(place) = self.pulse.places.claim(request).await?
        {
            return Ok(place);
        }
        Err(leaving())
    }

    fn send(
        &self,
        body: RequestBody,
        mut to: SendStream<Bytes>,
        deadline: Option<Instant>,
    ) -> Result<Progress, h2::Error> {
        match body {
            // HTTP/2 keeps what the server has no room for yet; it is in memory as it is. And the last frame of data
            // ends the stream: no empty one goes behind it.
            RequestBody::Message(frame) => to.send_data(frame, true).map(|()| Progress::default()),
            RequestBody::Stream(frames) => {
                let (sending, progress) = upload::upload(frames, to, deadline);
                self.tasks.spawn(sending);
                Ok(progress)
            }
        }
    }
}

impl Service for Caller {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let method = request.method;
        let never_sent = |status: Status| status.with_delivery(Delivery::NeverSent);
        let place = self.place(&request).await?;
        let body = self.body(request.body).map_err(never_sent)?;
        let deadline = request.context.deadline();
        let asked = request.context.call_id();
        let request = self.request(method, &request.context).map_err(never_sent)?;
        self.number()?;
        // Through a handle of its own: one that is shared would let only one call at a time wait for room.
        let (response, to) = self.requests.clone().send_request(request, false).map_err(failure::unsent)?;
        // That the message cannot be sent may mean that the answer is here already, and the stream closed with it: a
        // server that refuses does so by the headers alone. What became of the call says its answer in any case.
        let progress = self.send(body, to, deadline).unwrap_or_default();
        let response = response.await.map_err(|error| failure::sending(error, &progress))?;
        answer::read(response, method, (progress, place), asked, self.max_message).await
    }
}

#[cold]
fn leaving() -> Status {
    Status::unavailable("the connection takes no more calls").with_delivery(Delivery::NeverSent)
}
