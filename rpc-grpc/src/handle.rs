//! A call on its way in.

use crate::{
    failure,
    frames::{Fault, Messages},
    headers,
    reply::Reply,
    serve::Shared,
};
use futures_core::Stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use rpc_core::{Body, Code, Delivery, Payload, PayloadStream, Request, Response, Service, Status};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

/// Answers a call, whatever becomes of it.
pub(crate) async fn handle(shared: &Shared, request: http::Request<Incoming>) -> http::Response<Reply> {
    if request.method() != http::Method::POST {
        return refusal(StatusCode::METHOD_NOT_ALLOWED);
    }
    if !headers::is_grpc(request.headers()) {
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    if shared.stopped.is_cancelled() {
        return Reply::failure(&draining().with_delivery(Delivery::Unprocessed));
    }
    // Both are pinned here and polled by hand: each combinator around the call would hold it, and move it, once more.
    let mut call = pin!(call(shared, request));
    let mut stopped = pin!(shared.stopped.cancelled());
    let answered = std::future::poll_fn(|cx| {
        if stopped.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(draining()));
        }
        // The layers above catch what handlers throw; this catches what layers throw, which would end in silence.
        catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)))
            .unwrap_or_else(|_| Poll::Ready(Err(Status::internal("the server panicked; its log says more"))))
    });
    answered.await.unwrap_or_else(|status| Reply::failure(&status))
}

/// What is said to calls that are left when a server stops.
pub(crate) fn draining() -> Status {
    Status::unavailable("server draining")
}

#[cold]
fn refusal(status: StatusCode) -> http::Response<Reply> {
    let mut response = http::Response::new(Reply::empty());
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

async fn call(shared: &Shared, request: http::Request<Incoming>) -> Result<http::Response<Reply>, Status> {
    let (head, body) = request.into_parts();
    check_instance(shared, &head.headers)?;
    let method = shared.routes.method(head.uri.path())?;
    let context = headers::context(&head.headers, &shared.peer)?;
    check_encoding(&head.headers)?;
    let mut messages = Messages::new(body, shared.limits.max_message);
    let body = if method.kind.request_streams() {
        Body::Stream(PayloadStream::new(Requests(Some(messages))))
    } else {
        let message = match context.deadline() {
            None => messages.only().await,
            Some(deadline) => tokio::time::timeout_at(deadline, messages.only())
                .await
                .map_err(|_| Status::deadline_exceeded("the deadline passed while the request was coming"))?,
        };
        Body::Message(Payload::Encoded(message.map_err(fault)?))
    };
    let response = shared.routes.service.call(Request::new(method, context, body)).await?;
    answer(shared, response)
}

fn answer(shared: &Shared, response: Response) -> Result<http::Response<Reply>, Status> {
    let limit = shared.limits.max_message;
    let reply = match response.body {
        Body::Message(payload) => Reply::message(&payload, limit)?,
        Body::Stream(stream) => Reply::stream(stream, limit, shared.stopped.clone()),
    };
    let mut answer = http::Response::new(reply);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, headers::GRPC);
    headers::write_metadata(&response.metadata, headers)
        .map_err(|status| Status::internal(format!("the handler's {}", status.message())))?;
    Ok(answer)
}

fn check_instance(shared: &Shared, headers: &HeaderMap) -> Result<(), Status> {
    match (headers.get(headers::INSTANCE), &shared.instance) {
        (Some(wanted), Some(own)) if wanted.as_bytes() != own.as_bytes() => {
            Err(Status::unavailable("another instance than the one that was looked for; its record is stale")
                .with_delivery(Delivery::Unprocessed))
        }
        _ => Ok(()),
    }
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Status> {
    match headers.get("grpc-encoding") {
        Some(encoding) if encoding != "identity" => {
            Err(Status::unimplemented("messages are taken as they are; set `grpc-encoding: identity`"))
        }
        _ => Ok(()),
    }
}

#[cold]
fn fault(fault: Fault) -> Status {
    match fault.describe(Code::InvalidArgument) {
        Ok(status) => status,
        Err(error) => Status::cancelled("the caller left").with_source(failure::receiving(error)),
    }
}

/// The messages of a request that is a stream.
struct Requests(Option<Messages>);

impl Stream for Requests {
    type Item = Result<Payload, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(messages) = &mut self.0 else { return Poll::Ready(None) };
        let end = match ready!(messages.poll_next(cx)) {
            Ok(Some(message)) => return Poll::Ready(Some(Ok(Payload::Encoded(message)))),
            Ok(None) => None,
            Err(error) => Some(Err(fault(error))),
        };
        self.0 = None;
        Poll::Ready(end)
    }
}
