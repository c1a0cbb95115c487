//! The machine against a model of ZooKeeper that does everything a real one can do to it.

use super::*;
use crate::backoff::APART;
use proptest::prelude::*;

const STRANGER: u32 = 0;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    owner: u32,
    ours: bool,
    intact: bool,
    version: i32,
}

/// One thing that happens. Where there is nothing for it to happen to, nothing does.
#[derive(Clone, Copy, Debug)]
enum Incident {
    /// What is under way is done and answered.
    Answer,
    /// What is under way is done (or not), and the answer is lost.
    Lost {
        done: bool,
    },
    Disconnect,
    Reconnect,
    /// The session ends, with its nodes or, where the server learns of it late, without them for now.
    Expire {
        lingers: bool,
    },
    /// Old sessions end at last.
    Sweep,
    OperatorDeletes(usize),
    OperatorEdits(usize),
    StrangerCreates(usize),
    ParentsVanish,
    Elapse,
    Refuse,
    /// The program that registered hangs, or goes on.
    Hang,
    GoOn,
    Close,
}

/// Two nodes, a session, and the shell that carries out what the machine wants.
struct World {
    machine: Machine,
    now: Instant,
    nodes: [Option<Node>; 2],
    parents: bool,
    session: u32,
    up: bool,
    operation: Option<Action>,
    /// When the time asked for has passed. The model may let it pass at once.
    timer: Option<Instant>,
    watched: [bool; 2],
    state: RegistrationState,
    hangs: bool,
    ended: bool,
    /// In a real ZooKeeper a node made anew begins at 0 again, so that between a look and a change another one could
    /// take the place of ours unnoticed. Nothing can be done about that; it takes somebody who knows our random id.
    versions: i32,
}

impl World {
    fn new() -> Self {
        Self {
            machine: Machine::new(),
            now: Instant::now(),
            nodes: [None; 2],
            parents: false,
            session: 1,
            up: false,
            operation: None,
            timer: None,
            watched: [false; 2],
            state: RegistrationState::Pending,
            hangs: false,
            ended: false,
            versions: 0,
        }
    }

    fn tell(&mut self, event: Event) {
        assert!(!self.ended || matches!(event, Event::Up | Event::Down | Event::Close), "{event:?} after the end");
        for action in self.machine.step(event, self.now) {
            match action {
                Action::Wait(time) => self.timer = Some(self.now + time),
                Action::Announce(state) => self.state = state,
                Action::End => {
                    assert!(self.operation.is_none(), "something is under way at the end");
                    assert!(!self.nodes.iter().flatten().any(|node| node.ours), "a node of ours is there at the end");
                    assert_eq!(self.state, RegistrationState::Closed);
                    self.ended = true;
                    (self.timer, self.watched) = (None, [false; 2]);
                }
                operation => {
                    assert!(!self.ended, "{operation:?} after the end");
                    assert!(self.operation.is_none(), "{operation:?} while {:?} is under way", self.operation);
                    self.timer = None;
                    self.operation = Some(operation);
                }
            }
        }
    }

    fn happen(&mut self, incident: Incident) {
        self.now += Duration::from_millis(100);
        match incident {
            Incident::Answer if self.up => self.answer(),
            Incident::Lost { done } if self.operation.is_some() => {
                let operation = self.operation.take().unwrap();
                if done {
                    let _ = self.apply(&operation);
                }
                self.up = false;
                self.tell(Event::Down);
                self.tell(Event::Failed(Failure::Unknown));
            }
            Incident::Disconnect if self.up => {
                self.up = false;
                self.tell(Event::Down);
            }
            Incident::Reconnect if !self.up => {
                self.up = true;
                self.tell(Event::Up);
            }
            Incident::Expire { lingers } => self.expire(lingers),
            Incident::Sweep => {
                let current = self.session;
                self.end_nodes(|node| node.owner != current && node.owner != STRANGER);
            }
            Incident::OperatorDeletes(at) if self.nodes[at].is_some_and(|node| node.ours) => {
                self.nodes[at] = None;
                self.disturb(at);
            }
            Incident::OperatorEdits(at) => {
                self.versions += 1;
                if let Some(node) = self.nodes[at].as_mut().filter(|node| node.ours) {
                    (node.intact, node.version) = (false, self.versions);
                    self.disturb(at);
                }
            }
            Incident::StrangerCreates(at) if self.nodes[at].is_none() && self.parents => {
                self.nodes[at] = Some(self.node(STRANGER, false));
            }
            Incident::ParentsVanish if self.nodes == [None; 2] => self.parents = false,
            Incident::Elapse if self.timer.is_some() => {
                self.timer = None;
                self.tell(Event::Elapsed);
            }
            Incident::Refuse if self.operation.take().is_some() => self.tell(Event::Failed(Failure::Refused)),
            Incident::Hang => self.tell_of_life(true),
            Incident::GoOn => self.tell_of_life(false),
            Incident::Close => self.tell(Event::Close),
            _ => {}
        }
    }

    fn tell_of_life(&mut self, hangs: bool) {
        if std::mem::replace(&mut self.hangs, hangs) != hangs && !self.ended {
            self.tell(if hangs { Event::Silent } else { Event::Beating });
        }
    }

    fn expire(&mut self, lingers: bool) {
        let old = self.session;
        self.session += 1;
        self.watched = [false; 2];
        self.up = false;
        self.tell(Event::Down);
        if self.operation.take().is_some() {
            self.tell(Event::Failed(Failure::Unknown));
        }
        if !lingers {
            self.end_nodes(|node| node.owner == old);
        }
    }

    fn end_nodes(&mut self, ends: impl Fn(&Node) -> bool) {
        for at in 0..2 {
            if self.nodes[at].as_ref().is_some_and(&ends) {
                self.nodes[at] = None;
                self.disturb(at);
            }
        }
    }

    fn disturb(&mut self, at: usize) {
        if std::mem::take(&mut self.watched[at]) && self.up && !self.ended {
            self.tell(Event::Disturbed);
        }
    }

    fn answer(&mut self) {
        let Some(operation) = self.operation.take() else { return };
        let event = self.apply(&operation);
        self.tell(event);
    }

    fn apply(&mut self, operation: &Action) -> Event {
        match operation {
            Action::Look => {
                self.watched = [self.nodes[0].is_some(), self.nodes[1].is_some()];
                Event::Looked(self.nodes.iter().map(|node| self.judge(*node)).collect())
            }
            Action::MakeParents => {
                self.parents = true;
                Event::Written
            }
            Action::Write(changes) => match self.transact(changes) {
                Ok(nodes) => {
                    self.nodes = nodes;
                    Event::Written
                }
                Err(failure) => Event::Failed(failure),
            },
            _ => unreachable!("not an operation"),
        }
    }

    fn judge(&self, node: Option<Node>) -> Found {
        match node {
            None => Found::Absent,
            Some(Node { ours: false, .. }) => Found::Foreign,
            Some(Node { version, owner, .. }) if owner != self.session => Found::Orphaned { version },
            Some(Node { version, intact: true, .. }) => Found::Current { version },
            Some(Node { version, .. }) => Found::Outdated { version },
        }
    }

    fn transact(&mut self, changes: &[Change]) -> Result<[Option<Node>; 2], Failure> {
        let mut nodes = self.nodes;
        for change in changes {
            let (at, version) = match *change {
                Change::Create(at) => (at, None),
                Change::Replace(at, version) | Change::TakeOver(at, version) | Change::Delete(at, version) => {
                    (at, Some(version))
                }
            };
            if let Some(version) = version {
                let node = nodes[at].ok_or(Failure::NoParent)?;
                if node.version != version {
                    return Err(Failure::Raced);
                }
                assert!(node.ours, "{change:?} touches a stranger's node");
                nodes[at] = None;
            }
            if !matches!(change, Change::Delete(..)) {
                if !self.parents {
                    return Err(Failure::NoParent);
                }
                if nodes[at].is_some() {
                    return Err(Failure::Raced);
                }
                nodes[at] = Some(self.node(self.session, true));
            }
        }
        Ok(nodes)
    }

    fn node(&mut self, owner: u32, ours: bool) -> Node {
        self.versions += 1;
        Node { owner, ours, intact: true, version: self.versions }
    }

    /// From now on all goes well. The machine must get where it wants to.
    fn calm(&mut self) {
        self.happen(Incident::Sweep);
        self.end_nodes(|node| !node.ours);
        self.happen(Incident::Reconnect);
        for _ in 0..100 {
            self.happen(Incident::Answer);
            // One that closes is there only at its end, though nothing of it may be left before.
            if self.operation.is_none() && (self.machine.closing || !self.is_where_it_wants_to_be()) {
                self.happen(Incident::Elapse);
            }
        }
    }

    fn is_where_it_wants_to_be(&self) -> bool {
        if self.hangs { self.is_withdrawn() } else { self.is_registered() }
    }

    fn is_withdrawn(&self) -> bool {
        self.state == RegistrationState::Pending && !self.nodes.iter().flatten().any(|node| node.ours)
    }

    fn is_registered(&self) -> bool {
        let intact =
            |node: &Option<Node>| node.is_some_and(|node| node.ours && node.intact && node.owner == self.session);
        self.state == RegistrationState::Registered && self.nodes.iter().all(intact)
    }
}

fn incident() -> impl Strategy<Value = Incident> {
    prop_oneof![
        12 => Just(Incident::Answer),
        2 => any::<bool>().prop_map(|done| Incident::Lost { done }),
        1 => Just(Incident::Disconnect),
        4 => Just(Incident::Reconnect),
        1 => any::<bool>().prop_map(|lingers| Incident::Expire { lingers }),
        1 => Just(Incident::Sweep),
        1 => (0..2_usize).prop_map(Incident::OperatorDeletes),
        1 => (0..2_usize).prop_map(Incident::OperatorEdits),
        1 => (0..2_usize).prop_map(Incident::StrangerCreates),
        1 => Just(Incident::ParentsVanish),
        4 => Just(Incident::Elapse),
        1 => Just(Incident::Refuse),
        1 => Just(Incident::Hang),
        2 => Just(Incident::GoOn),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever happened before: when it stops happening, the record is there and ours; and when it was closed, at
    /// whatever moment, or the program hangs, nothing of ours is there. A stranger's node is never touched.
    #[test]
    fn it_gets_where_it_wants_to(
        before in proptest::collection::vec(incident(), 0..40),
        closes in any::<bool>(),
        after in proptest::collection::vec(incident(), 0..20),
    ) {
        let mut world = World::new();
        before.into_iter().for_each(|incident| world.happen(incident));
        if closes {
            world.happen(Incident::Close);
        }
        after.into_iter().for_each(|incident| world.happen(incident));
        world.calm();
        if closes {
            prop_assert!(world.ended, "it does not end: {:?}", world.machine);
        } else {
            prop_assert!(world.is_where_it_wants_to_be(), "{:?} {:?} {:?}", world.state, world.nodes, world.machine);
        }
    }
}

fn registered() -> World {
    let mut world = World::new();
    world.calm();
    assert!(world.is_registered());
    world
}

#[test]
fn a_connection_that_comes_back_changes_nothing() {
    let mut world = registered();
    let nodes = world.nodes;
    world.happen(Incident::Disconnect);
    assert_eq!(world.state, RegistrationState::Registered);
    world.calm();
    assert_eq!(world.nodes, nodes);
}

#[test]
fn a_program_that_hangs_is_off_the_list_until_it_goes_on() {
    let mut world = registered();
    world.happen(Incident::Hang);
    world.calm();
    assert!(world.is_withdrawn(), "{:?} {:?}", world.state, world.nodes);
    world.happen(Incident::GoOn);
    world.calm();
    assert!(world.is_registered());
    world.happen(Incident::Hang);
    world.happen(Incident::Close);
    world.calm();
    assert!(world.ended);
}

#[test]
fn the_end_waits_for_what_is_under_way() {
    let mut world = World::new();
    world.happen(Incident::Reconnect);
    while !matches!(world.operation, Some(Action::Write(_))) {
        world.happen(Incident::Answer);
    }
    world.happen(Incident::Disconnect);
    world.happen(Incident::Close);
    assert!(!world.ended, "the write may still be carried out");
    world.calm();
    assert!(world.ended);
}

#[test]
fn nothing_was_written_so_nothing_is_waited_for() {
    let mut world = World::new();
    world.happen(Incident::Close);
    assert!(world.ended);
}

#[test]
fn a_node_that_is_tampered_with_is_put_right_once_a_second() {
    let mut world = registered();
    let mut repairs = 0;
    for _ in 0..50 {
        world.happen(Incident::OperatorDeletes(0));
        if world.timer.is_some_and(|due| due <= world.now) {
            world.happen(Incident::Elapse);
        }
        repairs += usize::from(world.operation.is_some());
        while world.operation.is_some() {
            world.answer();
        }
    }
    assert!((4..=6).contains(&repairs), "{repairs} repairs in 5 s");
    world.calm();
    assert!(world.is_registered());
}

/// An operator deletes the nodes of a hundred servers in one go: they come back one by one.
#[test]
fn a_fleet_whose_nodes_are_deleted_does_not_come_back_in_step() {
    let mut fleet: Vec<_> = (0..100).map(|_| registered()).collect();
    let mut times = Vec::new();
    for world in &mut fleet {
        world.happen(Incident::OperatorDeletes(0));
        assert!(world.operation.is_none(), "it looks at once");
        times.push(world.timer.expect("it waits") - world.now);
        world.calm();
        assert!(world.is_registered());
    }
    times.sort_unstable();
    assert!(times[10] < APART / 3 && times[90] > APART * 2 / 3 && times[99] < APART, "{times:?}");
}

/// Only what has happened to nodes is: a connection that came back within its session is not.
#[test]
fn after_a_lost_connection_it_looks_at_once() {
    let mut world = registered();
    world.happen(Incident::Disconnect);
    world.happen(Incident::Reconnect);
    assert_eq!(world.operation, Some(Action::Look));
}
