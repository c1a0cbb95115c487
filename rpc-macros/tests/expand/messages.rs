/// What somebody wants to eat.
#[derive(rpc::Message, Clone, Debug, PartialEq)]
#[rpc(package = "baedal.orders.v1", reserved(2, "price"))]
pub struct Order {
    /// Chosen by the caller.
    pub number: OrderId,
    /// At least one.
    pub items: Vec<String>,
    /// What the rider should know.
    pub note: Option<String>,
    /// How it is paid.
    #[rpc(tag = 9)]
    pub payment: Payment,
}

/// What an order is found by.
#[derive(rpc::Message, Clone, Debug, PartialEq)]
pub struct OrderId(String);

/// How an order is paid.
#[derive(rpc::Message, Clone, Debug, PartialEq)]
pub enum Payment {
    /// By card.
    Card {
        /// As it stands on the card.
        number: String,
        /// Whose card it is.
        brand: Brand,
    },
    /// In won.
    Cash(u64),
    /// Not yet.
    #[rpc(default)]
    Later,
}

/// Whose card it is.
#[derive(rpc::Message, Clone, Copy, Debug, PartialEq)]
pub enum Brand {
    /// One that is not known here.
    #[rpc(unknown)]
    Other,
    /// Visa.
    Visa,
}

/// A part of a list.
#[derive(rpc::Message, Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
}
