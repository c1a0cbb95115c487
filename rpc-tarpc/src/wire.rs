//! The byte stream below tarpc: frames written in place into one buffer, sent in batches, read from shared slices.

use crate::{
    codec,
    frame::{self, Malformed, Reader, kind},
    frames::WireError,
    link::Link,
};
use bytes::BytesMut;
use futures_core::Stream;
use futures_sink::Sink;
use rpc_core::{Io, Status, transport::Limits};
use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::AsyncWrite as _,
    time::{Instant, Sleep},
};
use tokio_util::io::{poll_read_buf, poll_write_buf};

/// Room for what one read brings.
const READ: usize = 64 * 1024;

/// With less room than this the read buffer is renewed before it is read into again.
const LITTLE: usize = 4 * 1024;

/// Above this nothing more is put into the write buffer before some of it has been sent.
const HIGH_WATER: usize = 64 * 1024;

/// How often a connection looks at itself: what stood idle gives its buffers back, who fell silent is asked.
const TICK: Duration = Duration::from_secs(10);

/// Which end of a connection it is: what comes, what goes.
pub(crate) trait End: Send + Unpin + 'static {
    /// What tarpc reads here.
    type In;
    /// What tarpc writes here.
    type Out;

    /// Reads a frame of a type that only this end is sent. `None`: there is nothing in it for tarpc; what is to be
    /// answered at once has been written.
    fn decode(
        &mut self,
        kind: u8,
        frame: &mut Reader,
        link: &Arc<Link>,
        write: &mut BytesMut,
    ) -> Result<Option<Self::In>, Malformed>;

    /// Writes what tarpc has to say. `position` is where the frame will begin.
    fn encode(&mut self, out: Self::Out, write: &mut BytesMut, position: u64) -> Result<(), Status>;

    /// The connection has ended. What tarpc is told.
    fn end(&mut self, why: Ended, link: &Link) -> Option<Result<Self::In, WireError>>;

    /// Which end it is.
    const SIDE: Side;

    /// Called once in a while with how long nothing has come.
    fn look(&mut self, silent_ticks: u32, calls: usize) -> Look;
}

/// The two ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Reads whatever happens; or two full directions would wait for each other for ever. Closes a connection that
    /// drains when its last call has ended.
    Client,
    /// Reads nothing while the peer does not read the answers.
    Server,
}

/// What to do about silence.
pub(crate) enum Look {
    Wait,
    Ping,
    GiveUp,
}

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The peer closed it.
    Closed,
    /// The byte stream failed.
    Failed(io::Error),
    /// The peer sent what is not this protocol.
    Malformed(Malformed),
    /// The peer said why.
    Reset(Status),
    /// The peer did not answer a ping.
    Silent,
    /// The peer drains and nothing is left.
    Drained,
}

/// What became of a frame.
enum Parsed<I> {
    /// It is tarpc's.
    Item(I),
    /// It was dealt with here.
    Settled,
    /// There is no whole frame.
    Nothing,
}

/// A transport for tarpc on a byte stream: what `tarpc::client::new` and `tarpc::server::BaseChannel` stand on here.
pub(crate) struct Wire<E> {
    io: Io,
    end: E,
    link: Arc<Link>,
    limits: Limits,
    read: BytesMut,
    write: BytesMut,
    /// Bytes that the byte stream has taken.
    taken: u64,
    /// The byte stream has taken bytes that it may still hold back.
    unflushed: bool,
    /// A batch waits for its second flush, so that who is ready can join it.
    waited: bool,
    /// Reading stopped until something is written.
    paused: bool,
    /// The one answer that is owed to the peer's pings, however many there were.
    pong: Option<u64>,
    ended: bool,
    /// Writing failed; reading will say so.
    broken: Option<io::Error>,
    heard: bool,
    silent_ticks: u32,
    tick: Pin<Box<Sleep>>,
}

impl<E: End> Wire<E> {
    pub(crate) fn new(io: Io, end: E, link: Arc<Link>, limits: Limits) -> Self {
        Self {
            io,
            end,
            link,
            limits,
            read: BytesMut::new(),
            write: BytesMut::new(),
            taken: 0,
            unflushed: false,
            waited: false,
            paused: false,
            pong: None,
            ended: false,
            broken: None,
            heard: false,
            silent_ticks: 0,
            tick: Box::pin(tokio::time::sleep(TICK)),
        }
    }

    pub(crate) fn end_mut(&mut self) -> &mut E {
        &mut self.end
    }

    /// Tells the client that no new calls are taken.
    pub(crate) fn go_away(&mut self, last: u64) {
        frame::put_number(&mut self.write, kind::GO_AWAY, last);
    }

    /// Ends all calls of the client with one status, the last thing it hears.
    pub(crate) fn reset(&mut self, status: &Status) {
        let put: Result<(), std::convert::Infallible> = frame::put(&mut self.write, kind::RESET, |buffer| {
            codec::put_status(buffer, status, 0);
            Ok(())
        });
        let Ok(()) = put;
    }

    /// The next frame of those that have been read.
    fn parse(&mut self) -> Result<Parsed<E::In>, Ended> {
        let limit = self.limits.max_message.saturating_add(frame::ALLOWANCE);
        match frame::next(&mut self.read, limit).map_err(Ended::Malformed)? {
            None => Ok(Parsed::Nothing),
            Some(mut frame) => Ok(self.interpret(&mut frame)?.map_or(Parsed::Settled, Parsed::Item)),
        }
    }

    fn interpret(&mut self, frame: &mut Reader) -> Result<Option<E::In>, Ended> {
        let kind = frame.u8().map_err(Ended::Malformed)?;
        match kind {
            kind::PING => {
                self.pong = Some(number(frame)?);
                Ok(None)
            }
            kind::PONG => number(frame).map(|_| None),
            kind::RESET => {
                let status = codec::status(frame).and_then(|status| frame.end().map(|()| status));
                Err(status.map_or_else(Ended::Malformed, Ended::Reset))
            }
            kind if kind & kind::SKIPPABLE != 0 => Ok(None),
            kind => self.end.decode(kind, frame, &self.link, &mut self.write).map_err(Ended::Malformed),
        }
    }

    /// Reads once.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        self.make_room();
        match ready!(poll_read_buf(Pin::new(&mut self.io), cx, &mut self.read)) {
            Ok(0) => Poll::Ready(Err(Ended::Closed)),
            Ok(_) => {
                self.heard = true;
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(Ended::Failed(error))),
        }
    }

    /// A frame that is longer than the buffer grows it as its bytes come: a length alone allocates nothing.
    fn make_room(&mut self) {
        let room = self.read.capacity() - self.read.len();
        if room < LITTLE {
            self.read.reserve(READ.max(self.read.len()));
        }
    }

    /// What is to be done from time to time. Looked at only when there is nothing to read, so that it costs a busy
    /// connection nothing.
    fn poll_tick(&mut self, cx: &mut Context<'_>) -> Result<(), Ended> {
        while self.tick.as_mut().poll(cx).is_ready() {
            self.tick.as_mut().reset(Instant::now() + TICK);
            if std::mem::take(&mut self.heard) {
                self.silent_ticks = 0;
                continue;
            }
            self.silent_ticks = self.silent_ticks.saturating_add(1);
            release(&mut self.read);
            release(&mut self.write);
            let calls = self.link.calls();
            match self.end.look(self.silent_ticks, calls) {
                Look::Wait if calls == 0 => self.silent_ticks = 0,
                Look::Wait => {}
                Look::Ping => frame::put_number(&mut self.write, kind::PING, self.silent_ticks.into()),
                Look::GiveUp => return Err(Ended::Silent),
            }
        }
        Ok(())
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Result<E::In, Ended>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Err(Ended::Failed(error)));
        }
        loop {
            if E::SIDE == Side::Server && self.write.len() >= HIGH_WATER {
                self.paused = true;
                return Poll::Pending;
            }
            match self.parse()? {
                Parsed::Item(item) => return Poll::Ready(Ok(item)),
                Parsed::Settled => continue,
                Parsed::Nothing => {}
            }
            if let Poll::Ready(outcome) = self.poll_read(cx) {
                outcome?;
                continue;
            }
            self.poll_tick(cx)?;
            if E::SIDE == Side::Client && self.link.is_drained(cx.waker()) {
                return Poll::Ready(Err(Ended::Drained));
            }
            return Poll::Pending;
        }
    }

    /// Sends what is in the write buffer.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.write.is_empty() {
            match ready!(poll_write_buf(Pin::new(&mut self.io), cx, &mut self.write)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    self.taken += count as u64;
                    self.link.take(self.taken);
                    self.unflushed = true;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
            if std::mem::take(&mut self.paused) {
                // There was no room to answer in; now there may be.
                cx.waker().wake_by_ref();
            }
        }
        if self.write.capacity() > 2 * HIGH_WATER {
            self.write = BytesMut::new();
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<E: End> Stream for Wire<E> {
    type Item = Result<E::In, WireError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        match ready!(this.poll_item(cx)) {
            Ok(item) => Poll::Ready(Some(Ok(item))),
            Err(why) => {
                this.ended = true;
                if let Ended::Malformed(malformed) = &why {
                    this.reset(&Status::internal(format!("the peer sent {malformed}; the connection is closed")));
                    // Once, if it goes: whoever sends such bytes is not waited for.
                    let _ = this.poll_send(cx);
                }
                Poll::Ready(this.end.end(why, &this.link))
            }
        }
    }
}

impl<E: End> Sink<E::Out> for Wire<E> {
    type Error = WireError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        let this = self.get_mut();
        if this.write.len() < HIGH_WATER || this.ended { Poll::Ready(Ok(())) } else { this.poll_written(cx) }
    }

    fn start_send(self: Pin<&mut Self>, item: E::Out) -> Result<(), WireError> {
        let this = self.get_mut();
        if this.ended || this.broken.is_some() {
            let gone = || Status::unavailable("the connection has ended");
            return Err(WireError(this.link.why().cloned().unwrap_or_else(gone)));
        }
        let position = this.taken + this.write.len() as u64;
        this.end.encode(item, &mut this.write, position).map_err(WireError)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        let this = self.get_mut();
        if let Some(number) = this.pong.take() {
            frame::put_number(&mut this.write, kind::PONG, number);
        }
        let small = !this.write.is_empty() && this.write.len() < HIGH_WATER;
        if small && !this.waited && this.link.calls() > 1 {
            // One turn later, so that tasks that are ready now can join the batch. A lone call does not wait.
            this.waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.waited = false;
        this.poll_written(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        let this = self.get_mut();
        ready!(this.poll_written(cx))?;
        // It ends either way.
        Pin::new(&mut this.io).poll_shutdown(cx).map(|_| Ok(()))
    }
}

impl<E: End> Wire<E> {
    /// Sends; a failure is kept for the reading side to report. tarpc would log it once per call.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        if self.broken.is_none()
            && let Err(error) = ready!(self.poll_send(cx))
        {
            self.write = BytesMut::new();
            self.broken = Some(error);
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }
}

fn number(frame: &mut Reader) -> Result<u64, Ended> {
    frame.u64().and_then(|number| frame.end().map(|()| number)).map_err(Ended::Malformed)
}

/// Gives back a buffer that holds nothing.
fn release(buffer: &mut BytesMut) {
    if buffer.is_empty() && buffer.capacity() > 0 {
        *buffer = BytesMut::new();
    }
}

impl<E> fmt::Debug for Wire<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire({} bytes read, {} to write)", self.read.len(), self.write.len())
    }
}
