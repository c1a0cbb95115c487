//! An order service in a delivery domain.
//!
//! This file is the *interface*, which servers and clients share: the trait, its messages and its errors. In a project
//! of several teams it is a crate of its own (say `orders-api`) that depends on `rpc` without its default features.
//! The modules below it belong to the server ([`serve`], [`kitchen`] and what it keeps), to whoever has orders in a file
//! ([`sheet`]), and to the command lines of the programs ([`args`]).

pub mod args;
pub mod book;
pub mod kitchen;
pub mod serve;
pub mod sheet;
pub mod tally;

pub use kitchen::Kitchen;

use rpc::prelude::*;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// Takes orders and finds them again.
#[rpc_service(package = "baedal.orders.v1")]
pub trait Orders {
    /// Places an order with its store.
    ///
    /// The caller chooses the number. The same order under the same number is placed once and has one receipt, however
    /// often it is sent; another order under that number is a [`OrderError::Conflict`].
    async fn place(&self, order: Order) -> Result<Receipt, OrderError>;

    /// Finds an order by its number.
    #[rpc(idempotent, timeout = "3s")]
    async fn find(&self, #[rpc(key)] number: String) -> Result<Order, OrderError>;
}

/// What somebody wants to eat.
#[derive(Message, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Order {
    /// Chosen by the caller: letters, digits and hyphens, at most [`Order::NUMBER_LENGTH`].
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

/// Why an order could not be placed or found.
#[derive(RpcError, thiserror::Error, Debug)]
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
            Some(item) => format!("there are no {}: the quantity is 0", item.name),
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
        // A peer's text is cut before it is repeated.
        Err(OrderError::Invalid { number: number.chars().take(Self::NUMBER_LENGTH).collect(), reason })
    }
}
