//! How a server leaves that has streams open.

use super::{drained, last_error, watched};
use crate::{
    columns::{Column, Plan},
    lab::{Lab, LabError},
    ledger::SOON,
    scenario::{NotApplicable, Scenario, Verdict, scenarios},
};
use futures_util::{StreamExt, stream};
use rpc::{Code, Delivery, Status, Streaming};
use rpc_core::transport::DrainPhase;
use std::{sync::Arc, time::Duration};

pub(super) const ALL: &[Scenario] = scenarios![
    "a drain lets streams in flight end" => drain_in_peace,
    "a handler that waits for the drain ends its stream by itself, before it would be cut" => told,
    "a stream that outlives the drain is Unavailable, and never at a clean end" => drain_runs_out,
];

async fn drain_in_peace(column: Arc<dyn Column>) -> Verdict {
    let mut site = column.open(Plan::default()).await;
    let server = site.line_mut()?.server.take().ok_or(NotApplicable)?;
    let ledger = &site.plan.bench.ledger;
    ledger.hold();
    let mut replies = site.lab.watch(1, 500).await.unwrap();
    let (sender, requests) = Streaming::channel(1);
    let mut conversation = site.lab.converse(requests).await.unwrap();
    let (more, numbers) = Streaming::channel(1);
    let (tally, ()) = tokio::join!(site.lab.gather(numbers), async {
        ledger.until(0, "begun", |job| job.begun == 1).await;
        server.advance(DrainPhase::Draining);
        tokio::time::sleep(Duration::from_millis(50)).await;
        // All three go on as if nothing had been said.
        ledger.release();
        let (items, error) = drained(&mut replies).await;
        assert!(items.len() == 500 && error.is_none(), "{} items, {error:?}", items.len());
        for number in 0..5 {
            sender.send(Ok(number)).await.unwrap();
            assert_eq!(conversation.next().await.unwrap().unwrap(), number + 1);
            more.send(Ok(number)).await.unwrap();
        }
        drop((sender, more));
        assert!(conversation.next().await.is_none());
    });
    assert_eq!(tally.unwrap().count, 5);
    assert!(server.shutdown(SOON).await, "every stream has ended, and the server does not know");
    Ok(())
}

async fn told(column: Arc<dyn Column>) -> Verdict {
    let mut site = column.open(Plan::default()).await;
    let server = site.line_mut()?.server.take().ok_or(NotApplicable)?;
    let mut replies = site.lab.linger().await.unwrap();
    assert_eq!(replies.next().await.unwrap().unwrap(), 1);
    let early = tokio::time::timeout(Duration::from_millis(50), replies.next()).await;
    assert!(early.is_err(), "nobody leaves, and it is told so: {early:?}");
    let (peaceful, status) = tokio::join!(server.shutdown(SOON), last_error(&mut replies));
    assert!(status.code() == Code::Unavailable && status.message().contains("by its own hand"), "{status}");
    assert!(peaceful, "it was cut");
    Ok(())
}

async fn drain_runs_out(column: Arc<dyn Column>) -> Verdict {
    let mut site = column.open(Plan::default()).await;
    let server = site.line_mut()?.server.take().ok_or(NotApplicable)?;
    let ledger = &site.plan.bench.ledger;
    let mut replies = watched(&site, 1, 3).await;
    ledger.hold();
    let (_sender, requests) = Streaming::channel(1);
    let mut conversation = site.lab.converse(requests).await.unwrap();
    let numbers = Streaming::new(stream::iter(1..=3).chain(stream::pending()));
    let leaving = |status: &Status| {
        assert_eq!((status.code(), status.delivery()), (Code::Unavailable, Delivery::Unknown), "{status:?}");
        assert!(status.message().contains("server draining"), "{status}");
    };
    let (tally, ()) = tokio::join!(site.lab.gather(numbers), async {
        ledger.until(0, "begun", |job| job.begun == 1).await;
        assert!(!server.shutdown(Duration::from_millis(100)).await, "streams were open, and the drain saw none");
    });
    leaving(&tally.unwrap_err());
    let status = loop {
        match replies.next().await.expect("a clean end") {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    leaving(&status);
    match conversation.next().await.expect("a clean end") {
        Err(LabError::Rpc(status)) => leaving(&status),
        other => panic!("{other:?}"),
    }
    assert!(rpc_testkit::eventually(SOON, || ledger.running() == 0).await, "a stream outlived its server");
    Ok(())
}
