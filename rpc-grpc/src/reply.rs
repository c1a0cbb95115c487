//! A call's outcome on its way out.

use crate::{
    frames::{self, Chunks, Frames, Sent},
    headers,
    shared::Shared,
    trailers,
};
use bytes::Bytes;
use h2::{SendStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, header};
use rpc_core::{CallId, Code, Metadata, PayloadStream, Status, Trailers, framed::draining};
use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// A reply of a service of this framework's.
pub(crate) struct Reply {
    pub(crate) metadata: Metadata,
    pub(crate) body: ReplyBody,
}

pub(crate) enum ReplyBody {
    Message(Bytes),
    Stream(PayloadStream),
}

/// Sends a reply, and the outcome behind it.
pub(crate) async fn answer(shared: &Shared, reply: Reply, mut respond: SendResponse<Bytes>) {
    let mut response = http::Response::new(());
    response.headers_mut().insert(header::CONTENT_TYPE, headers::GRPC);
    if let Err(status) = headers::write_metadata(&reply.metadata, response.headers_mut()) {
        return fail(&Status::internal(format!("the handler's {}", status.message())), None, &mut respond);
    }
    let Ok(mut to) = respond.send_response(response, false) else { return };
    let trailers = match reply.body {
        ReplyBody::Message(frame) => {
            // HTTP/2 keeps what the client has no room for yet; it is in memory as it is.
            let _ = to.send_data(frame, false);
            trailers::ok()
        }
        ReplyBody::Stream(stream) => {
            let behind = stream.trailing();
            let mut frames = Frames::new(stream, shared.limits.max_message);
            match send(shared, &mut frames, &mut to).await {
                Sent::All => ended(behind.as_ref().and_then(Trailers::get)),
                Sent::Failed(status) => trailers::failed(&status, None),
                Sent::Abandoned => return,
            }
        }
    };
    let _ = to.send_trailers(trailers);
}

/// Sends what an answer consists of, until it ends or the server does.
pub(crate) async fn send(shared: &Shared, chunks: &mut impl Chunks, to: &mut SendStream<Bytes>) -> Sent {
    let mut sending = pin!(frames::send(chunks, to));
    let mut stopped = pin!(shared.stopped.cancelled());
    let sent = poll_fn(|cx| {
        if stopped.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Sent::Failed(draining()));
        }
        catch_unwind(AssertUnwindSafe(|| sending.as_mut().poll(cx)))
            .unwrap_or_else(|_| Poll::Ready(Sent::Failed(panicked())))
    });
    sent.await
}

/// The trailers of a stream that ended well.
fn ended(metadata: Option<&Metadata>) -> HeaderMap {
    let mut trailers = trailers::ok();
    match metadata.map(|metadata| headers::write_metadata(metadata, &mut trailers)) {
        Some(Err(status)) => trailers::failed(&Status::internal(format!("the handler's {}", status.message())), None),
        _ => trailers,
    }
}

/// An answer without messages, to the call of this id: all of it stands in the headers.
#[cold]
pub(crate) fn fail(status: &Status, asked: Option<CallId>, respond: &mut SendResponse<Bytes>) {
    let mut response = http::Response::new(());
    *response.headers_mut() = trailers::failed(status, asked);
    if status.code() == Code::Unimplemented {
        // It may be the encoding that is not; who asked in another one is to be told what is.
        response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static("identity"));
    }
    response.headers_mut().insert(header::CONTENT_TYPE, headers::GRPC);
    let _ = respond.send_response(response, true);
}

#[cold]
pub(crate) fn panicked() -> Status {
    Status::internal("the server panicked; its log says more")
}
