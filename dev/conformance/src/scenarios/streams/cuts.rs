//! A connection that is cut is the end of its streams, and never a good one.

use super::{last_error, watched};
use crate::{
    columns::{Column, Plan},
    lab::{Lab, LabError},
    scenario::{Scenario, Verdict, scenarios},
};
use futures_util::{StreamExt, stream};
use rpc::{Client, Code, Delivery, Streaming};
use rpc_testkit::{Cut, Direction, Mode};
use std::{sync::Arc, time::Duration};

pub(super) const ALL: &[Scenario] = scenarios![
    "a stream of replies whose connection is cut ends with an error, and is not made again" => replies_cut,
    "a stream of requests whose connection is cut ends with an error at both ends" => requests_cut,
    "a conversation whose connection is cut ends with an error at both ends" => conversation_cut,
    "a stream that is cut at any byte ends with an error, or whole" => cut_anywhere,
];

async fn replies_cut(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    for (job, cut) in [(1, Cut::Finish), (2, Cut::Reset)] {
        ledger.release();
        let mut stream = watched(&site, job, 3).await;
        ledger.hold();
        site.line()?.proxy.cut(cut).await;
        // What had arrived may still be read.
        let status = loop {
            match stream.next().await.unwrap_or_else(|| panic!("{cut:?}: a clean end")) {
                Ok(_) => {}
                Err(status) => break status,
            }
        };
        assert_eq!((status.code(), status.delivery()), (Code::Unavailable, Delivery::Unknown), "{cut:?}: {status:?}");
        assert!(stream.next().await.is_none());
        let job = ledger.until(job, "been dropped", |job| job.dropped == 1).await;
        assert_eq!((job.begun, job.ended), (1, 0), "{cut:?}: {job:?}");
    }
    Ok(())
}

async fn requests_cut(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    for (round, cut) in [Cut::Finish, Cut::Reset].into_iter().enumerate() {
        // There is a connection again.
        site.lab.reflect().await.unwrap();
        let line = site.line()?;
        let numbers = Streaming::new(stream::iter(1..=3).chain(stream::pending()));
        let (outcome, ()) = tokio::join!(site.lab.gather(numbers), async {
            ledger.until(0, "begun", |job| job.begun == round + 1).await;
            line.proxy.cut(cut).await;
        });
        let status = outcome.unwrap_err();
        assert_eq!((status.code(), status.delivery()), (Code::Unavailable, Delivery::Unknown), "{cut:?}: {status:?}");
        let job = ledger.until(0, "been dropped", |job| job.dropped == round + 1).await;
        assert_eq!((job.begun, job.ended), (round + 1, 0), "{cut:?}: the handler took it for the end: {job:?}");
    }
    Ok(())
}

async fn conversation_cut(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for cut in [Cut::Finish, Cut::Reset] {
        site.lab.reflect().await.unwrap();
        let (sender, requests) = Streaming::channel(1);
        let mut replies = site.lab.converse(requests).await.unwrap();
        sender.send(Ok(1)).await.unwrap();
        assert_eq!(replies.next().await.unwrap().unwrap(), 2);
        site.line()?.proxy.cut(cut).await;
        match replies.next().await.unwrap_or_else(|| panic!("{cut:?}: a clean end")) {
            Err(LabError::Rpc(status)) => assert_eq!(status.code(), Code::Unavailable, "{cut:?}: {status}"),
            other => panic!("{cut:?}: {other:?}"),
        }
        assert!(rpc_testkit::eventually(crate::ledger::SOON, || sender.is_closed()).await, "the requests go on");
    }
    // Of an idle stream, too.
    let mut replies = site.lab.watch(7, 0).await.unwrap();
    assert!(replies.next().await.is_none());
    site.plan.bench.ledger.hold();
    let mut replies = site.lab.watch(8, 1).await.unwrap();
    site.line()?.proxy.cut(Cut::Reset).await;
    assert_eq!(last_error(&mut replies).await.code(), Code::Unavailable);
    Ok(())
}

async fn cut_anywhere(column: Arc<dyn Column>) -> Verdict {
    const LAST: u64 = 40;
    for bytes in (60..1000).step_by(130) {
        let direction = Direction::ToClient;
        let site = column.open(Plan::default()).await;
        site.line()?;
        site.lab.reflect().await.unwrap();
        let line = site.line()?;
        line.proxy.set(Mode::CutAfter { direction, bytes, cut: Cut::Finish }).await;
        line.proxy.cut(Cut::Finish).await;
        let hasty = site.lab.with_timeout(Duration::from_millis(500));
        let Ok(mut stream) = hasty.count(LAST).await else { continue };
        let (items, error) = super::drained(&mut stream).await;
        assert!(items.iter().copied().eq(1..=items.len() as u64), "{bytes} bytes: {items:?}");
        assert!(error.is_some() || items.len() as u64 == LAST, "a clean end behind {} items", items.len());
    }
    Ok(())
}
