//! Following an order for longer than a server lives.

use crate::{OrderError, Orders, Progress, Stage, resume::Resume};
use rpc::prelude::*;

/// Follows one order to its end, from server to server: each stage comes once, in order, none is left out.
#[derive(Debug)]
pub struct Follower<O> {
    orders: O,
    number: String,
    stream: Option<Streaming<Progress, OrderError>>,
    seen: Option<Stage>,
    /// What a stream that was opened again begins with, up to this, is known.
    known: Option<Stage>,
    resume: Resume,
}

impl<O: Orders> Follower<O> {
    /// Begins before the first stage. Nothing is called yet.
    pub fn new(orders: O, number: impl Into<String>) -> Self {
        Self { orders, number: number.into(), stream: None, seen: None, known: None, resume: Resume::default() }
    }

    /// How often it goes on after a cut, instead of often enough for any restart.
    #[must_use]
    pub fn resume(mut self, resume: Resume) -> Self {
        self.resume = resume;
        self
    }

    /// How often it has gone on after a cut.
    pub fn resumed(&self) -> u64 {
        self.resume.resumed()
    }

    /// The next stage; none after [`Stage::Delivered`].
    ///
    /// # Errors
    /// When there is no such order, or the stream is cut again and again.
    pub async fn next(&mut self) -> Result<Option<Progress>, OrderError> {
        loop {
            match self.receive().await {
                Ok(Some(progress)) if self.known >= Some(progress.stage) => {}
                Ok(Some(progress)) => {
                    self.seen = Some(progress.stage);
                    self.known = None;
                    self.resume.arrived();
                    return Ok(Some(progress));
                }
                Ok(None) if self.seen == Some(Stage::Delivered) => return Ok(None),
                Ok(None) => return Err(Status::internal("the stream ended before the order was delivered").into()),
                Err(error) => {
                    self.stream = None;
                    self.known = self.seen;
                    self.resume.after(error).await?;
                }
            }
        }
    }

    async fn receive(&mut self) -> Result<Option<Progress>, OrderError> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(self.orders.follow(self.number.clone()).await?),
        };
        stream.next().await.transpose()
    }
}
