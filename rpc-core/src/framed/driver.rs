//! Moves bytes and frames for one connection.

use super::{Beat, Call, Ended, Frame, Link, Malformed, Pipe, Pulse, Side, codec::AnyCodec, mux::Mux};
use crate::{Payload, Status};
use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

/// How long a peer may take to hear that everything is over.
const FAREWELL: Duration = Duration::from_millis(300);

/// What an end of a connection does with frames that are not the same for both.
pub(super) trait Role {
    const SIDE: Side;

    /// What comes of a frame for whoever drives.
    type Arrival;

    fn receive(&mut self, frame: Frame, mux: &Arc<Mux>) -> Result<Option<Self::Arrival>, Malformed>;
}

/// Moves bytes and frames for one connection, as long as it is polled.
pub(super) struct Driver<R> {
    pub(super) mux: Arc<Mux>,
    pub(super) role: R,
    pipe: Pipe,
    codec: Box<dyn AnyCodec>,
    pulse: Pulse,
    max_frame: usize,
    /// The one answer that is owed to the peer's pings, however many there were.
    pong: Option<u64>,
}

impl<R: Role> Driver<R> {
    pub(super) fn new(mux: Arc<Mux>, role: R, pipe: Pipe, codec: Box<dyn AnyCodec>, max_incoming: usize) -> Self {
        let max_frame = codec.max_frame(max_incoming);
        Self { mux, role, pipe, codec, pulse: Pulse::new(R::SIDE), max_frame, pong: None }
    }

    /// Ready with what arrives, and with why the connection ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<R::Arrival, Ended>> {
        self.mux.drive(cx.waker());
        loop {
            // Whoever does not read the answers is not read either.
            let stalled = |this: &Self| R::SIDE == Side::Server && this.is_full();
            if !stalled(self)
                && let Some(arrival) = self.next()?
            {
                return Poll::Ready(Ok(arrival));
            }
            if self.is_full() {
                let stalled_before = stalled(self);
                let taken = self.pipe.taken();
                let _ = self.poll_write(cx)?;
                if stalled_before && self.pipe.taken() != taken {
                    // Who is not read and takes bytes is there.
                    self.pulse.hear();
                }
                match (stalled_before, stalled(self)) {
                    (true, true) => {
                        self.poll_pulse(cx)?;
                        return Poll::Pending;
                    }
                    // There are frames that were not looked at.
                    (true, false) => continue,
                    (false, _) => {}
                }
            }
            if let Poll::Ready(read) = self.pipe.poll_read(cx) {
                read?;
                self.pulse.hear();
                continue;
            }
            self.poll_pulse(cx)?;
            let written = self.poll_write(cx)?;
            if R::SIDE == Side::Client && self.mux.link.is_drained(cx.waker()) && written.is_ready() {
                return Poll::Ready(Err(Ended::Drained));
            }
            return Poll::Pending;
        }
    }

    fn is_full(&self) -> bool {
        self.mux.is_full() || self.pipe.is_full()
    }

    /// The next arrival among the frames that have been read.
    fn next(&mut self) -> Result<Option<R::Arrival>, Ended> {
        while let Some(frame) = self.codec.decode(&mut self.pipe.read).map_err(Ended::Malformed)? {
            let frame = self.unpinned(frame);
            if let Some(arrival) = self.receive(frame)? {
                return Ok(Some(arrival));
            }
            if R::SIDE == Side::Server && self.mux.is_full() {
                return Ok(None);
            }
        }
        if self.pipe.read.len() > self.max_frame {
            return Err(Ended::Malformed(Malformed("a frame longer than the limit that was announced")));
        }
        Ok(None)
    }

    /// Messages wait for their readers.
    fn unpinned(&self, mut frame: Frame) -> Frame {
        if let Frame::Call(Call { message: Some(payload), .. })
        | Frame::Item { payload, .. }
        | Frame::Reply { payload, .. } = &mut frame
            && let Payload::Encoded(bytes) = payload
        {
            *bytes = self.pipe.unpinned(std::mem::take(bytes));
        }
        frame
    }

    fn receive(&mut self, frame: Frame) -> Result<Option<R::Arrival>, Ended> {
        match frame {
            Frame::Item { id, payload } => {
                // A call that is not open any more had its items on the way.
                let Some(flow) = self.mux.with(id, |open| open.flow.clone()) else { return Ok(None) };
                match flow.as_ref().and_then(|flow| flow.inbox.as_ref()) {
                    Some(inbox) => inbox.push(payload).map_err(Ended::Malformed)?,
                    None => return Err(Ended::Malformed(Malformed("an item where nobody streams"))),
                }
            }
            Frame::Credit { id, credit } => {
                if let Some(flow) = self.mux.flow(id)
                    && let Some(window) = &flow.window
                {
                    window.grant(credit);
                }
            }
            Frame::Ping { number } => self.pong = Some(number),
            Frame::Pong { .. } | Frame::Unknown => {}
            Frame::Goodbye { status } => return Err(Ended::Reset(status)),
            Frame::Hello(_) => return Err(Ended::Malformed(Malformed("a second hello"))),
            frame => return self.role.receive(frame, &self.mux).map_err(Ended::Malformed),
        }
        Ok(None)
    }

    /// What is to be done from time to time.
    fn poll_pulse(&mut self, cx: &mut Context<'_>) -> Result<(), Ended> {
        while let Poll::Ready(beat) = self.pulse.poll(cx, self.mux.link.calls()) {
            self.pipe.release();
            match beat {
                Beat::Rest => {}
                Beat::Ping(number) => self.mux.put(&Frame::Ping { number }),
                Beat::Dead => return Err(Ended::Silent),
            }
        }
        Ok(())
    }

    /// Sends what there is to send; ready when nothing is left.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Ended> {
        if let Some(number) = self.pong.take() {
            self.mux.put(&Frame::Pong { number });
        }
        loop {
            if !self.mux.hand_over(&mut self.pipe) && !self.pipe.is_unflushed() {
                return Ok(Poll::Ready(()));
            }
            if self.pipe.poll_gathered(cx, self.mux.link.calls()).is_pending() {
                return Ok(Poll::Pending);
            }
            match self.pipe.poll_send(cx, &self.mux.link) {
                Poll::Ready(sent) => sent.map_err(Ended::Failed)?,
                Poll::Pending => return Ok(Poll::Pending),
            }
        }
    }

    /// A client's end of it: the calls hear why, and what they have not sent is not sent. They are told that it never
    /// was, and may be made elsewhere by now.
    pub(super) async fn give_up(mut self, why: Ended) {
        let word = last_word(&why);
        self.mux.close(why.into_status());
        self.mux.recall(&mut self.pipe, word);
        self.leave().await;
    }

    /// Sends what is left, if the peer takes it, and closes.
    pub(super) async fn leave(mut self) {
        // Not the one that the calls look at: what leaves now is none of theirs.
        let link = Link::new();
        let farewell = poll_fn(|cx| {
            while self.mux.hand_over(&mut self.pipe) {
                if ready!(self.pipe.poll_send(cx, &link)).is_err() {
                    return Poll::Ready(());
                }
            }
            self.pipe.poll_shutdown(cx).map(drop)
        });
        // It ends either way.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

/// However the task that drives a connection ends, its calls hear of it.
pub(super) struct CloseOnDrop(pub(super) Arc<Mux>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close(Status::unavailable("the connection was closed on this side"));
    }
}

/// The last word to a peer whose connection ends for this.
pub(super) fn last_word(why: &Ended) -> Option<Status> {
    match why {
        Ended::Malformed(malformed) => {
            Some(Status::internal(format!("the peer sent {malformed}; the connection is closed")))
        }
        _ => None,
    }
}
