//! Many streams at once.

use super::{drained, watched};
use crate::{
    columns::{Column, Plan},
    lab::{Lab, LabError},
    ledger::SOON,
    raw,
    scenario::{Scenario, Verdict, scenarios},
};
use futures_util::{StreamExt, future::join_all, stream};
use rpc::{Client, Code, Status, Streaming};
use rpc_core::transport::Limits;
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::time::timeout;

pub(super) const ALL: &[Scenario] = scenarios![
    "a thousand calls at once, streams of all kinds among them" => a_thousand_calls,
    "2000 open streams stand in the way of no call" => open_streams,
    "a stream that nobody reads holds up no other" => unread,
    "no more calls are at work on a connection than it takes, and one more waits" => max_concurrent_calls,
    "a stream is told of when it has ended, and not before" => told_at_the_end,
];

async fn a_thousand_calls(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let calls = (0..1000_u64).map(|index| {
        let (lab, last) = (site.lab.clone(), index % 150);
        async move {
            match index % 4 {
                0 => assert_eq!(lab.echo(index.to_string()).await?, index.to_string()),
                1 => assert_eq!(drained(&mut lab.count(last).await?).await.0.len() as u64, last),
                2 => assert_eq!(lab.gather(Streaming::from_iter(0..last)).await?.count, last),
                _ => {
                    let mut replies = lab.converse(Streaming::from_iter(0..last)).await?;
                    assert_eq!(drained(&mut replies).await.0, (1..=last).collect::<Vec<_>>());
                }
            }
            Ok::<_, LabError>(())
        }
    });
    for outcome in join_all(calls).await {
        outcome.unwrap();
    }
    Ok(())
}

async fn open_streams(column: Arc<dyn Column>) -> Verdict {
    const OPEN: u64 = 2000;
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    ledger.hold();
    let mut streams = join_all((0..OPEN).map(|job| site.lab.watch(job, 3))).await;
    assert_eq!(ledger.running() as u64, OPEN);
    let echoes = join_all((0..200).map(|index| site.lab.echo(index.to_string()))).await;
    for (index, echo) in echoes.into_iter().enumerate() {
        assert_eq!(echo.unwrap(), index.to_string());
    }
    let dropped = streams.split_off(OPEN as usize / 2);
    drop(dropped);
    let half = rpc_testkit::eventually(SOON, || ledger.running() as u64 == OPEN / 2).await;
    assert!(half, "{} streams are left, and {} should be", ledger.running(), OPEN / 2);
    ledger.release();
    for stream in streams {
        assert_eq!(drained(&mut stream.unwrap()).await.0, [1, 2, 3]);
    }
    assert!(rpc_testkit::eventually(SOON, || ledger.running() == 0).await, "{} streams are left", ledger.running());
    Ok(())
}

async fn unread(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let flood = || site.raw.call(&raw::FLOOD, raw::message(raw::size(64 * 1024)), None);
    let unread = join_all((0..40).map(|_| flood())).await;
    let mut unread: Vec<_> = unread.into_iter().map(|response| response.unwrap().body.into_stream()).collect();
    for stream in &mut unread {
        assert_eq!(stream.next().await.unwrap().unwrap().encoded_len(), 64 * 1024);
    }
    let (items, error) = drained(&mut site.lab.count(20_000).await.unwrap()).await;
    assert!(items.len() == 20_000 && error.is_none(), "{} items, {error:?}", items.len());
    let tally = site.lab.gather(Streaming::from_iter(1..=20_000)).await.unwrap();
    assert_eq!((tally.count, tally.jumps), (20_000, 0));
    for stream in &mut unread {
        assert_eq!(stream.next().await.unwrap().unwrap().encoded_len(), 64 * 1024);
    }
    Ok(())
}

async fn max_concurrent_calls(column: Arc<dyn Column>) -> Verdict {
    const TAKEN: usize = 8;
    let limits = Limits::default().with_max_concurrent_calls(TAKEN);
    let site = column.open(Plan { limits, ..Plan::default() }).await;
    site.line()?;
    let ledger = &site.plan.bench.ledger;
    // Streams count as calls do, from their beginning to their end.
    let mut open = Vec::new();
    for job in 0..TAKEN as u64 {
        open.push(watched(&site, job, 1).await);
    }
    // Calls of all kinds wait, as long as they may; what was given up meanwhile is never begun.
    let short = site.lab.with_timeout(Duration::from_millis(200));
    let unary = short.write(100).await.unwrap_err();
    let replies = short.watch(100, 1).await.err().unwrap();
    let requests = short.gather(Streaming::from_iter(0..9)).await.unwrap_err();
    let both = short.converse(Streaming::from_iter(0..9)).await.err().unwrap();
    let LabError::Rpc(both) = both else { panic!("{both}") };
    for status in [unary, replies, requests, both] {
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        assert!(status.message().contains("as many calls were open as the connection takes"), "{status}");
        assert!(status.message().contains("0 attempts sent"), "{status}");
    }
    // Those that wait go when another ends, and none before.
    let mut waiting = pin!(join_all((101..=150).map(|job| site.lab.write(job))));
    assert!(timeout(Duration::from_millis(200), &mut waiting).await.is_err());
    let (most, begun) = (ledger.most(), ledger.job(101).begun);
    assert_eq!((most, begun, ledger.running()), (TAKEN, 0, TAKEN), "more calls are at work than there are places");
    drop(open.pop());
    let written = timeout(SOON, waiting).await.expect("nobody told those that wait");
    for (job, written) in (101..).zip(written) {
        assert_eq!(written.unwrap(), job);
        assert_eq!(ledger.job(job).begun, 1);
    }
    for stream in &mut open {
        assert_eq!(stream.next().await.unwrap().unwrap(), 2);
    }
    assert_eq!(ledger.job(100).begun, 0, "it was given up before it was sent");
    Ok(())
}

async fn told_at_the_end(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let counters = &site.line()?.counters;
    // Calls that have ended, attempts that have, calls that are open.
    let told = || {
        let counts = counters.snapshot();
        (counts.calls.total(), counts.attempts.total(), counts.calls_open)
    };
    let mut replies = watched(&site, 1, 1).await;
    let (_sender, requests) = Streaming::channel(1);
    let conversation = site.lab.converse(requests).await.unwrap();
    assert_eq!(told(), (0, 0, 2), "told of before the end");
    drop(conversation);
    assert_eq!(told(), (1, 1, 1));
    assert_eq!(replies.next().await.unwrap().unwrap(), 2);
    drop(replies);
    assert_eq!(told(), (2, 2, 0));
    let mut whole = site.lab.count(3).await.unwrap();
    assert_eq!(told(), (2, 2, 1));
    drained(&mut whole).await;
    assert_eq!(told(), (3, 3, 0));
    let failing = stream::iter([Ok(1), Err(Status::cancelled("enough"))]).boxed();
    site.lab.gather(Streaming::new(failing)).await.unwrap_err();
    assert_eq!(told(), (4, 4, 0));
    Ok(())
}
