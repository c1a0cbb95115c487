//! Who stops reading stops the writer, at whichever end.

use super::{endless, watched};
use crate::{
    columns::{Column, Plan, Site},
    lab::Lab,
    ledger::{Ledger, SOON},
    raw,
    scenario::{Scenario, Verdict, scenarios},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use rpc::Streaming;
use std::{future::Future, pin::pin, sync::Arc, time::Duration};

pub(super) const ALL: &[Scenario] = scenarios![
    "a stream of replies that is dropped takes its handler's stream along" => dropped_replies,
    "a call that is dropped before its stream begins takes the handler along" => dropped_before_it_begins,
    "a call of requests that is dropped takes the handler along, which sees no end" => dropped_requests,
    "a handler that stops reading ends its caller's stream" => unwanted_requests,
    "replies that are dropped end the requests" => dropped_conversation,
    "a slow reader holds back the writer of replies" => slow_reader,
    "a slow handler holds back the writer of requests" => slow_handler,
];

/// From the drop at one end to the drop at the other.
const AT_ONCE: Duration = Duration::from_millis(200);

async fn dropped_replies(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    for (job, read) in [(1, 0), (2, 1), (3, 70)] {
        drop(watched(&site, job, read).await);
        ledger.within(AT_ONCE, job, "been dropped", |job| job.dropped == 1).await;
    }
    ledger.hold();
    let mut silent = site.lab.watch(4, u64::MAX).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(20), silent.next()).await.is_err(), "it was held");
    drop(silent);
    let job = ledger.within(AT_ONCE, 4, "been dropped", |job| job.dropped == 1).await;
    assert_eq!((job.begun, job.ended), (1, 0), "{job:?}");
    Ok(())
}

/// Drives a call until its job has begun, and drops it there.
async fn abandon(ledger: &Ledger, job: u64, call: impl Future) {
    let mut call = pin!(call);
    tokio::select! {
        _ = &mut call => panic!("the handler was held, and the call has ended"),
        _ = async { ledger.until(job, "begun", |job| job.begun == 1).await } => {}
    }
}

async fn dropped_before_it_begins(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    ledger.hold();
    abandon(ledger, 1, site.lab.dawdle(1, 3)).await;
    let job = ledger.within(AT_ONCE, 1, "been dropped", |job| job.dropped == 1).await;
    assert_eq!((job.ended, job.made), (0, 0), "{job:?}");
    Ok(())
}

async fn dropped_requests(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    abandon(ledger, 0, site.lab.gather(Streaming::new(stream::iter(1..=3).chain(stream::pending())))).await;
    let job = ledger.within(AT_ONCE, 0, "been dropped", |job| job.dropped == 1).await;
    assert_eq!(job.ended, 0, "the handler took it for the end: {job:?}");
    Ok(())
}

async fn unwanted_requests(column: Arc<dyn Column>) -> Verdict {
    const SOURCE: u64 = 100;
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    let visit = ledger.enter(SOURCE);
    let numbers = stream::iter([1, 5]).chain(stream::iter(0..)).inspect(move |_| visit.made());
    assert_eq!(site.lab.sip(Streaming::new(numbers)).await.unwrap(), 7);
    ledger.within(AT_ONCE, SOURCE, "been dropped", |job| job.dropped == 1).await;
    Ok(())
}

async fn dropped_conversation(column: Arc<dyn Column>) -> Verdict {
    const SOURCE: u64 = 100;
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    for read in [0, 1, 70] {
        let job = SOURCE + read;
        let mut replies = site.lab.converse(endless(&site, job)).await.unwrap();
        for expected in 1..=read {
            assert_eq!(replies.next().await.unwrap().unwrap(), expected);
        }
        drop(replies);
        ledger.within(AT_ONCE, job, "been dropped", |job| job.dropped == 1).await;
    }
    Ok(())
}

/// Bytes of an item where back-pressure is looked at.
const ITEM: usize = 64 * 1024;
/// So many items may lie between writer and reader: what a stream's windows, batches and queues hold at both ends.
const BETWEEN: usize = 64;

/// Waits until nobody makes items any more, and says how many there are.
async fn settled(made: impl Fn() -> usize) -> usize {
    let mut before = usize::MAX;
    for _ in 0..100 {
        let now = made();
        if now == before || now > 4 * BETWEEN {
            return now;
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    before
}

async fn slow_reader(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let ledger = site.plan.raw.ledger.clone();
    let mut flood = flood(&site).await;
    let mut read = 0;
    for pause in [1, 10, 50] {
        for _ in 0..pause {
            flood.next().await.expect("the stream ended early").unwrap();
            read += 1;
        }
        let made = settled(|| ledger.job(1).made).await;
        assert!(made - read <= BETWEEN, "{made} were made when {read} were read");
    }
    drop(flood);
    ledger.within(AT_ONCE, 1, "been dropped", |job| job.dropped == 1).await;
    Ok(())
}

async fn flood(site: &Site) -> rpc_core::PayloadStream {
    site.raw.call(&raw::FLOOD, raw::message(raw::size(ITEM)), None).await.unwrap().body.into_stream()
}

async fn slow_handler(column: Arc<dyn Column>) -> Verdict {
    const SOURCE: u64 = 100;
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.raw.ledger;
    let (visit, item) = (ledger.enter(SOURCE), Bytes::from(raw::patterned(ITEM)));
    let items = stream::iter(0..500).map(move |_| {
        visit.made();
        Ok(item.clone())
    });
    ledger.hold();
    let call = site.raw.call(&raw::DRINK, raw::items(items), None);
    let (answer, ()) = tokio::join!(call, async {
        ledger.until(2, "read an item", |job| job.made == 1).await;
        let made = settled(|| ledger.job(SOURCE).made).await;
        let read = ledger.job(2).made;
        ledger.release();
        assert!(made - read <= BETWEEN, "{made} were made when {read} were read");
    });
    assert_eq!(answer.unwrap().body.into_message().unwrap().into_bytes(), raw::size(500 * ITEM));
    assert!(rpc_testkit::eventually(SOON, || ledger.running() == 0).await);
    Ok(())
}
