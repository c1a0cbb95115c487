//! Opens streams, stops reading them, drops them, and looks at both processes meanwhile.

use crate::{
    Case, Way,
    process::{Judgement, Memory, wire},
    tank::{self, Pace, SIP, Tank, TankClient},
};
use rpc::{Address, Client, Streaming};
use rpc_conformance::columns::channel;
use rpc_core::{observer::Counters, registry::Instance};
use std::{
    process::{self, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};

const MIB: u64 = 1024 * 1024;
/// By how much the memory of either side may grow, and what may have been made beyond what was read.
const MOST: u64 = 32 * MIB;
/// A handler is gone so soon after its stream was dropped; that is what half of the tries have to keep.
const GONE: Duration = Duration::from_millis(200);
/// On a machine that does other things as well one try may take so many times as long.
const LOADED: u32 = 10;
/// How often the stream is opened.
const TRIES: usize = 5;
/// So many looks in a row have to see the same for a stream to be taken for standing still.
const LOOKS: usize = 25;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks at a stream, tells what it saw, and says whether that is good.
pub(crate) fn run(name: &str, address: &Address, server: u32, case: Case) -> ExitCode {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let instances = [(Instance::random_id(), address.clone())];
    let looking = async {
        let channel = channel(wire(name), TankClient::SERVICE.name, &instances, Arc::new(Counters::default()));
        let tank = TankClient::from_channel(channel.build());
        // What a connection and its first call take is not the stream's.
        tank.gauge().await.expect("the server answers");
        let sides = [("server", server), ("client", process::id())].map(|(side, process)| Side::new(side, process));
        timeout(Duration::from_secs(60), Looking { tank, sides, case }.all()).await
    };
    match runtime.block_on(looking) {
        Ok(problems) => {
            let texts: Vec<_> = problems.iter().map(|problem| format!("; {}", problem.text)).collect();
            println!("{}", texts.concat());
            problems.iter().map(|problem| problem.judgement).max().unwrap_or(Judgement::Good).into()
        }
        Err(_) => {
            println!("not done within a minute");
            Judgement::Bad.into()
        }
    }
}

/// Something that is not as it should be.
struct Problem {
    judgement: Judgement,
    text: String,
}

/// One of the two processes.
struct Side {
    name: &'static str,
    process: u32,
    before: u64,
}

impl Side {
    fn new(name: &'static str, process: u32) -> Self {
        Self { name, process, before: Memory::of(process).now }
    }

    /// By how much it has grown at most.
    fn growth(&self) -> u64 {
        Memory::of(self.process).most.saturating_sub(self.before)
    }
}

struct Looking {
    tank: TankClient,
    sides: [Side; 2],
    case: Case,
}

/// What came of one stream.
struct Try {
    /// Bytes that were made until it stood still.
    made: u64,
    /// How long after the drop the handler was there.
    gone: Duration,
}

impl Looking {
    /// Looks at some streams, and says what is wrong with them.
    async fn all(&self) -> Vec<Problem> {
        let mut tries = Vec::new();
        for _ in 0..TRIES {
            tries.push(match self.case.way {
                Way::Down => self.down().await,
                Way::Up => self.up().await,
            });
        }
        let made = tries.iter().map(|one| one.made).max().unwrap_or_default();
        tries.sort_by_key(|one| one.gone);
        let (median, slowest) = (tries[TRIES / 2].gone, tries[TRIES - 1].gone);
        let [server, client] = self.sides.each_ref().map(|side| side.growth() as f64 / MIB as f64);
        print!(
            "server +{server:.1} MiB, client +{client:.1} MiB, {} items made, {:.2} MiB; handler gone after {median:.1?}, \
             at most {slowest:.1?}",
            made / self.case.size,
            made as f64 / MIB as f64,
        );

        let mut problems = Vec::new();
        for side in self.sides.iter().filter(|side| side.growth() > MOST) {
            let text = format!("the {} grew by more than {} MiB", side.name, MOST / MIB);
            problems.push(Problem { judgement: Judgement::Grew, text });
        }
        let mut bad = |text| problems.push(Problem { judgement: Judgement::Bad, text });
        if !(SIP..=SIP + MOST).contains(&made) {
            bad(format!("{made} bytes were made, and {SIP} read"));
        }
        if median > GONE || slowest > GONE * LOADED {
            bad(format!("handlers should be gone after {GONE:?}"));
        }
        problems
    }

    async fn down(&self) -> Try {
        let ahead = self.case.pace == Pace::Ahead;
        let mut items = self.tank.pour(self.case.size, ahead).await.expect("a stream");
        let mut read = 0;
        while read < SIP {
            read += items.next().await.expect("1 GiB").expect("no failure").len() as u64;
        }
        let made = self.still(|made_there| made_there).await;
        drop(items);
        Try { made, gone: self.gone().await }
    }

    async fn up(&self) -> Try {
        let made = Arc::new(AtomicU64::new(0));
        let counting = made.clone();
        let counted = move |bytes| {
            counting.fetch_add(bytes, Ordering::AcqRel);
        };
        let items = Streaming::new(tank::items(self.case.size, self.case.pace, counted));
        let mut call = Box::pin(self.tank.drink(items));
        let made = tokio::select! {
            outcome = &mut call => panic!("a handler that never answers: {outcome:?}"),
            made = self.still(|_| made.load(Ordering::Acquire)) => made,
        };
        drop(call);
        Try { made, gone: self.gone().await }
    }

    /// Waits until no more is made, or far too much is there, and says how much was made.
    async fn still(&self, made: impl Fn(u64) -> u64) -> u64 {
        let (mut last, mut same) = (0, 0);
        loop {
            // A call beside the stream, which the server has to answer: that nothing happens is not for want of a turn.
            let there = self.tank.gauge().await.expect("a stream that nobody reads is in nobody's way").bytes;
            let now = made(there);
            same = if now == last && there >= SIP { same + 1 } else { 0 };
            last = now;
            if same == LOOKS || self.sides.iter().any(|side| side.growth() > 2 * MOST) {
                return now;
            }
            sleep(PAUSE).await;
        }
    }

    /// Waits for the end of the handler whose stream has just been dropped, not much longer than it may take.
    async fn gone(&self) -> Duration {
        let dropped = Instant::now();
        while self.tank.gauge().await.expect("the server lives").handlers > 0 && dropped.elapsed() <= GONE * LOADED {
            sleep(Duration::from_millis(1)).await;
        }
        dropped.elapsed()
    }
}
