//! Waiting for what can only be observed.

use std::time::Duration;
use tokio::time::Instant;

/// Waits until `condition` holds, at most `limit`; says whether it came to hold.
///
/// For what gives no event to wait for: a counter in a server, a file. It asks again after 1 ms, so the wait ends with
/// the condition and not with a guess at how long that takes.
pub async fn eventually(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
