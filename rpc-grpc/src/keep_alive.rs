//! Finds out that the other side is gone, when nobody says so.

use h2::{Ping, PingPong};
use std::time::Duration;

/// Asks the other side every `interval` whether it is there, when `needed`, and gives it `timeout` to answer. Returns
/// when it is not; never otherwise.
pub(crate) async fn lost(mut ping: PingPong, interval: Duration, timeout: Duration, needed: impl Fn() -> bool) {
    loop {
        tokio::time::sleep(interval).await;
        if !needed() {
            continue;
        }
        if !answers(&mut ping, timeout).await {
            return;
        }
    }
}

/// Asks the other side whether it is there.
pub(crate) async fn answers(ping: &mut PingPong, limit: Duration) -> bool {
    // One that cannot be sent is of a connection that ends.
    tokio::time::timeout(limit, ping.ping(Ping::opaque())).await.is_ok()
}
