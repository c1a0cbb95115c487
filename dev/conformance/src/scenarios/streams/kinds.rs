//! Items arrive, whichever side streams.

use super::drained;
use crate::{
    columns::{Column, FirstAttempt, Plan},
    lab::{Bench, Lab, LabClient, Tally},
    raw,
    scenario::{Scenario, Verdict, scenarios},
};
use futures_util::{StreamExt, future::join_all, stream};
use rpc::{Client, Status, Streaming};
use std::sync::Arc;

pub(super) const ALL: &[Scenario] = scenarios![
    "a stream of replies arrives whole and in order" => replies_arrive,
    "a stream of requests arrives whole and in order" => requests_arrive,
    "in both directions each request can depend on the last reply" => one_by_one,
    "an empty stream arrives as one, in every direction" => empty_streams,
    "a stream of replies begins before its first item" => begins_before_items,
    "a reply may come before the requests have ended" => early_reply,
    "streams at once get each its own items" => streams_at_once,
    "a stream that is passed on unread is not taken apart" => relayed_unread,
    "a stream of requests that never left is sent whole by the next attempt" => sent_again,
];

async fn replies_arrive(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for last in [1, 2, 1000] {
        let mut stream = site.lab.count(last).await.unwrap();
        let (items, error) = drained(&mut stream).await;
        assert!(items == (1..=last).collect::<Vec<_>>(), "of {last}: {items:?}");
        assert!(error.is_none(), "{error:?}");
    }
    Ok(())
}

async fn requests_arrive(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for last in [1, 2, 1000] {
        let tally = site.lab.gather(Streaming::from_iter(1..=last)).await.unwrap();
        assert_eq!(tally, Tally { count: last, sum: last * (last + 1) / 2, jumps: 0 });
    }
    Ok(())
}

async fn one_by_one(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let (sender, requests) = Streaming::channel(1);
    let mut replies = site.lab.converse(requests).await.unwrap();
    let mut number = 0;
    for turn in 1..=100 {
        sender.send(Ok(number)).await.unwrap();
        number = replies.next().await.expect("the stream ended early").unwrap();
        assert_eq!(number, turn);
    }
    drop(sender);
    assert!(replies.next().await.is_none(), "the requests have ended, and the replies go on");
    Ok(())
}

async fn empty_streams(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    assert!(site.lab.count(0).await.unwrap().next().await.is_none());
    assert_eq!(site.lab.gather(Streaming::empty()).await.unwrap(), Tally { count: 0, sum: 0, jumps: 0 });
    assert!(site.lab.converse(Streaming::empty()).await.unwrap().next().await.is_none());
    Ok(())
}

async fn begins_before_items(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    site.plan.bench.ledger.hold();
    let mut replies = site.lab.watch(1, 3).await.unwrap();
    assert_eq!(site.plan.bench.ledger.job(1).made, 0);
    let (_sender, requests) = Streaming::channel(1);
    let _silent = site.lab.converse(requests).await.unwrap();
    site.plan.bench.ledger.release();
    assert_eq!(drained(&mut replies).await.0, [1, 2, 3]);
    Ok(())
}

async fn early_reply(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for wanted in [0, 1, 100] {
        let numbers = stream::iter([1, wanted].into_iter().chain(0..wanted)).chain(stream::pending());
        assert_eq!(site.lab.sip(Streaming::new(numbers)).await.unwrap(), wanted + 2);
    }
    Ok(())
}

async fn streams_at_once(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let calls = (0..60_u64).map(|index| {
        let lab = site.lab.clone();
        async move {
            let last = 100 + index;
            match index % 3 {
                0 => {
                    let mut stream = lab.count(last).await.unwrap();
                    assert_eq!(drained(&mut stream).await.0.len() as u64, last);
                }
                1 => assert_eq!(lab.gather(Streaming::from_iter(1..=last)).await.unwrap().count, last),
                _ => {
                    let begin = index * 1000;
                    let mut replies = lab.converse(Streaming::from_iter(begin..begin + last)).await.unwrap();
                    let (items, _) = drained(&mut replies).await;
                    assert!(items == (begin + 1..=begin + last).collect::<Vec<_>>(), "{items:?}");
                }
            }
        }
    });
    join_all(calls).await;
    Ok(())
}

/// Bytes that are no message come out as they went in: whoever had looked at them would have failed.
async fn relayed_unread(column: Arc<dyn Column>) -> Verdict {
    let last = column.open(Plan { speech: crate::columns::Speech::Babble, ..Plan::default() }).await;
    let site = column.open(Plan { bench: Bench::relaying_to(last.lab.clone()), ..Plan::default() }).await;
    let channel = site.lab.channel();
    let response = channel.call(LabClient::RELAY_COUNT, raw::message(&b"\x08\x03"[..]), None).await.unwrap();
    let mut items = response.body.into_stream();
    assert_eq!(items.next().await.unwrap().unwrap().into_bytes(), raw::NO_MESSAGE);
    assert!(items.next().await.is_none());

    // The other way the last one is to find fault with them, and not the first.
    let last = column.open(Plan::default()).await;
    let site = column.open(Plan { bench: Bench::relaying_to(last.lab.clone()), ..Plan::default() }).await;
    let babble = raw::items(stream::iter([Ok::<_, Status>(raw::NO_MESSAGE.into())]));
    site.lab.channel().call(LabClient::RELAY_GATHER, babble, None).await.unwrap_err();
    let notes = last.plan.bench.ledger.job(0).notes;
    assert!(matches!(&notes[..], [note] if note.contains("InvalidArgument")), "{notes:?}");
    Ok(())
}

async fn sent_again(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan { first: FirstAttempt::FindsADeadConnection, ..Plan::default() }).await;
    let counters = &site.line()?.counters;
    for last in [0, 1, 1000] {
        let tally = site.lab.gather(Streaming::from_iter(1..=last)).await.unwrap();
        assert_eq!(tally, Tally { count: last, sum: last * (last + 1) / 2, jumps: 0 });
    }
    let mut replies = site.lab.converse(Streaming::from_iter(1..=100)).await.unwrap();
    let (items, error) = drained(&mut replies).await;
    assert!(items.iter().copied().eq(2..=101) && error.is_none(), "{items:?}, {error:?}");
    assert_eq!(site.plan.bench.ledger.job(0).begun, 3, "a call was made twice");
    assert_eq!(counters.snapshot().retries(), 4, "nothing was refused");
    Ok(())
}
