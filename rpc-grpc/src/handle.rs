//! A call on its way in.

use crate::{
    failure,
    frames::{self, Fault, Messages},
    headers,
    mount::{self, Answer},
    reply::{Reply, ReplyBody, answer, fail, panicked},
    shared::Shared,
};
use bytes::Bytes;
use futures_core::Stream;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rpc_core::{Body, CallId, Code, Delivery, Payload, PayloadStream, Request, Service, Status, framed::draining};
use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};

/// Answers a call, whatever becomes of it. Ends without an answer when the caller leaves: what is at work for it is
/// dropped, and what may not be dropped is kept by the layers above.
pub(crate) async fn handle(shared: Arc<Shared>, request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    if let Some(status) = refusal(&request) {
        return refuse(status, request.method(), &mut respond);
    }
    let id = headers::of_call(request.headers());
    let asked = headers::asked(request.headers(), id);
    if shared.stopped.is_cancelled() {
        return fail(&draining().with_delivery(Delivery::Unprocessed), asked, &mut respond);
    }
    let outcome = {
        // Both are pinned here and polled by hand: each combinator around the call would hold it, and move it, once
        // more.
        let mut call = pin!(call(&shared, request, id));
        let mut stopped = pin!(shared.stopped.cancelled());
        poll_fn(|cx| {
            if respond.poll_reset(cx).is_ready() {
                return Poll::Ready(None);
            }
            if stopped.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Some(Err(draining())));
            }
            // The layers above catch what handlers throw; this catches what layers throw, which would end in silence.
            catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)))
                .unwrap_or_else(|_| Poll::Ready(Err(panicked())))
                .map(Some)
        })
        .await
    };
    match outcome {
        Some(Ok(Answer::Own(reply))) => answer(&shared, reply, respond).await,
        Some(Ok(Answer::Mounted(reply))) => reply.send(&shared, respond).await,
        Some(Err(status)) => fail(&status, asked, &mut respond),
        None => {}
    }
}

/// The HTTP status for what is no gRPC.
fn refusal(request: &http::Request<RecvStream>) -> Option<StatusCode> {
    if request.method() != http::Method::POST {
        Some(StatusCode::METHOD_NOT_ALLOWED)
    } else if !headers::is_grpc(request.headers()) {
        Some(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    } else {
        None
    }
}

/// Says in one sentence what this port is, to whoever came with a browser or `curl`.
#[cold]
fn refuse(status: StatusCode, method: &http::Method, respond: &mut SendResponse<Bytes>) {
    const SENTENCE: &str = "This is the port of an RPC server. Over HTTP/2 it speaks gRPC: call it with an RPC client, \
                            not with a browser.\n";
    let mut response = http::Response::new(());
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(SENTENCE.len()));
    let headers_alone = method == http::Method::HEAD;
    // An error: the caller has left, as in every other place where something is sent.
    if let Ok(mut body) = respond.send_response(response, headers_alone)
        && !headers_alone
    {
        let _ = body.send_data(Bytes::from_static(SENTENCE.as_bytes()), true);
    }
}

/// Makes a call. `id` is what its client calls it.
async fn call(shared: &Shared, request: http::Request<RecvStream>, id: Option<CallId>) -> Result<Answer, Status> {
    let (head, body) = request.into_parts();
    check_instance(shared, &head.headers)?;
    let method = match shared.routes.method(head.uri.path()) {
        Ok(method) => method,
        Err(unknown) => return mount::call(shared, head, body, unknown).await,
    };
    let context = headers::context(&head.headers, id, &shared.peer)?;
    check_encoding(&head.headers)?;
    drop(head);
    let limit = shared.limits.max_message;
    let mut messages = Messages::new(body, limit);
    let body = if method.kind.request_streams() {
        Body::Stream(PayloadStream::new(Requests(Some(messages))))
    } else {
        Body::Message(Payload::Encoded(message(&mut messages, context.deadline()).await?))
    };
    let response = shared.routes.service.call(Request::new(method, context, body)).await?;
    let body = match response.body {
        Body::Message(payload) => ReplyBody::Message(frames::frame(&payload, limit)?),
        Body::Stream(stream) => ReplyBody::Stream(stream),
    };
    Ok(Answer::Own(Reply { metadata: response.metadata, body }))
}

/// How long nothing of a request may come whose message is not complete. Pings are answered by whoever never sends it,
/// too, so that without a deadline it would hold its place for ever. Far more than any network needs to repeat what it
/// lost: TCP tries again within some seconds, and twice as late each time. Who is slow is not late, as long as bytes
/// come.
const STALLED: Duration = Duration::from_secs(60);

/// The only message of a request, if it comes in time.
async fn message(messages: &mut Messages, deadline: Option<Instant>) -> Result<Bytes, Status> {
    let (mut first, mut seen) = (None, 0);
    // Most have come by now, and need no timer.
    let mut timer = pin!(None::<Sleep>);
    poll_fn(|cx| {
        if let Poll::Ready(message) = messages.poll_only(&mut first, cx) {
            return Poll::Ready(message.map_err(fault));
        }
        let received = messages.received();
        if timer.is_none() || received > seen {
            let stalled = Instant::now() + STALLED;
            timer.set(Some(sleep_until(deadline.map_or(stalled, |deadline| deadline.min(stalled)))));
            seen = received;
        }
        if let Some(timer) = timer.as_mut().as_pin_mut() {
            ready!(timer.poll(cx));
        }
        Poll::Ready(Err(match deadline {
            Some(deadline) if deadline <= Instant::now() => {
                Status::deadline_exceeded("the deadline passed while the request was coming")
            }
            _ => Status::deadline_exceeded(format!("nothing more of the request has come for {STALLED:?}")),
        }))
    })
    .await
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
