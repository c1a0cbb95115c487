//! What tarpc carries: requests and responses of ours, of which calls are made.
//!
//! One call of any kind is one tarpc request, a [`Call`], which stays in flight until its final status: dropping it is
//! the cancellation of everything, by tarpc's own means, and a lost connection ends it. The items of streams travel in
//! short requests beside it, named by the stream's id, which the client chooses: [`Req::Pull`] brings what the server
//! streams, [`Req::Push`] takes what the client streams and is answered when there is room for more.

use crate::{
    items::Items,
    session::{Session, Turn},
};
use rpc_core::{Context, Metadata, Method, Payload, Status, framed::Position, transport::Place};
use tarpc::RequestName;

/// From the client.
#[derive(Debug)]
#[non_exhaustive]
pub enum Req {
    /// Opens a call. Boxed, as the others are: it is moved ten times on its way through tarpc.
    Call(Box<Call>),
    /// Asks for items of a stream.
    Pull(Box<Pull>),
    /// Brings items of a stream.
    Push(Box<Push>),
}

/// A call.
#[derive(Debug)]
pub struct Call {
    pub(crate) method: &'static Method,
    pub(crate) context: Context,
    /// 0 when neither side streams.
    pub(crate) stream: u64,
    pub(crate) body: CallBody,
    /// On the client: where the call stands in the stream of bytes.
    pub(crate) position: Option<Position>,
    /// On the server: counts the call until its handler has ended.
    pub(crate) place: Option<Place>,
    /// On the server: what pulls and pushes find.
    pub(crate) session: Option<Session>,
}

/// Asks for at most `credits` items of a stream. With 0 it is answered as soon as the handler has returned its stream.
#[derive(Debug)]
pub struct Pull {
    /// The stream, by the id its call gave it.
    pub(crate) stream: u64,
    /// How many items the client has room for.
    pub(crate) credits: u32,
    /// On the server: what it is for.
    pub(crate) turn: Option<Turn>,
}

/// Brings items of a stream.
#[derive(Debug)]
pub struct Push {
    /// The stream, by the id its call gave it.
    pub(crate) stream: u64,
    /// The items, in order.
    pub(crate) items: Items,
    /// Whether others follow.
    pub(crate) then: Then,
    /// On the server: what it is for.
    pub(crate) turn: Option<Turn>,
}

/// What a call brings along.
#[derive(Debug)]
pub(crate) enum CallBody {
    Message(Payload),
    /// The items are pushed.
    Pushed,
}

/// Whether a stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// There may be more items.
    More,
    /// These were the last.
    Done,
}

/// From the server.
#[derive(Debug)]
#[non_exhaustive]
pub enum Resp {
    /// Ends a call whose reply is one message.
    Message {
        /// What the server says beside it.
        metadata: Metadata,
        /// The message.
        payload: Payload,
    },
    /// Ends anything.
    Failed(Status),
    /// Answers a pull.
    Items {
        /// The items, in order.
        items: Items,
        /// How the stream goes on behind them.
        end: StreamEnd,
    },
    /// Answers a pull of no items: the stream has begun.
    Begun {
        /// What the server says beside it.
        metadata: Metadata,
    },
    /// Answers a push: there is room for more.
    Taken,
    /// Answers a push of which nothing is wanted any more, and ends a call whose reply was streamed.
    Done,
}

/// How a stream goes on behind the items of a pull.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamEnd {
    /// There may be more.
    More,
    /// It ended well.
    Done,
    /// It failed.
    Failed(Status),
    /// The call is over; its own response says why.
    Gone,
    /// It ended well, with metadata behind it.
    DoneWith(Box<Metadata>),
}

impl Resp {
    /// What of it a peer understands that knows nothing of trailers.
    pub(crate) fn without_trailers(self) -> Self {
        let bare = |status: Status| status.with_metadata(Metadata::default());
        match self {
            Self::Failed(status) => Self::Failed(bare(status)),
            Self::Items { items, end } => {
                let end = match end {
                    StreamEnd::DoneWith(_) => StreamEnd::Done,
                    StreamEnd::Failed(status) => StreamEnd::Failed(bare(status)),
                    end => end,
                };
                Self::Items { items, end }
            }
            response => response,
        }
    }
}

impl Req {
    /// A call of one message there and one back.
    pub fn unary(method: &'static Method, context: Context, payload: Payload) -> Self {
        Self::Call(Box::new(Call {
            method,
            context,
            stream: 0,
            body: CallBody::Message(payload),
            position: None,
            place: None,
            session: None,
        }))
    }
}

impl RequestName for Req {
    fn name(&self) -> &str {
        match self {
            Self::Call(call) => call.method.path,
            Self::Pull(_) => "pull",
            Self::Push(_) => "push",
        }
    }
}
