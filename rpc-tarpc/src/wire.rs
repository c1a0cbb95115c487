//! The byte stream below tarpc: frames written in place into one buffer, sent in batches, read from shared slices.

use crate::{
    codec,
    frame::{self, Reader, kind},
    frames::WireError,
};
use bytes::BytesMut;
use futures_core::Stream;
use futures_sink::Sink;
use rpc_core::{
    Delivery, Io, Status,
    framed::{Beat, Ended, Link, Malformed, Pipe, Pulse, Side},
    transport::Limits,
};
use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

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
    pipe: Pipe,
    end: E,
    link: Arc<Link>,
    limits: Limits,
    pulse: Pulse,
    /// Reading stopped until something is written.
    paused: bool,
    /// The one answer that is owed to the peer's pings, however many there were.
    pong: Option<u64>,
    ended: bool,
    /// Writing failed; reading will say so.
    broken: Option<io::Error>,
}

impl<E: End> Wire<E> {
    pub(crate) fn new(io: Io, end: E, link: Arc<Link>, limits: Limits) -> Self {
        let (pipe, pulse) = (Pipe::new(io), Pulse::new(E::SIDE));
        Self { pipe, end, link, limits, pulse, paused: false, pong: None, ended: false, broken: None }
    }

    pub(crate) fn end_mut(&mut self) -> &mut E {
        &mut self.end
    }

    /// Tells the client that no new calls are taken.
    pub(crate) fn go_away(&mut self, last: u64) {
        frame::put_number(&mut self.pipe.write, kind::GO_AWAY, last);
    }

    /// Ends all calls of the client with one status, the last thing it hears.
    pub(crate) fn reset(&mut self, status: &Status) {
        let put: Result<(), std::convert::Infallible> = frame::put(&mut self.pipe.write, kind::RESET, |buffer| {
            codec::put_status(buffer, status, 0);
            Ok(())
        });
        let Ok(()) = put;
    }

    /// The next frame of those that have been read.
    fn parse(&mut self) -> Result<Parsed<E::In>, Ended> {
        let limit = self.limits.max_message.saturating_add(frame::ALLOWANCE);
        match frame::next(&mut self.pipe.read, limit).map_err(Ended::Malformed)? {
            None => Ok(Parsed::Nothing),
            Some(frame) => {
                let mut frame = Reader::new(self.pipe.unpinned(frame));
                Ok(self.interpret(&mut frame)?.map_or(Parsed::Settled, Parsed::Item))
            }
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
            kind => self.end.decode(kind, frame, &self.link, &mut self.pipe.write).map_err(Ended::Malformed),
        }
    }

    /// What is to be done from time to time.
    fn poll_pulse(&mut self, cx: &mut Context<'_>) -> Result<(), Ended> {
        while let Poll::Ready(beat) = self.pulse.poll(cx, self.link.calls()) {
            self.pipe.release();
            match beat {
                Beat::Rest => {}
                Beat::Ping(number) => frame::put_number(&mut self.pipe.write, kind::PING, number),
                Beat::Dead => return Err(Ended::Silent),
            }
        }
        Ok(())
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Result<E::In, Ended>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Err(Ended::Failed(error)));
        }
        loop {
            if E::SIDE == Side::Server && self.pipe.is_full() {
                self.paused = true;
                self.poll_pulse(cx)?;
                return Poll::Pending;
            }
            match self.parse()? {
                Parsed::Item(item) => return Poll::Ready(Ok(item)),
                Parsed::Settled => continue,
                Parsed::Nothing => {}
            }
            if let Poll::Ready(outcome) = self.pipe.poll_read(cx) {
                outcome?;
                self.pulse.hear();
                continue;
            }
            self.poll_pulse(cx)?;
            if E::SIDE == Side::Client && self.link.is_drained(cx.waker()) {
                return Poll::Ready(Err(Ended::Drained));
            }
            return Poll::Pending;
        }
    }

    /// Sends what is in the write buffer.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let before = self.pipe.taken();
        let sent = self.pipe.poll_send(cx, &self.link);
        if self.paused && self.pipe.taken() != before {
            // There was no room to answer in; now there may be. Who is not read and takes bytes is there.
            self.pulse.hear();
            self.paused = false;
            cx.waker().wake_by_ref();
        }
        sent
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
        if !this.pipe.is_full() || this.ended { Poll::Ready(Ok(())) } else { this.poll_written(cx) }
    }

    fn start_send(self: Pin<&mut Self>, item: E::Out) -> Result<(), WireError> {
        let this = self.get_mut();
        if this.ended || this.broken.is_some() {
            return Err(WireError(this.link.lost(Delivery::NeverSent)));
        }
        let position = this.pipe.position();
        this.end.encode(item, &mut this.pipe.write, position).map_err(WireError)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        let this = self.get_mut();
        if let Some(number) = this.pong.take() {
            frame::put_number(&mut this.pipe.write, kind::PONG, number);
        }
        ready!(this.pipe.poll_gathered(cx, this.link.calls()));
        this.poll_written(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        let this = self.get_mut();
        ready!(this.poll_written(cx))?;
        // It ends either way.
        this.pipe.poll_shutdown(cx).map(|_| Ok(()))
    }
}

impl<E: End> Wire<E> {
    /// Sends; a failure is kept for the reading side to report. tarpc would log it once per call.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        if self.broken.is_none()
            && let Err(error) = ready!(self.poll_send(cx))
        {
            self.pipe.write = BytesMut::new();
            self.broken = Some(error);
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }
}

fn number(frame: &mut Reader) -> Result<u64, Ended> {
    frame.u64().and_then(|number| frame.end().map(|()| number)).map_err(Ended::Malformed)
}

impl<E> fmt::Debug for Wire<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire({:?})", self.pipe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::StreamExt;
    use tokio::io::AsyncWriteExt;

    /// Takes every frame as it is.
    struct Raw;

    impl End for Raw {
        type In = Bytes;
        type Out = Bytes;
        const SIDE: Side = Side::Server;

        fn decode(
            &mut self,
            _: u8,
            frame: &mut Reader,
            _: &Arc<Link>,
            _: &mut BytesMut,
        ) -> Result<Option<Bytes>, Malformed> {
            Ok(Some(frame.rest()))
        }

        fn encode(&mut self, _: Bytes, _: &mut BytesMut, _: u64) -> Result<(), Status> {
            Ok(())
        }

        fn end(&mut self, _: Ended, _: &Link) -> Option<Result<Bytes, WireError>> {
            None
        }
    }

    /// What a stream's reader has not read may be a byte in each of many pushes.
    #[tokio::test]
    async fn a_small_frame_behind_a_large_one_does_not_keep_its_buffer() {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let mut wire = Wire::new(Io::new(near), Raw, Link::new(), Limits::default());
        let mut bytes = BytesMut::new();
        for size in [3 << 20, 1] {
            let put: Result<(), ()> = frame::put(&mut bytes, kind::REQUEST, |buffer| {
                buffer.resize(buffer.len() + size, 7);
                Ok(())
            });
            put.unwrap();
        }
        for _ in 0..3 {
            let (large, small) = tokio::join!(
                async { (wire.next().await.unwrap().unwrap(), wire.next().await.unwrap().unwrap()) },
                async { far.write_all(&bytes).await.unwrap() }
            )
            .0;
            assert_eq!((large.len(), small.len()), (3 << 20, 1));
            assert!(small.try_into_mut().is_ok_and(|small| small.capacity() < 64), "a part of something larger");
        }
    }
}
