//! Many calls at once.

use crate::{
    columns::{Column, Plan},
    lab::Lab,
    raw,
    scenario::{Scenario, Verdict, scenarios},
};
use futures_util::future::join_all;
use rpc::Client as _;
use std::sync::Arc;

pub(super) const ALL: &[Scenario] = scenarios![
    "a call is made once" => made_once,
    "a thousand calls at once get each its own answer" => a_thousand_calls,
    "a thousand calls are in their handlers at once" => a_thousand_handlers,
    "a call that takes long holds up no other" => no_head_of_line,
    "large messages at once arrive whole" => large_messages,
];

async fn made_once(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    for job in 0..10 {
        assert_eq!(site.lab.write(job).await.unwrap(), job);
        assert_eq!(site.lab.read(100 + job).await.unwrap(), 100 + job);
        for job in [job, 100 + job] {
            let done = site.plan.bench.ledger.job(job);
            assert_eq!((done.begun, done.ended), (1, 1), "{done:?}");
        }
    }
    Ok(())
}

async fn a_thousand_calls(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    // This is about answers, and a busy machine takes its time.
    let lab = site.lab.with_timeout(Scenario::LIMIT);
    let answers = join_all((0..1000).map(|index| lab.echo(format!("call {index}")))).await;
    for (index, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), format!("call {index}"));
    }
    Ok(())
}

async fn a_thousand_handlers(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    ledger.hold();
    let calls = join_all((0..1000).map(|job| site.lab.read(job)));
    let (answers, ()) = tokio::join!(calls, async {
        let all = rpc_testkit::eventually(crate::ledger::SOON, || ledger.running() == 1000).await;
        let running = ledger.running();
        ledger.release();
        assert!(all, "{running} of 1000 handlers were at work at once");
    });
    for (job, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), job as u64);
    }
    Ok(())
}

async fn no_head_of_line(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    ledger.hold();
    let (slow, ()) = tokio::join!(site.lab.write(1), async {
        ledger.until(1, "begun", |job| job.begun == 1).await;
        for index in 0..20 {
            assert_eq!(site.lab.echo(index.to_string()).await.unwrap(), index.to_string());
        }
        assert_eq!(ledger.job(1).ended, 0);
        ledger.release();
    });
    assert_eq!(slow.unwrap(), 1);
    Ok(())
}

async fn large_messages(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let calls = (0..12_usize).map(|index| {
        let payload = raw::patterned(1_000_000 + index * 1000);
        let channel = &site.raw;
        async move { raw::call(channel, &raw::ECHO, payload.clone()).await.map(|(reply, _)| reply == payload) }
    });
    for (index, answer) in join_all(calls).await.into_iter().enumerate() {
        assert!(answer.unwrap(), "message {index} came as another one");
    }
    Ok(())
}
