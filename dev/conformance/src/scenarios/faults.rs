//! What networks do. All of it needs sockets.

use crate::{
    columns::{Column, Plan, Site},
    lab::{Bench, Lab},
    ledger::SOON,
    scenario::{NotApplicable, Scenario, Verdict, scenarios},
};
use rpc::{Client, Code, Delivery, Status};
use rpc_core::tls::Security;
use rpc_testkit::{Cut, Direction, Mode, eventually};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub(super) const ALL: &[Scenario] = scenarios![
    "a connection begins with the first bytes of its protocol" => first_bytes,
    "a call to nobody was never sent" => refused,
    "a call whose connection is cut is an error, and is not made again" => cut_in_a_write,
    "an idempotent call whose connection is cut is made again, as the same call" => cut_in_a_read,
    "a call whose reply is lost ends at its deadline, and is not made again" => lost_reply,
    "a reply that is cut is never a success" => cut_in_a_reply,
    "a server that answers nothing costs no more than the deadline" => black_hole,
    "a server that comes back is found again" => comes_back,
    "garbage at the port harms nobody" => garbage,
    "a relay whose own call was refused is called once" => relay_refused,
    "a relay whose own call was cut is called once" => relay_cut,
];

async fn first_bytes(column: Arc<dyn Column>) -> Verdict {
    let expected: &[u8] = match column.transport() {
        // A record of TLS that holds a client's hello.
        _ if column.security() == Security::Tls => b"\x16\x03\x01",
        "grpc" => b"PRI * HT",
        "tarpc" => &[0xf5, b'R', b'P', b'C', b'\r', b'\n', 0x1a, b'\n'],
        "json-lines" => b"{\"@frame",
        _ => return Err(NotApplicable),
    };
    let site = column.open(Plan::default()).await;
    site.lab.reflect().await.unwrap();
    site.line()?.proxy.cut(Cut::Reset).await;
    site.lab.reflect().await.unwrap();
    let seen = site.line()?.proxy.first_bytes();
    assert!(seen.len() >= 2, "{} connections", seen.len());
    for first in seen {
        assert!(first.starts_with(expected), "{}", first.escape_ascii());
    }
    Ok(())
}

async fn refused(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan { mode: Mode::Refuse, ..Plan::default() }).await;
    site.line()?;
    let status = site.lab.with_timeout(Duration::from_millis(400)).write(1).await.unwrap_err();
    assert!(matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded), "{status}");
    assert_eq!(status.delivery(), Delivery::NeverSent, "{status:?}");
    assert_eq!(site.plan.bench.ledger.job(1).begun, 0);
    Ok(())
}

async fn cut_in_a_write(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    for (job, cut) in [(1, Cut::Finish), (2, Cut::Reset)] {
        ledger.hold();
        let status = cut_while_at_work(&site, job, cut, site.lab.write(job)).await?.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{cut:?}: {status}");
        assert_eq!(status.delivery(), Delivery::Unknown, "{cut:?}: {status:?}");
        ledger.release();
        // The write was not cut in the middle, and nobody made it again.
        ledger.until(job, "ended", |job| job.ended == 1).await;
        assert_eq!(site.lab.write(10 + job).await.unwrap(), 10 + job, "after {cut:?}");
        assert_eq!(ledger.job(job).begun, 1, "{cut:?}");
    }
    Ok(())
}

async fn cut_while_at_work(
    site: &Site,
    job: u64,
    cut: Cut,
    call: impl Future<Output = Result<u64, Status>>,
) -> Result<Result<u64, Status>, NotApplicable> {
    let line = site.line()?;
    let (outcome, ()) = tokio::join!(call, async {
        site.plan.bench.ledger.until(job, "begun", |job| job.begun == 1).await;
        line.proxy.cut(cut).await;
    });
    Ok(outcome)
}

async fn cut_in_a_read(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let ledger = &site.plan.bench.ledger;
    for (job, cut) in [(1, Cut::Finish), (2, Cut::Reset)] {
        ledger.hold();
        let line = site.line()?;
        let (outcome, ()) = tokio::join!(site.lab.read(job), async {
            ledger.until(job, "begun", |job| job.begun == 1).await;
            line.proxy.cut(cut).await;
            ledger.until(job, "begun again", |job| job.begun == 2).await;
            ledger.release();
        });
        assert_eq!(outcome.unwrap(), job, "{cut:?}");
        let attempts = ledger.job(job).attempts;
        let [(Some(first), 1), (Some(second), 2)] = attempts[..] else { panic!("{cut:?}: {attempts:?}") };
        assert_eq!(first, second, "another call id for the second attempt");
    }
    Ok(())
}

async fn lost_reply(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    site.lab.reflect().await.unwrap();
    site.line()?.proxy.set(Mode::DropReplies).await;
    let status = site.lab.with_timeout(Duration::from_millis(300)).write(1).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert_eq!(status.delivery(), Delivery::Unknown, "{status:?}");
    assert_eq!(site.plan.bench.ledger.job(1).begun, 1);
    Ok(())
}

/// The reply's bytes end somewhere, in order or not; that must never look like a reply.
async fn cut_in_a_reply(column: Arc<dyn Column>) -> Verdict {
    for (index, cut) in [Cut::Finish, Cut::Reset].into_iter().cycle().take(12).enumerate() {
        // Past every greeting, and before the end of the reply.
        let bytes = 3000 + index as u64 * 1500;
        let mode = Mode::CutAfter { direction: Direction::ToClient, bytes, cut };
        let site = column.open(Plan { mode, ..Plan::default() }).await;
        site.line()?;
        let reply = site.lab.echo("every byte of this counts ".repeat(1000)).await;
        let status = reply.map(drop).expect_err("a reply of which a part came is no reply");
        assert_eq!((status.code(), status.delivery()), (Code::Unavailable, Delivery::Unknown), "{bytes}: {status:?}");
    }
    Ok(())
}

async fn black_hole(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan { mode: Mode::BlackHole, ..Plan::default() }).await;
    site.line()?;
    let began = tokio::time::Instant::now();
    let status = site.lab.with_timeout(Duration::from_millis(300)).write(1).await.unwrap_err();
    assert!(matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded), "{status}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(site.plan.bench.ledger.job(1).begun, 0);
    Ok(())
}

async fn comes_back(column: Arc<dyn Column>) -> Verdict {
    let site = column.open(Plan::default()).await;
    let proxy = &site.line()?.proxy;
    site.lab.reflect().await.unwrap();
    proxy.set(Mode::Refuse).await;
    proxy.cut(Cut::Reset).await;
    site.lab.with_timeout(Duration::from_millis(300)).write(1).await.unwrap_err();
    proxy.set(Mode::Forward).await;
    assert_eq!(site.lab.write(2).await.unwrap(), 2);
    assert_eq!((site.plan.bench.ledger.job(1).begun, site.plan.bench.ledger.job(2).begun), (0, 1));
    Ok(())
}

async fn garbage(column: Arc<dyn Column>) -> Verdict {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const MAGIC: &[u8] = b"\xf5RPC\r\n\x1a\n";
    const LINE: &[u8] = b"{\"@frame\":\"hello\",\"version\":1}\n{\"@frame\":\"call\",\"id\":";
    let site = column.open(Plan::default()).await;
    let line = site.line()?;
    let ledger = &site.plan.bench.ledger;
    ledger.hold();
    let (bystander, ()) = tokio::join!(site.lab.write(1), async {
        ledger.until(1, "begun", |job| job.begun == 1).await;
        let mut chance = rpc_testkit::Seed::new(7).rng();
        for round in 0..60 {
            let mut bytes: Vec<u8> = (0..chance.usize(0..4000)).map(|_| chance.u8(..)).collect();
            let front: &[u8] =
                [b"", PREFACE, MAGIC, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", LINE][round % 6];
            bytes.splice(0..0, front.iter().copied());
            let mut stream = TcpStream::connect(line.address.to_string()).await.unwrap();
            // The server may have left before the last byte.
            let _ = stream.write_all(&bytes).await;
            if round % 2 == 0 {
                let _ = stream.shutdown().await;
                let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut Vec::new())).await.expect("the end of it");
            }
        }
        assert_eq!(site.lab.echo("x".to_owned()).await.unwrap(), "x");
        ledger.release();
    });
    assert_eq!(bystander.unwrap(), 1);
    Ok(())
}

/// A > B > C.
async fn relay(column: &Arc<dyn Column>, mode: Mode) -> Result<(Site, Site), NotApplicable> {
    let last = column.open(Plan { mode, ..Plan::default() }).await;
    last.line()?;
    let bench = Bench::relaying_to(last.lab.with_timeout(Duration::from_millis(500)));
    let relay = column.open(Plan { bench, ..Plan::default() }).await;
    Ok((relay, last))
}

async fn called_once(relay: &Site, status: &Status) -> Verdict {
    assert_eq!(status.delivery(), Delivery::Unknown, "what B knows of its call says nothing of A's: {status:?}");
    assert_eq!(relay.plan.bench.ledger.job(1).begun, 1, "A called B more than once");
    let counters = &relay.line()?.counters;
    assert!(eventually(SOON, || counters.snapshot().calls.total() == 1).await, "{counters:?}");
    let counts = counters.snapshot();
    assert_eq!((counts.attempts.total(), counts.retries()), (1, 0), "{counts:?}");
    Ok(())
}

async fn relay_refused(column: Arc<dyn Column>) -> Verdict {
    let (relay, last) = relay(&column, Mode::Refuse).await?;
    let status = relay.lab.relay_write(1).await.unwrap_err();
    assert!(matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded), "{status}");
    assert_eq!(last.plan.bench.ledger.job(1).begun, 0);
    called_once(&relay, &status).await
}

async fn relay_cut(column: Arc<dyn Column>) -> Verdict {
    let (relay, last) = relay(&column, Mode::Forward).await?;
    last.plan.bench.ledger.hold();
    let status = cut_while_at_work(&last, 1, Cut::Reset, relay.lab.relay_write(1)).await?.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert_eq!(last.plan.bench.ledger.job(1).begun, 1, "B called C more than once");
    called_once(&relay, &status).await
}
