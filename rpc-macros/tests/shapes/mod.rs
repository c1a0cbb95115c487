//! One message with every kind of field, the same for prost's own derive, and values of it.
#![allow(dead_code, reason = "each test file uses a part")]

use bytes::Bytes;
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
    hash::{BuildHasher, Hasher, RandomState},
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

#[derive(Clone, PartialEq, prost::Message)]
pub struct PItem {
    #[prost(string, tag = "1")]
    pub menu: String,
    #[prost(uint32, tag = "2")]
    pub count: u32,
}

// What `config.enable_type_names()` makes prost-build write.
impl prost::Name for PItem {
    const NAME: &'static str = "PItem";
    const PACKAGE: &'static str = "shapes";
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PCard {
    #[prost(string, tag = "1")]
    pub number: String,
    #[prost(uint32, tag = "2")]
    pub month: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PPayment {
    #[prost(oneof = "PKind", tags = "1, 2, 3, 4")]
    pub kind: Option<PKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum PKind {
    #[prost(message, tag = "1")]
    Card(PCard),
    #[prost(uint64, tag = "2")]
    Cash(u64),
    #[prost(message, tag = "3")]
    Points(PItem),
    #[prost(message, tag = "4")]
    Free(()),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PTree {
    #[prost(uint32, tag = "1")]
    pub value: u32,
    #[prost(message, optional, boxed, tag = "2")]
    pub left: Option<Box<PTree>>,
    #[prost(message, repeated, tag = "3")]
    pub kids: Vec<PTree>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct PTime {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PAll {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(bytes = "vec", tag = "3")]
    pub blob: Vec<u8>,
    #[prost(bytes = "bytes", tag = "4")]
    pub shared: Bytes,
    #[prost(uint32, repeated, tag = "5")]
    pub numbers: Vec<u32>,
    #[prost(string, repeated, tag = "6")]
    pub names: Vec<String>,
    #[prost(bytes = "vec", repeated, tag = "7")]
    pub blobs: Vec<Vec<u8>>,
    #[prost(message, tag = "8")]
    pub item: Option<PItem>,
    #[prost(message, repeated, tag = "9")]
    pub items: Vec<PItem>,
    #[prost(string, optional, tag = "10")]
    pub note: Option<String>,
    #[prost(message, optional, tag = "11")]
    pub maybe: Option<PItem>,
    #[prost(uint32, optional, tag = "12")]
    pub zero: Option<u32>,
    #[prost(map = "string, message", tag = "13")]
    pub map: HashMap<String, PItem>,
    #[prost(btree_map = "uint32, string", tag = "14")]
    pub sorted: BTreeMap<u32, String>,
    #[prost(int32, tag = "15")]
    pub size: i32,
    #[prost(int32, repeated, tag = "16")]
    pub sizes: Vec<i32>,
    #[prost(message, tag = "17")]
    pub payment: Option<PPayment>,
    #[prost(message, repeated, tag = "18")]
    pub payments: Vec<PPayment>,
    #[prost(message, tag = "19")]
    pub tree: Option<PTree>,
    #[prost(uint32, tag = "20")]
    pub small: u32,
    #[prost(message, tag = "21")]
    pub took: Option<PTime>,
    #[prost(message, tag = "22")]
    pub at: Option<PTime>,
    #[prost(message, tag = "23")]
    pub plain: Option<PItem>,
    #[prost(message, repeated, tag = "24")]
    pub plains: Vec<PItem>,
    #[prost(bool, tag = "25")]
    pub flag: bool,
    #[prost(double, tag = "26")]
    pub ratio: f64,
    #[prost(message, tag = "27")]
    pub boxed: Option<PItem>,
    #[prost(uint64, tag = "28")]
    pub order: u64,
    #[prost(uint64, repeated, tag = "29")]
    pub orders: Vec<u64>,
    #[prost(btree_map = "uint64, message", tag = "30")]
    pub by_order: BTreeMap<u64, PPayment>,
    #[prost(message, tag = "31")]
    pub paid: Option<PPayment>,
    #[prost(int32, tag = "32")]
    pub color: i32,
    #[prost(int32, repeated, tag = "33")]
    pub colors: Vec<i32>,
    #[prost(int32, tag = "34")]
    pub signed: i32,
    #[prost(int64, repeated, tag = "35")]
    pub longs: Vec<i64>,
    #[prost(bool, repeated, tag = "36")]
    pub flags: Vec<bool>,
    #[prost(float, tag = "37")]
    pub float: f32,
    #[prost(double, repeated, tag = "38")]
    pub doubles: Vec<f64>,
    #[prost(int32, repeated, tag = "39")]
    pub bytes: Vec<i32>,
    #[prost(int32, repeated, tag = "1000")]
    pub shorts: Vec<i32>,
    #[prost(message, tag = "42")]
    pub nothing: Option<()>,
    #[prost(btree_map = "bool, message", tag = "43")]
    pub times: BTreeMap<bool, PTime>,
    #[prost(btree_map = "string, int32", tag = "44")]
    pub sizes_by: BTreeMap<String, i32>,
    #[prost(int32, optional, tag = "45")]
    pub r#type: Option<i32>,
    #[prost(message, repeated, tag = "46")]
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

fn p_item(item: &Item) -> PItem {
    PItem { menu: item.menu.clone(), count: item.count }
}

fn p_payment(payment: &Payment) -> PPayment {
    let kind = match payment {
        Payment::Card { number, month } => PKind::Card(PCard { number: number.clone(), month: *month }),
        Payment::Cash(amount) => PKind::Cash(*amount),
        Payment::Points(item) => PKind::Points(p_item(item)),
        Payment::Free => PKind::Free(()),
    };
    PPayment { kind: Some(kind) }
}

fn p_tree(tree: &Tree) -> PTree {
    PTree {
        value: tree.value,
        left: tree.left.as_deref().map(|left| Box::new(p_tree(left))),
        kids: tree.kids.iter().map(p_tree).collect(),
    }
}

fn p_took(took: &Duration) -> PTime {
    PTime { seconds: took.as_secs() as i64, nanos: took.subsec_nanos() as i32 }
}

fn p_time(time: &SystemTime) -> PTime {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => p_took(&after),
        Err(before) => {
            let nanos = -(before.duration().as_nanos() as i128);
            PTime { seconds: nanos.div_euclid(1_000_000_000) as i64, nanos: nanos.rem_euclid(1_000_000_000) as i32 }
        }
    }
}

fn p_size(size: &Size) -> i32 {
    match size {
        Size::Small => 1,
        Size::Large => 2,
    }
}

fn p_color(color: &Color) -> i32 {
    match color {
        Color::Other => 0,
        Color::Red => 1,
        Color::Blue => 7,
    }
}

/// The same value in prost's types.
pub fn in_prost(all: &All) -> PAll {
    PAll {
        id: all.id,
        name: all.name.clone(),
        blob: all.blob.clone(),
        shared: all.shared.clone(),
        numbers: all.numbers.clone(),
        names: all.names.clone(),
        blobs: all.blobs.clone(),
        item: Some(p_item(&all.item)),
        items: all.items.iter().map(p_item).collect(),
        note: all.note.clone(),
        maybe: all.maybe.as_ref().map(p_item),
        zero: all.zero,
        map: all.map.iter().map(|(key, value)| (key.clone(), p_item(value))).collect(),
        sorted: all.sorted.clone(),
        size: p_size(&all.size),
        sizes: all.sizes.iter().map(p_size).collect(),
        payment: Some(p_payment(&all.payment)),
        payments: all.payments.iter().map(p_payment).collect(),
        tree: Some(p_tree(&all.tree)),
        small: all.small.into(),
        took: Some(p_took(&all.took)),
        at: Some(p_time(&all.at)),
        plain: Some(all.plain.clone()),
        plains: all.plains.clone(),
        flag: all.flag,
        ratio: all.ratio,
        boxed: Some(p_item(&all.boxed)),
        order: all.order.0,
        orders: all.orders.iter().map(|order| order.0).collect(),
        by_order: all.by_order.iter().map(|(key, value)| (key.0, p_payment(value))).collect(),
        paid: Some(p_payment(&all.paid)),
        color: p_color(&all.color),
        colors: all.colors.iter().map(p_color).collect(),
        signed: all.signed,
        longs: all.longs.clone(),
        flags: all.flags.clone(),
        float: all.float,
        doubles: all.doubles.clone(),
        bytes: all.bytes.iter().map(|n| (*n).into()).collect(),
        shorts: all.shorts.iter().map(|n| (*n).into()).collect(),
        nothing: Some(()),
        times: all.times.iter().map(|(key, value)| (*key, p_took(value))).collect(),
        sizes_by: all.sizes_by.iter().map(|(key, value)| (key.clone(), p_size(value))).collect(),
        r#type: all.r#type.as_ref().map(p_color),
        empty: all.empty.clone(),
    }
}

/// Runs `test` on so many values of a strategy, from a seed that is printed; `RPC_TEST_SEED` runs the same again.
pub fn check<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let seed = match std::env::var("RPC_TEST_SEED") {
        Ok(seed) => seed.parse().expect("RPC_TEST_SEED is a number"),
        Err(_) => RandomState::new().build_hasher().finish(),
    };
    println!("RPC_TEST_SEED={seed}");
    let config = ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if let Err(error) = TestRunner::new(config).run(&strategy, test) {
        panic!("RPC_TEST_SEED={seed}: {error}");
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
    rpc::Payload::Encoded(bytes.into()).take::<Sole<T, K>>().map(Sole::into_inner)
}

/// The bytes of a prost message.
pub fn bytes_of(message: &impl prost::Message) -> Vec<u8> {
    message.encode_to_vec()
}
