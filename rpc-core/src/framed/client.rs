//! The client's end: calls become frames.

use super::{
    Call, Codec, Credit, Frame, Link, Malformed, Pipe, Position, Side,
    driver::{CloseOnDrop, Driver, Role},
    flow::{Flow, Inbox, Window},
    greeting::{self, Codecs},
    mux::{Answer, Mux, Open, Party},
    replies::{Pump, Replies},
    sending::{self, Sent},
};
use crate::{
    Body, Context, Delivery, Io, Metadata, Method, Payload, PayloadStream, Request, Response, Service, Status, Tasks,
    places::GRACE,
    transport::{ConnectTarget, Connection, Place},
};
use std::{
    convert::Infallible,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{sync::oneshot, time::timeout_at};

/// Becomes the client on a byte stream: greets the server, and drives the connection in a task.
///
/// # Errors
/// As for [`Transport::connect`](crate::transport::Transport::connect).
pub async fn connect(io: Io, codec: impl Codec, target: ConnectTarget, tasks: Tasks) -> Result<Connection, Status> {
    let codecs = Codecs { reads: Box::new(codec.clone()), writes: Box::new(codec) };
    connect_with(io, codecs, target, tasks).await
}

async fn connect_with(io: Io, mut codecs: Codecs, target: ConnectTarget, tasks: Tasks) -> Result<Connection, Status> {
    let (mut pipe, link) = (Pipe::new(io), Link::new());
    let theirs = greeting::greet(&mut pipe, &mut codecs, &link, &target).await?;
    link.places().set_limit(target.limits.max_concurrent_calls.min(theirs.limits.max_concurrent_calls));
    let mux = Arc::new(Mux::new(link, codecs.writes, &pipe, target.limits, &theirs));
    let mut driver = Driver::new(mux.clone(), Caller, pipe, codecs.reads, target.limits.max_message);
    let closing = CloseOnDrop(mux.clone());
    tasks.spawn(async move {
        let _closing = closing;
        match poll_fn(|cx| driver.poll(cx)).await {
            Ok(never) => match never {},
            Err(why) => driver.give_up(why).await,
        }
    });
    let (state, places) = (mux.link.state(), mux.link.places().clone());
    let client = Client { mux, numbers: AtomicU64::new(1), tasks: tasks.handle() };
    Ok(Connection { service: client.boxed(), state, places })
}

/// A connection as a service.
struct Client {
    mux: Arc<Mux>,
    /// The number of the next call.
    numbers: AtomicU64,
    tasks: Tasks,
}

impl Drop for Client {
    /// Nobody can make another call: the connection ends with the last one.
    fn drop(&mut self) {
        self.mux.link.drain();
        self.mux.nudge();
    }
}

impl Service for Client {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let place = self.place(&request).await?;
        let Request { method, context, body, .. } = request;
        let (message, items) = match body {
            Body::Stream(items) if method.kind.request_streams() => (None, Some(items)),
            body => (Some(body.into_message().map_err(never_sent)?), None),
        };
        if let Some(message) = &message {
            message.within(self.mux.max_outgoing).map_err(never_sent)?;
        }
        let deadline = context.deadline().map(|deadline| deadline + GRACE);
        let (calling, answer) = self.begin(method, items.is_some(), place)?;
        let frame = Frame::Call(travelling(calling.id, method, &context, message));
        let opening = self.open(&calling, method, frame, answer, items);
        let opened = match deadline {
            None => opening.await,
            Some(deadline) => match timeout_at(deadline, opening).await {
                Ok(opened) => opened,
                Err(_) => return Err(calling.expired()),
            },
        };
        let (answer, pump) = opened?;
        match answer {
            Answer::Failed(status) => Err(status),
            Answer::Message(metadata, payload) if !method.kind.response_streams() => {
                Ok(Response { metadata, body: Body::Message(payload) })
            }
            Answer::Stream(metadata) if method.kind.response_streams() => {
                Ok(Response { metadata, body: Body::Stream(Replies::stream(calling, pump, deadline)) })
            }
            _ => Err(unexpected()),
        }
    }
}

impl Client {
    /// A place for a call, unless the connection is at its end.
    async fn place(&self, request: &Request) -> Result<Place, Status> {
        let link = &self.mux.link;
        if link.why().is_none()
            && !link.is_draining()
            && let Some(place) = link.places().claim(request).await?
        {
            return Ok(place);
        }
        Err(link.lost(Delivery::NeverSent))
    }

    /// Makes a call known, so that its answer is.
    fn begin(
        &self,
        method: &Method,
        sends: bool,
        place: Place,
    ) -> Result<(Calling, oneshot::Receiver<Answer>), Status> {
        let id = self.numbers.fetch_add(1, Ordering::Relaxed);
        let flow = Flow {
            inbox: method.kind.response_streams().then(|| Inbox::new(Credit::default())),
            window: sends.then(|| Window::new(self.mux.credit())),
        };
        let flow = (flow.inbox.is_some() || flow.window.is_some()).then(|| Arc::new(flow));
        let (sender, answer) = oneshot::channel();
        let entry = Open { party: Party::Caller(Some(sender)), flow: flow.clone() };
        self.mux.insert(id, entry).map_err(|_| never_sent(Status::internal("the numbers of calls have run out")))?;
        Ok((Calling { mux: self.mux.clone(), id, flow, position: Position::nowhere(), _place: place }, answer))
    }

    /// Sends a call, and its items meanwhile, until the answer begins.
    async fn open(
        &self,
        calling: &Calling,
        method: &Method,
        frame: Frame,
        answer: oneshot::Receiver<Answer>,
        items: Option<PayloadStream>,
    ) -> Result<(Answer, Option<Pump>), Status> {
        match self.mux.send(&frame).await {
            Some(position) => calling.position.set(position),
            None => return Err(calling.lost()),
        }
        drop(frame);
        let answer = async { answer.await.map_err(|_| calling.lost()) };
        match (items, calling.flow.clone()) {
            // Nobody polls the items of a call while its replies are not being read, so they have a task of their own,
            // which the stream of replies owns.
            (Some(items), Some(flow)) if method.kind.response_streams() => {
                let mut pump = Pump::start(self.mux.clone(), calling.id, flow, items, &self.tasks);
                tokio::select! {
                    biased;
                    answer = answer => Ok((answer?, Some(pump))),
                    status = pump.failed() => Err(status),
                }
            }
            (Some(items), Some(flow)) => {
                let mut answer = std::pin::pin!(answer);
                tokio::select! {
                    biased;
                    answer = &mut answer => return Ok((answer?, None)),
                    sent = push(&self.mux, calling.id, &flow, items) => sent?,
                }
                Ok((answer.await?, None))
            }
            _ => Ok((answer.await?, None)),
        }
    }
}

/// Sends the client's stream and its end.
pub(super) async fn push(mux: &Mux, id: u64, flow: &Arc<Flow>, items: PayloadStream) -> Result<(), Status> {
    match sending::items(mux, id, flow, items).await {
        Sent::All(_) => {
            mux.put(&Frame::End { id, trailers: Metadata::default() });
            Ok(())
        }
        Sent::Unwanted => Ok(()),
        Sent::Failed(status) => Err(status),
    }
}

/// A call that is open. Dropping it before its end cancels it.
pub(super) struct Calling {
    pub(super) mux: Arc<Mux>,
    pub(super) id: u64,
    pub(super) flow: Option<Arc<Flow>>,
    position: Position,
    _place: Place,
}

impl Calling {
    /// The connection has ended before the call.
    #[cold]
    fn lost(&self) -> Status {
        self.mux.link.lost(self.position.delivery(&self.mux.link))
    }

    /// The deadline has passed.
    #[cold]
    pub(super) fn expired(&self) -> Status {
        Status::deadline_exceeded("no answer came before the deadline").with_delivery(self.position.delivery_so_far())
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        // Whatever has ended is not open any more.
        let Some(open) = self.mux.remove(self.id) else { return };
        if let Some(flow) = open.flow {
            flow.close(|| Err(Status::cancelled("the call was dropped")));
        }
        if self.position.is_set() {
            self.mux.put(&Frame::Cancel { id: self.id });
        }
    }
}

fn travelling(id: u64, method: &'static Method, context: &Context, message: Option<Payload>) -> Call {
    Call {
        id,
        path: method.path.into(),
        remaining: context.remaining(),
        call_id: context.call_id(),
        attempt: context.attempt(),
        trace: context.trace(),
        metadata: context.metadata().clone(),
        baggage: context.baggage().clone(),
        message,
        fault: None,
    }
}

fn never_sent(status: Status) -> Status {
    status.with_delivery(Delivery::NeverSent)
}

#[cold]
pub(super) fn unexpected() -> Status {
    Status::internal(
        "the server answered with one message where a stream was expected, or the reverse; do both sides have the same interface?",
    )
}

/// What a client does with the frames that only a server sends.
pub(super) struct Caller;

impl Role for Caller {
    const SIDE: Side = Side::Client;
    type Arrival = Infallible;

    fn receive(&mut self, frame: Frame, mux: &Arc<Mux>) -> Result<Option<Infallible>, Malformed> {
        match frame {
            Frame::Reply { id, metadata, payload } => finish(mux, id, Answer::Message(metadata, payload)),
            Frame::Failed { id, status } => finish(mux, id, Answer::Failed(status.received_from_peer())),
            Frame::Begun { id, metadata } => {
                let told = mux.with(id, |open| match &mut open.party {
                    Party::Caller(answer) => answer.take().map(|answer| answer.send(Answer::Stream(metadata))),
                    Party::Handler { .. } => None,
                });
                if matches!(told, Some(None)) {
                    return Err(Malformed("a stream that began twice"));
                }
            }
            Frame::End { id, trailers } => {
                if let Some(Open { flow: Some(flow), .. }) = mux.remove(id) {
                    flow.close(|| Ok(trailers));
                }
            }
            Frame::Stop { id } => {
                if let Some(flow) = mux.flow(id)
                    && let Some(window) = &flow.window
                {
                    window.stop();
                }
            }
            Frame::GoAway => mux.link.drain(),
            _ => return Err(Malformed("a frame that no server sends")),
        }
        Ok(None)
    }
}

/// The end of a call: told to who waits for its beginning, or else to who reads its stream.
fn finish(mux: &Mux, id: u64, answer: Answer) {
    let Some(Open { party, flow }) = mux.remove(id) else { return };
    let waiting = match party {
        Party::Caller(waiting) => waiting,
        Party::Handler { .. } => None,
    };
    let Some(flow) = flow else {
        waiting.map(|waiting| waiting.send(answer));
        return;
    };
    let answer = match waiting {
        None => Some(answer),
        Some(waiting) => waiting.send(answer).err(),
    };
    flow.close(|| match answer {
        Some(Answer::Failed(status)) => Err(status),
        Some(_) => Err(unexpected()),
        None => Ok(Metadata::default()),
    });
}
