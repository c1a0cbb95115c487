//! Deadlines of streams: on all of it when there is one, on its opening in any case.

use super::{last_error, watched};
use crate::{
    columns::{self, Column, Plan, Site, Wire},
    lab::{Bench, Lab},
    ledger::SOON,
    raw,
    scenario::{Scenario, Verdict, scenarios},
};
use futures_util::{StreamExt, stream};
use rpc::{Client, Code, Context, Status, Streaming};
use rpc_core::PayloadStream;
use std::{sync::Arc, task::Poll, time::Duration};
use tokio::time::Instant;

pub(super) const ALL: &[Scenario] = scenarios![
    "a silent stream ends at its deadline, at both ends" => silent_stream,
    "a server ends a stream at its deadline, though it hears nothing of the caller" => unheard,
    "a server ends a stream at its deadline, though nobody reads it" => unread,
    "a conversation that nobody reads ends at its deadline, at both ends" => unread_conversation,
    "a stream of requests ends at its deadline, at both ends" => silent_requests,
    "a stream of requests ends at its deadline, though its handler sits on it" => shelved,
    "a stream has no deadline unless its caller has" => none_by_default,
    "a timeout bounds the opening of a stream" => opening,
    "a deadline ends a chain of three services on mixed wires" => chain,
];

/// What a machine may be late by that has other things to do.
const LOADED: Duration = Duration::from_millis(400);

fn within(limit: Duration) -> Context {
    Context::default().with_deadline(Instant::now() + limit)
}

async fn silent_stream(column: Arc<dyn Column>) -> Verdict {
    const LIMIT: Duration = Duration::from_millis(200);
    let site = column.open(Plan::default()).await;
    site.lab.reflect().await.unwrap();
    let began = Instant::now();
    let mut stream = within(LIMIT).scope(watched(&site, 1, 2)).await;
    site.plan.bench.ledger.hold();
    // One more may have been made before the hold.
    let status = loop {
        match stream.next().await.expect("a clean end") {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    let took = began.elapsed();
    assert!(took >= LIMIT - Duration::from_millis(5), "too soon: {took:?}");
    assert!(took < LIMIT + LOADED, "too late: {took:?}");
    assert!(stream.next().await.is_none());
    // Not because this reader has left: it is still there.
    site.plan.bench.ledger.within(LOADED, 1, "been dropped", |job| job.dropped == 1).await;
    drop(stream);
    Ok(())
}

async fn unheard(column: Arc<dyn Column>) -> Verdict {
    const LIMIT: Duration = Duration::from_millis(200);
    let site = column.open(Plan::default()).await;
    site.lab.reflect().await.unwrap();
    site.plan.bench.ledger.hold();
    let mut stream = within(LIMIT).scope(site.lab.watch(1, 2)).await.unwrap();
    // Whatever the client says when it gives up comes much later.
    site.line()?.proxy.delay(2 * SOON);
    let job = site.plan.bench.ledger.within(LIMIT + LOADED, 1, "been dropped", |job| job.dropped == 1).await;
    assert_eq!(job.ended, 0, "{job:?}");
    while let Some(Ok(_)) = stream.next().await {}
    Ok(())
}

async fn unread(column: Arc<dyn Column>) -> Verdict {
    const LIMIT: Duration = Duration::from_millis(300);
    let site = column.open(Plan::default()).await;
    site.lab.reflect().await.unwrap();
    let flood = site.raw.call(&raw::FLOOD, raw::message(raw::size(64 * 1024)), None);
    let mut flood = within(LIMIT).scope(flood).await.unwrap().body.into_stream();
    flood.next().await.unwrap().unwrap();
    // The client does not end it: nobody polls it there either.
    site.plan.raw.ledger.within(LIMIT + LOADED, 1, "been dropped", |job| job.dropped == 1).await;
    let status = failure(&mut flood).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    Ok(())
}

async fn unread_conversation(column: Arc<dyn Column>) -> Verdict {
    const LIMIT: Duration = Duration::from_millis(300);
    let site = column.open(Plan::default()).await;
    site.lab.reflect().await.unwrap();
    let visit = site.plan.raw.ledger.enter(3);
    let requests = stream::repeat_with(move || {
        visit.made();
        Ok(vec![0; 64 * 1024].into())
    });
    let mirror = site.raw.call(&raw::MIRROR, raw::items(requests), None);
    let mut replies = within(LIMIT).scope(mirror).await.unwrap().body.into_stream();
    replies.next().await.unwrap().unwrap();
    let job = site.plan.raw.ledger.within(LIMIT + LOADED, 3, "been dropped", |job| job.dropped == 1).await;
    assert!(job.made > 0, "{job:?}");
    assert_eq!(failure(&mut replies).await.code(), Code::DeadlineExceeded);
    Ok(())
}

async fn shelved(column: Arc<dyn Column>) -> Verdict {
    const LIMIT: Duration = Duration::from_millis(300);
    let site = column.open(Plan::default()).await;
    site.lab.reflect().await.unwrap();
    let visit = site.plan.raw.ledger.enter(3);
    let requests = stream::iter(1..=3).map(|size| Ok(raw::size(size))).chain(stream::poll_fn(move |_| {
        visit.made();
        Poll::Pending
    }));
    let call = site.raw.call(&raw::SHELVE, raw::items(requests), None);
    assert_eq!(within(LIMIT).scope(call).await.unwrap_err().code(), Code::DeadlineExceeded);
    site.plan.raw.ledger.within(LOADED, 3, "been dropped", |job| job.dropped == 1).await;
    let mut left = site.plan.raw.shelf.lock().unwrap().pop().unwrap();
    // Whoever reads on is not told that this was all.
    failure(&mut left).await;
    Ok(())
}

/// What a stream ends with, behind what had arrived.
async fn failure(stream: &mut PayloadStream) -> Status {
    loop {
        match tokio::time::timeout(SOON, stream.next()).await.expect("no end").expect("a clean end") {
            Ok(_) => {}
            Err(status) => return status,
        }
    }
}

async fn silent_requests(column: Arc<dyn Column>) -> Verdict {
    const LIMIT: Duration = Duration::from_millis(200);
    let site = column.open(Plan::default()).await;
    site.lab.reflect().await.unwrap();
    let began = Instant::now();
    let status = within(LIMIT).scope(site.lab.gather(Streaming::new(stream::pending::<u64>()))).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    let took = began.elapsed();
    assert!(took >= LIMIT - Duration::from_millis(5) && took < LIMIT + LOADED, "{took:?}");
    let job = site.plan.bench.ledger.until(0, "been dropped", |job| job.dropped == job.begun).await;
    assert_eq!(job.ended, 0);
    Ok(())
}

async fn none_by_default(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    // A timeout is for the opening.
    for lab in [site.lab.clone(), site.lab.with_timeout(Duration::from_millis(300))] {
        let mut stream = lab.reflect_streaming().await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().remaining, None);
    }
    let hasty = site.lab.with_timeout(Duration::from_millis(300));
    site.plan.bench.ledger.hold();
    let mut stream = hasty.watch(1, 3).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    site.plan.bench.ledger.release();
    assert_eq!(super::drained(&mut stream).await.0, [1, 2, 3]);
    Ok(())
}

async fn opening(column: Arc<dyn Column>) -> Verdict {
    const LIMIT: Duration = Duration::from_millis(200);
    let site = column.open(Plan::default()).await;
    site.lab.reflect().await.unwrap();
    site.plan.bench.ledger.hold();
    let began = Instant::now();
    let status = site.lab.with_timeout(LIMIT).dawdle(1, 3).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    let took = began.elapsed();
    assert!(took >= LIMIT - Duration::from_millis(5) && took < LIMIT + LOADED, "{took:?}");
    site.plan.bench.ledger.until(1, "been dropped", |job| (job.begun, job.dropped) == (1, 1)).await;
    Ok(())
}

/// From this column to the one wire to the other: a stream in a stream in a stream, and the last one is silent.
///
/// A busy machine makes a try late by chance, and a chain that is late makes them all late: so no try may be later than
/// [`LOADED`] allows, and of those that are made some have to be on time.
async fn chain(column: Arc<dyn Column>) -> Verdict {
    const TRIES: u64 = 30;
    const ON_TIME: u32 = 3;
    let hops = three_hops(&column).await;
    hops[0].plan.bench.ledger.hold();
    let mut punctual = 0;
    for job in 1..=TRIES {
        let late = lateness(&hops, job).await;
        assert!(late < LOADED, "stopped {late:?} after the deadline");
        punctual += u32::from(late <= Duration::from_millis(20));
        if punctual == ON_TIME {
            return Ok(());
        }
    }
    panic!("{punctual} of {TRIES} chains had stopped 20 ms after the deadline, {ON_TIME} are wanted")
}

/// The last server first, and this column's in front.
async fn three_hops(column: &Arc<dyn Column>) -> Vec<Site> {
    let mut hops: Vec<Site> = Vec::new();
    let wires = columns::wires().into_iter().map(|wire| Arc::new(Wire::new(wire.name(), wire)) as Arc<dyn Column>);
    for column in wires.chain([column.clone()]) {
        let next = hops.last().map(|site| site.lab.clone());
        hops.push(column.open(Plan { bench: Bench { next, ..Bench::default() }, ..Plan::default() }).await);
    }
    for site in &hops {
        site.lab.reflect().await.unwrap();
    }
    hops
}

/// How long after the deadline the last of the handlers had gone.
async fn lateness(hops: &[Site], job: u64) -> Duration {
    const LIMIT: Duration = Duration::from_millis(300);
    let deadline = Instant::now() + LIMIT;
    let call = hops.last().unwrap().lab.descend(job);
    let mut stream = Context::default().with_deadline(deadline).scope(call).await.unwrap();
    let mut above = LIMIT;
    for hop in 1..=hops.len() {
        let remaining = stream.next().await.expect("the stream ended early").unwrap();
        assert!(remaining < above, "{remaining:?} at hop {hop}, {above:?} before it");
        above = remaining;
    }
    let status = last_error(&mut stream).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    let mut last = Duration::ZERO;
    for site in hops {
        let job = site.plan.bench.ledger.within(SOON, job, "been dropped", |job| job.dropped == 1).await;
        last = last.max(job.left.unwrap().saturating_duration_since(deadline));
    }
    last
}
