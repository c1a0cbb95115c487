//! What travels beside the message.

use crate::{
    columns::{Column, Plan},
    lab::{Lab, LabClient, Pair, pairs},
    raw,
    scenario::{Scenario, Verdict, scenarios},
};
use rpc::{Client, Code, Context, Metadata};
use rpc_core::Value;
use std::sync::Arc;

pub(super) const ALL: &[Scenario] = scenarios![
    "metadata arrives in order and nothing else does" => text_arrives,
    "binary metadata arrives" => bytes_arrive,
    "metadata of a reply arrives" => reply_metadata_arrives,
    "64 entries of metadata arrive, the 65th is refused here" => as_many_as_allowed,
    "8 KiB of metadata arrive, one byte more is refused here" => as_large_as_allowed,
    "metadata and baggage arrive where both are as large as they may be" => all_of_it,
    "metadata of the framework's own is refused here" => reserved_keys,
];

fn text(key: &str, text: &str) -> Pair {
    Pair { key: key.to_owned(), text: Some(text.to_owned()), bytes: None }
}

async fn text_arrives(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let sent = [("store", "42"), ("x-note", "a b, c; d=\"e\" %41~!"), ("store", "43"), ("empty", "")];
    let mut lab = site.lab.clone();
    for (key, value) in sent {
        lab = lab.with_metadata(key, value).unwrap();
    }
    let mut seen = lab.reflect().await.unwrap().metadata;
    let mut expected: Vec<_> = sent.into_iter().map(|(key, value)| text(key, value)).collect();
    // HTTP keeps the order of the values of one key, and not that of keys.
    seen.sort_by(|a, b| a.key.cmp(&b.key));
    expected.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(seen, expected);
    assert_eq!(site.lab.reflect().await.unwrap().metadata, [], "metadata of one call in another, or of the transport");
    Ok(())
}

async fn bytes_arrive(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    // Each length leaves base64 with another padding.
    for length in [0, 1, 2, 3, 256] {
        let value: Vec<u8> = (0..length).map(|index| 255 - index as u8).collect();
        let lab = site.lab.with_metadata_bytes("token-bin", value.clone()).unwrap();
        let seen = lab.reflect().await.unwrap().metadata;
        assert_eq!(seen, [Pair { key: "token-bin".to_owned(), text: None, bytes: Some(value) }]);
    }
    Ok(())
}

async fn reply_metadata_arrives(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let mut sent = Metadata::default();
    sent.append("queue", "7").unwrap();
    sent.append_bytes("mark-bin", vec![0, 255, 10]).unwrap();
    // Options belong to clients; this one is a client of another service than its name says, which nobody checks here.
    let client = LabClient::from_channel(site.raw.clone())
        .with_metadata("queue", "7")
        .and_then(|lab| lab.with_metadata_bytes("mark-bin", vec![0, 255, 10]))
        .unwrap();
    let (_, seen) = raw::call(client.channel(), &raw::ECHO, "x").await.unwrap();
    let (mut seen, mut sent) = (pairs(&seen), pairs(&sent));
    seen.sort_by(|a, b| a.key.cmp(&b.key));
    sent.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(seen, sent);
    Ok(())
}

async fn as_many_as_allowed(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let mut lab = site.lab.clone();
    for index in 0..Metadata::MAX_ENTRIES {
        lab = lab.with_metadata(format!("key-{index:02}"), "value").unwrap();
    }
    let error = lab.with_metadata("one-more", "value").map(drop).unwrap_err();
    assert_eq!(error.key(), "one-more");
    assert_eq!(lab.reflect().await.unwrap().metadata.len(), Metadata::MAX_ENTRIES);
    Ok(())
}

async fn as_large_as_allowed(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let value = "v".repeat(Metadata::MAX_BYTES - "large".len());
    let lab = site.lab.with_metadata("large", value.clone()).unwrap();
    assert_eq!(lab.reflect().await.unwrap().metadata, [text("large", &value)]);
    let error = site.lab.with_metadata("large", value + "v").map(drop).unwrap_err();
    assert_eq!(error.key(), "large");
    Ok(())
}

/// As a wire of text has it, where bytes become longer and every comma is escaped.
async fn all_of_it(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let mut sent = Metadata::default();
    for index in 0..Metadata::MAX_ENTRIES {
        let key = format!("key-{index:02}-bin");
        let room = Metadata::MAX_BYTES / Metadata::MAX_ENTRIES - key.len();
        sent.append_bytes(key, vec![255; room]).unwrap();
    }
    let mut baggage = Metadata::default();
    baggage.append("commas", ",".repeat(Metadata::MAX_BYTES - "commas".len())).unwrap();
    let mut lab = site.lab.clone();
    for (key, value) in sent.iter() {
        let Value::Binary(bytes) = value else { unreachable!() };
        lab = lab.with_metadata_bytes(key.to_owned(), bytes.clone()).unwrap();
    }
    let seen = Context::default().with_baggage(baggage).scope(lab.reflect()).await.unwrap();
    assert_eq!(seen.metadata.len(), Metadata::MAX_ENTRIES);
    assert_eq!(seen.baggage[0].text.as_ref().map(String::len), Some(Metadata::MAX_BYTES - "commas".len()));
    // The same beside a reply.
    let client = LabClient::from_channel(site.raw.clone());
    let client = sent.iter().fold(client, |client, (key, value)| {
        let Value::Binary(bytes) = value else { unreachable!() };
        client.with_metadata_bytes(key.to_owned(), bytes.clone()).unwrap()
    });
    let (_, reply) = raw::call(client.channel(), &raw::ECHO, "x").await.unwrap();
    assert_eq!(reply.len(), Metadata::MAX_ENTRIES);
    Ok(())
}

async fn reserved_keys(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for key in ["grpc-timeout", "rpc-attempt", "te", "date", "traceparent", ":path", "Upper", "a b", ""] {
        let error = site.lab.with_metadata(key, "1").map(drop).unwrap_err();
        assert_eq!(error.key(), key);
        assert_eq!(rpc::Status::from(error).code(), Code::InvalidArgument);
    }
    Ok(())
}
