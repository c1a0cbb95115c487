//! Quickstart does what it promises, and proves it.

use crate::process::{Ended, PATIENCE, Running, lives, program, run, send};
use rpc_testkit::{FaultProxy, ReservedPort, eventually, scratch};
use rustix::process::Signal;
use serde_json::Value;
use std::{collections::HashSet, path::Path};

fn quickstart(folder: &Path) -> tokio::process::Command {
    let mut command = program(env!("CARGO_BIN_EXE_quickstart"), folder);
    // The temporary folder, so that a test can see whether anything is left in it.
    command.env("TMPDIR", folder);
    command
}

pub(crate) async fn with_json(folder: &Path, arguments: &[&str]) -> (Ended, Value) {
    let file = folder.join("q.json");
    let ended = run(quickstart(folder).arg("--json").arg(&file).args(arguments)).await;
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    (ended, serde_json::from_str(&text).unwrap())
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The rules that every run keeps, with retries or without.
pub(crate) fn check_counts(report: &Value) {
    let servers = report["servers"].as_array().unwrap();
    let pids: HashSet<_> = servers.iter().map(|server| number(&server["pid"])).collect();
    assert_eq!((servers.len(), pids.len()), (3, 3), "{report:#}");
    assert!(pids.iter().all(|pid| !lives(u32::try_from(*pid).unwrap())), "a server is left");
    for (server, end) in servers.iter().zip(["stopped", "killed", "served"]) {
        assert_eq!(server["end"], end);
        for wire in ["grpc", "tarpc"] {
            let calls = &server["transports"][wire];
            let (served, succeeded) = (number(&calls["served"]), number(&calls["succeeded"]));
            assert!(succeeded > 0, "{wire} at {server:#}");
            if end == "killed" {
                // Answers that were on their way when it died are lost, and nothing but those.
                let lost = served - succeeded;
                assert!(lost <= number(&calls["failed"]), "{wire} at {server:#}");
            } else {
                assert_eq!((served, number(&calls["failed"])), (succeeded, 0), "{wire} at {server:#}");
            }
        }
    }
    let stop = &report["at_stop"];
    assert_eq!((number(&stop["attempts_failed"]), number(&stop["retried"])), (0, 0), "{stop:#}");
    assert!(number(&stop["in_flight"]) >= 16 && number(&report["at_kill"]["in_flight"]) >= 16, "{report:#}");
}

/// Nothing of any stream was lost or came twice, though some were cut.
pub(crate) fn check_streams(report: &Value) {
    let mut resumed = 0;
    for transport in report["transports"].as_array().unwrap() {
        let streams = &transport["streams"];
        for (kind, each) in [("import", 20), ("follow", 5)] {
            let count = &streams[kind];
            assert!(number(&count["streams"]) > 0, "{kind}: {transport:#}");
            assert_eq!(number(&count["items"]), each * number(&count["streams"]), "{kind}: {transport:#}");
        }
        // Each order that was followed was carried in two steps: to the store, to the door.
        assert!(number(&streams["track"]["items"]) >= 2 * number(&streams["follow"]["streams"]), "{transport:#}");
        for kind in ["import", "follow", "track"] {
            let count = &streams[kind];
            assert_eq!((number(&count["lost"]), number(&count["doubled"])), (0, 0), "{kind}: {transport:#}");
            resumed += number(&count["resumed"]);
        }
    }
    assert!(resumed >= 1, "a server was killed, and no stream noticed: {report:#}");
}

#[tokio::test]
async fn no_call_fails_while_one_server_is_stopped_and_one_is_killed() {
    let folder = scratch("quickstart").unwrap();
    let (ended, report) = with_json(folder.path(), &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    check_counts(&report);
    check_streams(&report);
    let kill = &report["at_kill"];
    assert!(number(&kill["attempts_failed"]) >= 1 && number(&kill["retried"]) >= 1, "{kill:#}");
    assert_eq!((number(&report["orders"]), number(&report["lines_skipped"])), (1000, 8));

    let calls = |wire: usize| number(&report["transports"][wire]["calls"]);
    let last = ended.out.lines().last().unwrap();
    let promised =
        format!("quickstart: grpc {} calls, tarpc {} calls, 1 stopped, 1 killed, 0 failed", calls(0), calls(1));
    assert_eq!(last, promised);
    assert!(calls(0) >= 2000 && calls(1) >= 2000);
    for part in [
        "orders.csv, line 43: it has 4 fields instead of 7 (skipped)",
        "retried",
        "p99",
        "server-2 (killed)",
        "cut and resumed",
        "both ways",
    ] {
        assert!(ended.out.contains(part), "`{part}` is not in {}", ended.out);
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["q.json"]);
}

#[tokio::test]
async fn two_at_once_do_not_see_each_other() {
    let (here, there) = (scratch("quickstart-1").unwrap(), scratch("quickstart-2").unwrap());
    let few = ["--lookups", "1000"];
    let ((one, first), (two, second)) = tokio::join!(with_json(here.path(), &few), with_json(there.path(), &few));
    assert_eq!((one.code, two.code), (Some(0), Some(0)), "{one:?} {two:?}");
    // Had one called the other's servers, these would have counted more than their own client.
    for report in [first, second] {
        check_counts(&report);
        check_streams(&report);
    }
}

#[tokio::test]
async fn without_retries_a_kill_is_felt() {
    let folder = scratch("quickstart").unwrap();
    for _ in 0..20 {
        let (ended, report) = with_json(folder.path(), &["--retries", "off", "--lookups", "1000"]).await;
        check_counts(&report);
        let failed: u64 = (0..2).map(|wire| number(&report["transports"][wire]["failed"])).sum();
        assert_eq!(ended.code, Some(i32::from(failed > 0)), "{ended:?}");
        assert!(ended.out.lines().last().unwrap().ends_with(&format!("{failed} failed")), "{ended:?}");
        assert_eq!(number(&report["at_kill"]["retried"]), 0);
        if failed > 0 {
            return;
        }
    }
    panic!("twenty servers were killed with at least 16 calls in flight, and nobody noticed");
}

async fn servers_of(quickstart: &mut Running) -> Vec<u32> {
    let mut pids = Vec::new();
    for _ in 0..3 {
        let line = quickstart.says(" is process ").await;
        let pid = line.split_whitespace().nth(3).unwrap().parse().unwrap();
        assert!(lives(pid), "{line}");
        pids.push(pid);
    }
    pids
}

#[tokio::test]
async fn killing_it_leaves_no_server_behind() {
    let folder = scratch("quickstart").unwrap();
    let mut running = Running::start(&mut quickstart(folder.path()));
    let pids = servers_of(&mut running).await;
    running.says("placed over grpc").await;
    send(running.pid(), Signal::KILL);
    assert_eq!(running.ends().await, None);
    for pid in pids {
        assert!(eventually(PATIENCE, || !lives(pid)).await, "server {pid} outlives quickstart");
    }
}

#[tokio::test]
async fn an_interrupt_ends_it_in_order() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let folder = scratch("quickstart").unwrap();
        let mut running = Running::start(&mut quickstart(folder.path()));
        let pids = servers_of(&mut running).await;
        running.says("placed over grpc").await;
        send(running.pid(), signal);
        assert_eq!(running.ends().await, Some(code));
        for pid in pids {
            assert!(eventually(PATIENCE, || !lives(pid)).await, "server {pid} outlives quickstart");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something is left");
    }
}

#[tokio::test]
async fn a_file_of_ones_own_is_read_and_its_mistakes_are_named() {
    let folder = scratch("quickstart").unwrap();
    let file = folder.path().join("mine.csv");
    let header = "number,customer,address,store,items,payment,note";
    std::fs::write(&file, format!("{header}\nA-1,황채원,부산,교동반점,짜장면 x2 @7000,card,\nA-2,,,,짜장면,card,\n"))
        .unwrap();
    let (ended, report) = with_json(folder.path(), &["--input", "mine.csv", "--lookups", "200"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!((number(&report["orders"]), number(&report["lines_skipped"])), (1, 1));
    assert!(ended.out.contains("mine.csv, line 3: `짜장면` is no item"), "{ended:?}");

    std::fs::write(&file, header).unwrap();
    let ended = run(quickstart(folder.path()).args(["--input", "mine.csv"])).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("no order in mine.csv"), "{ended:?}");
    let ended = run(quickstart(folder.path()).args(["--input", "absent.csv"])).await;
    assert!(ended.code == Some(1) && ended.err.contains("absent.csv"), "{ended:?}");
}

/// What stands before each server sees what every connection begins with: the two protocols, and nothing else.
#[tokio::test]
async fn every_connection_speaks_one_of_the_two_protocols() {
    let folder = scratch("quickstart-wires").unwrap();
    let (mut ports, mut proxies, mut arguments) =
        (Vec::new(), Vec::new(), vec!["--lookups".to_owned(), "1000".to_owned()]);
    for _ in 0..3 {
        let port = ReservedPort::reserve().unwrap();
        let listen = format!("127.0.0.1:{}", port.number());
        let proxy = FaultProxy::start(&listen).unwrap();
        arguments.extend(["--through".to_owned(), format!("{listen}={}", proxy.address())]);
        ports.push(port);
        proxies.push(proxy);
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (ended, report) = with_json(folder.path(), &arguments).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    check_counts(&report);
    let (grpc, tarpc): (&[u8], &[u8]) = (b"PRI * HT", b"\xf5RPC\r\n\x1a\n");
    for proxy in &proxies {
        // Behind the proxy of a server that is gone nobody reads: such a connection ends before its first byte.
        let firsts: Vec<_> = proxy.first_bytes().into_iter().filter(|first| !first.is_empty()).collect();
        assert!(firsts.iter().all(|first| first == grpc || first == tarpc), "{firsts:?}");
        assert!(firsts.iter().any(|first| first == grpc) && firsts.iter().any(|first| first == tarpc), "{firsts:?}");
    }
}
