//! A crate that forbids itself everything: generated code adds no warning of rustc's, nor of clippy's strictest groups.
//! (`cargo xtask lint` runs clippy over it, and rustdoc over the crate `examples`.)
#![deny(warnings, missing_docs, missing_debug_implementations, unused_qualifications, single_use_lifetimes)]
#![deny(clippy::all, clippy::pedantic, clippy::missing_docs_in_private_items, clippy::absolute_paths)]

use rpc::{Message, RpcError, Status, Streaming, rpc_service};
use std::{collections::BTreeMap, fmt};

/// Everything that a service can have.
#[rpc_service(package = "strict.v1")]
pub trait Orders {
    /// Finds an order.
    #[rpc(idempotent, timeout = "1s", cancel = "drop")]
    async fn find(&self, #[rpc(key)] number: String) -> Result<Order, OrderError>;
    /// Places an order.
    #[rpc(bare)]
    async fn place(&self, order: Order) -> Result<(), OrderError>;
    /// Follows an order.
    async fn follow(&self, number: String) -> Result<Streaming<Payment, OrderError>, Status>;
    /// Takes many.
    async fn import(&self, orders: Streaming<Order>) -> Result<u32, Status>;
    /// Says the same again.
    async fn echo(&self, words: Streaming<String>) -> Result<Streaming<String>, Status> {
        Ok(words)
    }
    /// Has been replaced.
    #[deprecated(note = "use `find`")]
    async fn get(&self, number: String, page: u32) -> Result<Option<Order>, OrderError>;
}

/// What somebody wants to eat.
#[derive(Message, Clone, Debug, PartialEq)]
#[rpc(reserved(1, "id"))]
pub struct Order {
    /// Chosen by the caller.
    pub number: Number,
    /// How much of what.
    pub items: BTreeMap<String, u32>,
    /// How it is paid.
    pub payment: Payment,
    /// Has been replaced.
    #[deprecated]
    pub note: Option<String>,
}

/// What an order is found by.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Number(u64);

/// How an order is paid.
#[derive(Message, Clone, Debug, PartialEq)]
pub enum Payment {
    /// By card.
    Card {
        /// As it stands on the card.
        number: String,
        /// Whose it is.
        brand: Brand,
    },
    /// In won.
    Cash(u64),
    /// Not yet.
    #[rpc(default)]
    Later,
}

/// Whose card it is.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brand {
    /// One that is not known here.
    #[rpc(unknown)]
    Other,
    /// Visa.
    Visa,
}

/// A part of a list.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
}

/// Why it does not work.
#[derive(RpcError, Debug)]
pub enum OrderError {
    /// Nobody has placed it.
    #[rpc(code = NotFound)]
    NotFound {
        /// The number asked for.
        number: Number,
    },
    /// The store is closed.
    #[rpc(code = FailedPrecondition)]
    Closed,
    /// Whatever the wire did.
    #[rpc(status)]
    Rpc(Status),
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it does not work")
    }
}

/// Knows one order.
struct Kitchen;

/// The order.
fn order() -> Order {
    #[expect(deprecated, reason = "it is still sent")]
    Order { number: Number(7), items: BTreeMap::new(), payment: Payment::Later, note: None }
}

impl Orders for Kitchen {
    async fn find(&self, _number: String) -> Result<Order, OrderError> {
        Ok(order())
    }
    async fn place(&self, _order: Order) -> Result<(), OrderError> {
        Err(OrderError::Closed)
    }
    async fn follow(&self, _number: String) -> Result<Streaming<Payment, OrderError>, Status> {
        Ok(Streaming::from_iter([Ok(Payment::Later), Err(OrderError::NotFound { number: Number(1) })]))
    }
    async fn import(&self, mut orders: Streaming<Order>) -> Result<u32, Status> {
        let mut count = 0;
        while let Some(order) = orders.next().await {
            order?;
            count += 1;
        }
        Ok(count)
    }
    async fn get(&self, _number: String, _page: u32) -> Result<Option<Order>, OrderError> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_crate_that_forbids_itself_everything_compiles_and_works() {
    let orders = OrdersClient::local(Kitchen);
    assert_eq!(orders.find("7".to_owned()).await.unwrap(), order());
    assert!(matches!(orders.place(order()).await, Err(OrderError::Closed)));
    let mut steps = orders.follow("7".to_owned()).await.unwrap();
    assert!(matches!(steps.next().await, Some(Ok(Payment::Later))));
    assert!(matches!(steps.next().await, Some(Err(OrderError::NotFound { number: Number(1) }))));
    assert_eq!(orders.import(Streaming::from_iter([order()])).await.unwrap(), 1);
}
