//! Whether the peer is still there.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Makes the calls. Reads whatever happens, or two full directions would wait for each other for ever; asks a
    /// server that has fallen silent while it waits for it; closes a connection that drains when its last call has
    /// ended.
    Client,
    /// Answers them. Reads nothing while the peer does not read the answers; asks a client that has fallen silent
    /// whether it is still there.
    Server,
}

/// What to do after some time of silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Nothing; buffers that stand idle may be given back.
    Rest,
    /// Ask, with this number.
    Ping(u64),
    /// The question was not answered.
    Dead,
}

/// Listens to silence. A client asks when calls are open and nothing has come for 20 s, and gives up after 10 s more. A
/// server asks after 60 s, whatever is open, and gives up after 20 s more: a client whose machine has gone would keep
/// its handlers, what they hold and the connection for ever. These are the times of gRPC's.
///
/// What counts as life is bytes that come, and bytes that are taken by a peer that is not read meanwhile.
///
/// One timer per connection, looked at only when there is nothing to read, so that it costs a busy connection nothing.
#[derive(Debug)]
pub struct Pulse {
    side: Side,
    heard: bool,
    /// How many times in a row nothing had come.
    silent: u32,
    tick: Pin<Box<Sleep>>,
}

impl Pulse {
    /// How often a connection looks at itself.
    const TICK: Duration = Duration::from_secs(10);

    /// Begins to listen.
    pub fn new(side: Side) -> Self {
        Self { side, heard: false, silent: 0, tick: Box::pin(tokio::time::sleep(Self::TICK)) }
    }

    /// Something came.
    pub fn hear(&mut self) {
        self.heard = true;
    }

    /// Ready after every 10 s in which nothing came. `calls` are those that are open.
    pub fn poll(&mut self, cx: &mut Context<'_>, calls: usize) -> Poll<Beat> {
        loop {
            ready!(self.tick.as_mut().poll(cx));
            self.tick.as_mut().reset(Instant::now() + Self::TICK);
            if std::mem::take(&mut self.heard) {
                self.silent = 0;
                continue;
            }
            let waits = self.side == Side::Server || calls > 0;
            self.silent = if waits { self.silent.saturating_add(1) } else { 0 };
            return Poll::Ready(match (self.side, self.silent) {
                (Side::Client, 2) | (Side::Server, 6) => Beat::Ping(self.silent.into()),
                (Side::Client, 3..) | (Side::Server, 8..) => Beat::Dead,
                _ => Beat::Rest,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test(start_paused = true)]
    async fn silence_is_asked_about_while_somebody_waits() {
        let mut pulse = Pulse::new(Side::Client);
        let mut after = async |heard: bool, calls| {
            if heard {
                pulse.hear();
            }
            poll_fn(|cx| pulse.poll(cx, calls)).await
        };
        assert_eq!(after(false, 0).await, Beat::Rest);
        assert_eq!(after(false, 0).await, Beat::Rest);
        assert_eq!(after(false, 1).await, Beat::Rest);
        assert_eq!(after(false, 1).await, Beat::Ping(2));
        assert_eq!(after(true, 1).await, Beat::Rest, "an answer came");
        assert_eq!(after(false, 1).await, Beat::Ping(2));
        assert_eq!(after(false, 1).await, Beat::Dead);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_asks_a_client_that_says_nothing() {
        let mut pulse = Pulse::new(Side::Server);
        let begun = Instant::now();
        let mut beats = Vec::new();
        while !beats.ends_with(&[(80, Beat::Dead)]) && beats.len() < 9 {
            let beat = poll_fn(|cx| pulse.poll(cx, 0)).await;
            beats.push((begun.elapsed().as_secs(), beat));
        }
        beats.retain(|(_, beat)| *beat != Beat::Rest);
        assert_eq!(beats, [(60, Beat::Ping(6)), (80, Beat::Dead)]);
    }
}
