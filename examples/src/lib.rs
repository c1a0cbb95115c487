//! An order service in a delivery domain.
//!
//! This file is the *interface*, which servers and clients share: the trait, its messages and its errors. In a project
//! of several teams it is a crate of its own (say `orders-api`) that depends on `rpc` without its default features.
//! The modules below it belong to the server ([`serve`], [`kitchen`] and what it keeps), to callers whose streams
//! outlive a server ([`follower`], [`rider`], [`resume`]), to whoever has orders in a file ([`sheet`]), and to the
//! command lines of the programs ([`args`]). [`json_lines`] is a wire of one's own.

pub mod args;
pub mod book;
pub mod delivery;
pub mod follower;
pub mod json_lines;
pub mod kitchen;
pub mod resume;
pub mod rider;
pub mod serve;
pub mod sheet;
pub mod tally;

pub use follower::Follower;
pub use kitchen::Kitchen;
pub use rider::Rider;

use rpc::prelude::*;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// Takes orders, and sees to it that they are delivered. There is one method of each kind that a call can be.
#[rpc_service(package = "baedal.orders.v1")]
pub trait Orders {
    /// Places an order with its store.
    ///
    /// The caller chooses the number. The same order under the same number is placed once and has one receipt, however
    /// often it is sent; another order under that number is a [`Conflict`](OrderError::Conflict).
    // Twice does what once does, and yet it is not `idempotent`: such a handler is dropped when its caller leaves, and
    // an order that has come is to be placed.
    async fn place(&self, order: Order) -> Result<Receipt, OrderError>;

    /// Finds an order by its number.
    #[rpc(idempotent, timeout = "3s")]
    async fn find(&self, #[rpc(key)] number: String) -> Result<Order, OrderError>;

    /// Follows an order until it is delivered: every [`Stage`] it has passed, then each one when it is reached, once
    /// and in order.
    ///
    /// Whoever is cut off follows again and leaves out what came before, as [`Follower`] does in Rust.
    #[rpc(idempotent)]
    async fn follow(&self, number: String) -> Result<Streaming<Progress, OrderError>, OrderError>;

    /// Places a whole file of orders, at most [10,000](Summary::ORDERS). What cannot be taken is left out, and the
    /// summary says which and why. Sending the same file again does no harm, for the reason that placing an order twice
    /// does none.
    #[rpc(idempotent)]
    async fn import(&self, orders: Streaming<Order>) -> Result<Summary, OrderError>;

    /// Guides a rider from store to door: each [`Position`] is answered by what to do next.
    ///
    /// What a rider carries is kept, not the stream: whoever is cut off says where they are and goes on, as [`Rider`]
    /// does in Rust.
    async fn track(&self, positions: Streaming<Position>) -> Result<Streaming<Instruction, OrderError>, OrderError>;
}

/// What somebody wants to eat.
#[derive(Message, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Order {
    /// Chosen by the caller: letters, digits and hyphens, at most [64](Order::NUMBER_LENGTH).
    pub number: String,
    /// Who ordered.
    pub customer: String,
    /// Where it goes.
    pub address: String,
    /// Who cooks.
    pub store: String,
    /// At least one.
    pub items: Vec<Item>,
    /// How it is paid.
    pub payment: Payment,
    /// What the rider should know.
    pub note: Option<String>,
}

/// One line of an order.
#[derive(Message, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Item {
    /// As it stands on the menu.
    pub name: String,
    /// How many; at least one.
    pub quantity: u32,
    /// What one of them costs, in won.
    pub price: u64,
}

/// How an order is paid.
#[derive(Message, Serialize, Deserialize, clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Payment {
    /// At the door, in notes and coins.
    Cash,
    /// By card.
    Card,
    /// By bank transfer.
    Transfer,
    /// With the points of earlier orders.
    Points,
}

/// Says that an order was taken.
#[derive(Message, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The order's number.
    pub number: String,
    /// What it costs in all, in won.
    pub total: u64,
    /// When it was first placed.
    pub accepted: SystemTime,
}

/// That an order has reached a stage.
#[derive(Message, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Progress {
    /// Which one.
    pub stage: Stage,
    /// When it was reached.
    pub at: SystemTime,
    /// Who carries the order, once somebody does.
    pub rider: Option<String>,
}

/// What an order goes through, in this order.
#[derive(Message, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The store has it.
    Accepted,
    /// It can be picked up.
    Cooked,
    /// A rider is on the way to the store.
    Assigned,
    /// The rider has it.
    PickedUp,
    /// It is where it was to go.
    Delivered,
}

/// What became of a file of orders.
#[derive(Message, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many were placed.
    pub placed: u64,
    /// How many had been placed before.
    pub known: u64,
    /// What could not be taken, in the order in which it came.
    pub refused: Vec<Refusal>,
}

/// An order of a file that was not taken.
#[derive(Message, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Its place in the file, counted from 1.
    pub position: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Where a rider is.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct Position {
    /// Who: letters of any script, digits and hyphens.
    pub rider: String,
    /// A store or an address, as orders spell it.
    pub place: String,
}

/// What a rider does next.
#[derive(Message, Clone, Debug, PartialEq)]
pub enum Instruction {
    /// There is nothing to carry; say again later where you are.
    Wait,
    /// Go to the store and say that you are there.
    PickUp {
        /// The order's number.
        number: String,
        /// Where it is cooked.
        store: String,
    },
    /// Carry it to the address and say that you are there.
    Deliver {
        /// The order's number.
        number: String,
        /// Where it goes.
        address: String,
    },
}

/// Why the servers would not.
#[derive(RpcError, thiserror::Error, Debug)]
#[rpc(package = "baedal.orders.v1")]
pub enum OrderError {
    /// Nobody has placed an order with this number.
    #[error("there is no order {number}")]
    #[rpc(code = NotFound)]
    NotFound {
        /// The number asked for.
        number: String,
    },
    /// The number belongs to another order.
    #[error("there is another order {number} already; choose a new number")]
    #[rpc(code = AlreadyExists)]
    Conflict {
        /// The number that is taken.
        number: String,
    },
    /// The order makes no sense.
    #[error("order `{number}` cannot be taken: {reason}")]
    #[rpc(code = InvalidArgument)]
    Invalid {
        /// The order's number, or what stands in its place.
        number: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody can be called that.
    #[error("`{rider}` cannot be the name of a rider: {reason}")]
    #[rpc(code = InvalidArgument)]
    Rider {
        /// The name.
        rider: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file has more orders than are taken at once.
    #[error("at most {limit} orders are taken at once; send the rest in another import")]
    #[rpc(code = ResourceExhausted)]
    TooMany {
        /// How many are.
        limit: u64,
    },
    /// The server cannot reach its own folder.
    #[error("the server cannot keep its orders: {reason}")]
    #[rpc(code = Internal)]
    Storage {
        /// What the file system said.
        reason: String,
    },
    /// Whatever the wire, the deadline or the fleet did.
    #[error(transparent)]
    Rpc(#[from] Status),
}

impl Order {
    /// The longest number, in bytes.
    // `Order::number` says it, since other languages do not see this.
    pub const NUMBER_LENGTH: usize = 64;

    /// What the order costs in all, in won. Stops at the largest number there is.
    pub fn total(&self) -> u64 {
        self.items
            .iter()
            .fold(0, |total: u64, item| total.saturating_add(item.price.saturating_mul(item.quantity.into())))
    }

    /// What is wrong with the order, if anything is.
    ///
    /// # Errors
    /// [`OrderError::Invalid`], with the reason.
    pub fn check(&self) -> Result<(), OrderError> {
        Self::check_number(&self.number)?;
        let reason = match self.items.iter().find(|item| item.quantity == 0) {
            Some(item) => format!("there are no {}: the quantity is 0", cut(&item.name)),
            None if self.items.is_empty() => "nothing is ordered".to_owned(),
            None => return Ok(()),
        };
        Err(OrderError::Invalid { number: self.number.clone(), reason })
    }

    /// Whether this can be the number of an order. It becomes the name of a file, so it must not be a path.
    ///
    /// # Errors
    /// [`OrderError::Invalid`], with the rule.
    pub fn check_number(number: &str) -> Result<(), OrderError> {
        let fits = (1..=Self::NUMBER_LENGTH).contains(&number.len());
        if fits && number.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Ok(());
        }
        let reason = format!("a number is 1 to {} letters, digits and hyphens", Self::NUMBER_LENGTH);
        Err(OrderError::Invalid { number: cut(number), reason })
    }
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Accepted, Self::Cooked, Self::Assigned, Self::PickedUp, Self::Delivered];
}

impl Summary {
    /// How many orders are taken in one import.
    // `Orders::import` says the number, since other languages do not see this.
    pub const ORDERS: u64 = 10_000;
}

impl Position {
    /// Whether this can be the name of a rider. It becomes the name of a folder, so it must not be a path.
    ///
    /// # Errors
    /// [`OrderError::Rider`], with the rule.
    pub fn check(&self) -> Result<(), OrderError> {
        let fits = (1..=Order::NUMBER_LENGTH).contains(&self.rider.len());
        if fits && self.rider.chars().all(|letter| letter.is_alphanumeric() || letter == '-') {
            return Ok(());
        }
        let reason = format!("a name is letters, digits and hyphens, 1 to {} bytes", Order::NUMBER_LENGTH);
        Err(OrderError::Rider { rider: cut(&self.rider), reason })
    }
}

/// A peer's text, before it is repeated.
fn cut(text: &str) -> String {
    text.chars().take(Order::NUMBER_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    /// Programs in other languages, and older ones in this, keep their numbers.
    #[test]
    fn the_interface_is_what_orders_proto_says() {
        rpc::assert_proto!("orders.proto", super::OrdersClient);
    }
}
