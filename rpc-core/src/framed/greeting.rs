//! The first words of a connection.

use super::{Ended, Frame, Hello, Link, Malformed, Pipe, codec::AnyCodec};
use crate::{
    Delivery, Status,
    observer::target,
    transport::{ConnectTarget, ProtocolRefused},
};
use std::{future::poll_fn, time::Duration};

/// How long the other side may take for its hello.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many bytes a hello may have.
const LONGEST: usize = 4096;

/// The two halves of a codec.
pub(super) struct Codecs {
    pub(super) reads: Box<dyn AnyCodec>,
    pub(super) writes: Box<dyn AnyCodec>,
}

/// Says hello as a client, and waits for the answer.
pub(super) async fn greet(
    pipe: &mut Pipe,
    codecs: &mut Codecs,
    link: &Link,
    target: &ConnectTarget,
) -> Result<Hello, Status> {
    let ours = Hello { limits: target.limits, ..Hello::default() };
    codecs.writes.encode(&Frame::Hello(ours), &mut pipe.write);
    let exchange = async {
        poll_fn(|cx| pipe.poll_send(cx, link)).await.map_err(Ended::Failed)?;
        first(pipe, codecs).await
    };
    let answer = match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(answer) => answer,
        Err(_) => return Err(refused(format!("the peer did not answer the hello within {PATIENCE:?}"))),
    };
    match answer {
        Ok(Frame::Hello(theirs)) => check(theirs, target),
        Ok(Frame::Goodbye { status }) => Err(never_sent(Status::unavailable(status.message().to_owned()))),
        Ok(_) => Err(refused("the peer did not begin with a hello".to_owned())),
        Err(Ended::Malformed(malformed)) => Err(refused(format!("the peer answered the hello with {malformed}"))),
        // Who has begun to answer speaks the protocol; who closes without a word does not.
        Err(Ended::Closed) if pipe.read.is_empty() => Err(refused("the peer closed without a hello".to_owned())),
        Err(Ended::Failed(error)) if pipe.read.is_empty() => {
            Err(refused(format!("the peer cut the connection instead of answering the hello ({error})")))
        }
        Err(ended) => Err(never_sent(ended.into_status())),
    }
}

fn check(theirs: Hello, target: &ConnectTarget) -> Result<Hello, Status> {
    match (&target.instance, &theirs.instance) {
        (Some(meant), Some(found)) if meant != found => {
            Err(never_sent(Status::unavailable(format!("instance {meant} was expected there, and {found} answered"))))
        }
        _ => Ok(theirs),
    }
}

fn refused(sentence: String) -> Status {
    ProtocolRefused::new(sentence).into_status()
}

fn never_sent(status: Status) -> Status {
    status.with_delivery(Delivery::NeverSent)
}

/// Waits for a client's hello, as a server. `None` when it said something else, or nothing.
pub(super) async fn receive(pipe: &mut Pipe, codecs: &mut Codecs) -> Option<Hello> {
    match tokio::time::timeout(PATIENCE, first(pipe, codecs)).await {
        Ok(Ok(Frame::Hello(theirs))) => Some(theirs),
        outcome => {
            tracing::debug!(target: target::SERVER, ?outcome, "a connection did not begin with a hello");
            None
        }
    }
}

async fn first(pipe: &mut Pipe, codecs: &mut Codecs) -> Result<Frame, Ended> {
    loop {
        if let Some(frame) = codecs.reads.decode(&mut pipe.read).map_err(Ended::Malformed)? {
            return Ok(frame);
        }
        if pipe.read.len() > LONGEST {
            return Err(Ended::Malformed(Malformed("a hello over 4 KiB")));
        }
        poll_fn(|cx| pipe.poll_read(cx)).await?;
    }
}
