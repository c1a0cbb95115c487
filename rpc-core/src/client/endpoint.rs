//! One server, and the ways to it.

use crate::{
    Address, Status, Transports,
    client::{
        dial::Dial,
        live::{Choice, Live},
        load::Load,
        outliers::Record,
        shards::{self, Member, Reach},
        standing::Standing,
        warmth::{self, Warmth},
    },
    registry::{self, Identity, Instance, Source},
    tls::Security,
    transport::Transport,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};

/// One server, as its client sees it: what its record says, and a link for each protocol that both speak, the
/// preferred one first.
pub(crate) struct Endpoint {
    pub(crate) id: u32,
    pub(crate) instance: Arc<Instance>,
    pub(crate) load: Arc<Load>,
    pub(crate) links: Vec<Link>,
    pub(crate) listing: Listing,
    pub(crate) standing: Standing,
    arrival: Arrival,
    /// By what keys know it.
    identity: u64,
    /// Whether a key wants it, so that it is connected to however many others there are.
    pub(crate) demand: Demand,
    /// Since when it is warming up, if it has to.
    pub(crate) warmth: Option<Warmth>,
    /// Answers and failures when counting began.
    counted: (u32, u32),
    // Ends the tasks of the links.
    stop: DropGuard,
}

/// Whether servers that were ejected are spared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spared {
    Yes,
    /// In a panic, too few are left.
    No,
}

/// When a server came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// With the first list: it may have been there for long.
    First,
    Later,
}

/// Whether a server is wanted for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    None,
    Keyed,
}

/// Whether a server is on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    Listed,
    /// It is not any more, and nor are most others, all at once. Its connections are used for as long as they last.
    Missing,
    /// It is not any more. Its connections are used only while no listed server has one; until then, or for longer
    /// while that is so, they stay open for calls in flight, and for its return.
    Gone {
        until: Instant,
    },
}

impl Listing {
    /// For how long the connections of a server are kept that has left the list. A session at the registry that ended
    /// early is a new one within seconds, and so is what a server lost that was cut off from the registry only.
    pub(crate) const DEPARTURE: Duration = Duration::from_secs(30);

    pub(crate) fn is_gone(self) -> bool {
        matches!(self, Self::Gone { .. })
    }

    /// Until when it is kept, if it has left.
    pub(crate) fn until(self) -> Option<Instant> {
        match self {
            Self::Gone { until } => Some(until),
            _ => None,
        }
    }
}

/// One protocol of one server.
pub(crate) struct Link {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) address: Address,
    pub(crate) phase: Phase,
    pub(crate) hello: Hello,
    /// Why the last attempt to connect failed.
    pub(crate) failure: Option<Status>,
    /// Asks the task that keeps it connected for a new connection.
    pub(crate) renew: Arc<Notify>,
}

#[derive(Debug)]
pub(crate) enum Phase {
    /// Nobody has asked for it.
    Idle,
    /// A task connects, or waits before it connects again.
    Connecting,
    Ready(Arc<Live>),
}

/// How the last hello on a link went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hello {
    /// Well, or there was none.
    Fine,
    /// It was refused, or not answered.
    Failed,
    /// The same, and a slower protocol has taken its place.
    Replaced,
}

/// Where a server takes connections over a transport, encrypted or not as is wanted. An address says nothing of that,
/// no more than of protocols: where it is all that is known of a server, it is as the configuration of this client
/// assumes.
pub(crate) fn offered<'a>(
    instance: &'a Instance,
    transport: &dyn Transport,
    wanted: Security,
) -> Option<&'a registry::Endpoint> {
    let has = |endpoint: &registry::Endpoint| endpoint.tls == (wanted == Security::Tls);
    let any = instance.identity == Identity::MadeUp;
    instance.endpoints.iter().find(|endpoint| (any || has(endpoint)) && speaks(endpoint, transport))
}

/// Whether a record declares that a transport's protocol is spoken there.
pub(crate) fn speaks(endpoint: &registry::Endpoint, transport: &dyn Transport) -> bool {
    endpoint.protocol == transport.protocol() || endpoint.protocol == transport.name()
}

/// A slower protocol stands in for one whose hello failed.
pub(crate) struct Fallback {
    pub(crate) address: Address,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) because: Status,
}

impl Endpoint {
    /// With a link for each of the transports (the preferred first) that the record declares, encrypted or not as this
    /// client wants it.
    pub(crate) fn new(
        id: u32,
        instance: Arc<Instance>,
        transports: &[Arc<dyn Transport>],
        security: Security,
        arrival: Arrival,
    ) -> Self {
        let links = transports.iter().filter_map(|transport| {
            Some(Link {
                transport: transport.clone(),
                address: offered(&instance, &**transport, security)?.address.clone(),
                phase: Phase::Idle,
                hello: Hello::Fine,
                failure: None,
                renew: Arc::default(),
            })
        });
        let (links, identity) = (links.collect(), shards::identity(&instance));
        let stop = CancellationToken::new().drop_guard();
        Self {
            id,
            instance,
            load: Arc::default(),
            links,
            listing: Listing::Listed,
            standing: Standing::default(),
            arrival,
            identity,
            demand: Demand::None,
            warmth: None,
            counted: (0, 0),
            stop,
        }
    }

    /// The link that calls take when the protocol is left open: the first whose hello has not failed, and failing all,
    /// none.
    pub(crate) fn automatic(&self) -> Option<&Link> {
        self.links.iter().find(|link| link.hello == Hello::Fine)
    }

    /// The link of one protocol.
    pub(crate) fn link(&self, transport: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.transport.name() == transport)
    }

    /// Its connection, with so many tenths of its weight.
    pub(crate) fn choice(&self, link: Option<&Link>, tenths: u32) -> Option<Choice> {
        match &link?.phase {
            Phase::Ready(live) => {
                Some(Choice::new(live.clone(), self.instance.weight.clamp(1, u32::MAX / warmth::WARM) * tenths))
            }
            _ => None,
        }
    }

    /// It as a member of those among which keys are divided; `spared` says whether it need not take calls since it was
    /// ejected.
    pub(crate) fn member(&self, link: Option<&Link>, spared: Spared) -> Option<Member> {
        let link = link?;
        let reach = match (&link.phase, self.standing, spared) {
            (Phase::Ready(live), Standing::Admitted { .. }, _) | (Phase::Ready(live), _, Spared::No) => {
                Reach::Ready(live.clone())
            }
            (Phase::Ready(live), Standing::Probing { .. }, _) => Reach::Probe(live.clone()),
            (Phase::Idle, ..) => Reach::Unconnected,
            (Phase::Connecting, Standing::Admitted { .. }, _) if link.failure.is_none() => Reach::Unconnected,
            _ => Reach::Away,
        };
        Some(Member { identity: self.identity, weight: self.instance.weight.max(1), endpoint: self.id, reach })
    }

    /// Whether it takes calls, or would, were it not ejected.
    pub(crate) fn is_used(&self) -> bool {
        self.is_ready() || !self.standing.is_admitted()
    }

    /// It is connected: one that has come lately begins to warm up. Gives whether it does.
    pub(crate) fn warm_up(&mut self, now: Instant) -> bool {
        let begins = self.arrival == Arrival::Later && self.warmth.is_none();
        if begins {
            self.warmth = Some(Warmth::new(now));
        }
        begins
    }

    pub(crate) fn tenths(&self, now: Instant) -> u32 {
        self.warmth.map_or(warmth::WARM, |warmth| warmth.tenths(now))
    }

    /// When something is to be done about it.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        match self.standing {
            Standing::Ejected { until, .. } => Some(until),
            Standing::Probing { .. } => None,
            Standing::Admitted { .. } => self.warmth.and_then(|warmth| warmth.next(now)),
        }
    }

    /// Counts its answers and failures from here.
    pub(crate) fn count_anew(&mut self) {
        self.counted = (self.load.answers(), self.load.failures());
    }

    /// What it did since.
    pub(crate) fn record(&self) -> Record {
        let (answers, failures) = self.counted;
        let answers = self.load.answers().wrapping_sub(answers);
        Record { answers, failures: self.load.failures().wrapping_sub(failures) }
    }

    /// Lets its connections go. Calls in flight keep theirs.
    pub(crate) fn rest(&mut self) {
        if self.links.iter().all(|link| matches!(link.phase, Phase::Idle)) {
            return;
        }
        self.links.iter_mut().for_each(|link| link.phase = Phase::Idle);
        self.stop = CancellationToken::new().drop_guard();
    }

    /// Has its connections made anew. Calls in flight keep theirs.
    pub(crate) fn renew(&mut self) {
        for link in self.links.iter_mut().filter(|link| link.is_ready()) {
            link.phase = Phase::Connecting;
            link.renew.notify_one();
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.links.iter().any(Link::is_ready)
    }

    /// Whether it was tried and has not worked.
    pub(crate) fn is_failing(&self) -> bool {
        !self.standing.is_admitted() || (!self.is_ready() && self.links.iter().any(|link| link.failure.is_some()))
    }

    /// What a task needs to keep a link connected. `source` says where the record is from: configuration knows
    /// addresses but no ids.
    pub(crate) fn dial(&self, link: usize, source: Source) -> Option<Dial> {
        let Link { transport, address, renew, .. } = self.links.get(link)?;
        Some(Dial {
            endpoint: self.id,
            link,
            load: self.load.clone(),
            expected: (source != Source::Fixed && self.instance.identity == Identity::Its)
                .then(|| self.instance.id.clone()),
            transport: transport.clone(),
            address: address.clone(),
            renew: renew.clone(),
            stop: self.stop.token().clone(),
        })
    }

    /// The links that should be connected: for calls that leave the protocol open the preferred one, and while its
    /// hello fails the next; and those that calls insist on.
    pub(crate) fn wanted(&self, automatic: bool, insisted: &BTreeSet<&'static str>) -> Vec<usize> {
        let fine = self.links.iter().position(|link| link.hello == Hello::Fine).unwrap_or(self.links.len());
        let wanted = |(index, link): (usize, &Link)| {
            let wanted = (automatic && index <= fine) || insisted.contains(link.transport.name());
            wanted.then_some(index)
        };
        self.links.iter().enumerate().filter_map(wanted).collect()
    }

    /// Marks the links that nobody works for yet as begun.
    pub(crate) fn begin(&mut self, wanted: &[usize], source: Source) -> Vec<Dial> {
        let mut dials = Vec::new();
        for &index in wanted {
            if let Some(link) = self.links.get_mut(index)
                && matches!(link.phase, Phase::Idle)
            {
                link.phase = Phase::Connecting;
                dials.extend(self.dial(index, source));
            }
        }
        dials
    }

    /// Marks the links for which a slower one now stands in.
    pub(crate) fn replace(&mut self) -> Vec<Fallback> {
        let mut fallbacks = Vec::new();
        let mut slower = None;
        for link in self.links.iter_mut().rev() {
            if let (Hello::Failed, Some(to), Some(because)) = (link.hello, slower, &link.failure) {
                link.hello = Hello::Replaced;
                let (address, from, because) = (link.address.clone(), link.transport.name(), because.clone());
                fallbacks.push(Fallback { address, from, to, because });
            }
            if link.is_ready() {
                slower = Some(link.transport.name());
            }
        }
        fallbacks
    }

    /// What keeps it from taking calls by these wires, one sentence for each link.
    pub(crate) fn complaints(&self, transports: Transports) -> Vec<String> {
        let id = &self.instance.id;
        if let Transports::Only(wanted) = transports
            && self.link(wanted).is_none()
        {
            return vec![format!("{id} does not speak {wanted}")];
        }
        let of = |link: &&Link| match transports {
            Transports::Auto => !matches!(link.phase, Phase::Idle),
            Transports::Only(wanted) => link.transport.name() == wanted,
        };
        let complaint = |link: &Link| {
            let (address, transport) = (&link.address, link.transport.name());
            match (&link.failure, self.standing.reason()) {
                (None, Some(reason)) => format!("{address} over {transport}: ejected after {reason}"),
                (Some(failure), _) => format!("{address} over {transport}: {}", failure.message()),
                (None, None) => format!("{address} over {transport}: connecting"),
            }
        };
        self.links.iter().filter(of).map(complaint).collect()
    }
}

impl Link {
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready(_))
    }
}
