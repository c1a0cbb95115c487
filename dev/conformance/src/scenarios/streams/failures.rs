//! What goes wrong in the middle of a stream.

use super::{drained, watched};
use crate::{
    columns::{Column, Plan, Speech},
    lab::{DETAIL, Ending, Lab, LabError},
    raw,
    scenario::{Scenario, Verdict, scenarios},
};
use futures_util::{StreamExt, stream};
use rpc::{Client, Code, Status, Streaming};
use std::sync::Arc;

pub(super) const ALL: &[Scenario] = scenarios![
    "a typed error in a stream comes with its fields, behind the items before it" => typed_errors,
    "a status in a stream comes with its details" => details,
    "an error before a stream begins is the call's" => before_it_begins,
    "a panic in a polled stream is Internal, and that call's alone" => panics,
    "a stream of requests that fails is no clean end for its handler" => failing_requests,
    "items that are no messages fail their streams" => undecodable,
];

async fn typed_errors(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for last in [0, 1, 3, 200] {
        let (items, error) = drained(&mut site.lab.leak(last, Ending::Burst).await.unwrap()).await;
        assert_eq!(items.len() as u64, last);
        match error {
            Some(LabError::Burst { vessel, degrees: -40 }) => assert_eq!(vessel, "flask"),
            other => panic!("{other:?} behind {last} items"),
        }
        let (items, error) = drained(&mut site.lab.leak(last, Ending::Empty).await.unwrap()).await;
        assert_eq!(items.len() as u64, last);
        assert!(matches!(error, Some(LabError::Empty)), "{error:?} behind {last} items");
    }
    let (items, error) = drained(&mut site.lab.leak(3, Ending::Clean).await.unwrap()).await;
    assert!(items == [1, 2, 3] && error.is_none(), "{items:?} {error:?}");
    Ok(())
}

async fn details(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let (items, error) = drained(&mut site.lab.leak(2, Ending::Refused).await.unwrap()).await;
    assert_eq!(items, [1, 2]);
    let Some(LabError::Rpc(status)) = error else { panic!("{error:?}") };
    assert_eq!((status.code(), status.message()), (Code::DataLoss, "spilt"));
    let [detail] = status.details() else { panic!("{status:?}") };
    assert_eq!((&*detail.type_url, &*detail.value), (DETAIL, &b"drops"[..]));
    assert!(!format!("{status:?}").contains("secret"), "the source stays with the server: {status:?}");
    Ok(())
}

async fn before_it_begins(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let error = site.lab.leak(3, Ending::Never).await.unwrap_err();
    assert!(matches!(&error, LabError::Burst { vessel, degrees: -40 } if vessel == "flask"), "{error:?}");
    Ok(())
}

async fn panics(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let mut bystander = watched(&site, 1, 1).await;
    for last in [0, 3] {
        let (items, error) = drained(&mut site.lab.leak(last, Ending::Panic).await.unwrap()).await;
        assert_eq!(items.len() as u64, last);
        let Some(LabError::Rpc(status)) = error else { panic!("a clean end, or {error:?}") };
        assert_eq!(status.code(), Code::Internal, "{status}");
        assert!(!status.message().contains("on purpose"), "what was said stays with the server: {status}");
    }
    assert_eq!(bystander.next().await.unwrap().unwrap(), 2);
    assert_eq!(site.lab.echo("x".to_owned()).await.unwrap(), "x");
    Ok(())
}

async fn failing_requests(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    let failing = |before: u64| {
        let failure = Status::new(Code::DataLoss, "the file is damaged");
        Streaming::<u64>::new(stream::iter((1..=before).map(Ok)).chain(stream::iter([Err(failure)])))
    };
    for (round, before) in [0, 2, 300].into_iter().enumerate() {
        let status = site.lab.gather(failing(before)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::DataLoss, "the file is damaged"));
        let job = ledger.until(0, "been left", |job| job.begun == job.ended + job.dropped).await;
        assert_eq!((job.ended, job.begun <= round + 1), (0, true), "a clean end for the handler: {job:?}");

        let error = match site.lab.converse(Streaming::new(failing(before))).await {
            Ok(mut replies) => drained(&mut replies).await.1,
            Err(error) => Some(error),
        };
        let Some(LabError::Rpc(status)) = error else { panic!("{error:?}") };
        assert_eq!((status.code(), status.message()), (Code::DataLoss, "the file is damaged"));
    }
    Ok(())
}

async fn undecodable(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan { speech: Speech::Babble, ..Plan::default() }).await;
    let status = site.lab.count(3).await.unwrap().next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status}");

    let site = column.open(Plan::default()).await;
    let babble = raw::items(stream::iter([Ok(raw::NO_MESSAGE.into())]));
    let status = site.lab.channel().call(crate::lab::LabClient::GATHER, babble, None).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert_eq!(site.plan.bench.ledger.job(0).ended, 0);
    Ok(())
}
