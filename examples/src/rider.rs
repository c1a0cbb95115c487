//! Riding for longer than a server lives.

use crate::{Instruction, OrderError, Orders, Position, resume::Resume};
use rpc::prelude::*;
use tokio::sync::mpsc;

/// A rider: says where they are, and is told what to do. From server to server: what was carried is carried on.
#[derive(Debug)]
pub struct Rider<O> {
    orders: O,
    name: String,
    place: String,
    stream: Option<Ride>,
    resume: Resume,
}

/// Both directions of one stream.
#[derive(Debug)]
struct Ride {
    positions: mpsc::Sender<Result<Position, Status>>,
    instructions: Streaming<Instruction, OrderError>,
}

impl<O: Orders> Rider<O> {
    /// Somebody who is nowhere yet. Nothing is called.
    pub fn new(orders: O, name: impl Into<String>) -> Self {
        Self { orders, name: name.into(), place: String::new(), stream: None, resume: Resume::default() }
    }

    /// How often they go on after a cut, instead of often enough for any restart.
    #[must_use]
    pub fn resume(mut self, resume: Resume) -> Self {
        self.resume = resume;
        self
    }

    /// How often they have gone on after a cut.
    pub fn resumed(&self) -> u64 {
        self.resume.resumed()
    }

    /// Goes where an instruction leads.
    pub fn go(&mut self, instruction: &Instruction) {
        match instruction {
            Instruction::Wait => {}
            Instruction::PickUp { store: place, .. } | Instruction::Deliver { address: place, .. } => {
                self.place.clone_from(place);
            }
        }
    }

    /// Says where they are, and gives the answer.
    ///
    /// # Errors
    /// When the servers refuse, or the stream is cut again and again.
    pub async fn report(&mut self) -> Result<Instruction, OrderError> {
        loop {
            match self.exchange().await {
                Ok(instruction) => {
                    self.resume.arrived();
                    return Ok(instruction);
                }
                Err(error) => {
                    self.stream = None;
                    self.resume.after(error).await?;
                }
            }
        }
    }

    /// Ends the stream, and waits for the server to end it too. The next report opens another.
    ///
    /// # Errors
    /// When the stream ends in any other way than by being cut, of which nothing is lost.
    pub async fn rest(&mut self) -> Result<(), OrderError> {
        let Some(Ride { positions, mut instructions }) = self.stream.take() else { return Ok(()) };
        drop(positions);
        match instructions.next().await {
            None => Ok(()),
            Some(Ok(_)) => Err(Status::internal("an instruction that nobody asked for").into()),
            Some(Err(error)) => self.resume.after(error).await,
        }
    }

    async fn exchange(&mut self) -> Result<Instruction, OrderError> {
        let position = Position { rider: self.name.clone(), place: self.place.clone() };
        let ride = match &mut self.stream {
            Some(ride) => ride,
            none => {
                let (positions, stream) = Streaming::channel(1);
                none.insert(Ride { positions, instructions: self.orders.track(stream).await? })
            }
        };
        // Where the stream has ended, its other direction says why.
        let _ = ride.positions.send(Ok(position)).await;
        let ended = || Status::internal("the stream ended before the answer").into();
        ride.instructions.next().await.unwrap_or_else(|| Err(ended()))
    }
}
