//! What to do when a stream was cut.

use crate::OrderError;
use rpc::Code;
use std::time::Duration;

/// Decides whether a stream that ended with an error is opened again.
///
/// The framework makes a call again by itself only until the first item of its stream has arrived, since nobody but the
/// caller knows where to go on from there.
#[derive(Clone, Debug)]
pub struct Resume {
    limit: u32,
    in_a_row: u32,
    resumed: u64,
}

impl Resume {
    /// At most `limit` times before something new has arrived.
    pub const fn at_most(limit: u32) -> Self {
        Self { limit, in_a_row: 0, resumed: 0 }
    }

    /// How often it was done.
    pub const fn resumed(&self) -> u64 {
        self.resumed
    }

    /// Something new has arrived.
    pub fn arrived(&mut self) {
        self.in_a_row = 0;
    }

    /// Waits for the moment to open the stream again.
    ///
    /// # Errors
    /// The error itself, when the server said it for a reason, or it has happened too often.
    pub async fn after(&mut self, error: OrderError) -> Result<(), OrderError> {
        let is_cut = matches!(&error, OrderError::Rpc(status) if status.code() == Code::Unavailable);
        if !is_cut || self.in_a_row == self.limit {
            return Err(error);
        }
        self.in_a_row += 1;
        self.resumed += 1;
        tracing::debug!(%error, "a stream was cut and is opened again");
        // The first time at once: other servers are there.
        tokio::time::sleep(Duration::from_millis(100) * (self.in_a_row - 1)).await;
        Ok(())
    }
}

impl Default for Resume {
    fn default() -> Self {
        Self::at_most(20)
    }
}
