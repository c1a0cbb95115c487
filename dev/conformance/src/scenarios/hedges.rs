//! Calls that are made at two servers, since the answer is late.

use crate::{
    columns::{Column, Plan, Site},
    lab::{Lab, LabClient},
    ledger::{Ledger, SOON},
    scenario::{Scenario, Verdict, scenarios},
};
use rpc::{Client, Code, Hedge, Status};
use rpc_testkit::eventually;
use std::{sync::Arc, time::Duration};

pub(super) const ALL: &[Scenario] = scenarios![
    "a call whose answer is late is made elsewhere as well, and the loser is dropped" => loser_is_dropped,
    "a call that must not be made twice is not made elsewhere, however late its answer" => writes_are_not_hedged,
];

const DELAY: Duration = Duration::from_millis(30);

/// Two servers whose handlers are held, and a client that is connected to both and hedges.
struct Pair {
    site: Site,
    other: Site,
    lab: LabClient,
}

impl Pair {
    async fn open(column: &Arc<dyn Column>) -> Result<Self, crate::scenario::NotApplicable> {
        let other = column.open(Plan::default()).await;
        let others = vec![other.line()?.proxy.address().into()];
        let site = column.open(Plan { others, ..Plan::default() }).await;
        let connections = || site.line().map_or(0, |line| line.counters.snapshot().connections);
        site.lab.reflect().await.unwrap();
        assert!(eventually(SOON, || connections() == 2).await, "{} connections", connections());
        let pair = Self { lab: site.lab.with_hedge(Hedge::After(DELAY)), site, other };
        pair.ledgers().into_iter().for_each(Ledger::hold);
        Ok(pair)
    }

    fn ledgers(&self) -> [&Ledger; 2] {
        [&self.site.plan.bench.ledger, &self.other.plan.bench.ledger]
    }

    /// Where the attempts at a job are, the first one first.
    async fn attempts(&self, job: u64) -> [&Ledger; 2] {
        let [a, b] = self.ledgers();
        let begun = || a.job(job).begun == 1 && b.job(job).begun == 1;
        assert!(eventually(SOON, begun).await, "not made elsewhere: {:?}, {:?}", a.job(job), b.job(job));
        let of = |ledger: &Ledger| ledger.job(job).attempts[0];
        match (of(a), of(b)) {
            ((one, 1), (other, 2)) if one == other && one.is_some() => [a, b],
            ((one, 2), (other, 1)) if one == other && one.is_some() => [b, a],
            other => panic!("these are no two attempts at a call: {other:?}"),
        }
    }
}

async fn loser_is_dropped(column: Arc<dyn Column>) -> Verdict {
    let pair = Pair::open(&column).await?;
    // Whichever it is.
    for winner in [1, 0] {
        let job = 10 + winner as u64;
        let (outcome, ledgers) = tokio::join!(pair.lab.read(job), async {
            let ledgers = pair.attempts(job).await;
            ledgers[winner].release();
            ledgers
        });
        assert_eq!(outcome.unwrap(), job);
        let loser = ledgers[1 - winner].until(job, "been dropped", |job| job.dropped == 1).await;
        assert_eq!((loser.begun, loser.ended), (1, 0), "{loser:?}");
        assert_eq!((ledgers[winner].job(job).begun, ledgers[winner].job(job).ended), (1, 1));
        ledgers[winner].hold();
    }
    assert_eq!(pair.site.line()?.counters.snapshot().hedges(), (2, 1));
    Ok(())
}

async fn writes_are_not_hedged(column: Arc<dyn Column>) -> Verdict {
    let pair = Pair::open(&column).await?;
    let hasty = pair.lab.with_timeout(DELAY * 10);
    let late = |outcome: Result<u64, Status>| assert_eq!(outcome.unwrap_err().code(), Code::DeadlineExceeded);
    late(hasty.write(1).await);
    late(hasty.labour(2, SOON).await);
    for job in [1, 2] {
        let begun = pair.ledgers().map(|ledger| ledger.job(job).begun);
        assert_eq!(begun.iter().sum::<usize>(), 1, "it was executed twice at once: {begun:?}");
    }
    assert_eq!(pair.site.line()?.counters.snapshot().hedges(), (0, 0));
    pair.ledgers().into_iter().for_each(Ledger::release);
    Ok(())
}
