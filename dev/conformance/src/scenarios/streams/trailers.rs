//! Metadata behind streams and beside failures.

use super::drained;
use crate::{
    columns::{Column, Plan},
    lab::{Bench, Ending, Lab, LabError, signature},
    scenario::{Scenario, Verdict, scenarios},
};
use rpc::{Code, Metadata, Status, Streaming};
use std::sync::Arc;

pub(super) const ALL: &[Scenario] = scenarios![
    "metadata behind a stream of replies arrives with its end" => behind_streams,
    "as much metadata as is allowed arrives behind a stream" => as_much_as_allowed,
    "metadata of a failure arrives, wherever the call fails" => beside_failures,
    "metadata behind a call that a handler makes goes no further" => one_hop,
];

fn sorted(metadata: Option<&Metadata>) -> Vec<String> {
    let mut pairs: Vec<_> =
        metadata.into_iter().flat_map(|metadata| metadata.iter().map(|pair| format!("{pair:?}"))).collect();
    pairs.sort();
    pairs
}

async fn behind_streams(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for last in [0, 1, 300] {
        let mut stream = site.lab.sign(last, 0).await.unwrap();
        for _ in 0..last {
            assert_eq!(stream.trailers(), None, "before the end");
            stream.next().await.expect("the stream ended early").unwrap();
        }
        assert!(stream.next().await.is_none());
        assert_eq!(sorted(stream.trailers()), sorted(Some(&signature(last))));
    }
    let mut bare: Streaming<u64> = site.lab.count(3).await.unwrap();
    assert!(drained(&mut bare).await.1.is_none());
    assert_eq!(sorted(bare.trailers()), [""; 0], "of another call");
    Ok(())
}

async fn as_much_as_allowed(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let mut stream = site.lab.sign(3, Metadata::MAX_ENTRIES as u32).await.unwrap();
    let (items, error) = drained(&mut stream).await;
    assert!(items.len() == 3 && error.is_none(), "{error:?}");
    assert_eq!(stream.trailers().map(Metadata::len), Some(Metadata::MAX_ENTRIES));
    Ok(())
}

async fn beside_failures(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let signed =
        |status: &Status| assert_eq!(sorted(Some(status.metadata())), sorted(Some(&signature(7))), "{status:?}");
    let refuse = |lab: crate::lab::LabClient| async move {
        lab.refuse(Code::NotFound.number().into(), "no".to_owned(), vec![1]).await
    };
    signed(&refuse(site.lab.clone()).await.unwrap_err());
    for last in [0, 5] {
        let (items, error) = drained(&mut site.lab.leak(last, Ending::Refused).await.unwrap()).await;
        assert_eq!(items.len() as u64, last);
        let Some(LabError::Rpc(status)) = error else { panic!("{error:?}") };
        signed(&status);
    }
    let status = site.lab.sip(Streaming::empty()).await.unwrap_err();
    assert!(status.metadata().is_empty(), "of another call, or of the transport: {status:?}");
    Ok(())
}

async fn one_hop(column: Arc<dyn Column>) -> Verdict {
    let last = column.open(Plan::default()).await;
    let site = column.open(Plan { bench: Bench::relaying_to(last.lab.clone()), ..Plan::default() }).await;
    let mut stream = site.lab.relay_sign(3, false).await.unwrap();
    assert_eq!(drained(&mut stream).await.0, [1, 2, 3]);
    assert_eq!(sorted(stream.trailers()), [""; 0]);
    let status = site.lab.relay_sign(3, true).await.unwrap_err();
    assert_eq!((status.code(), status.metadata().len()), (Code::NotFound, 0), "{status:?}");
    assert_eq!(status.details().len(), 1, "{status:?}");
    Ok(())
}
