//! The same load for every arm.

use crate::Outcome;
use clap::ValueEnum;
use futures_util::{Stream, StreamExt, future::try_join_all};
use std::{cell::Cell, pin::pin};

/// What is done over and over.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Work {
    /// A call of one message there and one back, many at once.
    Unary,
    /// A call that is answered by [`ITEMS`] messages, one call after the other.
    ServerStream,
}

/// How many calls are in flight at once.
const IN_FLIGHT: usize = 32;

/// How many bytes a message carries.
pub(crate) const PAYLOAD: usize = 100;

/// How many messages a stream has.
pub(crate) const ITEMS: u32 = 1000;

/// What is sent.
pub(crate) fn payload() -> Vec<u8> {
    vec![b'x'; PAYLOAD]
}

/// Makes `calls` calls, and checks every answer.
pub(crate) async fn run<F>(calls: u64, call: impl Fn(Vec<u8>) -> F) -> Outcome
where
    F: Future<Output = Outcome<Vec<u8>>>,
{
    let left = Cell::new(calls);
    let worker = async || -> Outcome {
        while let Some(rest) = left.get().checked_sub(1) {
            left.set(rest);
            check(&call(payload()).await?)?;
        }
        Ok(())
    };
    try_join_all((0..IN_FLIGHT).map(|_| worker())).await?;
    Ok(())
}

/// Reads `streams` streams to their end, and checks every message.
pub(crate) async fn read<F, S>(streams: u64, open: impl Fn(u32) -> F) -> Outcome
where
    F: Future<Output = Outcome<S>>,
    S: Stream<Item = Outcome<Vec<u8>>>,
{
    for _ in 0..streams {
        let mut stream = pin!(open(ITEMS).await?);
        let mut items = 0;
        while let Some(item) = stream.next().await {
            check(&item?)?;
            items += 1;
        }
        if items != ITEMS {
            return Err(format!("{items} messages came, not {ITEMS}").into());
        }
    }
    Ok(())
}

fn check(came: &[u8]) -> Outcome {
    if came.len() == PAYLOAD { Ok(()) } else { Err(format!("{} bytes came back", came.len()).into()) }
}
