//! Who leaves stops what may be stopped, and nothing else.

use crate::{
    columns::{Column, Plan, Site},
    lab::Lab,
    ledger::SOON,
    scenario::{Scenario, Verdict, scenarios},
};
use futures_util::FutureExt;
use std::{future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

pub(super) const ALL: &[Scenario] = scenarios![
    "a handler of an idempotent method is dropped with its caller" => read_is_dropped,
    "a handler of any other method ends, and knows that nobody waits" => write_ends,
    "a write whose caller left after 10 ms and whose handler takes 200 ms is finished, and an idempotent one is dropped"
        => left_after_10_ms,
    "a caller that leaves disturbs no other" => others_go_on,
    "a thousand callers that leave leave nothing behind" => nothing_is_left,
];

/// From the caller's leaving to the handler's end.
const AT_ONCE: Duration = Duration::from_millis(200);

/// Drives a call until its handler is at work, and drops it there.
async fn abandon(site: &Site, job: u64, call: impl Future) {
    let mut call = pin!(call);
    let begun = async { site.plan.bench.ledger.until(job, "begun", |job| job.begun == 1).await };
    tokio::select! {
        _ = &mut call => panic!("the handler was held, and the call has ended"),
        _ = begun => {}
    }
}

async fn read_is_dropped(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    site.plan.bench.ledger.hold();
    abandon(&site, 1, site.lab.read(1)).await;
    let job = site.plan.bench.ledger.within(AT_ONCE, 1, "been dropped", |job| job.dropped == 1).await;
    assert_eq!((job.begun, job.ended), (1, 0), "{job:?}");
    Ok(())
}

async fn write_ends(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    site.plan.bench.ledger.hold();
    abandon(&site, 1, site.lab.write(1)).await;
    let job = site.plan.bench.ledger.within(AT_ONCE, 1, "seen that nobody waits", |job| job.cancelled == 1).await;
    assert_eq!((job.ended, job.dropped), (0, 0), "{job:?}");
    site.plan.bench.ledger.release();
    let job = site.plan.bench.ledger.until(1, "ended", |job| job.ended == 1).await;
    assert_eq!((job.begun, job.dropped), (1, 0), "{job:?}");
    Ok(())
}

async fn left_after_10_ms(column: Arc<dyn Column>) -> Verdict {
    const TAKES: Duration = Duration::from_millis(200);
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    site.lab.reflect().await.unwrap();
    for (job, call) in [(1, site.lab.labour(1, TAKES).boxed()), (2, site.lab.study(2, TAKES).boxed())] {
        let mut call = call;
        tokio::select! {
            biased;
            // From when the handler begins: on a busy machine there might be none yet.
            () = async {
                ledger.until(job, "begun", |job| job.begun == 1).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            } => {}
            _ = &mut call => panic!("it took less than {TAKES:?}"),
        }
    }
    let study = ledger.within(AT_ONCE, 2, "been dropped", |job| job.begun == job.ended + job.dropped).await;
    assert_eq!((study.begun, study.ended), (1, 0), "{study:?}");
    let labour = ledger.until(1, "ended", |job| job.begun == job.ended + job.dropped).await;
    assert_eq!((labour.begun, labour.ended), (1, 1), "{labour:?}");
    Ok(())
}

async fn others_go_on(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    site.plan.bench.ledger.hold();
    let mut stays = pin!(site.lab.read(1));
    tokio::select! {
        _ = &mut stays => panic!("the handler was held, and the call has ended"),
        _ = async { site.plan.bench.ledger.until(1, "begun", |job| job.begun == 1).await } => {}
    }
    let connections = site.line().map(|line| line.proxy.connections());
    abandon(&site, 2, site.lab.read(2)).await;
    abandon(&site, 3, site.lab.write(3)).await;
    site.plan.bench.ledger.until(2, "been dropped", |job| job.dropped == 1).await;
    site.plan.bench.ledger.release();
    assert_eq!(stays.await.unwrap(), 1);
    assert_eq!(site.lab.read(4).await.unwrap(), 4);
    if let Ok(line) = site.line() {
        assert_eq!(Ok(line.proxy.connections()), connections, "a caller that leaves is no reason to connect again");
    }
    Ok(())
}

async fn nothing_is_left(column: Arc<dyn Column>) -> Verdict {
    const STAYS: u64 = 1_000_000;
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    ledger.hold();
    let mut stays = pin!(site.lab.write(STAYS));
    tokio::select! {
        _ = &mut stays => panic!("the handler was held, and the call has ended"),
        _ = async { ledger.until(STAYS, "begun", |job| job.begun == 1).await } => {}
    }
    for round in 0..10 {
        let mut calls = Vec::new();
        for job in 0..100 {
            let mut call = Box::pin(site.lab.read(round * 100 + job));
            // Polled a few times and no more: it is left before, while and after it is sent.
            for _ in 0..job % 4 {
                let polled = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
                assert!(polled.is_pending(), "the handler was held, and the call has ended");
                tokio::task::yield_now().await;
            }
            calls.push(call);
        }
        drop(calls);
    }
    assert_eq!(site.lab.reflect().await.unwrap().attempt, 1, "the connection did not bear it");
    let alone = rpc_testkit::eventually(SOON, || ledger.running() == 1).await;
    assert!(alone, "{} handlers are left, beside the one whose caller waits", ledger.running());
    ledger.release();
    assert_eq!(stays.await.unwrap(), STAYS);
    Ok(())
}
