//! The same load for every arm.

use crate::Outcome;
use futures_util::future::try_join_all;
use std::cell::Cell;

/// How many calls are in flight at once.
const IN_FLIGHT: usize = 32;

/// How many bytes an echo carries.
const PAYLOAD: usize = 100;

/// Makes `calls` calls, and checks every answer.
pub(crate) async fn run<F>(calls: u64, call: impl Fn(Vec<u8>) -> F) -> Outcome
where
    F: Future<Output = Outcome<Vec<u8>>>,
{
    let left = Cell::new(calls);
    let worker = async || -> Outcome {
        while let Some(rest) = left.get().checked_sub(1) {
            left.set(rest);
            let echoed = call(vec![b'x'; PAYLOAD]).await?;
            if echoed.len() != PAYLOAD {
                return Err(format!("{} bytes came back", echoed.len()).into());
            }
        }
        Ok(())
    };
    try_join_all((0..IN_FLIGHT).map(|_| worker())).await?;
    Ok(())
}
