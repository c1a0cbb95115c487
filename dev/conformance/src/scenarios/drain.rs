//! How a server leaves.

use crate::{
    columns::{Column, Plan, Site},
    lab::Lab,
    ledger::SOON,
    scenario::{NotApplicable, Scenario, Verdict, scenarios},
};
use rpc::{Client, Code, Delivery};
use rpc_core::transport::DrainPhase;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

pub(super) const ALL: &[Scenario] = scenarios![
    "a drain lets calls in flight end, and begins none" => drain_in_peace,
    "a call that outlives the drain is Unavailable" => drain_runs_out,
    "a drain waits for a handler whose caller has left" => drain_waits_for_writes,
    "an idle server is gone at once" => idle_drain,
    "a server that is dropped ends its calls and handlers" => dropped,
];

async fn drain_in_peace(column: Arc<dyn Column>) -> Verdict {
    let mut site = column.open(Plan::default()).await;
    let server = site.line_mut()?.server.take().ok_or(NotApplicable)?;
    let ledger = &site.plan.bench.ledger;
    ledger.hold();
    let calls = futures_util::future::join_all((1..=20).map(|job| site.lab.write(job)));
    let (outcomes, ()) = tokio::join!(calls, async {
        for job in 1..=20 {
            ledger.until(job, "begun", |job| job.begun == 1).await;
        }
        server.advance(DrainPhase::Draining);
        let late = refused_in_the_end(&site).await;
        assert_eq!(ledger.running(), 20 + late, "the drain ended calls");
        ledger.release();
    });
    for (index, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(outcome.unwrap(), index as u64 + 1);
    }
    assert!(server.shutdown(SOON).await, "every call has ended, and the server does not know");
    Ok(())
}

/// Makes calls until one is refused; how many came before the server's word had reached the client, and are at work.
async fn refused_in_the_end(site: &Site) -> usize {
    let hasty = site.lab.with_timeout(Duration::from_millis(200));
    for late in 0..10 {
        let job = 100 + late;
        let status = hasty.write(job).await.unwrap_err();
        if site.plan.bench.ledger.job(job).begun == 0 {
            assert_ne!(status.delivery(), Delivery::Unknown, "nothing was begun, and the client can know: {status:?}");
            return late as usize;
        }
        assert_eq!(status.delivery(), Delivery::Unknown, "it was begun: {status:?}");
    }
    panic!("ten calls were begun after the drain had")
}

async fn drain_runs_out(column: Arc<dyn Column>) -> Verdict {
    let mut site = column.open(Plan::default()).await;
    let server = site.line_mut()?.server.take().ok_or(NotApplicable)?;
    let ledger = &site.plan.bench.ledger;
    ledger.hold();
    let began = Instant::now();
    let (outcome, ()) = tokio::join!(site.lab.write(1), async {
        ledger.until(1, "begun", |job| job.begun == 1).await;
        assert!(!server.shutdown(Duration::from_millis(200)).await, "a call was in flight, and the drain saw none");
    });
    let status = outcome.unwrap_err();
    assert_eq!((status.code(), status.delivery()), (Code::Unavailable, Delivery::Unknown), "{status:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(ledger.job(1).begun, 1);
    Ok(())
}

async fn drain_waits_for_writes(column: Arc<dyn Column>) -> Verdict {
    let mut site = column.open(Plan::default()).await;
    let server = site.line_mut()?.server.take().ok_or(NotApplicable)?;
    let ledger = &site.plan.bench.ledger;
    ledger.hold();
    {
        let mut call = std::pin::pin!(site.lab.write(1));
        tokio::select! {
            _ = &mut call => panic!("the handler was held, and the call has ended"),
            _ = async { ledger.until(1, "begun", |job| job.begun == 1).await } => {}
        }
    }
    ledger.until(1, "seen that nobody waits", |job| job.cancelled == 1).await;
    let (peaceful, ()) = tokio::join!(server.shutdown(SOON), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(ledger.job(1).dropped, 0, "the write was cut in the middle");
        ledger.release();
    });
    assert!(peaceful);
    assert_eq!((ledger.job(1).ended, ledger.job(1).dropped), (1, 0));
    Ok(())
}

async fn idle_drain(column: Arc<dyn Column>) -> Verdict {
    let mut site = column.open(Plan::default()).await;
    let server = site.line_mut()?.server.take().ok_or(NotApplicable)?;
    site.lab.reflect().await.unwrap();
    let began = Instant::now();
    assert!(server.shutdown(SOON).await);
    assert!(began.elapsed() < SOON / 2, "{:?}", began.elapsed());
    Ok(())
}

async fn dropped(column: Arc<dyn Column>) -> Verdict {
    let mut site = column.open(Plan::default()).await;
    let server = site.line_mut()?.server.take().ok_or(NotApplicable)?;
    let ledger = &site.plan.bench.ledger;
    ledger.hold();
    let (outcome, ()) = tokio::join!(site.lab.write(1), async {
        ledger.until(1, "begun", |job| job.begun == 1).await;
        drop(server);
    });
    let status = outcome.unwrap_err();
    // Whoever resets a stream without a word has, in gRPC, cancelled it.
    assert!(matches!(status.code(), Code::Unavailable | Code::Cancelled), "{status}");
    assert_eq!(status.delivery(), Delivery::Unknown, "{status:?}");
    assert!(rpc_testkit::eventually(SOON, || ledger.running() == 0).await, "a task outlived its owner");
    Ok(())
}
