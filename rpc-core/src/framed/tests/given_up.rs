//! What is known of calls on a connection that the client gives up while its server is there.

use super::*;
use crate::{Code, Delivery};

fn delivery(outcome: Result<Response, Status>) -> Delivery {
    let status = outcome.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    status.delivery()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_about_to_leave_stays_here() {
    let tasks = Tasks::owner();
    let (connection, mut peer) = Peer::facing(64 * 1024, &tasks).await;
    // It is read in the turn in which the call would be sent.
    peer.say(&Frame::Hello(Hello::default())).await;
    assert_eq!(delivery(call(&connection, &ECHO, message("x")).await), Delivery::NeverSent);
    let last = peer.hear().await;
    assert!(matches!(&last, Some(Frame::Goodbye { status }) if status.message().contains("second hello")), "{last:?}");
    assert!(peer.hear().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_room_is_not_sent_once_its_calls_have_been_told_so() {
    for silent in [false, true] {
        let tasks = Tasks::owner();
        let (connection, mut peer) = Peer::facing(100, &tasks).await;
        let mut torn = Box::pin(call(&connection, &ECHO, message(vec![0; 1000])));
        assert!(futures_util::poll!(&mut torn).is_pending());
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut behind = Box::pin(call(&connection, &ECHO, message("x")));
        assert!(futures_util::poll!(&mut behind).is_pending());
        tokio::time::sleep(Duration::from_millis(1)).await;
        if !silent {
            peer.say(&Frame::Hello(Hello::default())).await;
        }
        assert_eq!(delivery(torn.await), Delivery::Unknown);
        assert_eq!(delivery(behind.await), Delivery::NeverSent);
        // Now there is room.
        let frame = peer.hear().await;
        assert!(frame.is_none(), "silent: {silent}, {frame:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn at_its_deadline_a_call_that_is_about_to_leave_may_have_left() {
    let tasks = Tasks::owner();
    let (connection, mut peer) = Peer::facing(100, &tasks).await;
    let expiring = async |millisecond: u64, bytes: usize| {
        // In turn, or the first two would leave together and make room.
        tokio::time::sleep(Duration::from_millis(millisecond)).await;
        let context = Context::default().child(Some(Duration::from_secs(1)));
        let request = Request::new(&ECHO, context, message(vec![0; bytes]));
        let status = connection.service.call(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        status.delivery()
    };
    let full = crate::framed::Pipe::HIGH_WATER;
    let (torn, waits, has_no_room) = tokio::join!(expiring(0, 1000), expiring(1, full), expiring(2, 1));
    assert_eq!((torn, waits), (Delivery::Unknown, Delivery::Unknown));
    assert_eq!(has_no_room, Delivery::NeverSent);
    // And so it was: the second goes out after all.
    let mut calls = 0;
    while calls < 2 {
        calls += usize::from(matches!(peer.hear().await, Some(Frame::Call(_))));
    }
}
