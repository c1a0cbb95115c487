//! A call on its way back.

use crate::{
    failure,
    frames::{Fault, Messages},
    headers, trailers,
    upload::Progress,
};
use futures_core::Stream;
use h2::RecvStream;
use http::{HeaderMap, StatusCode};
use rpc_core::{
    Body, CallId, Code, Metadata, Method, Payload, PayloadStream, Response, Status, Trailers, transport::Place,
};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Reads the answer to a call: all of it when it is one message, its beginning when it is a stream.
pub(crate) async fn read(
    response: http::Response<RecvStream>,
    method: &'static Method,
    (progress, place): (Progress, Place),
    asked: Option<CallId>,
    max_message: usize,
) -> Result<Response, Status> {
    let (head, body) = response.into_parts();
    // An answer without messages has its outcome in the headers, and only there is one to a call that was not begun.
    let early = trailers::read(&head.headers, asked);
    if let Some(Err(status)) = early {
        return Err(status);
    }
    if head.status != StatusCode::OK || !headers::is_grpc(&head.headers) {
        return Err(not_grpc(head.status, &head.headers));
    }
    let mut metadata = Metadata::default();
    read_metadata(&head.headers, &mut metadata)?;
    let mut messages = Messages::new(body, max_message);
    if method.kind.response_streams() {
        let trailers = Trailers::new();
        let replies = Replies {
            messages: Some(messages),
            early: early.is_some(),
            progress,
            place: Some(place),
            trailers: trailers.clone(),
        };
        return Ok(Response { metadata, body: Body::Stream(PayloadStream::new(replies).with_trailers(trailers)) });
    }
    let message = match messages.next().await {
        Ok(Some(message)) => message,
        // The outcome says more than that there was no message.
        Ok(None) if early.is_some() => return Err(fault(Fault::Missing, &progress)),
        Ok(None) => {
            outcome(messages.take_trailers().as_ref())?;
            return Err(fault(Fault::Missing, &progress));
        }
        Err(error) => return Err(fault(error, &progress)),
    };
    if messages.next().await.map_err(|error| fault(error, &progress))?.is_some() {
        return Err(fault(Fault::Surplus, &progress));
    }
    let trailers = messages.take_trailers();
    outcome(trailers.as_ref())?;
    if let Some(trailers) = trailers.filter(|trailers| trailers.len() > 1) {
        read_metadata(&trailers, &mut metadata)?;
    }
    Ok(Response { metadata, body: Body::Message(Payload::Encoded(message)) })
}

/// A body that ends without an outcome was cut off somewhere; it never counts as a good end.
fn outcome(trailers: Option<&HeaderMap>) -> Result<(), Status> {
    trailers
        .and_then(|trailers| trailers::read(trailers, None))
        .unwrap_or_else(|| Err(Status::internal("the answer ended without `grpc-status`: it was cut off on the way")))
}

fn read_metadata(headers: &HeaderMap, metadata: &mut Metadata) -> Result<(), Status> {
    headers::read_metadata(headers, metadata)
        .map_err(|status| Status::internal(format!("the answer has too much {}", status.message())))
}

#[cold]
fn not_grpc(status: StatusCode, headers: &HeaderMap) -> Status {
    let code = if status == StatusCode::OK { Code::Unknown } else { trailers::code_of_http(status) };
    if status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
        let sentence =
            "the server takes no headers as large as these: the call has too much metadata and baggage for it";
        return Status::new(code, sentence);
    }
    let kind = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("nothing");
    let kind: String = kind.chars().take(64).collect();
    Status::new(code, format!("something answered that is no gRPC server: HTTP {status} with {kind}"))
}

#[cold]
fn fault(fault: Fault, progress: &Progress) -> Status {
    match fault.describe(Code::Internal) {
        Ok(status) => status,
        Err(error) => progress.take_failure().unwrap_or_else(|| failure::receiving(error)),
    }
}

/// The messages of an answer, and behind the last of them its outcome.
struct Replies {
    /// Gone once the answer has ended, and with it the stream.
    messages: Option<Messages>,
    /// The outcome stood in the headers, and was a good one.
    early: bool,
    progress: Progress,
    place: Option<Place>,
    trailers: Trailers,
}

impl Replies {
    /// The outcome; what stands beside a good one is kept.
    fn end(trailers: &Trailers, headers: Option<&HeaderMap>) -> Result<(), Status> {
        outcome(headers)?;
        if let Some(headers) = headers.filter(|headers| headers.len() > 1) {
            let mut metadata = Metadata::default();
            read_metadata(headers, &mut metadata)?;
            trailers.set(metadata);
        }
        Ok(())
    }
}

impl Stream for Replies {
    type Item = Result<Payload, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { messages, early, progress, place, trailers } = &mut *self;
        let Some(source) = messages else { return Poll::Ready(None) };
        let end = match ready!(source.poll_next(cx)) {
            Ok(Some(message)) => return Poll::Ready(Some(Ok(Payload::Encoded(message)))),
            Ok(None) if *early => Ok(()),
            Ok(None) => Self::end(trailers, source.take_trailers().as_ref()),
            Err(error) => Err(fault(error, progress)),
        };
        *messages = None;
        *place = None;
        progress.end();
        Poll::Ready(end.err().map(Err))
    }
}
