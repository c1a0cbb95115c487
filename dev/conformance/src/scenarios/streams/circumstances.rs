//! A stream is part of its call, wherever it is polled.

use crate::{
    columns::{Column, Plan},
    lab::{Bench, Circumstances, Lab},
    ledger::SOON,
    scenario::{Scenario, Verdict, scenarios},
};
use futures_util::{StreamExt, stream};
use rpc::{Client, Context, Metadata, Streaming, TraceContext};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

pub(super) const ALL: &[Scenario] = scenarios![
    "a returned stream, and a call made in it, see the deadline, the trace and the baggage of the call" => in_replies,
    "requests are made in the circumstances of whoever sends them" => in_requests,
    "a stream leaves nothing behind where it is read" => nothing_left_behind,
];

const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;

fn surroundings(tenant: &'static str) -> Context {
    let mut baggage = Metadata::default();
    baggage.append("tenant", tenant).unwrap();
    Context::default()
        .with_deadline(Instant::now() + SOON)
        .with_trace(TraceContext { trace_id: TRACE, span_id: 7, flags: 1 })
        .with_baggage(baggage)
}

fn check(seen: &Circumstances, tenant: &str) -> Duration {
    assert_eq!(seen.trace, Some(format!("{TRACE:032x}")));
    assert_eq!(seen.baggage.first().and_then(|pair| pair.text.as_deref()), Some(tenant));
    seen.remaining.expect("no deadline came")
}

async fn in_replies(column: Arc<dyn Column>) -> Verdict {
    let last = column.open(Plan::default()).await;
    let site = column.open(Plan { bench: Bench::relaying_to(last.lab.clone()), ..Plan::default() }).await;
    let lab = site.lab.with_metadata("secret", "of the first call").unwrap();
    let mut stream = surroundings("busan").scope(lab.reflect_streaming()).await.unwrap();
    // Read outside: what it is polled in at this side must not matter.
    let here = stream.next().await.expect("the stream ended early").unwrap();
    let nested = stream.next().await.expect("the stream ended early").unwrap();
    assert!(stream.next().await.is_none());
    assert_eq!(here.transport.as_deref(), Some(column.transport()));
    assert_eq!(here.metadata.len(), 1, "{here:?}");
    assert_eq!(nested.metadata, [], "metadata is not for others");
    assert_ne!(here.call_id, nested.call_id);
    let (above, below) = (check(&here, "busan"), check(&nested, "busan"));
    assert!(below < above && above < SOON, "{below:?} of {above:?} of {SOON:?}");
    Ok(())
}

async fn in_requests(column: Arc<dyn Column>) -> Verdict {
    let last = column.open(Plan::default()).await;
    let site = column.open(Plan { bench: Bench::relaying_to(last.lab.clone()), ..Plan::default() }).await;
    // In a handler: those of the call that it handles.
    let seen = surroundings("daegu").scope(site.lab.relay_upload()).await.unwrap();
    assert_eq!(seen.transport.as_deref(), Some(column.transport()));
    assert!(check(&seen, "daegu") < SOON);
    // The handler that reads them is in its own, not in theirs.
    assert_eq!(last.plan.bench.ledger.job(0).notes, [column.transport()]);

    // Outside of handlers: those that the caller has set, be the call one of replies too.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let look = seen.clone();
    let numbers =
        Streaming::new(stream::iter(1..=2).inspect(move |_| look.lock().unwrap().push(Circumstances::current())));
    let mut replies = surroundings("ulsan").scope(site.lab.converse(numbers)).await.unwrap();
    assert_eq!(super::drained(&mut replies).await.0, [2, 3]);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    for seen in &*seen {
        assert_eq!(seen.transport, None, "the server's circumstances at the client");
        check(seen, "ulsan");
    }
    Ok(())
}

async fn nothing_left_behind(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let mut stream = surroundings("jeju").scope(site.lab.count(3)).await.unwrap();
    surroundings("seoul")
        .scope(async {
            while let Some(item) = stream.next().await {
                item.unwrap();
                let here = Circumstances::current();
                assert_eq!(here.transport, None, "the server's circumstances at the client");
                check(&here, "seoul");
            }
            // Made between two items, and so in the caller's own circumstances.
            check(&site.lab.reflect().await.unwrap(), "seoul");
        })
        .await;
    assert_eq!(Context::current().deadline(), None);
    Ok(())
}
