//! All servers of one service, and which of their connections take calls.

use crate::{
    Address, Observers, Request, Tasks, Transports,
    client::{
        alarm::Alarm,
        changes::Changes,
        diagnosis::Diagnosis,
        dial::{Dial, Failure},
        dialer::Dialer,
        journey::{Attempt, Journey, Nth, Start},
        latency::Clock,
        link::{self, LinkOwner},
        live::{Live, Paced, Picked, Purpose},
        picker::Draw,
        pool::{Pool, ReadySet},
        roster::Roster,
        shards::{Patience, Shard},
        standing::Effect,
        tend::{self, StandingChange},
    },
    observer::{Ejected, FellBack, Listed, target},
    registry::{ServiceName, Snapshot, Watch},
    transport::{Connection, ConnectionState, Places},
};
use arc_swap::ArcSwap;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

/// All servers of one service. Calls read the set of ready connections without waiting or locking; whatever changes
/// it (lists, connections that come and go) happens beside them, in tasks.
pub(crate) struct Fleet {
    dialer: Arc<Dialer>,
    /// Not the owning handle: the tasks hold the fleet.
    tasks: Tasks,
    service: ServiceName,
    observers: Observers,
    clock: Clock,
    alarm: Arc<Alarm>,
    roster: Mutex<Roster>,
    ready: ArcSwap<ReadySet>,
    changed: watch::Sender<()>,
    closed: CancellationToken,
}

/// How many calls may wait for a server at once: as many as for a place on a connection, and for the same reason.
pub(crate) const MAX_WAITING: usize = Places::MAX_WAITING;

/// How long a call waits for a connection to the server of its key while it could go to another. In a data centre a
/// connection takes a thousandth of it; a server that needs longer is as good as away.
const PATIENCE: Duration = Duration::from_millis(100);

/// Why a call with a key has no server yet.
enum Missing {
    /// No call has had a key before.
    Shards,
    /// A connection to this endpoint.
    Connection(u32),
    Nobody,
}

fn keyed(pool: &Pool, key: u64, request: &Request, journey: &Journey, patience: Patience) -> Result<Picked, Missing> {
    let shards = pool.shards.as_ref().ok_or(Missing::Shards)?;
    match journey.with_tried(|tried| shards.pick(key, tried, patience, Paced::of(request.method))) {
        Shard::To(live) => Ok((live.clone(), Purpose::Call)),
        Shard::Probe(live) => Ok((live.clone(), Purpose::Probe)),
        Shard::Unconnected(endpoint) => Err(Missing::Connection(endpoint)),
        Shard::Nobody => Err(Missing::Nobody),
    }
}

impl Fleet {
    /// Of the servers that `roster` will hold. `tasks` works for it, and must not be the owning handle.
    pub(crate) fn new(roster: Roster, dialer: Dialer, observers: Observers, tasks: Tasks) -> Self {
        let service = roster.service().clone();
        Self {
            dialer: Arc::new(dialer),
            tasks,
            service,
            observers,
            clock: Clock::new(),
            alarm: Arc::default(),
            roster: Mutex::new(roster),
            ready: ArcSwap::default(),
            changed: watch::Sender::new(()),
            closed: CancellationToken::new(),
        }
    }

    /// Follows the list of servers, from now on.
    pub(crate) fn follow(self: &Arc<Self>, mut watch: Watch) {
        let fleet = self.clone();
        fleet.apply(watch.snapshot());
        let tended = self.clone();
        self.until_closed(tend::run(self.alarm.clone(), move |now| tended.tend(now)));
        self.until_closed(async move {
            loop {
                let snapshot = watch.changed().await;
                fleet.apply(snapshot);
            }
        });
    }

    fn apply(self: &Arc<Self>, snapshot: Arc<Snapshot>) {
        let mut unusable = 0;
        self.update(|roster| {
            roster.apply(snapshot.clone(), Instant::now());
            unusable = roster.unusable();
        });
        let listed = Listed {
            service: self.service.as_str(),
            source: snapshot.source,
            age: snapshot.at.elapsed(),
            usable: snapshot.instances.len().saturating_sub(unusable),
            unusable,
            skipped: snapshot.skipped,
            snapshot: &snapshot,
        };
        // Before there is a list there is nothing to tell.
        if snapshot.is_known() {
            self.observers.tell(|observer| observer.listed(&listed));
        }
    }

    /// Works for it until it is closed.
    fn until_closed(&self, work: impl Future<Output = ()> + Send + 'static) {
        let closed = self.closed.clone();
        self.tasks.spawn(async move { _ = closed.run_until_cancelled(work).await });
    }

    /// Picks a ready connection for an attempt that begins now.
    pub(crate) fn pick(&self, request: &Request, journey: &Journey, attempt: Attempt) -> Option<Picked> {
        let hints = &request.hints;
        let ready = self.ready.load();
        let pool = ready.pool(hints.transports)?;
        if let Some(key) = hints.key {
            let picked = keyed(pool, key, request, journey, Patience::Some).ok();
            return picked.filter(|(live, _)| attempt.nth != Nth::Beside || journey.is_elsewhere(live.endpoint));
        }
        let draw = Draw { random: fastrand::u64(..), now: attempt.begun, clock: self.clock };
        let live = match attempt.nth {
            Nth::First => {
                if Paced::of(request.method) == Paced::ByServer
                    && let Some(live) = pool.probe()
                {
                    return Some((live.clone(), Purpose::Probe));
                }
                pool.pick(draw, &[])
            }
            Nth::Later => journey.with_tried(|tried| pool.pick(draw, tried)),
            Nth::Beside => {
                let live = journey.with_tried(|tried| pool.pick(draw, tried));
                // It does not wait, neither for a server nor for a place.
                live.filter(|live| journey.is_elsewhere(live.endpoint) && !live.is_full())
            }
        };
        live.map(|live| (live.clone(), Purpose::Call))
    }

    /// The server of a key is not connected, or these were the first to have a key: waits until it is, for a moment.
    async fn find(self: &Arc<Self>, request: &Request, key: u64, journey: &Journey) -> Option<Picked> {
        let transports = request.hints.transports;
        let mut changes = self.changes();
        let found = async {
            loop {
                let missing = match self.ready.load().pool(transports) {
                    Some(pool) => keyed(pool, key, request, journey, Patience::Some),
                    None => Err(Missing::Nobody),
                };
                match missing {
                    Ok(picked) => return Some(picked),
                    Err(Missing::Shards) => self.update(|roster| roster.demand(None)),
                    Err(Missing::Connection(endpoint)) => {
                        if !self.with_roster(|roster| roster.is_demanded(endpoint)) {
                            self.update(|roster| roster.demand(Some(endpoint)));
                        }
                        changes.wait().await;
                    }
                    Err(Missing::Nobody) => return None,
                }
            }
        };
        match timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(_) => keyed(self.ready.load().pool(transports)?, key, request, journey, Patience::None).ok(),
        }
    }

    /// Whether there is a connection to pick.
    pub(crate) fn is_ready(&self, transports: Transports) -> bool {
        self.ready.load().pool(transports).is_some_and(|pool| !pool.is_empty())
    }

    /// Waits until there is a connection to pick.
    ///
    /// # Errors
    /// Why there never will be one.
    pub(crate) async fn wait(self: &Arc<Self>, request: &Request, journey: &Journey) -> Result<Picked, Diagnosis> {
        let hints = &request.hints;
        self.ask(hints.transports);
        // Every one that waits has a receiver, so they need not be counted a second time.
        if self.changed.receiver_count() >= MAX_WAITING {
            return Err(self.with_roster(|roster| roster.crowded(MAX_WAITING)));
        }
        let mut changes = self.changes();
        loop {
            if let Some(key) = hints.key
                && let Some(picked) = self.find(request, key, journey).await
            {
                return Ok(picked);
            }
            if let Some(picked) = self.pick(request, journey, Attempt::begin(journey, Start::ByClock)) {
                return Ok(picked);
            }
            let why = self.diagnose(hints.transports);
            if why.is_final() {
                return Err(why);
            }
            journey.waits(why);
            changes.wait().await;
        }
    }

    /// Takes no new calls, and closes what is connected once the calls in flight are over. Whether they all were within
    /// `grace`; those left are cut.
    pub(crate) async fn close(self: &Arc<Self>, grace: Duration) -> bool {
        self.closed.cancel();
        self.update(Roster::close);
        let peaceful = tokio::time::timeout(grace, self.tasks.finished()).await.is_ok();
        self.tasks.abort();
        peaceful
    }

    /// Why nothing can be picked.
    pub(crate) fn diagnose(&self, transports: Transports) -> Diagnosis {
        self.with_roster(|roster| roster.diagnose(transports))
    }

    /// Whether the registry has said where the servers are.
    pub(crate) fn is_known(&self) -> bool {
        self.with_roster(|roster| roster.is_known())
    }

    pub(crate) fn changes(&self) -> Changes {
        Changes(self.changed.subscribe())
    }

    /// Connects by these wires as well, if nobody has asked for them before.
    pub(crate) fn ask(self: &Arc<Self>, transports: Transports) {
        // Without the check every call that waits would wake all others.
        if !self.with_roster(|roster| roster.is_asked(transports)) {
            self.update(|roster| roster.ask(transports));
        }
    }

    fn with_roster<R>(&self, with: impl FnOnce(&mut Roster) -> R) -> R {
        with(&mut self.roster.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the roster, and does what follows from that.
    fn update(self: &Arc<Self>, change: impl FnOnce(&mut Roster)) {
        let settled = self.with_roster(|roster| {
            change(roster);
            let now = Instant::now();
            let settled = roster.settle(now);
            // Under the lock, so that an older set never replaces a newer one.
            self.ready.store(Arc::new(roster.ready(now)));
            settled
        });
        for dial in settled.connect {
            self.tasks.spawn(link::run(self.clone(), self.dialer.clone(), dial));
        }
        for fallback in settled.fallbacks {
            let (address, from, to, because) = (&fallback.address, fallback.from, fallback.to, &fallback.because);
            tracing::warn!(
                target: target::CLIENT,
                from, to, %because, rpc.service = self.service.as_str(), server.address = %address,
                "the hello failed, so calls to this server take another protocol for a minute"
            );
            let service = self.service.as_str();
            let fell_back = FellBack { service, endpoint: address, from, to, because };
            self.observers.tell(|observer| observer.fell_back(&fell_back));
        }
        if settled.wake {
            self.alarm.ring();
        }
        self.changed.send_replace(());
    }

    /// Does what is to be done about servers that fail or warm up. Gives when it is to be called next.
    fn tend(self: &Arc<Self>, now: Instant) -> Option<Instant> {
        let changes = self.with_roster(|roster| roster.tend(now, &self.alarm, || fastrand::u64(..)));
        let (due, changing) =
            self.with_roster(|roster| (roster.due(now), roster.is_warming(now) || roster.has_left(now)));
        if changing || !changes.is_empty() {
            self.update(|_| {});
        }
        for StandingChange { address, effect, reason } in changes {
            let service = self.service.as_str();
            match effect {
                Effect::Eject(time) => {
                    tracing::warn!(
                        target: target::CLIENT, %reason, ?time, rpc.service = service, server.address = %address,
                        "a server that fails gets no calls"
                    );
                    let ejected = Ejected { service, endpoint: &address, reason: &reason, time };
                    self.observers.tell(|observer| observer.ejected(&ejected));
                }
                Effect::Readmit => {
                    tracing::info!(
                        target: target::CLIENT, { rpc.service = service, server.address = %address },
                        "a server is well again"
                    );
                    self.observers.tell(|observer| observer.readmitted(service, &address));
                }
                Effect::Probe => {}
            }
        }
        due
    }

    /// The servers that are kept from calls, and why, in words; `None` when there are none.
    pub(crate) fn ejected(&self) -> Option<String> {
        let words = &self.ready.load().ejected;
        (!words.is_empty()).then(|| words.clone())
    }
}

impl LinkOwner for Fleet {
    fn connected(self: &Arc<Self>, dial: &Dial, connection: Connection) {
        let (address, transport) = (dial.address.clone(), dial.transport.name());
        if !self.observers.is_none() {
            let life = Life::new(self.observers.clone(), address.clone(), transport);
            self.tasks.spawn(life.follow(connection.state));
        }
        let live = Live::new(
            dial.endpoint,
            address,
            transport,
            (connection.service, connection.places),
            dial.load.clone(),
            (self.clock, self.alarm.clone()),
        );
        self.update(|roster| roster.connected(dial, Arc::new(live), Instant::now()));
    }

    fn lost(self: &Arc<Self>, dial: &Dial) {
        self.update(|roster| roster.lost(dial));
    }

    fn failed(self: &Arc<Self>, dial: &Dial, failure: Failure) {
        tracing::debug!(
            target: target::CLIENT,
            ?failure, rpc.service = self.service.as_str(), server.address = %dial.address,
            rpc.system = dial.transport.name(),
            "no connection"
        );
        let (Failure::Unreachable(because) | Failure::Hello(because)) = &failure;
        self.observers.tell(|observer| observer.connect_failed(&dial.address, dial.transport.name(), because));
        self.update(|roster| roster.failed(dial, failure));
    }

    fn is_replaced(&self, dial: &Dial) -> bool {
        self.with_roster(|roster| roster.is_replaced(dial))
    }

    fn changes(&self) -> Changes {
        // Not itself: what is the type's own goes first.
        self.changes()
    }
}

/// Tells the observers what becomes of a connection, which may live longer than it takes calls.
struct Life {
    observers: Observers,
    endpoint: Address,
    transport: &'static str,
}

impl Life {
    fn new(observers: Observers, endpoint: Address, transport: &'static str) -> Self {
        let life = Self { observers, endpoint, transport };
        life.reached(ConnectionState::Open);
        life
    }

    async fn follow(self, mut state: watch::Receiver<ConnectionState>) {
        let ended = state.wait_for(|state| *state != ConnectionState::Open).await.map(|state| *state);
        if matches!(ended, Ok(ConnectionState::Draining)) {
            self.reached(ConnectionState::Draining);
            // An error: whatever kept it has gone, and so has it.
            let _ = state.wait_for(|state| *state == ConnectionState::Closed).await;
        }
    }

    fn reached(&self, state: ConnectionState) {
        self.observers.tell(|observer| observer.connection(&self.endpoint, self.transport, state));
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.reached(ConnectionState::Closed);
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fleet({})", self.service)
    }
}
