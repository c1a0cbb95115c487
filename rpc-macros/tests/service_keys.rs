//! Keys that hold maps: equal ones route alike, in whatever order their entries are written.

use bytes::Bytes;
use prost::Message as _;
use rpc::{Channel, Request, prelude::*};
use std::collections::{BTreeMap, HashMap, HashSet};

type Labels = HashMap<String, String>;

#[rpc_service(package = "test.keys.v1")]
trait Shelves {
    async fn by_labels(&self, #[rpc(key)] labels: Labels) -> Result<(), Status>;
    async fn by_sorted(&self, #[rpc(key)] labels: BTreeMap<String, String>) -> Result<(), Status>;
    async fn by_tree(&self, #[rpc(key)] tree: Tree) -> Result<(), Status>;
    async fn by_shape(&self, #[rpc(key)] shape: Option<Shape>) -> Result<(), Status>;
    async fn by_generated(&self, #[rpc(key)] shelf: Generated) -> Result<(), Status>;
}

/// Holds itself, so that no constant could say whether there is a map in it.
#[derive(Message, Clone, Debug, PartialEq)]
struct Tree {
    labels: Labels,
    left: Option<Box<Tree>>,
    rest: Vec<Tree>,
}

#[derive(Message, Clone, Debug, PartialEq)]
enum Shape {
    Leaf(Tree),
    Named { by_name: HashMap<u32, Tree> },
}

/// As prost would generate it, with the map that it takes by default.
#[derive(Clone, PartialEq, prost::Message)]
struct Generated {
    #[prost(map = "string, string", tag = "1")]
    labels: Labels,
}

impl prost::Name for Generated {
    const NAME: &'static str = "Generated";
    const PACKAGE: &'static str = "test.keys.v1";
}

/// The key of the one call that `make` makes.
async fn key<F: Future<Output = Result<(), Status>>>(make: impl FnOnce(ShelvesClient) -> F) -> u64 {
    let (sender, receiver) = std::sync::mpsc::channel();
    let service = rpc::service_fn(move |request: Request| {
        let sent = sender.send(request.hints.key);
        async move {
            sent.unwrap();
            Err(Status::unavailable("only looked at"))
        }
    });
    make(ShelvesClient::from_channel(Channel::new(service))).await.unwrap_err();
    receiver.recv().unwrap().unwrap()
}

/// Equal each time, and in another order nearly each time: every `HashMap` has a seed of its own.
fn labels(last: u32) -> Labels {
    (0..20).chain([last]).map(|n| (format!("label {n}"), n.to_string())).collect()
}

fn tree(last: u32) -> Tree {
    let leaf = || Tree { labels: labels(last), left: None, rest: vec![] };
    Tree { labels: labels(7), left: Some(Box::new(leaf())), rest: vec![leaf(), leaf()] }
}

fn generated(last: u32) -> Generated {
    Generated { labels: labels(last) }
}

fn named(last: u32) -> Shape {
    Shape::Named { by_name: (0..9).map(|n| (n, tree(last))).collect() }
}

async fn keys(last: u32) -> [u64; 6] {
    [
        key(|shelves| async move { shelves.by_labels(labels(last)).await }).await,
        key(|shelves| async move { shelves.by_sorted(labels(last).into_iter().collect()).await }).await,
        key(|shelves| async move { shelves.by_tree(tree(last)).await }).await,
        key(|shelves| async move { shelves.by_shape(Some(Shape::Leaf(tree(last)))).await }).await,
        key(|shelves| async move { shelves.by_shape(Some(named(last))).await }).await,
        key(|shelves| async move { shelves.by_generated(generated(last)).await }).await,
    ]
}

#[tokio::test]
async fn equal_maps_are_equal_keys_wherever_they_are() {
    let written: HashSet<Vec<u8>> = (0..20).map(|_| generated(99).encode_to_vec()).collect();
    assert!(written.len() > 1, "the orders have to differ for this to be a test");
    let first = keys(99).await;
    for _ in 0..20 {
        assert_eq!(keys(99).await, first);
    }
    let mut all: HashSet<u64> = first.into();
    assert_eq!(first[0], first[1], "which map it is does not count");
    assert_eq!(all.len(), 5);
    all.extend(keys(98).await);
    assert_eq!(all.len(), 10, "other entries are other keys");
}

/// By another implementation of what `stub::key` documents.
#[tokio::test]
async fn a_key_with_a_map_is_hashed_the_same_for_ever() {
    let tree = Tree { labels: Labels::from([("a".to_owned(), "b".to_owned())]), left: None, rest: vec![] };
    let written = tree.encode_to_vec();
    assert_eq!(Bytes::from(written), &b"\x0a\x06\x0a\x01a\x12\x01b"[..]);
    assert_eq!(key(|shelves| async move { shelves.by_tree(tree).await }).await, TREE);
}

const TREE: u64 = 0xa8e4_c903_7b90_2e73;
