//! What a failure of HTTP/2 means for a call, and whether the call may be made again.

use crate::upload::Progress;
use h2::Reason;
use rpc_core::{Code, Delivery, Method, Status};
use std::error::Error;

/// The connection gave the request back: not a byte of it was written.
#[cold]
pub(crate) fn unsent(error: hyper::Error) -> Status {
    Status::unavailable("the connection closed before the call was sent")
        .with_delivery(Delivery::NeverSent)
        .with_source(error)
}

/// The call failed before the answer began.
#[cold]
pub(crate) fn sending(error: hyper::Error, method: &'static Method, progress: &Progress) -> Status {
    if let Some(status) = progress.take_failure() {
        return status;
    }
    let (mut status, mut delivery) = (of_connection(&error), Delivery::Unknown);
    match find_h2(&error) {
        // The server says so of this stream, or said that it would look at none so new. A stream that GOAWAY spared
        // and that broke later is told by an I/O error.
        Some(error) if error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM)) => {
            status = Status::unavailable("the server refused the call without looking at it");
            delivery = Delivery::Unprocessed;
        }
        // The headers may have left, the message has not: nothing but a method that takes a stream can have begun.
        _ if !progress.has_begun() && !method.kind.request_streams() => delivery = Delivery::Unprocessed,
        _ => {}
    }
    status.with_delivery(delivery).with_source(error)
}

/// The call failed while the answer was coming, or a request while it was read.
#[cold]
pub(crate) fn receiving(error: hyper::Error) -> Status {
    of_connection(&error).with_source(error)
}

fn of_connection(error: &hyper::Error) -> Status {
    match find_h2(error) {
        Some(error) if error.is_reset() && error.is_remote() => {
            let reason = error.reason().unwrap_or(Reason::INTERNAL_ERROR);
            Status::new(code_of_reset(reason), format!("the other side reset the stream: {reason}"))
        }
        Some(error) if error.is_reset() => {
            Status::internal(format!("the other side broke the rules of HTTP/2: {error}"))
        }
        _ => Status::unavailable("the connection was lost during the call"),
    }
}

fn find_h2(error: &hyper::Error) -> Option<&h2::Error> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        source = error.source();
    }
    None
}

/// Source: the table in `grpc/grpc/doc/PROTOCOL-HTTP2.md`.
fn code_of_reset(reason: Reason) -> Code {
    match reason {
        Reason::REFUSED_STREAM => Code::Unavailable,
        Reason::CANCEL => Code::Cancelled,
        Reason::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        Reason::INADEQUATE_SECURITY => Code::PermissionDenied,
        _ => Code::Internal,
    }
}
