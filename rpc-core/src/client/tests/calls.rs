//! What becomes of calls.

use super::world::*;
use crate::{
    Code, Context, Delivery, Response, Status, Transports,
    client::{Client, RetryPolicy},
    registry::{Memory, Registry},
    transport::ConnectionState,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(3);

#[tokio::test(start_paused = true)]
async fn a_call_reaches_a_server_over_the_fastest_wire() {
    let (world, registry, _records) = fleet(&["a:1", "b:1", "c:1"]).await;
    let channel = world.channel(&registry).build();
    channel.ready(LIMIT).await.unwrap();
    for _ in 0..300 {
        channel.call(&PLACE, empty(), None).await.unwrap();
    }
    assert_eq!(world.seen().len(), 300);
    assert!(world.seen().iter().all(|seen| seen.transport == "fast" && seen.attempt == 1));
    for address in ["a:1", "b:1", "c:1"] {
        assert!((60..=140).contains(&world.calls(address)), "{address}: {}", world.calls(address));
    }
}
