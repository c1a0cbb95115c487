//! Tasks that handlers start.

use super::drained;
use crate::{
    columns::{Column, Plan},
    lab::{Bench, Lab},
    ledger::SOON,
    scenario::{Scenario, Verdict, scenarios},
};
use rpc::{Code, Context, Metadata, TraceContext};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

pub(super) const ALL: &[Scenario] = scenarios![
    "a task of a call, and a call made in it, see the deadline, the trace and the baggage" => circumstances,
    "a task of a call feeds the stream that the call returns, and ends with it" => feeds_the_stream,
    "a task of a call ends with the call, and a detached one does not" => ends_with_its_call,
    "a task that panics is no clean end of the stream that it feeds" => panics,
];

/// From the end of a call to that of its tasks.
const AT_ONCE: Duration = Duration::from_millis(200);
/// What a busy machine may need for all of it.
const LOADED: Duration = Duration::from_secs(3);
const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;

fn surroundings() -> Context {
    let mut baggage = Metadata::default();
    baggage.append("tenant", "incheon").unwrap();
    Context::default()
        .with_deadline(Instant::now() + SOON)
        .with_trace(TraceContext { trace_id: TRACE, span_id: 7, flags: 1 })
        .with_baggage(baggage)
}

async fn circumstances(column: Arc<dyn Column>) -> Verdict {
    let last = column.open(Plan::default()).await;
    let site = column.open(Plan { bench: Bench::relaying_to(last.lab.clone()), ..Plan::default() }).await;
    let mut stream = surroundings().scope(site.lab.fork(1, 3, false)).await.unwrap();
    assert_eq!(drained(&mut stream).await.0, [1, 2, 3]);
    let job = site.plan.bench.ledger.until(1, "ended", |job| job.ended == 1).await;
    let [here, nested] = &job.notes[..] else { panic!("{job:?}") };
    // What is left to the task is left to its call, and to what it calls there is less.
    let mut above = SOON.as_millis();
    for seen in [here, nested] {
        let left = seen.strip_prefix(&format!("{TRACE:032x} incheon Some(")).and_then(|left| left.strip_suffix(')'));
        let left: u128 = left.and_then(|left| left.parse().ok()).unwrap_or_else(|| panic!("{seen}"));
        assert!(left <= above && left + LOADED.as_millis() > SOON.as_millis(), "{left} ms of {SOON:?}: {seen}");
        above = left;
    }
    Ok(())
}

async fn feeds_the_stream(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    for last in [0, 1, 500] {
        let mut stream = site.lab.fork(last, last, false).await.unwrap();
        let (items, error) = drained(&mut stream).await;
        assert!(items.len() as u64 == last && error.is_none(), "{} of {last}, {error:?}", items.len());
        ledger.until(last, "ended", |job| job.ended == 1).await;
    }
    // Dropped while the task sends, and while it waits for something else.
    let mut stream = site.lab.fork(1001, u64::MAX, false).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), 1);
    drop(stream);
    ledger.within(AT_ONCE, 1001, "been dropped", |job| job.dropped == 1).await;
    ledger.hold();
    let stream = site.lab.fork(1002, 5, false).await.unwrap();
    ledger.until(1002, "begun", |job| job.begun == 1).await;
    drop(stream);
    ledger.within(AT_ONCE, 1002, "been dropped", |job| job.dropped == 1).await;
    // At its deadline, though its reader is there.
    let deadline = Context::default().with_deadline(Instant::now() + Duration::from_millis(200));
    let mut stream = deadline.scope(site.lab.fork(1003, 5, false)).await.unwrap();
    let status = super::last_error(&mut stream).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    ledger.until(1003, "been dropped", |job| job.dropped == 1).await;
    Ok(())
}

async fn ends_with_its_call(column: Arc<dyn Column>) -> Verdict {
    let mut site = column.open(Plan::default()).await;
    let ledger = site.plan.bench.ledger.clone();
    ledger.hold();
    assert_eq!(surroundings().scope(site.lab.leave_behind(1)).await.unwrap(), 1);
    ledger.within(AT_ONCE, 1, "been dropped", |job| job.dropped == 1).await;
    let job = ledger.until(2, "begun its work", |job| !job.notes.is_empty()).await;
    assert_eq!(job.notes, [format!("{TRACE:032x} none None")], "the trace and nothing else");
    assert_eq!((job.ended, job.dropped), (0, 0));
    let server = site.line_mut().ok().and_then(|line| line.server.take());
    let drained = async {
        match server {
            Some(server) => server.shutdown(SOON).await,
            None => true,
        }
    };
    let (peaceful, ()) = tokio::join!(drained, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(ledger.job(2).dropped, 0, "the drain did not wait for it");
        ledger.release();
    });
    assert!(peaceful);
    ledger.until(2, "ended", |job| job.ended == 1).await;
    Ok(())
}

async fn panics(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for last in [0, 3, 100] {
        let (items, error) = drained(&mut site.lab.fork(last, last, true).await.unwrap()).await;
        assert_eq!(items.len() as u64, last);
        let status = error.expect("a clean end");
        assert_eq!(status.code(), Code::Internal, "{status}");
        assert!(!status.message().contains("on purpose"), "what was said stays with the server: {status}");
    }
    assert_eq!(site.lab.echo("x".to_owned()).await.unwrap(), "x");
    Ok(())
}
