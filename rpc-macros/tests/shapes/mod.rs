//! One message with every kind of field, the same for prost's own derive, and values of it.
#![allow(dead_code, reason = "each test file uses a part")]

mod in_prost;

use bytes::Bytes;
pub use in_prost::*;
use proptest::{
    collection as many, option,
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use rpc::{
    __private::v1::message::{Derived, Field, Sole},
    Message,
};
use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime},
};

type Number = u64;

#[derive(Message, Clone, Debug, PartialEq)]
pub struct Item {
    pub menu: String,
    pub count: u32,
}

#[derive(Message, Clone, Copy, Debug, PartialEq)]
pub enum Size {
    Small,
    Large,
}

#[derive(Message, Clone, Debug, PartialEq)]
pub enum Color {
    #[rpc(unknown)]
    Other,
    Red,
    #[rpc(tag = 7)]
    Blue,
}

#[derive(Message, Clone, Debug, PartialEq)]
pub enum Payment {
    Card {
        number: String,
        month: u32,
    },
    Cash(u64),
    Points(Item),
    #[rpc(default)]
    Free,
}

#[derive(Message, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(pub u64);

#[derive(Message, Clone, Debug, PartialEq)]
pub struct Tree {
    pub value: u32,
    pub left: Option<Box<Self>>,
    pub kids: Vec<Tree>,
}

#[derive(Message, Clone, Debug, PartialEq)]
pub struct Nothing;

#[derive(Message, Clone, Debug, PartialEq)]
#[rpc(package = "shapes.v1", name = "Everything", reserved(40, 50..=59, "old"))]
pub struct All {
    pub id: Number,
    pub name: String,
    pub blob: Vec<u8>,
    pub shared: Bytes,
    pub numbers: Vec<u32>,
    pub names: Vec<String>,
    pub blobs: Vec<Vec<u8>>,
    pub item: Item,
    pub items: Vec<Item>,
    pub note: Option<String>,
    pub maybe: Option<Item>,
    pub zero: Option<u32>,
    pub map: HashMap<String, Item>,
    pub sorted: BTreeMap<u32, String>,
    pub size: Size,
    pub sizes: Vec<Size>,
    pub payment: Payment,
    pub payments: Vec<Payment>,
    pub tree: Tree,
    pub small: u16,
    pub took: Duration,
    pub at: SystemTime,
    pub plain: PItem,
    pub plains: Vec<PItem>,
    pub flag: bool,
    pub ratio: f64,
    pub boxed: Box<Item>,
    pub order: OrderId,
    pub orders: Vec<OrderId>,
    pub by_order: BTreeMap<OrderId, Payment>,
    pub paid: Box<Payment>,
    pub color: Color,
    pub colors: Vec<Color>,
    pub signed: i32,
    pub longs: Vec<i64>,
    pub flags: Vec<bool>,
    pub float: f32,
    pub doubles: Vec<f64>,
    pub bytes: Vec<i8>,
    #[rpc(tag = 1000)]
    pub shorts: Vec<i16>,
    pub nothing: Nothing,
    pub times: BTreeMap<bool, Duration>,
    pub sizes_by: BTreeMap<String, Size>,
    pub r#type: Option<Color>,
    pub empty: Vec<()>,
}

pub fn item() -> impl Strategy<Value = Item> {
    (".{0,6}", any::<u32>().prop_map(|n| n % 3)).prop_map(|(menu, count)| Item { menu, count })
}

fn plain() -> impl Strategy<Value = PItem> {
    item().prop_map(|Item { menu, count }| PItem { menu, count })
}

fn size() -> impl Strategy<Value = Size> {
    prop_oneof![Just(Size::Small), Just(Size::Large)]
}

fn color() -> impl Strategy<Value = Color> {
    prop_oneof![Just(Color::Other), Just(Color::Red), Just(Color::Blue)]
}

fn payment() -> impl Strategy<Value = Payment> {
    prop_oneof![
        (".{0,4}", 0..3u32).prop_map(|(number, month)| Payment::Card { number, month }),
        (0..3u64).prop_map(Payment::Cash),
        item().prop_map(Payment::Points),
        Just(Payment::Free),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = (0..3u32).prop_map(|value| Tree { value, left: None, kids: Vec::new() });
    leaf.prop_recursive(4, 12, 3, |inner| {
        (0..3u32, option::of(inner.clone().prop_map(Box::new)), many::vec(inner, 0..3))
            .prop_map(|(value, left, kids)| Tree { value, left, kids })
    })
}

fn took() -> impl Strategy<Value = Duration> {
    (0..3u64, prop_oneof![Just(0), 0..1_000_000_000u32]).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
}

fn time() -> impl Strategy<Value = SystemTime> {
    (any::<bool>(), took()).prop_map(|(past, distance)| match past {
        true => SystemTime::UNIX_EPOCH - distance,
        false => SystemTime::UNIX_EPOCH + distance,
    })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    many::vec(any::<u8>(), 0..4)
}

/// Any value of [`All`], in which what is implied on the wire is as frequent as what is not. In groups, since a tuple
/// of strategies holds ten.
pub fn all() -> impl Strategy<Value = All> {
    let one = (0..3u64, ".{0,4}", bytes(), bytes(), many::vec(any::<u32>(), 0..4), many::vec(".{0,2}", 0..3));
    let two = (many::vec(bytes(), 0..3), item(), many::vec(item(), 0..3), option::of(".{0,2}"), option::of(item()));
    let three = (
        option::of(0..2u32),
        // One entry at most: a HashMap's order is its own.
        many::hash_map(".{0,2}", item(), 0..2),
        many::btree_map(0..3u32, ".{0,2}", 0..3),
        size(),
        many::vec(size(), 0..4),
        payment(),
    );
    let four = (many::vec(payment(), 0..3), tree(), any::<u16>(), took(), time(), plain(), many::vec(plain(), 0..3));
    let five = (any::<bool>(), number(), item(), 0..3u64, many::vec(any::<u64>(), 0..3));
    let six = (many::btree_map((0..3u64).prop_map(OrderId), payment(), 0..3), payment(), color());
    let seven = (many::vec(color(), 0..3), any::<i32>(), many::vec(any::<i64>(), 0..3), many::vec(any::<bool>(), 0..3));
    let eight = (number(), many::vec(number(), 0..3), many::vec(any::<i8>(), 0..3), many::vec(any::<i16>(), 0..3));
    let nine = (
        many::btree_map(any::<bool>(), took(), 0..3),
        many::btree_map(".{0,1}", size(), 0..3),
        option::of(color()),
        0..3usize,
    );
    ((one, two, three, four, five), (six, seven, eight, nine)).prop_map(
        |((one, two, three, four, five), (six, seven, eight, nine))| All {
            id: one.0,
            name: one.1,
            blob: one.2,
            shared: one.3.into(),
            numbers: one.4,
            names: one.5,
            blobs: two.0,
            item: two.1,
            items: two.2,
            note: two.3,
            maybe: two.4,
            zero: three.0,
            map: three.1,
            sorted: three.2,
            size: three.3,
            sizes: three.4,
            payment: three.5,
            payments: four.0,
            tree: four.1,
            small: four.2,
            took: four.3,
            at: four.4,
            plain: four.5,
            plains: four.6,
            flag: five.0,
            ratio: five.1,
            boxed: Box::new(five.2),
            order: OrderId(five.3),
            orders: five.4.into_iter().map(OrderId).collect(),
            by_order: six.0,
            paid: Box::new(six.1),
            color: six.2,
            colors: seven.0,
            signed: seven.1,
            longs: seven.2,
            flags: seven.3,
            float: eight.0 as f32,
            doubles: eight.1,
            bytes: eight.2,
            shorts: eight.3,
            nothing: Nothing,
            times: nine.0,
            sizes_by: nine.1,
            r#type: nine.2,
            empty: vec![(); nine.3],
        },
    )
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(-0.0), Just(1.5), any::<f64>().prop_filter("NaN equals nothing", |n| !n.is_nan())]
}

/// Runs `test` on so many values of a strategy, from a seed that is printed; `RPC_SEED` runs the same again.
pub fn check<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let seed = rpc_testkit::Seed::from_env_or_random();
    let config = ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed.rng().u64(..)),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if let Err(error) = TestRunner::new(config).run(&strategy, test) {
        panic!("RPC_SEED={seed}: {error}");
    }
}

/// Reads a derived message.
pub fn decode<M: Derived>(bytes: &[u8]) -> Result<M, String> {
    M::decode_whole(bytes).map_err(|error| error.to_string())
}

/// Writes any value as the message that it is when it is sent alone.
pub fn whole<K: 'static, T: Field<K>>(value: T) -> Vec<u8> {
    rpc::Payload::typed(Sole::new(value)).into_bytes().to_vec()
}

/// Reads what [`whole`] wrote.
pub fn from_whole<K: 'static, T: Field<K>>(bytes: impl Into<Bytes>) -> Result<T, String> {
    rpc::Payload::Encoded(bytes.into()).take::<Sole<T, K>>().map(Sole::into_inner).map_err(|error| error.to_string())
}

/// The bytes of a prost message.
pub fn bytes_of(message: &impl prost::Message) -> Vec<u8> {
    message.encode_to_vec()
}
