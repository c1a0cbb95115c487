//! The server's side of [`Orders`].

use crate::{
    Order, OrderError, Orders, Receipt,
    book::{BookError, OrderBook},
    tally::Tally,
};
use rpc::prelude::*;
use std::{io, path::Path, sync::Arc};

/// Takes orders into an [`OrderBook`] and counts the calls it answers in a [`Tally`].
///
/// Several kitchens, in one process or in many, share a folder.
#[derive(Clone, Debug)]
pub struct Kitchen {
    book: Arc<OrderBook>,
    tally: Arc<Tally>,
}

impl Kitchen {
    /// A kitchen that keeps everything below `folder`, and counts its calls under `name`.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path, name: &str) -> io::Result<Self> {
        Ok(Self { book: Arc::new(OrderBook::open(folder)?), tally: Arc::new(Tally::open(folder, name)?) })
    }

    /// Does the work of one call where it may block, and counts it before the answer leaves: a call that its caller
    /// saw succeed has been counted even if this process is killed the moment after.
    async fn serve<T: Send + 'static>(
        &self,
        work: impl FnOnce(&OrderBook) -> Result<T, BookError> + Send + 'static,
    ) -> Result<T, OrderError> {
        let transport = Context::current().peer().map_or("local", |peer| peer.transport);
        let Self { book, tally } = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let answer = work(&book)?;
            tally.count(transport)?;
            Ok::<_, BookError>(answer)
        });
        match done.await {
            Ok(answer) => answer.map_err(OrderError::from),
            Err(panic) => Err(OrderError::Storage { reason: panic.to_string() }),
        }
    }
}

impl Orders for Kitchen {
    async fn place(&self, order: Order) -> Result<Receipt, OrderError> {
        order.check()?;
        self.serve(move |book| book.place(&order)).await
    }

    async fn find(&self, number: String) -> Result<Order, OrderError> {
        Order::check_number(&number)?;
        self.serve(move |book| book.find(&number)).await
    }
}

impl From<BookError> for OrderError {
    fn from(error: BookError) -> Self {
        match error {
            BookError::NotFound(number) => Self::NotFound { number },
            BookError::Conflict(number) => Self::Conflict { number },
            BookError::Storage(error) => Self::Storage { reason: error.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Item, Payment};

    fn order(number: &str) -> Order {
        Order {
            number: number.into(),
            customer: "김민준".into(),
            address: "서울 강남구 테헤란로 152".into(),
            store: "교동반점".into(),
            items: vec![Item { name: "짜장면".into(), quantity: 2, price: 7000 }],
            payment: Payment::Card,
            note: None,
        }
    }

    #[tokio::test]
    async fn an_order_is_placed_once_and_seen_by_every_kitchen() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (Kitchen::open(folder.path(), "1").unwrap(), Kitchen::open(folder.path(), "2").unwrap());
        let receipt = one.place(order("BD-1")).await.unwrap();
        assert_eq!((receipt.number.as_str(), receipt.total), ("BD-1", 14_000));
        assert_eq!(two.place(order("BD-1")).await.unwrap(), receipt);
        assert_eq!(two.find("BD-1".into()).await.unwrap(), order("BD-1"));

        let other = Order { note: Some("덜 맵게".into()), ..order("BD-1") };
        assert!(matches!(two.place(other).await, Err(OrderError::Conflict { number }) if number == "BD-1"));
        assert_eq!(one.find("BD-1".into()).await.unwrap(), order("BD-1"));
        assert_eq!(Tally::read(folder.path(), "1").unwrap()["local"], 2);
        assert_eq!(Tally::read(folder.path(), "2").unwrap()["local"], 2);
    }

    #[tokio::test]
    async fn what_cannot_be_an_order_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let kitchen = Kitchen::open(folder.path(), "1").unwrap();
        for number in ["", "../escape", "a/b", ".", "주문", &"9".repeat(65)] {
            assert!(matches!(kitchen.place(order(number)).await, Err(OrderError::Invalid { .. })), "{number}");
            assert!(matches!(kitchen.find(number.into()).await, Err(OrderError::Invalid { .. })), "{number}");
        }
        let nothing = Order { items: Vec::new(), ..order("BD-2") };
        assert!(matches!(kitchen.place(nothing).await, Err(OrderError::Invalid { .. })));
        assert!(matches!(kitchen.find("BD-2".into()).await, Err(OrderError::NotFound { .. })));
    }
}
