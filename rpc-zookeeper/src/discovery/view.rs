//! What is known of the nodes of one service.

use crate::record::{self, Assumptions, Objection};
use rpc_core::{
    observer::target,
    registry::{Availability, Instance, ServiceName, Snapshot, Source},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// The nodes of one service, read one by one, and the list made of them.
#[derive(Debug)]
pub(super) struct View {
    service: ServiceName,
    assumptions: Assumptions,
    /// By name.
    nodes: BTreeMap<String, Seen>,
    parent: Option<Parent>,
}

/// The service's own node, in transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    /// Which one made it.
    pub(super) created: i64,
    /// Which one last added or removed a child.
    pub(super) changed: i64,
}

/// What was read of a node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// The transaction that created it: another one, another server, whatever the name.
    pub(super) created: i64,
    pub(super) data: Vec<u8>,
}

#[derive(Debug)]
struct Seen {
    created: i64,
    /// What it last said that could be read.
    instance: Option<Arc<Instance>>,
    objection: Option<Objection>,
}

impl View {
    /// The most instances of a service that are kept.
    pub(super) const MAX_NODES: usize = 10_000;

    pub(super) fn new(service: ServiceName, assumptions: Assumptions) -> Self {
        Self { service, assumptions, nodes: BTreeMap::new(), parent: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether this list of children is older than one that was seen: read from a server that lags behind.
    pub(super) fn is_older(&self, parent: Option<Parent>) -> bool {
        matches!((self.parent, parent), (Some(seen), Some(read)) if seen.created == read.created && read.changed < seen.changed)
    }

    /// Whether nothing would be left once these nodes are set.
    pub(super) fn would_be_empty(&self, nodes: &[(String, Option<Node>)]) -> bool {
        let gone: BTreeSet<_> = nodes.iter().filter(|(_, node)| node.is_none()).map(|(name, _)| name).collect();
        gone.len() == nodes.len() && self.nodes.keys().all(|name| gone.contains(name))
    }

    /// The nodes that are there; all others are gone.
    pub(super) fn set_parent(&mut self, parent: Option<Parent>, names: &BTreeSet<String>) {
        self.parent = parent;
        self.nodes.retain(|name, _| names.contains(name));
    }

    /// What a node says now; none when it is gone.
    pub(super) fn set(&mut self, name: String, node: Option<Node>) {
        let Some(node) = node else {
            self.nodes.remove(&name);
            return;
        };
        let before = self.nodes.remove(&name).filter(|seen| seen.created == node.created);
        let seen = match record::read(&node.data, &self.service, &name, &self.assumptions) {
            Ok(instance) => Seen { created: node.created, instance: Some(Arc::new(instance)), objection: None },
            Err(objection) => {
                if before.as_ref().and_then(|seen| seen.objection.as_ref()) != Some(&objection) {
                    tracing::warn!(
                        target: target::REGISTRY, node = name, %objection, rpc.service = %self.service,
                        "a record is not used"
                    );
                }
                // Once it was good; a slip of somebody's hand should not take a server out.
                let instance = before.and_then(|seen| seen.instance);
                Seen { created: node.created, instance, objection: Some(objection) }
            }
        };
        if self.nodes.len() < Self::MAX_NODES {
            self.nodes.insert(name, seen);
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let known = if self.parent.is_some() { Availability::Listed } else { Availability::NoService };
        let mut snapshot = Snapshot::new(self.instances(), known, Source::Live);
        snapshot.skipped = self.nodes.values().filter(|seen| seen.objection.is_some()).count();
        snapshot
    }

    /// In the order of their names. A server that was restarted on its port is there twice until the session of its
    /// first life ends: the younger node is the living one.
    fn instances(&self) -> Vec<Arc<Instance>> {
        let mut youngest = HashMap::new();
        for seen in self.nodes.values() {
            for endpoint in seen.instance.iter().flat_map(|instance| &instance.endpoints) {
                let created = youngest.entry(endpoint).or_insert(seen.created);
                *created = seen.created.max(*created);
            }
        }
        let is_youngest = |seen: &Seen, instance: &Instance| {
            instance.endpoints.iter().all(|endpoint| youngest.get(endpoint).is_none_or(|it| *it == seen.created))
        };
        let good = self.nodes.values().filter_map(|seen| Some((seen, seen.instance.as_ref()?)));
        good.filter(|(seen, instance)| is_youngest(seen, instance)).map(|(_, instance)| instance.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Reach;

    fn view() -> View {
        let assumptions = Assumptions { reach: Reach::Loopback, protocols: Arc::default() };
        let mut view = View::new("demo.Echo".parse().unwrap(), assumptions);
        view.set_parent(Some(Parent { created: 1, changed: 1 }), &BTreeSet::new());
        view
    }

    fn node(created: i64, port: u16) -> Option<Node> {
        let data =
            format!(r#"{{"x-rpc":{{"endpoints":[{{"protocol":"grpc","address":"127.0.0.1","port":{port}}}]}}}}"#);
        Some(Node { created, data: data.into_bytes() })
    }

    fn bad(created: i64) -> Option<Node> {
        Some(Node { created, data: b"not JSON".to_vec() })
    }

    fn ids(view: &View) -> Vec<String> {
        view.snapshot().instances.iter().map(|instance| instance.id.clone()).collect()
    }

    #[test]
    fn a_bad_record_is_counted_and_harms_nobody() {
        let mut view = view();
        view.set("a".into(), node(10, 1));
        view.set("b".into(), bad(11));
        assert_eq!((ids(&view), view.snapshot().skipped), (vec!["a".to_owned()], 1));
    }

    #[test]
    fn a_record_that_turns_bad_keeps_its_last_good_value_but_only_for_the_same_node() {
        let mut view = view();
        view.set("a".into(), node(10, 1));
        view.set("a".into(), bad(10));
        assert_eq!((ids(&view), view.snapshot().skipped), (vec!["a".to_owned()], 1));
        view.set("a".into(), bad(12));
        assert_eq!((ids(&view).len(), view.snapshot().skipped), (0, 1));
    }

    #[test]
    fn of_two_records_with_one_address_the_younger_counts() {
        let mut view = view();
        view.set("new".into(), node(20, 7000));
        view.set("old".into(), node(10, 7000));
        view.set("other".into(), node(5, 7001));
        assert_eq!(ids(&view), ["new", "other"]);
        view.set("new".into(), None);
        assert_eq!(ids(&view), ["old", "other"]);
    }

    #[test]
    fn what_is_not_there_any_more_is_gone_and_no_service_is_an_answer_of_its_own() {
        let mut view = view();
        view.set("a".into(), node(10, 1));
        view.set("b".into(), node(11, 2));
        view.set_parent(Some(Parent { created: 1, changed: 5 }), &BTreeSet::from(["b".to_owned()]));
        assert_eq!(ids(&view), ["b"]);
        let older = |created, changed| view.is_older(Some(Parent { created, changed }));
        assert!(older(1, 4) && !older(1, 5) && !older(2, 1) && !view.is_older(None));
        assert!(view.would_be_empty(&[("b".into(), None)]));
        assert!(!view.would_be_empty(&[("a".into(), None)]));
        assert!(!view.would_be_empty(&[("b".into(), None), ("c".into(), node(12, 3))]));
        assert_eq!(view.snapshot().availability, Availability::Listed);
        view.set_parent(None, &BTreeSet::new());
        assert_eq!(view.snapshot().availability, Availability::NoService);
    }
}
