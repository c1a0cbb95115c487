//! Messages arrive as they were sent, or not at all.

use crate::{
    columns::{Column, Plan, Speech},
    lab::{Lab, LabClient, Parcel},
    raw,
    scenario::{Scenario, Verdict, scenarios},
};
use rpc::{Client, Code};
use rpc_core::transport::Limits;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub(super) const ALL: &[Scenario] = scenarios![
    "an empty text arrives" => empty_text,
    "a unicode text arrives" => unicode_text,
    "a nested message arrives" => nested_message,
    "an empty payload arrives" => empty_payload,
    "a request of exactly the limit arrives" => request_at_limit,
    "a request over the limit is refused and harms nobody" => request_over_limit,
    "a reply of exactly the limit arrives" => reply_at_limit,
    "a reply over the limit is refused and harms nobody" => reply_over_limit,
    "a request that is no message is InvalidArgument" => undecodable_request,
    "a reply that is no message is Internal" => undecodable_reply,
];

async fn empty_text(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    assert_eq!(site.lab.echo(String::new()).await.unwrap(), "");
    Ok(())
}

async fn unicode_text(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for text in ["x", "배달의민족 \u{1f6f5}", "line\nbreak\ttab \"quoted\" %41 \\", "\u{0}\u{feff}\u{10ffff}"] {
        assert_eq!(site.lab.echo(text.to_owned()).await.unwrap(), text);
    }
    Ok(())
}

async fn nested_message(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let parcel = Parcel {
        label: "배".to_owned(),
        content: raw::patterned(1000),
        note: Some(String::new()),
        stamps: BTreeMap::from([("a".to_owned(), 0), (String::new(), u32::MAX)]),
        inside: Vec::new(),
        delay: Duration::new(3, 999_999_999),
        weight: i64::MIN,
    };
    let got = site.lab.carry(parcel.clone(), 3).await.unwrap();
    assert_eq!(got, Parcel { inside: vec![parcel.clone(); 3], ..parcel });
    Ok(())
}

async fn empty_payload(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let (reply, metadata) = raw::call(&site.raw, &raw::ECHO, "").await.unwrap();
    assert!(reply.is_empty() && metadata.is_empty(), "{reply:?} {metadata:?}");
    Ok(())
}

fn limit() -> usize {
    Limits::default().max_message
}

async fn request_at_limit(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let (reply, _) = raw::call(&site.raw, &raw::WEIGH, raw::patterned(limit())).await.unwrap();
    assert_eq!(reply.as_ref(), (limit() as u64).to_be_bytes());
    Ok(())
}

async fn request_over_limit(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    // The bystander is on the same connection and must not notice.
    site.plan.bench.ledger.hold();
    let bystander = site.lab.write(1);
    let (bystander, ()) = tokio::join!(bystander, async {
        site.plan.bench.ledger.until(1, "begun", |job| job.begun == 1).await;
        for length in [limit() + 1, limit() * 3] {
            let status = raw::call(&site.raw, &raw::WEIGH, raw::patterned(length)).await.unwrap_err();
            assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
            assert!(status.message().contains(&limit().to_string()), "it should name the limit: {status}");
        }
        assert_eq!(site.plan.raw.ledger.job(0).begun, 0, "the handler ran");
        site.plan.bench.ledger.release();
    });
    bystander.unwrap();
    assert_eq!(raw::call(&site.raw, &raw::ECHO, "x").await.unwrap().0, "x");
    Ok(())
}

async fn reply_at_limit(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let (reply, _) = raw::call(&site.raw, &raw::PRODUCE, (limit() as u64).to_be_bytes().to_vec()).await.unwrap();
    assert!(reply == raw::patterned(limit()), "{} bytes came, or other ones", reply.len());
    Ok(())
}

async fn reply_over_limit(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for length in [limit() + 1, limit() * 3] {
        let length = (length as u64).to_be_bytes().to_vec();
        let status = raw::call(&site.raw, &raw::PRODUCE, length).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(status.message().contains(&limit().to_string()), "it should name the limit: {status}");
    }
    assert_eq!(raw::call(&site.raw, &raw::ECHO, "x").await.unwrap().0, "x");
    Ok(())
}

/// Methods that take an argument.
const METHODS: [&str; 3] = ["Echo", "Carry", "Write"];

async fn undecodable_request(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let channel = site.lab.channel();
    for method in LabClient::SERVICE.methods.iter().filter(|method| METHODS.contains(&method.name)) {
        let status = raw::call(channel, method, raw::NO_MESSAGE).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{method}: {status}");
    }
    assert_eq!(site.lab.echo("x".to_owned()).await.unwrap(), "x");
    Ok(())
}

async fn undecodable_reply(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan { speech: Speech::Babble, ..Plan::default() }).await;
    let status = site.lab.reflect().await.unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status}");
    let status = site.lab.echo(String::new()).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status}");
    Ok(())
}
