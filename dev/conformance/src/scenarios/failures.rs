//! What fails at the server fails in the same way at the client, and alone.

use crate::{
    columns::{Column, Plan},
    lab::{Bench, DETAIL, Lab, LabClient, LabError},
    raw,
    scenario::{Scenario, Verdict, scenarios},
};
use rpc::{Client, Code, Delivery, Status, service_fn};
use rpc_core::{Origin, Request, client::Channel};
use std::{error::Error, sync::Arc};

pub(super) const ALL: &[Scenario] = scenarios![
    "a typed error arrives as the variant it was" => typed_error,
    "every code arrives with its message" => every_code,
    "details of an error arrive" => details_arrive,
    "details of an error that are too long are left behind, whatever the wire" => long_details,
    "a long message of an error breaks nothing" => long_message,
    "the cause of an error stays at the server" => source_stays,
    "an unknown method is Unimplemented, and says which there are" => unknown_method,
    "an unknown service is Unimplemented" => unknown_service,
    "a panic in a handler is Internal, and that call's alone" => panic_is_contained,
    "a relayed failure is not the caller's own" => relayed_failure,
    "a relayed refusal is not the caller's own" => relayed_refusal,
];

async fn typed_error(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    match site.lab.fail(true, "반응기 #2".to_owned(), -40).await {
        Err(LabError::Burst { vessel, degrees: -40 }) if vessel == "반응기 #2" => {}
        other => panic!("{other:?}"),
    }
    match site.lab.fail(false, String::new(), 0).await {
        Err(LabError::Empty) => {}
        other => panic!("{other:?}"),
    }
    Ok(())
}

async fn every_code(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for code in Code::ALL {
        for message in ["", "no such order", "100 % \"배달\"\nsecond line"] {
            let status = site.lab.refuse(code.number().into(), message.to_owned(), vec![]).await.unwrap_err();
            assert_eq!((status.code(), status.message()), (code, message));
        }
    }
    Ok(())
}

async fn details_arrive(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for bytes in [vec![], vec![0, 255, 13, 10], raw::patterned(2000)] {
        let status = site.lab.refuse(9, "see details".to_owned(), bytes.clone()).await.unwrap_err();
        let [detail] = status.details() else { panic!("{} details", status.details().len()) };
        assert_eq!((detail.type_url.as_ref(), detail.value.as_ref()), (DETAIL, bytes.as_slice()));
        assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "see details"));
    }
    Ok(())
}

async fn long_details(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let refused = async |details| site.lab.refuse(9, "see details".to_owned(), details).await.unwrap_err();
    assert_eq!(refused(raw::patterned(Status::MAX_DETAILS - 200)).await.details().len(), 1);
    let status = refused(raw::patterned(Status::MAX_DETAILS)).await;
    assert!(status.details().is_empty(), "{} details", status.details().len());
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().starts_with("see details (its details, 6"), "{status}");
    Ok(())
}

async fn long_message(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for length in [1000, 20_000, 1_000_000] {
        let status = site.lab.refuse(9, "배".repeat(length / 3), vec![]).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{length} bytes: {}", &status.message()[..60]);
        assert!(status.message().starts_with("배배배"), "{length} bytes");
        assert_eq!(site.lab.echo("x".to_owned()).await.unwrap(), "x");
    }
    Ok(())
}

async fn source_stays(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let status = site.lab.refuse(13, "broken".to_owned(), vec![]).await.unwrap_err();
    assert!(!format!("{status:?}").contains("secret"), "{status:?}");
    assert!(status.source().is_none_or(|source| !source.to_string().contains("secret")));
    Ok(())
}

async fn unknown_method(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let status = raw::call(&site.raw, &raw::MISSING_METHOD, "x").await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "{status}");
    assert!(status.message().contains("Missing") && status.message().contains("Weigh"), "{status}");
    assert_eq!(raw::call(&site.raw, &raw::ECHO, "x").await.unwrap().0, "x");
    Ok(())
}

async fn unknown_service(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let status = raw::call(&site.raw, &raw::MISSING_SERVICE, "x").await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "{status}");
    assert!(status.message().contains("conformance.v1.Nothing"), "{status}");
    assert_eq!(raw::call(&site.raw, &raw::ECHO, "x").await.unwrap().0, "x");
    Ok(())
}

async fn panic_is_contained(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    site.plan.bench.ledger.hold();
    let (bystander, ()) = tokio::join!(site.lab.write(1), async {
        site.plan.bench.ledger.until(1, "begun", |job| job.begun == 1).await;
        for _ in 0..3 {
            let status = site.lab.explode().await.unwrap_err();
            assert_eq!(status.code(), Code::Internal, "{status}");
            assert!(!status.message().contains("on purpose"), "what the panic said is for the log: {status}");
        }
        site.plan.bench.ledger.release();
    });
    assert_eq!(bystander.unwrap(), 1, "another call on the connection");
    assert_eq!(site.lab.echo("x".to_owned()).await.unwrap(), "x");
    Ok(())
}

/// A handler's own call was never sent. Had that travelled, the caller's stack would send the caller's call again.
async fn relayed_failure(column: Arc<dyn Column>) -> Verdict {
    let never_sent = |_: Request| async {
        Err(Status::unavailable("nobody is there").with_delivery(Delivery::NeverSent).with_source("10.0.0.3 refused"))
    };
    let bench = Bench::relaying_to(LabClient::from_channel(Channel::new(service_fn(never_sent))));
    let site = column.open(Plan { bench, ..Plan::default() }).await;
    let status = site.lab.relay_write(1).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert_eq!((status.delivery(), status.origin()), (Delivery::Unknown, Origin::Remote), "{status:?}");
    assert!(!format!("{status:?}").contains("10.0.0.3"), "{status:?}");
    assert_eq!(site.plan.bench.ledger.job(1).begun, 1, "the call was made again");
    Ok(())
}

/// The next server has not begun the handler's call. The handler has begun the caller's.
async fn relayed_refusal(column: Arc<dyn Column>) -> Verdict {
    let next = Arc::new(column.open(Plan::default()).await);
    let refused = |status: &Status| (status.code(), status.delivery());
    let status = raw::call(&next.raw, &raw::MISSING_METHOD, "x").await.unwrap_err();
    assert_eq!(refused(&status), (Code::Unimplemented, Delivery::Unprocessed), "{status:?}");
    let asking = service_fn(move |_: Request| {
        let next = next.clone();
        async move { raw::call(&next.raw, &raw::MISSING_METHOD, "x").await.and(Err(Status::internal("it is there"))) }
    });
    let bench = Bench::relaying_to(LabClient::from_channel(Channel::new(asking)));
    let site = column.open(Plan { bench, ..Plan::default() }).await;
    let status = site.lab.relay_write(1).await.unwrap_err();
    assert_eq!(refused(&status), (Code::Unimplemented, Delivery::Unknown), "{status:?}");
    assert_eq!(site.plan.bench.ledger.job(1).begun, 1, "the call was made again");
    Ok(())
}
