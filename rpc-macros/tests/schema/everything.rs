//! A service with everything that a schema can have.

use rpc::{Message, RpcError, Status, Streaming, rpc_service};
use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime},
};

pub type Amounts = HashMap<String, u64>;
pub type Answer<T> = Result<T, OrderError>;
pub type Steps = Streaming<Payment, OrderError>;

/// Takes orders.
///
/// And finds them.
#[rpc_service(package = "test.schema.v1")]
pub trait Orders {
    /// Finds one.
    #[rpc(idempotent, reserved(2, 4..=5, "shop"))]
    async fn find(&self, number: OrderId, #[rpc(tag = 7)] store: Option<String>, whole: bool) -> Answer<Order>;
    /// Places one.
    #[rpc(bare)]
    async fn place(&self, order: Order) -> Result<(), Status>;
    /// Says how many.
    #[rpc(reserved(1, "since"))]
    async fn count(&self) -> Result<u32, Status>;
    /// Follows one.
    async fn follow(&self, r#type: String) -> Result<Steps, Status>;
    /// Takes many.
    async fn import(&self, orders: Streaming<Order>) -> Answer<Page<Item>>;
    /// Talks.
    async fn talk(&self, words: Streaming<String>) -> Result<Streaming<Vec<Item>>, Status>;
    #[deprecated]
    async fn old(&self, place: Place) -> Result<Page<Order>, Status>;
}

/// What somebody wants to eat.
///
/// One line is empty above.
#[derive(Message, Clone, Debug, PartialEq)]
#[rpc(reserved(2, 5..=7, "price"))]
pub struct Order {
    /// Chosen by the caller.
    pub number: OrderId,
    pub items: Vec<Item>,
    pub note: Option<String>,
    pub payment: Payment,
    pub amounts: Amounts,
    pub placed_at: SystemTime,
    pub took: Option<Duration>,
    #[deprecated]
    pub brands: Vec<Brand>,
    pub brand: Option<Brand>,
    pub tree: Option<Box<Tree>>,
    pub everything: Scalars,
}

#[derive(Message, Clone, Debug, PartialEq)]
pub struct OrderId(pub u64);

#[derive(Message, Clone, Debug, PartialEq)]
#[rpc(name = "Line")]
pub struct Item {
    #[rpc(name = "menu_name")]
    pub menu: String,
    pub count: u32,
}

/// How it is paid.
#[derive(Message, Clone, Debug, PartialEq)]
#[rpc(reserved(9, "Cheque"))]
pub enum Payment {
    /// By card.
    Card {
        /// As it stands there.
        number: String,
        brand: Brand,
        holder: Option<Person>,
    },
    Cash(u64),
    BankTransfer(Card),
    #[rpc(default)]
    Later,
}

/// Has the name of a message that is nested elsewhere.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Card {
    pub bank: String,
}

#[derive(Message, Clone, Copy, Debug, PartialEq)]
#[rpc(reserved(4, "Amex"))]
pub enum Brand {
    Visa,
    /// The other.
    MasterCard,
}

#[derive(Message, Clone, Copy, Debug, PartialEq)]
pub enum Mood {
    Good,
    #[rpc(unknown)]
    Unknown,
}

#[derive(Message, Clone, Debug, PartialEq)]
pub struct Tree {
    pub value: i16,
    pub left: Option<Box<Tree>>,
    pub kids: Vec<Tree>,
    pub by_name: BTreeMap<String, Tree>,
    pub moods: BTreeMap<i32, Mood>,
}

/// Of another package.
#[derive(Message, Clone, Debug, PartialEq)]
#[rpc(package = "test.people")]
pub struct Person {
    pub name: String,
    pub address: Address,
}

/// Belongs to the package of the person.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Address {
    pub lines: Vec<String>,
}

#[derive(Message, Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub more: bool,
}

#[derive(Message, Clone, Debug, PartialEq)]
pub struct Scalars {
    pub a: u32,
    pub b: u64,
    pub c: i32,
    pub d: i64,
    pub e: bool,
    pub f: f32,
    pub g: f64,
    pub h: String,
    pub i: Vec<u8>,
    pub j: u16,
    pub k: i8,
    pub l: Vec<f64>,
    pub m: Option<u32>,
    pub n: bytes::Bytes,
}

/// Not to be found anywhere.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Place {
    pub at: Location,
    pub land: Land,
    pub around: Vec<Land>,
    pub by_name: BTreeMap<String, Land>,
    pub surface: Option<Surface>,
}

/// As prost would generate it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Location {
    #[prost(double, tag = "1")]
    pub latitude: f64,
    #[prost(double, tag = "2")]
    pub longitude: f64,
}

impl prost::Name for Location {
    const NAME: &'static str = "Location";
    const PACKAGE: &'static str = "maps.v1";
}

/// As prost would generate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Land {
    Unspecified = 0,
    Field = 1,
    Forest = 2,
}

/// As prost would generate it, in a module `location`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Surface {
    Unspecified = 0,
    Water = 5,
}

/// Why it fails.
#[derive(RpcError, thiserror::Error, Debug)]
#[rpc(package = "test.schema.v1")]
pub enum OrderError {
    /// Nobody placed it.
    #[error("there is no order")]
    #[rpc(code = NotFound)]
    NotFound {
        /// The number asked for.
        number: OrderId,
    },
    #[error("closed")]
    #[rpc(code = FailedPrecondition, name = "Shut")]
    Closed,
    #[error(transparent)]
    Rpc(#[from] Status),
}

/// One of each.
pub fn order() -> Order {
    let leaf = Tree { value: -3, left: None, kids: vec![], by_name: BTreeMap::new(), moods: BTreeMap::new() };
    let tree = Tree {
        value: 300,
        left: Some(Box::new(leaf.clone())),
        kids: vec![leaf.clone(), leaf.clone()],
        by_name: BTreeMap::from([("a".to_owned(), leaf)]),
        moods: BTreeMap::from([(1, Mood::Good), (2, Mood::Unknown)]),
    };
    let person = Person { name: "Mina".to_owned(), address: Address { lines: vec!["1".to_owned()] } };
    #[expect(deprecated, reason = "it is still sent")]
    Order {
        number: OrderId(7),
        items: vec![Item { menu: "noodles".to_owned(), count: 2 }],
        note: Some(String::new()),
        payment: Payment::Card { number: "12".to_owned(), brand: Brand::MasterCard, holder: Some(person) },
        amounts: Amounts::from([("won".to_owned(), 9000)]),
        placed_at: SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5),
        took: Some(Duration::from_millis(1500)),
        brands: vec![Brand::Visa, Brand::MasterCard],
        brand: Some(Brand::Visa),
        tree: Some(Box::new(tree)),
        everything: Scalars {
            a: 1,
            b: u64::MAX,
            c: -1,
            d: i64::MIN,
            e: true,
            f: 0.5,
            g: -0.25,
            h: "한국".to_owned(),
            i: vec![0, 255],
            j: 65535,
            k: -128,
            l: vec![1.0, 2.0],
            m: Some(0),
            n: bytes::Bytes::from_static(b"n"),
        },
    }
}
