//! Each item has the limit of a message.

use crate::{
    columns::{Column, Plan, Site},
    lab::Lab,
    raw,
    scenario::{Scenario, Verdict, scenarios},
};
use bytes::Bytes;
use futures_util::stream;
use rpc::{Code, Status};
use rpc_core::{PayloadStream, transport::Limits};
use std::sync::Arc;

pub(super) const ALL: &[Scenario] = scenarios![
    "an item of the limit arrives, in every direction" => at_the_limit,
    "an item over the limit fails its own stream of replies, behind the items before it" => reply_over_the_limit,
    "an item over the limit fails its own stream of requests" => request_over_the_limit,
];

fn limit() -> usize {
    Limits::default().max_message
}

async fn pour(site: &Site, sizes: &[usize]) -> PayloadStream {
    let sizes: Vec<u8> = sizes.iter().flat_map(|size| raw::size(*size)).collect();
    site.raw.call(&raw::POUR, raw::message(sizes), None).await.unwrap().body.into_stream()
}

async fn at_the_limit(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let mut replies = pour(&site, &[limit(), 0, limit()]).await;
    for size in [limit(), 0, limit()] {
        let item = replies.next().await.expect("the stream ended early").unwrap().into_bytes();
        assert!(item == raw::patterned(size), "{} bytes came, or other ones", item.len());
    }
    assert!(replies.next().await.is_none());

    let large = Bytes::from(raw::patterned(limit()));
    let items = || raw::items(stream::iter([large.clone(), Bytes::new(), large.clone()].map(Ok)));
    let answer = site.raw.call(&raw::DRINK, items(), None).await.unwrap();
    assert_eq!(answer.body.into_message().unwrap().into_bytes(), raw::size(2 * limit()));
    let mut mirrored = site.raw.call(&raw::MIRROR, items(), None).await.unwrap().body.into_stream();
    for expected in [&large, &Bytes::new(), &large] {
        assert!(mirrored.next().await.expect("the stream ended early").unwrap().into_bytes() == expected);
    }
    assert!(mirrored.next().await.is_none());
    Ok(())
}

async fn reply_over_the_limit(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let mut bystander = super::watched(&site, 1, 1).await;
    for size in [limit() + 1, limit() * 3] {
        let mut replies = pour(&site, &[10, 20, size, 30]).await;
        for size in [10, 20] {
            assert_eq!(replies.next().await.unwrap().unwrap().encoded_len(), size);
        }
        let status = replies.next().await.expect("a clean end").unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(status.message().contains(&limit().to_string()), "it should name the limit: {status}");
        assert!(replies.next().await.is_none());
    }
    assert_eq!(bystander.next().await.unwrap().unwrap(), 2);
    Ok(())
}

async fn request_over_the_limit(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let mut bystander = super::watched(&site, 1, 1).await;
    let items = || {
        let sizes = [10, limit() + 1, 30];
        raw::items(stream::iter(sizes.map(|size| Ok::<_, Status>(Bytes::from(raw::patterned(size))))))
    };
    let status = site.raw.call(&raw::DRINK, items(), None).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains(&limit().to_string()), "it should name the limit: {status}");
    let ledger = &site.plan.raw.ledger;
    let job = ledger.until(2, "been left", |job| job.begun == job.ended + job.dropped).await;
    assert_eq!(job.ended, 0, "the handler took it for the end: {job:?}");

    let outcome = match site.raw.call(&raw::MIRROR, items(), None).await {
        Err(status) => status,
        Ok(response) => {
            let mut mirrored = response.body.into_stream();
            loop {
                match mirrored.next().await.expect("a clean end") {
                    Ok(item) => assert_eq!(item.encoded_len(), 10),
                    Err(status) => break status,
                }
            }
        }
    };
    assert_eq!(outcome.code(), Code::ResourceExhausted, "{outcome}");
    assert_eq!(bystander.next().await.unwrap().unwrap(), 2);
    assert_eq!(site.lab.echo("x".to_owned()).await.unwrap(), "x");
    Ok(())
}
