//! The same message for prost's own derive.

use super::{All, Color, Item, Payment, Size, Tree};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime},
};

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
