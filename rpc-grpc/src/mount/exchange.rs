//! What of a call to a mounted service does not pass through the layers.

use super::{
    any_method,
    bodies::{Incoming, Raw},
};
use crate::{
    frames::Sent,
    headers,
    reply::{self, Reply, ReplyBody},
    shared::Shared,
    trailers,
};
use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, request, response};
use rpc_core::{Body, BoxFuture, Metadata, Method, PayloadStream, Request, Service, Status, transport::Routes};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

tokio::task_local! {
    static CURRENT: Arc<Exchange>;
}

/// The headers and trailers of a call.
#[derive(Default)]
pub(super) struct Exchange(Mutex<Heads>);

#[derive(Default)]
struct Heads {
    request: Option<request::Parts>,
    response: Option<response::Parts>,
    trailers: Option<HeaderMap>,
}

impl Exchange {
    /// The call that passes through the layers here, and its headers; `None` when it came over another wire.
    pub(super) fn current() -> Option<(Arc<Self>, request::Parts)> {
        let exchange = CURRENT.try_with(Clone::clone).ok()?;
        let head = exchange.lock().request.take()?;
        Some((exchange, head))
    }

    /// The answer has begun.
    pub(super) fn answered(&self, head: response::Parts) {
        self.lock().response = Some(head);
    }

    /// The answer has ended.
    pub(super) fn ended(&self, trailers: HeaderMap) {
        self.lock().trailers = Some(trailers);
    }

    fn lock(&self) -> MutexGuard<'_, Heads> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What answers a call.
pub(crate) enum Answer {
    /// A service of this framework's, or a layer.
    Own(Reply),
    /// A mounted service, in its own words.
    Mounted(Box<MountedReply>),
}

/// The answer of a mounted service.
pub(crate) struct MountedReply {
    head: response::Parts,
    metadata: Metadata,
    /// `None` when all of it stands in the headers.
    body: Option<PayloadStream>,
    exchange: Arc<Exchange>,
}

/// Makes a call whose path nobody here knows, if it is one to a mounted service; else it fails as `unknown` says.
///
/// In a box: it is on the way of calls that have no other way to go, and should not make the others larger.
#[cold]
pub(crate) fn call(
    shared: &Shared,
    head: request::Parts,
    body: RecvStream,
    unknown: Status,
) -> BoxFuture<'_, Result<Answer, Status>> {
    Box::pin(async move {
        let method = method(&shared.routes, head.uri.path()).ok_or(unknown)?;
        let context = headers::context(&head.headers, headers::of_call(&head.headers), &shared.peer)?;
        let body = Body::Stream(PayloadStream::new(Incoming(body)));
        let exchange = Arc::new(Exchange(Mutex::new(Heads { request: Some(head), ..Heads::default() })));
        let call = shared.routes.service.call(Request::new(method, context, body));
        let outcome = CURRENT.scope(exchange.clone(), call).await;
        let head = exchange.lock().response.take();
        let Some(head) = head else {
            // A layer has answered in its place.
            let response = outcome?;
            let body = ReplyBody::Stream(response.body.into_stream());
            return Ok(Answer::Own(Reply { metadata: response.metadata, body }));
        };
        let (metadata, body) = match outcome {
            Ok(response) => (response.metadata, Some(response.body.into_stream())),
            // The service has said itself that it failed, in its own words.
            Err(_) if matches!(trailers::read(&head.headers, None), Some(Err(_))) => (Metadata::default(), None),
            // A layer has thought better of it.
            Err(status) => return Err(status),
        };
        Ok(Answer::Mounted(Box::new(MountedReply { head, metadata, body, exchange })))
    })
}

/// The mounted service that a path belongs to.
fn method(routes: &Routes, path: &str) -> Option<&'static Method> {
    let (service, _) = path.strip_prefix('/')?.rsplit_once('/')?;
    routes.method(any_method(service)).ok()
}

impl MountedReply {
    /// Sends it. In a box, as [`call`].
    pub(crate) fn send(self, shared: &Shared, respond: SendResponse<Bytes>) -> BoxFuture<'_, ()> {
        Box::pin(self.answer(shared, respond))
    }

    async fn answer(self, shared: &Shared, mut respond: SendResponse<Bytes>) {
        let Self { mut head, metadata, body, exchange } = self;
        trailers::strip(&mut head.headers);
        if let Err(status) = headers::write_metadata(&metadata, &mut head.headers) {
            return reply::fail(&status, None, &mut respond);
        }
        head.version = http::Version::HTTP_2;
        let response = http::Response::from_parts(head, ());
        let Some(body) = body else {
            let _ = respond.send_response(response, true);
            return;
        };
        let Ok(mut to) = respond.send_response(response, false) else { return };
        let sent = reply::send(shared, &mut Raw(body), &mut to).await;
        let own = exchange.lock().trailers.take();
        let trailers = match (sent, own) {
            (Sent::Abandoned, _) => return,
            (_, Some(mut trailers)) => {
                trailers::strip(&mut trailers);
                trailers
            }
            (Sent::All, None) => HeaderMap::new(),
            (Sent::Failed(status), None) => trailers::failed(&status, None),
        };
        let _ = to.send_trailers(trailers);
    }
}
