//! What two peers say to each other.

use crate::{CallId, Metadata, Payload, Status, TraceContext, transport::Limits};
use std::{borrow::Cow, time::Duration};

/// One thing that a peer says. A codec has to be able to say every one of them, so the list is closed: a new one is a
/// new version of the kit.
///
/// Calls are numbered by the client, and no number is used twice while its call is open. What is said about a call that
/// is not open is ignored, for it may have crossed the end of it.
#[derive(Debug)]
pub enum Frame {
    /// The first frame of either side.
    Hello(Hello),
    /// The client opens a call.
    Call(Call),
    /// One message of a stream, from the side that streams.
    Item {
        /// The call.
        id: u64,
        /// The message.
        payload: Payload,
    },
    /// The stream is complete. From the server it is the end of the call.
    End {
        /// The call.
        id: u64,
        /// What the server says behind its stream; empty from a client.
        trailers: Metadata,
    },
    /// The side that reads a stream has room for more.
    Credit {
        /// The call.
        id: u64,
        /// How much more.
        credit: Credit,
    },
    /// The handler reads no more of the client's stream; the call goes on.
    Stop {
        /// The call.
        id: u64,
    },
    /// The client has left; whatever belongs to the call ends.
    Cancel {
        /// The call.
        id: u64,
    },
    /// The handler has returned its stream; items follow.
    Begun {
        /// The call.
        id: u64,
        /// What the server says beside them.
        metadata: Metadata,
    },
    /// The answer of one message; the end of the call.
    Reply {
        /// The call.
        id: u64,
        /// What the server says beside it.
        metadata: Metadata,
        /// The message.
        payload: Payload,
    },
    /// The call failed, which is its end. Code, message, details, metadata and whether it was
    /// [`Unprocessed`](crate::Delivery::Unprocessed) travel.
    Failed {
        /// The call.
        id: u64,
        /// Why.
        status: Status,
    },
    /// The server takes no new calls; those that are open end in peace.
    GoAway,
    /// The last frame: every open call ends with this. As a server's first frame it refuses the client.
    Goodbye {
        /// Why.
        status: Status,
    },
    /// Asks whether the peer is there.
    Ping {
        /// Comes back.
        number: u64,
    },
    /// It is.
    Pong {
        /// What the ping said.
        number: u64,
    },
    /// A frame that this version does not know, to be skipped. Never sent.
    Unknown,
}

/// What a side says of itself.
#[derive(Clone, Debug, Default)]
pub struct Hello {
    /// What it accepts.
    pub limits: Limits,
    /// From a server: which instance it is. Ports are reused, and a client may have meant another.
    pub instance: Option<String>,
    /// How much of a stream may be sent to it before it has granted any.
    pub credit: Credit,
}

/// How much of a stream there is room for. A sender needs at least one item and one byte to send an item; it may then
/// be larger than the bytes that were left, which are owed from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// Items.
    pub items: u32,
    /// Bytes of messages.
    pub bytes: u32,
}

impl Default for Credit {
    fn default() -> Self {
        // Enough small items for a line that is far away; of larger ones the bytes are what counts.
        Self { items: 4096, bytes: 256 * 1024 }
    }
}

/// A call as it travels.
#[derive(Debug)]
pub struct Call {
    /// Its number.
    pub id: u64,
    /// `/package.Service/Method`.
    pub path: Cow<'static, str>,
    /// What is left until its deadline. Clocks differ, so an instant would not do.
    pub remaining: Option<Duration>,
    /// Which call, whatever the attempt.
    pub call_id: Option<CallId>,
    /// Which attempt, counted from 1.
    pub attempt: u32,
    /// The trace it belongs to.
    pub trace: Option<TraceContext>,
    /// What the caller says beside the message.
    pub metadata: Metadata,
    /// What the caller wants passed on.
    pub baggage: Metadata,
    /// The message; `None` when the client streams and items follow.
    pub message: Option<Payload>,
    /// From a decoder: why the call cannot be accepted, though it can be told apart. It is answered with this.
    pub fault: Option<Status>,
}

/// How long the message of a status may be; what is over is cut.
const LONGEST_TEXT: usize = 16 * 1024;

/// A status as it may travel: with its text cut, and without details if those are over `limit` bytes in all.
pub(super) fn fitting(status: Status, limit: usize) -> Status {
    let details: usize = status.details().iter().map(|detail| detail.type_url.len() + detail.value.len()).sum();
    if details <= limit && status.message().len() <= LONGEST_TEXT {
        return status;
    }
    let mut end = LONGEST_TEXT.min(status.message().len());
    while !status.message().is_char_boundary(end) {
        end -= 1;
    }
    let fitting = Status::new(status.code(), status.message()[..end].to_owned())
        .with_metadata(status.metadata().clone())
        .with_delivery(status.delivery());
    if details > limit {
        return fitting.with_context(format_args!("(its details, {details} bytes, are over the limit)"));
    }
    status.details().iter().cloned().fold(fitting, Status::with_detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Detail};

    #[test]
    fn a_status_is_cut_to_what_every_codec_has_room_for() {
        let detail = Detail { type_url: "type.googleapis.com/t.D".into(), value: vec![0; 100].into() };
        let status = Status::new(Code::Aborted, "x".repeat(20_000)).with_detail(detail);
        let cut = fitting(status.clone(), 1000);
        assert_eq!((cut.code(), cut.message().len(), cut.details().len()), (Code::Aborted, LONGEST_TEXT, 1));
        let bare = fitting(status, 50);
        assert!(bare.details().is_empty() && bare.message().contains("over the limit"), "{bare}");
    }
}
