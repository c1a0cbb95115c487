//! A record that is kept where it is.

mod liveness;
mod machine;
mod nodes;

pub(crate) use liveness::Heart;

use crate::{
    record::Record,
    runtime::Runtime,
    session::{Link, Live},
    watcher::any_changed,
};
use futures_util::{FutureExt as _, future::OptionFuture};
use liveness::Life;
use machine::{Action, Event, Failure, Machine};
use rpc_core::{
    BoxFuture,
    observer::target,
    registry::{Registrar, RegistrationState},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, Sleep, sleep},
};
use zookeeper_client::OneshotWatcher;

/// Carries out what the [`Machine`] decides, until the registration is closed.
pub(crate) struct Keeper {
    record: Arc<Record>,
    registrar: Registrar,
    links: watch::Receiver<Link>,
    machine: Machine,
    live: Option<Live>,
    /// What is under way. Never dropped before it is answered, except when its client is gone for good.
    operation: Option<Operation>,
    disturbance: Option<BoxFuture<'static, ()>>,
    timer: Option<std::pin::Pin<Box<Sleep>>>,
    /// Told when the first try is over.
    tried: Option<oneshot::Sender<()>>,
    /// Keeps the thread until the record is withdrawn.
    _runtime: Runtime,
}

struct Operation {
    /// Of which client; see [`Live::generation`].
    generation: u64,
    answer: BoxFuture<'static, Outcome>,
}

struct Outcome {
    event: Event,
    watchers: Vec<OneshotWatcher>,
}

impl Keeper {
    /// How long whoever registers waits for a registry that does not answer.
    const FIRST_TRY: Duration = Duration::from_secs(5);
    /// How long a withdrawal is tried when ZooKeeper is away. By then the session has ended, here or there.
    const WITHDRAWAL: Duration = Duration::from_secs(60);

    pub(crate) fn new(record: Record, registrar: Registrar, runtime: Runtime, tried: oneshot::Sender<()>) -> Self {
        Self {
            record: Arc::new(record),
            registrar,
            links: runtime.link(),
            machine: Machine::new(),
            live: None,
            operation: None,
            disturbance: None,
            timer: None,
            tried: Some(tried),
            _runtime: runtime,
        }
    }

    /// Keeps the record while the heart beats that was given with it.
    pub(crate) async fn run(mut self, heart: Heart) {
        let mut first_try = Box::pin(sleep(Self::FIRST_TRY));
        let mut withdrawal: Option<std::pin::Pin<Box<Sleep>>> = None;
        let mut listener = heart.listen();
        self.links.mark_changed();
        loop {
            let event = tokio::select! {
                biased;
                () = self.registrar.closing(), if withdrawal.is_none() => {
                    withdrawal = Some(Box::pin(sleep(Self::WITHDRAWAL)));
                    Event::Close
                }
                Ok(()) = self.links.changed() => {
                    let link = self.links.borrow_and_update().clone();
                    match self.follow(link) {
                        Some(event) => event,
                        None => continue,
                    }
                }
                Some(outcome) = OptionFuture::from(self.operation.as_mut().map(|it| &mut it.answer)) => {
                    self.operation = None;
                    if let Event::Looked(_) = outcome.event {
                        self.disturbance = Some(any_changed(outcome.watchers).boxed());
                    }
                    outcome.event
                }
                Some(()) = OptionFuture::from(self.disturbance.as_mut()) => {
                    self.disturbance = None;
                    Event::Disturbed
                }
                Some(()) = OptionFuture::from(self.timer.as_mut()) => {
                    self.timer = None;
                    Event::Elapsed
                }
                life = listener.changed() => self.live_on(life),
                () = &mut first_try, if self.tried.is_some() => {
                    self.tried = None;
                    continue;
                }
                Some(()) = OptionFuture::from(withdrawal.as_mut()) => {
                    tracing::warn!(
                        target: target::REGISTRY, instance = %self.record.id,
                        "the record could not be withdrawn; it goes with the session"
                    );
                    return;
                }
            };
            if !self.step(event) {
                return;
            }
        }
    }

    fn live_on(&self, life: Life) -> Event {
        match life {
            Life::Silent => {
                tracing::error!(
                    target: target::REGISTRY,
                    instance = %self.record.id,
                    "this program has run none of its tasks for 5 s, so its record is withdrawn until it does: something \
                     blocks all of its threads"
                );
                Event::Silent
            }
            Life::Beating => {
                tracing::warn!(
                    target: target::REGISTRY, instance = %self.record.id,
                    "this program runs again, and its record comes back"
                );
                Event::Beating
            }
        }
    }

    /// What a new state of the link means, if anything.
    fn follow(&mut self, link: Link) -> Option<Event> {
        match link {
            Link::Opening => None,
            Link::Down(reason) => {
                tracing::debug!(
                    target: target::REGISTRY, instance = %self.record.id, %reason,
                    "no connection to ZooKeeper"
                );
                self.tried = None;
                self.live = None;
                Some(Event::Down)
            }
            Link::Up(live) => {
                if self.operation.as_ref().is_some_and(|operation| operation.generation != live.generation) {
                    // Its client is gone for good, and with it whatever was queued there, but did not say so.
                    self.operation = None;
                    self.step(Event::Failed(Failure::Unknown));
                }
                self.live = Some(live);
                Some(Event::Up)
            }
        }
    }

    /// False when it is over.
    fn step(&mut self, event: Event) -> bool {
        for action in self.machine.step(event, Instant::now()) {
            match action {
                Action::Look => self.start(|live, record| {
                    Box::pin(async move {
                        match nodes::look(&live, &record).await {
                            Ok((found, watchers)) => Outcome { event: Event::Looked(found), watchers },
                            Err(failure) => failed(failure),
                        }
                    })
                }),
                Action::Write(changes) => self.start(|live, record| {
                    Box::pin(async move { written(nodes::write(&live, &record, &changes).await) })
                }),
                Action::MakeParents => self
                    .start(|live, record| Box::pin(async move { written(nodes::make_parents(&live, &record).await) })),
                Action::Wait(time) => self.timer = Some(Box::pin(sleep(time))),
                Action::Announce(state) => self.announce(state),
                Action::End => return false,
            }
        }
        true
    }

    fn start(&mut self, operation: impl FnOnce(Live, Arc<Record>) -> BoxFuture<'static, Outcome>) {
        self.timer = None;
        self.operation = Some(match self.live.clone() {
            Some(live) => Operation { generation: live.generation, answer: operation(live, self.record.clone()) },
            None => Operation { generation: 0, answer: Box::pin(std::future::ready(failed(Failure::Unknown))) },
        });
    }

    fn announce(&mut self, state: RegistrationState) {
        if state != RegistrationState::Pending {
            self.tried = None;
        }
        self.registrar.set(state);
    }
}

fn written(result: Result<(), Failure>) -> Outcome {
    match result {
        Ok(()) => Outcome { event: Event::Written, watchers: Vec::new() },
        Err(failure) => failed(failure),
    }
}

fn failed(failure: Failure) -> Outcome {
    Outcome { event: Event::Failed(failure), watchers: Vec::new() }
}
