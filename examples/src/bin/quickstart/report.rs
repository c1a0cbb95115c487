//! What happened, for people and for programs.

use crate::{
    fleet::{End, Fleet},
    load::Lane,
    streams::{Count, Counts},
    watch::Trouble,
};
use anyhow::Context;
use orders::tally::Tally;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, PoisonError},
};
use tabled::{builder::Builder, settings::Style};

/// The whole run.
#[derive(Serialize)]
pub(crate) struct Report {
    orders: usize,
    lines_skipped: usize,
    servers: Vec<ServerReport>,
    transports: Vec<TransportReport>,
    at_stop: Blow,
    at_kill: Blow,
}

/// What happened around one of the two blows, over both transports.
#[derive(Serialize)]
pub(crate) struct Blow {
    /// How many calls were in flight when it fell.
    pub(crate) in_flight: u64,
    #[serde(flatten)]
    pub(crate) trouble: Trouble,
}

/// One server.
#[derive(Serialize)]
struct ServerReport {
    name: String,
    pid: u32,
    address: String,
    end: End,
    transports: BTreeMap<&'static str, Calls>,
}

/// The calls between one server and the client of one transport, counted at both ends.
#[derive(Serialize)]
struct Calls {
    /// By the server, before it answered. Of a server that was killed, answers may have been lost on the way.
    served: u64,
    /// By the client: attempts that brought an answer.
    succeeded: u64,
    /// By the client: attempts that did not.
    failed: u64,
}

/// One transport.
#[derive(Serialize)]
struct TransportReport {
    transport: &'static str,
    /// Calls of all kinds, as their callers saw them.
    calls: u64,
    /// Those that failed, and items of streams that were lost or came twice.
    failed: u64,
    #[serde(flatten)]
    trouble: Trouble,
    /// Of single calls.
    p50_us: u128,
    p99_us: u128,
    streams: Counts,
    complaints: Vec<String>,
}

impl Report {
    pub(crate) fn new<'a>(
        fleet: &Fleet,
        lanes: impl Iterator<Item = (&'a Arc<Lane>, &'a Counts)> + Clone,
        [at_stop, at_kill]: [Blow; 2],
        orders: usize,
        lines_skipped: usize,
        data: &Path,
    ) -> anyhow::Result<Self> {
        let mut servers = Vec::new();
        for server in &fleet.servers {
            let served =
                Tally::read(data, &server.name).with_context(|| format!("what has {} counted?", server.name))?;
            let calls = lanes.clone().map(|(lane, _)| {
                let attempts = lane.watch.attempts(&server.address);
                let served = served.get(lane.transport).copied().unwrap_or_default();
                (lane.transport, Calls { served, succeeded: attempts.succeeded, failed: attempts.failed })
            });
            servers.push(ServerReport {
                name: server.name.clone(),
                pid: server.pid,
                address: server.address.to_string(),
                end: server.end,
                transports: calls.collect(),
            });
        }
        let transports = lanes.map(|(lane, counts)| TransportReport::new(lane, counts)).collect();
        Ok(Self { orders, lines_skipped, servers, transports, at_stop, at_kill })
    }

    pub(crate) fn failed(&self) -> u64 {
        self.transports.iter().map(|transport| transport.failed).sum()
    }

    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }

    /// The table, what failed if anything did, and the last line.
    pub(crate) fn print(&self) {
        println!("\n{}\n{}", self.table(), self.streams());
        for transport in &self.transports {
            for complaint in &transport.complaints {
                println!("{}: {complaint}", transport.transport);
            }
        }
        let at_kill = self.at_kill.trouble;
        println!("around the kill: {} attempts failed, {} retried", at_kill.attempts_failed, at_kill.retried);
        let calls: Vec<_> = self
            .transports
            .iter()
            .map(|transport| format!("{} {} calls", transport.transport, transport.calls))
            .collect();
        let ended = |how| self.servers.iter().filter(|server| server.end == how).count();
        println!(
            "quickstart: {}, {} stopped, {} killed, {} failed",
            calls.join(", "),
            ended(End::Stopped),
            ended(End::Killed),
            self.failed()
        );
    }

    fn table(&self) -> String {
        let mut table = Builder::default();
        let fixed = ["transport", "calls", "failed", "retried", "p50", "p99"].map(str::to_owned);
        table.push_record(fixed.into_iter().chain(self.servers.iter().map(|server| match server.end {
            End::Served => server.name.clone(),
            End::Stopped => format!("{} (stopped)", server.name),
            End::Killed => format!("{} (killed)", server.name),
        })));
        for transport in &self.transports {
            let milliseconds = |micros: u128| format!("{}.{:02} ms", micros / 1000, micros % 1000 / 10);
            let row = [
                transport.transport.to_owned(),
                transport.calls.to_string(),
                transport.failed.to_string(),
                transport.trouble.retried.to_string(),
                milliseconds(transport.p50_us),
                milliseconds(transport.p99_us),
            ];
            let served = self
                .servers
                .iter()
                .map(|server| server.transports.get(transport.transport).map_or(0, |calls| calls.served).to_string());
            table.push_record(row.into_iter().chain(served));
        }
        table.build().with(Style::sharp()).to_string()
    }

    fn streams(&self) -> String {
        let mut table = Builder::default();
        table.push_record(["transport", "streams of", "kind", "ended", "items", "cut and resumed", "lost", "doubled"]);
        for transport in &self.transports {
            for (method, kind, count) in transport.streams.kinds() {
                let Count { streams, items, resumed, lost, doubled } = count;
                let numbers = [streams, items, resumed, lost, doubled].map(|number| number.to_string());
                table.push_record([transport.transport, method, kind].map(str::to_owned).into_iter().chain(numbers));
            }
        }
        table.build().with(Style::sharp()).to_string()
    }
}

impl TransportReport {
    fn new(lane: &Lane, streams: &Counts) -> Self {
        let wrong = streams.kinds().map(|(_, _, count)| count.lost + count.doubled);
        Self {
            transport: lane.transport,
            calls: lane.calls(),
            failed: lane.failed() + wrong.iter().sum::<u64>(),
            trouble: lane.watch.trouble(),
            p50_us: lane.latency(0.5).as_micros(),
            p99_us: lane.latency(0.99).as_micros(),
            streams: streams.clone(),
            complaints: lane.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
