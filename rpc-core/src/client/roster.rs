//! Which servers there are, and which way calls go to each: decisions without I/O or a clock.

use crate::{
    Transports,
    client::{
        crowd,
        diagnosis::{Cause, Diagnosis, List},
        dial::{Dial, Failure},
        endpoint::{self, Arrival, Demand, Endpoint, Fallback, Hello, Link, Listing, Phase, Spared},
        live::Live,
        pool::{Pool, ReadySet},
        shards::Shards,
        standing::Standing,
        subset::{self, Use},
        warmth,
    },
    registry::{Availability, Instance, InstanceStatus, ServiceName, Snapshot, Source},
    tls::Security,
    transport::Transport,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, RandomState},
    sync::Arc,
};
use tokio::time::Instant;

/// The servers of one service: what the registry says of them, and what has become of their connections.
pub(crate) struct Roster {
    service: ServiceName,
    /// The preferred one first.
    transports: Vec<Arc<dyn Transport>>,
    security: Security,
    snapshot: Arc<Snapshot>,
    endpoints: BTreeMap<String, Endpoint>,
    /// Why records of the list are of no use.
    useless: Vec<String>,
    /// Whether calls leave the protocol open.
    automatic: bool,
    /// The protocols that calls have insisted on.
    insisted: BTreeSet<&'static str>,
    /// Whether calls have had keys.
    keyed: bool,
    next: u32,
    /// Whether there has been a list.
    arrival: Arrival,
    /// When what was counted of failures is compared next.
    pub(crate) compare_at: Option<Instant>,
    /// Whether the task that tends it should look.
    wake: bool,
    /// Whether the channel takes no calls any more.
    closed: bool,
    /// Which servers a client connects to first, when there are very many, differs from client to client.
    order: RandomState,
}

/// What follows from a change.
#[derive(Default)]
pub(crate) struct Settled {
    /// Links that somebody has to connect from now on.
    pub(crate) connect: Vec<Dial>,
    pub(crate) fallbacks: Vec<Fallback>,
    /// Whether the task that tends it should look.
    pub(crate) wake: bool,
}

impl Roster {
    pub(crate) fn new(service: ServiceName, mut transports: Vec<Arc<dyn Transport>>, security: Security) -> Self {
        transports.sort_by_key(|transport| std::cmp::Reverse(transport.preference()));
        Self {
            service,
            transports,
            security,
            snapshot: Arc::new(Snapshot::pending()),
            endpoints: BTreeMap::new(),
            useless: Vec::new(),
            automatic: false,
            insisted: BTreeSet::new(),
            keyed: false,
            next: 1,
            arrival: Arrival::First,
            compare_at: None,
            wake: false,
            closed: false,
            order: RandomState::new(),
        }
    }

    pub(crate) fn service(&self) -> &ServiceName {
        &self.service
    }

    pub(crate) fn is_known(&self) -> bool {
        self.snapshot.is_known()
    }

    /// Calls will take these wires.
    pub(crate) fn ask(&mut self, transports: Transports) {
        match transports {
            Transports::Auto => self.automatic = true,
            Transports::Only(name) => _ = self.insisted.insert(name),
        }
    }

    /// Whether calls have taken these wires before.
    pub(crate) fn is_asked(&self, transports: Transports) -> bool {
        match transports {
            Transports::Auto => self.automatic,
            Transports::Only(name) => self.insisted.contains(name),
        }
    }

    /// Calls have keys, and this one wants an endpoint that is not connected.
    pub(crate) fn demand(&mut self, endpoint: Option<u32>) {
        self.keyed = true;
        if let Some(endpoint) = endpoint.and_then(|id| self.endpoint_mut(id)) {
            endpoint.demand = Demand::Keyed;
        }
    }

    /// Whether a call has wanted this endpoint before.
    pub(crate) fn is_demanded(&self, endpoint: u32) -> bool {
        self.endpoint(endpoint).is_some_and(|known| known.demand == Demand::Keyed)
    }

    /// A list has come.
    pub(crate) fn apply(&mut self, snapshot: Arc<Snapshot>, now: Instant) {
        self.snapshot = snapshot.clone();
        if self.closed {
            return;
        }
        if !snapshot.is_known() {
            // Not knowing is no news about the servers that are there.
            return;
        }
        self.useless.clear();
        let mut listed = BTreeSet::new();
        for instance in &snapshot.instances {
            match self.use_of(instance) {
                Ok(()) => {
                    listed.insert(instance.id.as_str());
                    self.list(instance);
                }
                Err(reason) => self.useless.push(reason),
            }
        }
        self.arrival = Arrival::Later;
        let named: BTreeSet<_> = snapshot.instances.iter().map(|instance| &instance.id).collect();
        let left_out = self.endpoints.iter().filter(|(id, _)| !named.contains(id)).map(|(_, endpoint)| endpoint);
        let missing = crowd::missing(left_out, listed.len());
        for (id, endpoint) in &mut self.endpoints {
            // A list from before the registry went away proves no absence.
            let doubtful = snapshot.source == Source::Stale && endpoint.is_ready();
            if listed.contains(id.as_str()) || doubtful {
                continue;
            }
            if missing.contains(id) {
                endpoint.listing = Listing::Missing;
            } else if !endpoint.listing.is_gone() {
                endpoint.listing = Listing::Gone { until: now + Listing::DEPARTURE };
                self.wake = true;
            }
        }
    }

    /// How many instances of the list are of no use to this client.
    pub(crate) fn unusable(&self) -> usize {
        self.useless.len()
    }

    /// Takes no calls any more. Those in flight hold their connections themselves.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.endpoints.clear();
    }

    fn use_of(&self, instance: &Instance) -> Result<(), String> {
        let id = &instance.id;
        if instance.status == InstanceStatus::Down {
            return Err(format!("{id} is marked as down"));
        }
        if instance.weight == 0 {
            return Err(format!("{id} has weight 0"));
        }
        let usable = |security| self.transports.iter().any(|it| endpoint::offered(instance, &**it, security).is_some());
        if usable(self.security) {
            return Ok(());
        }
        match self.security {
            Security::Plain if usable(Security::Tls) => {
                Err(format!("{id} asks for TLS, and this client speaks plain text: set `tls` to \"on\" for it"))
            }
            Security::Tls if usable(Security::Plain) => Err(format!(
                "{id} speaks plain text only, and this client insists on TLS: set `tls` to \"on\" for the server"
            )),
            _ => {
                let declared: Vec<_> = instance.endpoints.iter().map(|endpoint| endpoint.protocol.as_str()).collect();
                let declared = if declared.is_empty() { "no protocol".to_owned() } else { declared.join(", ") };
                Err(format!("{id} declares {declared}, and this client speaks {}", self.speaks()))
            }
        }
    }

    fn list(&mut self, instance: &Arc<Instance>) {
        match self.endpoints.get_mut(&instance.id) {
            // The same server: only its weight and the like may have changed.
            Some(endpoint) if endpoint.instance.endpoints == instance.endpoints => {
                endpoint.instance = instance.clone();
                endpoint.listing = Listing::Listed;
            }
            _ => {
                let endpoint =
                    Endpoint::new(self.next, instance.clone(), &self.transports, self.security, self.arrival);
                self.next += 1;
                self.endpoints.insert(instance.id.clone(), endpoint);
            }
        }
    }

    fn speaks(&self) -> String {
        let names: Vec<_> = self.transports.iter().map(|transport| transport.name()).collect();
        if names.is_empty() { "no protocol".to_owned() } else { names.join(", ") }
    }
}

/// What becomes of connections.
impl Roster {
    pub(crate) fn connected(&mut self, dial: &Dial, live: Arc<Live>, now: Instant) {
        self.change(dial, |link| {
            link.phase = Phase::Ready(live);
            link.hello = Hello::Fine;
            link.failure = None;
        });
        self.wake |= self.endpoint_mut(dial.endpoint).is_some_and(|endpoint| endpoint.warm_up(now));
    }

    pub(crate) fn lost(&mut self, dial: &Dial) {
        self.change(dial, |link| link.phase = Phase::Connecting);
    }

    pub(crate) fn failed(&mut self, dial: &Dial, failure: Failure) {
        self.change(dial, |link| match failure {
            Failure::Unreachable(status) => {
                link.failure = Some(status);
                // It was about to die when it did not answer; whoever comes next may well speak the protocol.
                if link.hello == Hello::Failed {
                    link.hello = Hello::Fine;
                }
            }
            Failure::Hello(status) => {
                link.failure = Some(status);
                link.hello = Hello::Failed;
            }
        });
    }

    pub(crate) fn is_replaced(&self, dial: &Dial) -> bool {
        !self.insisted.contains(dial.transport.name())
            && self.endpoint(dial.endpoint).is_some_and(|endpoint| {
                endpoint.links.get(dial.link).is_some_and(|link| link.hello == Hello::Replaced)
                    && endpoint.links.iter().skip(dial.link + 1).any(Link::is_ready)
            })
    }

    fn change(&mut self, dial: &Dial, change: impl FnOnce(&mut Link)) {
        if dial.stop.is_cancelled() {
            // The endpoint rests, and perhaps another task works for it by now.
            return;
        }
        let endpoint = self.endpoint_mut(dial.endpoint);
        if let Some(link) = endpoint.and_then(|endpoint| endpoint.links.get_mut(dial.link)) {
            change(link);
        }
    }

    /// Draws the consequences of all changes since the last time.
    pub(crate) fn settle(&mut self, now: Instant) -> Settled {
        let mut settled = Settled { wake: std::mem::take(&mut self.wake), ..Settled::default() };
        // One that has left the list is kept for a while, so that it is as it was when it comes back, and for as long
        // as nobody else can be called. Calls in flight on it do not need this. Whose connection ends has left for
        // good.
        let alone = !self.endpoints.values().any(|endpoint| endpoint.listing == Listing::Listed && endpoint.is_ready());
        // However fast a registry changes its mind.
        let mut room = subset::SIZE;
        self.endpoints.retain(|_, endpoint| match endpoint.listing {
            Listing::Listed => true,
            Listing::Missing => endpoint.is_ready(),
            Listing::Gone { until } => {
                let is_kept = endpoint.is_ready() && (alone || (now < until && room > 0));
                room = room.saturating_sub(usize::from(is_kept));
                is_kept
            }
        });
        let subset = self.subset();
        for (id, endpoint) in &mut self.endpoints {
            let wanted = endpoint.demand == Demand::Keyed || subset.as_ref().is_none_or(|subset| subset.contains(id));
            if wanted && endpoint.listing == Listing::Listed {
                let wanted = endpoint.wanted(self.automatic, &self.insisted);
                settled.connect.extend(endpoint.begin(&wanted, self.snapshot.source));
            }
            settled.fallbacks.extend(endpoint.replace());
        }
        if let Some(subset) = subset {
            self.rest(&subset);
        }
        settled
    }

    /// The ids of the servers to connect to, unless it is all.
    fn subset(&self) -> Option<BTreeSet<String>> {
        let present = self.endpoints.iter().filter(|(_, endpoint)| !endpoint.listing.is_gone());
        if present.clone().count() <= subset::SIZE {
            return None;
        }
        let use_of = |endpoint: &Endpoint| if endpoint.is_failing() { Use::None } else { Use::Good };
        let ranked = |(id, endpoint)| (self.order.hash_one(id), id, use_of(endpoint));
        Some(subset::subset(present.map(ranked)).into_iter().cloned().collect())
    }

    /// Lets go of servers that are outside of the subset, once those in it are connected.
    fn rest(&mut self, subset: &BTreeSet<String>) {
        let ready = |id: &String| self.endpoints.get(id).is_some_and(|endpoint| endpoint.is_ready());
        if subset.iter().filter(|id| ready(id)).count() < subset::SIZE {
            return;
        }
        for (id, endpoint) in &mut self.endpoints {
            if !subset.contains(id) && endpoint.demand == Demand::None && !endpoint.listing.is_gone() {
                endpoint.rest();
            }
        }
    }

    /// The connections that take calls at `now`.
    pub(crate) fn ready(&self, now: Instant) -> ReadySet {
        ReadySet {
            ejected: self.ejected(),
            automatic: self.pool(now, Endpoint::automatic),
            only: self
                .transports
                .iter()
                .map(|transport| (transport.name(), self.pool(now, |endpoint| endpoint.link(transport.name()))))
                .collect(),
        }
    }

    fn pool(&self, now: Instant, link: impl Fn(&Endpoint) -> Option<&Link>) -> Pool {
        let is_ready = |endpoint: &&Endpoint| link(endpoint).is_some_and(Link::is_ready);
        let any = self.endpoints.values().filter(is_ready).collect::<Vec<_>>();
        let mut ready = any.clone();
        ready.retain(|endpoint| !endpoint.listing.is_gone());
        // A server that has left the list but not gone is better than none.
        let is_gone = ready.is_empty() && !any.is_empty();
        if is_gone {
            ready = any;
        }
        let (admitted, ejected): (Vec<_>, Vec<_>) = ready.iter().partition(|endpoint| endpoint.standing.is_admitted());
        // In a panic, where fewer than half are left, calls go to all: the few would not bear it (Envoy).
        let spared = if admitted.len() * 2 >= ready.len() { Spared::Yes } else { Spared::No };
        if spared == Spared::Yes {
            ready = admitted;
        }
        let cold = ready.iter().filter(|endpoint| endpoint.tenths(now) < warmth::WARM).count();
        let cools = warmth::applies(cold, ready.len());
        let tenths = |endpoint: &Endpoint| if cools { endpoint.tenths(now) } else { warmth::WARM };
        let choices = ready.iter().filter_map(|endpoint| endpoint.choice(link(endpoint), tenths(endpoint)));
        let probes = ejected.iter().filter(|endpoint| matches!(endpoint.standing, Standing::Probing { .. }));
        let probes = probes.filter_map(|endpoint| Some(endpoint.choice(link(endpoint), 1)?.live));
        let members = self.endpoints.values().filter(|endpoint| self.keyed && endpoint.listing.is_gone() == is_gone);
        let shards = Shards::new(members.filter_map(|endpoint| endpoint.member(link(endpoint), spared)));
        Pool::new(choices.collect(), probes.collect(), self.keyed.then_some(shards))
    }

    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.values()
    }

    fn endpoint(&self, id: u32) -> Option<&Endpoint> {
        self.endpoints().find(|endpoint| endpoint.id == id)
    }

    pub(crate) fn endpoint_mut(&mut self, id: u32) -> Option<&mut Endpoint> {
        self.endpoints_mut().find(|endpoint| endpoint.id == id)
    }

    pub(crate) fn endpoints_mut(&mut self) -> impl Iterator<Item = &mut Endpoint> {
        self.endpoints.values_mut()
    }

    /// Whether the time is over of a server that has left.
    pub(crate) fn has_left(&self, now: Instant) -> bool {
        self.endpoints.values().any(|endpoint| endpoint.listing.until().is_some_and(|until| until <= now))
    }

    /// Whether some server has not got its whole share yet.
    pub(crate) fn is_warming(&self, now: Instant) -> bool {
        // Those whose last step is just now are warm already, and not yet known to be.
        self.endpoints.values().any(|endpoint| endpoint.warmth.is_some_and(|warmth| warmth.is_fresh(now)))
    }

    /// The servers that are kept from calls, and why.
    fn ejected(&self) -> String {
        let words = |endpoint: &Endpoint| {
            Some(format!("{} after {}", endpoint.links.first()?.address, endpoint.standing.reason()?))
        };
        let places: Vec<_> = self.endpoints.values().filter_map(words).take(Diagnosis::MAX_PLACES).collect();
        let admitted = self.endpoints.values().filter(|endpoint| endpoint.standing.is_admitted()).count();
        match (places.is_empty(), admitted) {
            (true, _) => String::new(),
            (_, 0) => format!("all ejected: {}", places.join(", ")),
            _ => format!("ejected: {}", places.join(", ")),
        }
    }
}

/// Why nothing can be called.
impl Roster {
    pub(crate) fn diagnose(&self, transports: Transports) -> Diagnosis {
        if self.closed {
            return self.diagnosis(Cause::Closed, Vec::new());
        }
        if let Transports::Only(wanted) = transports
            && !self.transports.iter().any(|transport| transport.name() == wanted)
        {
            return self.diagnosis(Cause::NoTransport { wanted, have: self.speaks() }, Vec::new());
        }
        let instances = self.snapshot.instances.len();
        let cause = match &self.snapshot.availability {
            _ if instances > 0 || !self.endpoints.is_empty() => {
                self.without_a_protocol(transports).unwrap_or_else(|| {
                    let list = if self.snapshot.source == Source::Stale { List::Stale } else { List::Current };
                    Cause::NoneUsable { instances: instances.max(self.endpoints.len()), list }
                })
            }
            Availability::Pending => Cause::Pending,
            Availability::Unreachable(reason) => Cause::Unreachable(reason.clone()),
            Availability::NoService => Cause::NoService,
            Availability::Listed => Cause::NoInstance { skipped: self.snapshot.skipped },
        };
        let links = self.endpoints.values().flat_map(|endpoint| endpoint.complaints(transports));
        self.diagnosis(cause, links.chain(self.useless.iter().cloned()).collect())
    }

    /// What it is when no server of the list is known to speak what these calls may take.
    fn without_a_protocol(&self, transports: Transports) -> Option<Cause> {
        let speaks = |endpoint: &Endpoint| match transports {
            Transports::Auto => !endpoint.links.is_empty(),
            Transports::Only(name) => endpoint.link(name).is_some(),
        };
        let takes_calls = |instance: &&Arc<Instance>| instance.status == InstanceStatus::Up && instance.weight > 0;
        let listed: Vec<_> = self.snapshot.instances.iter().filter(takes_calls).collect();
        let mut declared = listed.iter().flat_map(|instance| &instance.endpoints).peekable();
        let instances = listed.len();
        if instances == 0 || self.endpoints.values().any(speaks) {
            return None;
        }
        if declared.peek().is_none() {
            return Some(Cause::NoneDeclares { instances });
        }
        let allowed = |transport: &&Arc<dyn Transport>| match transports {
            Transports::Auto => true,
            Transports::Only(name) => transport.name() == name,
        };
        let allowed: Vec<_> = self.transports.iter().filter(allowed).collect();
        // One that speaks it, but over TLS only, or never, is a matter of TLS.
        if declared.any(|endpoint| allowed.iter().any(|transport| endpoint::speaks(endpoint, &***transport))) {
            return None;
        }
        let wanted = match transports {
            Transports::Auto => self.speaks(),
            Transports::Only(name) => name.to_owned(),
        };
        Some(Cause::NoneSpeaks { instances, wanted })
    }

    /// So many calls wait already that no other may.
    pub(crate) fn crowded(&self, waiting: usize) -> Diagnosis {
        self.diagnosis(Cause::Crowded { waiting }, Vec::new())
    }

    fn diagnosis(&self, cause: Cause, mut places: Vec<String>) -> Diagnosis {
        let more = places.len().saturating_sub(Diagnosis::MAX_PLACES);
        places.truncate(Diagnosis::MAX_PLACES);
        Diagnosis { service: self.service.clone(), cause, places, more }
    }
}
