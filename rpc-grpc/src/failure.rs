//! What a failure of HTTP/2 means for a call, and whether the call may be made again.

use crate::upload::Progress;
use h2::{Error, Reason};
use rpc_core::{Code, Delivery, Status};

/// HTTP/2 did not take the call: not a byte of it was written.
#[cold]
pub(crate) fn unsent(error: Error) -> Status {
    Status::unavailable("the connection closed before the call was sent")
        .with_delivery(Delivery::NeverSent)
        .with_source(error)
}

/// The call failed before the answer began.
#[cold]
pub(crate) fn sending(error: Error, progress: &Progress) -> Status {
    if let Some(status) = progress.take_failure() {
        return status;
    }
    // The server says so of this stream, or said that it would look at none so new. A stream that GOAWAY spared and
    // that broke later is told by an I/O error.
    if error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM)) {
        return Status::unavailable("the server refused the call without looking at it")
            .with_delivery(Delivery::Unprocessed)
            .with_source(error);
    }
    receiving(error)
}

/// The call failed while the answer was coming, or a request while it was read.
#[cold]
pub(crate) fn receiving(error: Error) -> Status {
    let status = match error.reason() {
        Some(reason) if error.is_reset() && error.is_remote() => {
            Status::new(code_of_reset(reason), format!("the other side reset the stream: {reason}"))
        }
        Some(_) if error.is_reset() => Status::internal(format!("the other side broke the rules of HTTP/2: {error}")),
        _ => Status::unavailable("the connection was lost during the call"),
    };
    status.with_source(error)
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
