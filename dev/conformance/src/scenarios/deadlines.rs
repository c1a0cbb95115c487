//! Deadlines only shrink, and both sides keep them.

use crate::{
    columns::{Column, Plan},
    lab::{Bench, Lab},
    ledger::SOON,
    scenario::{Scenario, Verdict, scenarios},
};
use rpc::{Client, Code, Context};
use rpc_core::client::Timeouts;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

pub(super) const ALL: &[Scenario] = scenarios![
    "a call ends at its deadline" => call_ends,
    "the server knows what is left" => server_knows,
    "a call without a timeout has the default" => default_timeout,
    "work whose deadline has passed is not begun" => nothing_begins,
    "a handler of an idempotent method is dropped at its deadline" => handler_is_dropped,
    "a nested call has no more time than its caller" => nested_has_no_more,
    "a connection survives calls that ran out of time" => connection_survives,
];

async fn call_ends(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    // The connection is there already: this is about the call.
    site.lab.reflect().await.unwrap();
    site.plan.bench.ledger.hold();
    let began = Instant::now();
    let status = site.lab.with_timeout(Duration::from_millis(100)).write(1).await.unwrap_err();
    let took = began.elapsed();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert!(took >= Duration::from_millis(95), "too soon: {took:?}");
    assert!(took < SOON, "too late: {took:?}");
    site.plan.bench.ledger.until(1, "begun once", |job| job.begun == 1).await;
    site.plan.bench.ledger.release();
    Ok(())
}

async fn server_knows(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for timeout in [Duration::from_millis(1500), Duration::from_secs(3), Duration::from_secs(3600)] {
        let remaining = site.lab.with_timeout(timeout).reflect().await.unwrap().remaining;
        let remaining = remaining.unwrap_or_else(|| panic!("the server knows of no deadline, of {timeout:?}"));
        assert!(remaining < timeout, "{remaining:?} of {timeout:?}");
        assert!(remaining > timeout - Duration::from_secs(1), "{remaining:?} of {timeout:?}");
    }
    Ok(())
}

async fn default_timeout(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let remaining = site.lab.reflect().await.unwrap().remaining.expect("a deadline");
    assert!(remaining < Timeouts::DEFAULT, "{remaining:?}");
    assert!(remaining > Timeouts::DEFAULT - Duration::from_secs(1), "{remaining:?}");
    Ok(())
}

async fn nothing_begins(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    site.lab.reflect().await.unwrap();
    let past = Context::default().with_deadline(Instant::now());
    let status = past.clone().scope(site.lab.write(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    let status = past.scope(site.lab.read(2)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    // A call made afterwards has been answered, so whatever was sent before it has arrived.
    site.lab.write(3).await.unwrap();
    assert_eq!((site.plan.bench.ledger.job(1).begun, site.plan.bench.ledger.job(2).begun), (0, 0));
    Ok(())
}

async fn handler_is_dropped(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    site.plan.bench.ledger.hold();
    let status = site.lab.with_timeout(Duration::from_millis(200)).read(1).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    site.plan.bench.ledger.until(1, "been dropped", |job| job.dropped == job.begun && job.begun > 0).await;
    Ok(())
}

async fn nested_has_no_more(column: Arc<dyn Column>) -> Verdict {
    let last = column.open(Plan::default()).await;
    let generous = last.lab.with_timeout(Duration::from_secs(600));
    let bench = Bench::relaying_to(generous.clone());
    let first = column.open(Plan { bench, ..Plan::default() }).await;
    let remaining = first.lab.with_timeout(SOON).relay_reflect().await.unwrap().remaining.expect("a deadline");
    assert!(remaining < SOON, "{remaining:?} of {SOON:?}");
    let remaining = generous.reflect().await.unwrap().remaining.expect("a deadline");
    assert!(remaining > Duration::from_secs(590), "outside a handler its own timeout holds: {remaining:?}");
    Ok(())
}

async fn connection_survives(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    site.lab.reflect().await.unwrap();
    site.plan.bench.ledger.hold();
    let connections = site.line().map(|line| line.proxy.connections());
    let hasty = site.lab.with_timeout(Duration::from_millis(20));
    for outcome in futures_util::future::join_all((0..50).map(|job| hasty.read(job))).await {
        assert_eq!(outcome.unwrap_err().code(), Code::DeadlineExceeded);
    }
    site.plan.bench.ledger.release();
    assert_eq!(site.lab.read(100).await.unwrap(), 100);
    if let Ok(line) = site.line() {
        assert_eq!(Ok(line.proxy.connections()), connections, "a deadline is no reason to connect again");
    }
    Ok(())
}
