//! An id that is used again.

use crate::{
    common::*,
    connection::{call_body, frame, greeted},
};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn a_call_under_the_id_of_a_cancelled_one_ends_with_its_connection() {
    let (mut near, pipe) = greeted().await;
    // In one segment: the first is answered when it is read, and its answer still waits when the next is read.
    let request = |path| frame(1, &call_body(1, path));
    let bytes = [request(ECHO.path), frame(2, &1u64.to_be_bytes()), request(HANG.path)].concat();
    near.write_all(&bytes).await.unwrap();
    pipe.seen.until_hanging(1).await;
    drop(near);
    pipe.served.await.unwrap();
    pipe.seen.until_hanging(0).await;
    assert!(rpc_testkit::eventually(Duration::from_secs(10), || pipe.tasks.is_empty()).await);
}
