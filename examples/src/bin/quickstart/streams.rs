//! Streams of all kinds over one transport, while servers come and go: files of orders up, the progress of orders down,
//! riders both ways.

use crate::load::Lane;
use futures_util::{StreamExt, stream};
use orders::{Follower, Instruction, Order, OrderError, Orders, Rider, Stage, resume::Resume};
use rpc::Streaming;
use serde::Serialize;
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// How long a rider is on the way to the next place.
const WAY: Duration = Duration::from_millis(20);

/// How many orders a rider carries before the stream of their positions ends and another begins.
const SHIFT: u64 = 3;

const RIDERS: u32 = 4;
const IMPORTERS: u32 = 2;

/// How many orders are sent in one import.
const FILE: u64 = 20;

/// From one order of a file to the next.
const PACE: Duration = Duration::from_millis(2);

/// How long a follower may take to hear of what has happened; far more than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The streams of a run over one transport.
pub(crate) struct Streams {
    lane: Arc<Lane>,
    resume: Resume,
    counts: Mutex<Counts>,
}

/// What came of the streams of each kind.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Counts {
    /// Files of orders: a stream up.
    pub(crate) import: Count,
    /// The progress of orders: a stream down.
    pub(crate) follow: Count,
    /// Riders: a stream both ways.
    pub(crate) track: Count,
    /// The orders of which an import said that they were placed.
    #[serde(skip)]
    pub(crate) imported: HashSet<String>,
    /// The orders that riders delivered.
    #[serde(skip)]
    pub(crate) delivered: HashSet<String>,
}

/// What came of the streams of one kind.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Count {
    /// How many came to their end.
    pub(crate) streams: u64,
    /// How many items they carried: orders, stages, instructions.
    pub(crate) items: u64,
    /// How often one was cut, said so, and was opened again.
    pub(crate) resumed: u64,
    /// Items that did not come.
    pub(crate) lost: u64,
    /// Items that came twice.
    pub(crate) doubled: u64,
}

impl Streams {
    pub(crate) fn new(lane: Arc<Lane>, resume: Resume) -> Arc<Self> {
        Arc::new(Self { lane, resume, counts: Mutex::default() })
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps streams of all kinds open until `enough` is set, and lets each come to its end.
    pub(crate) async fn run(self: &Arc<Self>, enough: &Arc<AtomicBool>) {
        let mut workers = JoinSet::new();
        for number in 1..=RIDERS {
            let (streams, enough) = (self.clone(), enough.clone());
            workers.spawn(async move { streams.ride(number, &enough).await });
        }
        for number in 1..=IMPORTERS {
            let (streams, enough) = (self.clone(), enough.clone());
            workers.spawn(async move { streams.import_all(number, &enough).await });
        }
        workers.join_all().await;
    }

    /// Carries one order after the other. For each there is somebody who follows it.
    async fn ride(self: &Arc<Self>, number: u32, enough: &AtomicBool) {
        let name = format!("{}-{number}", self.lane.transport);
        let mut rider = Rider::new(self.lane.client.clone(), name).resume(self.resume.clone());
        let (mut followers, mut carried, mut orders) = (JoinSet::new(), None::<String>, 0);
        while carried.is_some() || !enough.load(Relaxed) {
            let instruction = match rider.report().await {
                Ok(instruction) => instruction,
                Err(error) => {
                    self.lane.complain(format!("track: {error}"));
                    sleep(WAY).await;
                    continue;
                }
            };
            self.count(|counts| counts.track.items += 1);
            let next = match &instruction {
                Instruction::PickUp { number, .. } | Instruction::Deliver { number, .. } => Some(number),
                Instruction::Wait => None,
            };
            // Another order is the answer to having delivered the one before.
            if let Some(delivered) = carried.take_if(|carried| next != Some(carried)) {
                self.count(|counts| counts.track.doubled += u64::from(!counts.delivered.insert(delivered)));
                orders += 1;
                if orders % SHIFT == 0 {
                    self.rest(&mut rider).await;
                }
            }
            if let (None, Some(next), false) = (&carried, next, enough.load(Relaxed)) {
                carried = Some(next.clone());
                let (streams, next) = (self.clone(), next.clone());
                followers.spawn(async move { streams.follow(next).await });
            }
            sleep(WAY).await;
            rider.go(&instruction);
        }
        self.rest(&mut rider).await;
        self.count(|counts| counts.track.resumed += rider.resumed());
        if timeout(PATIENCE, followers.join_all()).await.is_err() {
            self.lane.complain("follow: nothing comes of an order that was delivered".to_owned());
        }
    }

    async fn rest(&self, rider: &mut Rider<impl Orders>) {
        match rider.rest().await {
            Ok(()) => {
                self.lane.streamed();
                self.count(|counts| counts.track.streams += 1);
            }
            Err(error) => self.lane.complain(format!("track: {error}")),
        }
    }

    /// Sees an order through all its stages.
    async fn follow(&self, number: String) {
        let mut follower = Follower::new(self.lane.client.clone(), number).resume(self.resume.clone());
        let mut missing = Stage::ALL.into_iter().peekable();
        let mut count = Count::default();
        let outcome = loop {
            match follower.next().await {
                Ok(Some(progress)) => {
                    count.items += 1;
                    while missing.next_if(|stage| *stage < progress.stage).is_some() {
                        count.lost += 1;
                    }
                    count.doubled += u64::from(missing.next_if_eq(&progress.stage).is_none());
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        count.streams += u64::from(outcome.is_ok());
        count.resumed = follower.resumed();
        self.ended("follow", outcome, |counts| counts.follow += count);
    }

    /// Imports one file after the other.
    async fn import_all(&self, importer: u32, enough: &AtomicBool) {
        let mut file = 0_u64;
        while !enough.load(Relaxed) {
            file += 1;
            let orders = (1..=FILE).zip(self.lane.orders.iter().cycle()).map(|(line, order)| Order {
                number: format!("{}-{importer}-{file}-{line}", self.lane.transport),
                ..order.clone()
            });
            self.import(&orders.collect::<Vec<_>>().into()).await;
        }
    }

    async fn import(&self, orders: &Arc<[Order]>) {
        let mut resume = self.resume.clone();
        let outcome = loop {
            let orders = orders.clone();
            let paced = stream::iter(0..orders.len()).then(move |index| {
                let order = orders[index].clone();
                async move {
                    sleep(PACE).await;
                    order
                }
            });
            match self.lane.client.import(Streaming::new(paced)).await {
                Ok(summary) => break Ok(summary),
                Err(error) => match resume.after(error).await {
                    Ok(()) => {}
                    Err(error) => break Err(error),
                },
            }
        };
        let mut count = Count { resumed: resume.resumed(), ..Count::default() };
        let outcome = outcome.map(|summary| {
            count.streams += 1;
            count.items += FILE;
            let taken = summary.placed + summary.known;
            count.lost += FILE.saturating_sub(taken);
            // Only a file that was sent again may have been there.
            let twice = if count.resumed == 0 { summary.known } else { 0 };
            count.doubled += twice + taken.saturating_sub(FILE);
            self.count(|counts| counts.imported.extend(orders.iter().map(|order| order.number.clone())));
        });
        self.ended("import", outcome, |counts| counts.import += count);
    }

    fn ended(&self, kind: &str, outcome: Result<(), OrderError>, change: impl FnOnce(&mut Counts)) {
        self.count(change);
        self.lane.streamed();
        if let Err(error) = outcome {
            self.lane.complain(format!("{kind}: {error}"));
        }
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Counts {
    /// By the name of the method, and of the kind.
    pub(crate) fn kinds(&self) -> [(&'static str, &'static str, Count); 3] {
        [
            ("import", "client stream", self.import),
            ("follow", "server stream", self.follow),
            ("track", "both ways", self.track),
        ]
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.streams += other.streams;
        self.items += other.items;
        self.resumed += other.resumed;
        self.lost += other.lost;
        self.doubled += other.doubled;
    }
}
