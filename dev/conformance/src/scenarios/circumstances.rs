//! What a handler knows of its call, and what it passes on.

use crate::{
    columns::{Column, Plan, Site},
    lab::{Bench, Lab, Pair},
    scenario::{Scenario, Verdict, scenarios},
};
use rpc::{Client, Context, Metadata, Priority, TraceContext};
use std::sync::Arc;

pub(super) const ALL: &[Scenario] = scenarios![
    "a handler knows the wire, the call and the attempt" => call_is_known,
    "trace and baggage arrive" => trace_and_baggage_arrive,
    "a nested call inherits trace and baggage" => nested_inherits,
    "a nested call inherits no metadata and no call id" => nested_does_not_inherit,
    "how urgent a call is arrives, and is inherited by the calls that answer it" => priority_arrives,
    "outside a handler there is no call" => nothing_outside,
];

const TRACE: TraceContext =
    TraceContext { trace_id: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, span_id: 0xb7ad, flags: 1 };

/// A server that relays to another over the same kind of wire.
async fn chain(column: &Arc<dyn Column>) -> (Site, Site) {
    let last = column.open(Plan::default()).await;
    let first = column.open(Plan { bench: Bench::relaying_to(last.lab.clone()), ..Plan::default() }).await;
    (first, last)
}

fn surroundings() -> Context {
    let mut baggage = Metadata::default();
    baggage.append("tenant", "se oul").unwrap();
    baggage.append("tier", "gold").unwrap();
    Context::default().with_trace(TRACE).with_baggage(baggage)
}

async fn call_is_known(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let (one, two) = (site.lab.reflect().await.unwrap(), site.lab.reflect().await.unwrap());
    assert_eq!(one.transport.as_deref(), Some(column.transport()));
    assert_eq!((one.attempt, two.attempt), (1, 1));
    assert!(one.call_id.is_some(), "no call id came");
    assert_ne!(one.call_id, two.call_id);
    Ok(())
}

async fn trace_and_baggage_arrive(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    check(surroundings().scope(site.lab.reflect()).await.unwrap());
    let bare = site.lab.reflect().await.unwrap();
    assert_eq!((bare.trace, bare.baggage), (None, vec![]), "of another call");
    Ok(())
}

fn check(seen: crate::lab::Circumstances) {
    assert_eq!(seen.trace, Some(format!("{:032x}", TRACE.trace_id)));
    let pair = |key: &str, text: &str| Pair { key: key.to_owned(), text: Some(text.to_owned()), bytes: None };
    assert_eq!(seen.baggage, [pair("tenant", "se oul"), pair("tier", "gold")]);
}

async fn nested_inherits(column: Arc<dyn Column>) -> Verdict {
    let (first, _last) = chain(&column).await;
    check(surroundings().scope(first.lab.relay_reflect()).await.unwrap());
    Ok(())
}

async fn nested_does_not_inherit(column: Arc<dyn Column>) -> Verdict {
    let (first, _last) = chain(&column).await;
    let lab = first.lab.with_metadata("authorization", "Bearer secret").unwrap();
    let here = lab.reflect().await.unwrap();
    assert_eq!(here.metadata.len(), 1);
    let there = lab.relay_reflect().await.unwrap();
    assert_eq!(there.metadata, [], "a credential went where nobody sent it");
    assert!(there.call_id.is_some() && there.call_id != here.call_id);
    Ok(())
}

async fn priority_arrives(column: Arc<dyn Column>) -> Verdict {
    let (first, _last) = chain(&column).await;
    for priority in Priority::ALL {
        let lab = first.lab.with_priority(priority);
        assert_eq!(lab.reflect().await.unwrap().priority, priority.as_str());
        assert_eq!(lab.relay_reflect().await.unwrap().priority, priority.as_str());
    }
    let ordinary = first.lab.reflect().await.unwrap();
    assert_eq!((ordinary.priority.as_str(), ordinary.baggage), (Priority::Critical.as_str(), vec![]));
    let mut baggage = Metadata::default();
    baggage.append(Priority::KEY, "drop-everything").unwrap();
    let unknown = Context::default().with_baggage(baggage).scope(first.lab.reflect()).await.unwrap();
    assert_eq!(unknown.priority, Priority::Critical.as_str());
    Ok(())
}

async fn nothing_outside(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let lab = site.lab.with_metadata("a", "b").unwrap();
    surroundings().scope(lab.reflect()).await.unwrap();
    let context = Context::current();
    let what =
        (context.metadata().len(), context.baggage().len(), context.trace(), context.deadline(), context.call_id());
    assert_eq!(what, (0, 0, None, None, None));
    Ok(())
}
