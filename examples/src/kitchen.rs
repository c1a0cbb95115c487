//! The server's side of [`Orders`].

use crate::{
    Instruction, Order, OrderError, Orders, Position, Progress, Receipt, Refusal, Stage, Summary,
    book::{BookError, OrderBook, Placed},
    delivery::Deliveries,
    tally::Tally,
};
use futures_util::stream::try_unfold;
use rpc::prelude::*;
use std::{io, path::Path, sync::Arc, time::Duration};

/// Takes orders into an [`OrderBook`], has them carried by [`Deliveries`], and counts the calls it answers in a
/// [`Tally`].
///
/// Several kitchens, in one process or in many, share a folder, and each can answer for all.
#[derive(Clone, Debug)]
pub struct Kitchen(Arc<Shelves>);

/// All that a kitchen has is in its folder.
#[derive(Debug)]
struct Shelves {
    book: OrderBook,
    deliveries: Deliveries,
    tally: Tally,
}

impl Kitchen {
    /// How long a follower may wait for the next stage when this server leaves: others can be asked.
    const PARTING: Duration = Duration::from_secs(2);
    /// How long a rider may still be guided by a server that leaves: of the 6 s that it waits for streams.
    const LAST_RIDE: Duration = Duration::from_secs(4);
    /// How long until a follower hears of what another server did.
    const GLANCE: Duration = Duration::from_millis(25);

    /// A kitchen that keeps everything below `folder`, counts its calls under `name`, and takes `cooking` for an order.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path, name: &str, cooking: Duration) -> io::Result<Self> {
        let book = OrderBook::open(folder, cooking)?;
        Ok(Self(Arc::new(Shelves { book, deliveries: Deliveries::open(folder)?, tally: Tally::open(folder, name)? })))
    }

    /// Does work where it may block.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shelves) -> Result<T, BookError> + Send + 'static,
    ) -> Result<T, OrderError> {
        let shelves = self.0.clone();
        match tokio::task::spawn_blocking(move || work(&shelves)).await {
            Ok(answer) => answer.map_err(OrderError::from),
            Err(panic) => Err(OrderError::Storage { reason: panic.to_string() }),
        }
    }

    /// Does the work of one call, and counts it before the answer leaves: a call that its caller saw succeed has been
    /// counted even if this process is killed the moment after.
    async fn serve<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shelves) -> Result<T, BookError> + Send + 'static,
    ) -> Result<T, OrderError> {
        let transport = transport();
        self.work(move |shelves| {
            let answer = work(shelves)?;
            shelves.tally.count(transport)?;
            Ok(answer)
        })
        .await
    }

    /// The answer to a stream is complete when the stream is.
    async fn end<T>(&self, transport: &'static str) -> Result<Option<T>, OrderError> {
        self.work(move |shelves| Ok(shelves.tally.count(transport)?)).await?;
        Ok(None)
    }

    /// Waits until an order has reached a stage. It looks, since the one who brings it about may be another process.
    async fn reached(&self, number: &str, stage: Stage) -> Result<Progress, OrderError> {
        loop {
            let number = number.to_owned();
            let look = move |Shelves { book, deliveries, .. }: &Shelves| deliveries.progress(book, &number, stage);
            match self.work(look).await? {
                Some(progress) => return Ok(progress),
                None => tokio::time::sleep(Self::GLANCE).await,
            }
        }
    }
}

/// The end of a stream that can be had from another server, some time after this one has begun to leave.
async fn leaving(context: &Context, grace: Duration) -> OrderError {
    context.draining().await;
    tokio::time::sleep(grace).await;
    Status::unavailable("this server is leaving, and others go on").into()
}

/// The wire of the call that is being answered.
fn transport() -> &'static str {
    Context::current().peer().map_or("local", |peer| peer.transport)
}

impl Orders for Kitchen {
    async fn place(&self, order: Order) -> Result<Receipt, OrderError> {
        order.check()?;
        self.serve(move |shelves| Ok(shelves.place(&order)?.0)).await
    }

    async fn find(&self, number: String) -> Result<Order, OrderError> {
        Order::check_number(&number)?;
        self.serve(move |shelves| Ok(shelves.book.find(&number)?.order)).await
    }

    async fn follow(&self, number: String) -> Result<Streaming<Progress, OrderError>, OrderError> {
        Order::check_number(&number)?;
        // An order that is not there is an error of the call, and not of its stream.
        let accepted = self.reached(&number, Stage::Accepted).await?;
        let (kitchen, transport, number) = (self.clone(), transport(), Arc::<str>::from(number));
        let context = Context::current();
        let stages = try_unfold(Stage::ALL.into_iter(), move |mut stages| {
            let (kitchen, number, accepted) = (kitchen.clone(), number.clone(), accepted.clone());
            let context = context.clone();
            async move {
                let progress = match stages.next() {
                    Some(Stage::Accepted) => accepted,
                    Some(stage) => tokio::select! {
                        progress = kitchen.reached(&number, stage) => progress?,
                        gone = leaving(&context, Self::PARTING) => return Err(gone),
                    },
                    None => return kitchen.end(transport).await,
                };
                Ok(Some((progress, stages)))
            }
        });
        Ok(Streaming::new(stages))
    }

    async fn import(&self, mut orders: Streaming<Order>) -> Result<Summary, OrderError> {
        let mut summary = Summary::default();
        let mut position = 0;
        while let Some(order) = orders.next().await {
            let order = order?;
            position += 1;
            if position > Summary::ORDERS {
                return Err(OrderError::TooMany { limit: Summary::ORDERS });
            }
            let placed = match order.check() {
                Ok(()) => self.work(move |shelves| Ok(shelves.place(&order)?.1)).await,
                Err(wrong) => Err(wrong),
            };
            match placed {
                Ok(Placed::New) => summary.placed += 1,
                Ok(Placed::Known) => summary.known += 1,
                Err(error @ (OrderError::Invalid { .. } | OrderError::Conflict { .. })) => {
                    summary.refused.push(Refusal { position, reason: error.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        self.serve(|_| Ok(summary)).await
    }

    async fn track(&self, positions: Streaming<Position>) -> Result<Streaming<Instruction, OrderError>, OrderError> {
        let (kitchen, transport, context) = (self.clone(), transport(), Context::current());
        // One for the whole stream: it does not begin anew with every position.
        let gone = Box::pin(async move { leaving(&context, Self::LAST_RIDE).await });
        let instructions = try_unfold((positions, gone), move |(mut positions, mut gone)| {
            let kitchen = kitchen.clone();
            async move {
                let position = tokio::select! {
                    position = positions.next() => position,
                    gone = &mut gone => return Err(gone),
                };
                let Some(position) = position.transpose()? else { return kitchen.end(transport).await };
                position.check()?;
                let guide = move |Shelves { book, deliveries, .. }: &Shelves| deliveries.guide(book, &position);
                Ok(Some((kitchen.work(guide).await?, (positions, gone))))
            }
        });
        Ok(Streaming::new(instructions))
    }
}

impl Shelves {
    /// Whoever is killed between the two has not answered, and the caller places the order again.
    fn place(&self, order: &Order) -> Result<(Receipt, Placed), BookError> {
        let placed = self.book.place(order)?;
        self.deliveries.request(&order.number)?;
        Ok(placed)
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
    use crate::{Follower, Item, Payment, Rider};

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

    fn open(folder: &tempfile::TempDir, name: &str) -> Kitchen {
        Kitchen::open(folder.path(), name, Duration::ZERO).unwrap()
    }

    async fn stages(kitchen: &Kitchen, number: &str) -> Vec<Stage> {
        let mut follower = Follower::new(kitchen.clone(), number);
        let mut stages = Vec::new();
        while let Some(progress) = follower.next().await.unwrap() {
            stages.push(progress.stage);
        }
        stages
    }

    #[tokio::test]
    async fn an_order_is_placed_once_and_seen_by_every_kitchen() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (open(&folder, "1"), open(&folder, "2"));
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
        let kitchen = open(&folder, "1");
        for number in ["", "../escape", "a/b", ".", "주문", &"9".repeat(65)] {
            assert!(matches!(kitchen.place(order(number)).await, Err(OrderError::Invalid { .. })), "{number}");
            assert!(matches!(kitchen.find(number.into()).await, Err(OrderError::Invalid { .. })), "{number}");
        }
        let nothing = Order { items: Vec::new(), ..order("BD-2") };
        assert!(matches!(kitchen.place(nothing).await, Err(OrderError::Invalid { .. })));
        assert!(matches!(kitchen.find("BD-2".into()).await, Err(OrderError::NotFound { .. })));
    }

    #[tokio::test]
    async fn riders_carry_what_they_are_told_and_followers_see_it() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (open(&folder, "1"), open(&folder, "2"));
        one.place(order("BD-1")).await.unwrap();
        let follow = async { stages(&two, "BD-1").await };
        let ride = async {
            let mut rider = Rider::new(one.clone(), "김라이더");
            let number = "BD-1".to_owned();
            let pick_up = Instruction::PickUp { number: number.clone(), store: "교동반점".into() };
            assert_eq!(rider.report().await.unwrap(), pick_up);
            // Still somewhere else, and through another kitchen: what is carried is kept, not the stream.
            rider.rest().await.unwrap();
            let mut rider = Rider::new(two.clone(), "김라이더");
            assert_eq!(rider.report().await.unwrap(), pick_up);
            rider.go(&pick_up);
            let deliver = Instruction::Deliver { number, address: "서울 강남구 테헤란로 152".into() };
            assert_eq!(rider.report().await.unwrap(), deliver);
            assert_eq!(rider.report().await.unwrap(), deliver);
            assert_eq!(Rider::new(one.clone(), "이라이더").report().await.unwrap(), Instruction::Wait);
            rider.go(&deliver);
            assert_eq!(rider.report().await.unwrap(), Instruction::Wait);
        };
        let (seen, ()) = tokio::join!(follow, ride);
        assert_eq!(seen, Stage::ALL);
        // Placed again, it is not carried again.
        one.place(order("BD-1")).await.unwrap();
        assert_eq!(Rider::new(one, "이라이더").report().await.unwrap(), Instruction::Wait);
    }

    #[tokio::test]
    async fn what_is_not_cooked_waits() {
        let folder = tempfile::tempdir().unwrap();
        let kitchen = Kitchen::open(folder.path(), "1", Duration::from_secs(3600)).unwrap();
        kitchen.place(order("BD-1")).await.unwrap();
        assert_eq!(Rider::new(kitchen.clone(), "r").report().await.unwrap(), Instruction::Wait);
        let mut stream = kitchen.follow("BD-1".into()).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().stage, Stage::Accepted);
        let next = tokio::time::timeout(Duration::from_millis(60), stream.next());
        next.await.expect_err("it cannot be cooked yet");
        assert!(matches!(kitchen.follow("BD-2".into()).await, Err(OrderError::NotFound { .. })));
        let nobody = Rider::new(kitchen, "../r").report().await;
        assert!(matches!(nobody, Err(OrderError::Rider { .. })));
    }

    #[tokio::test]
    async fn an_import_says_what_it_left_out_and_can_be_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let kitchen = open(&folder, "1");
        let file = || {
            let other = Order { note: Some("덜 맵게".into()), ..order("BD-1") };
            Streaming::from_iter([order("BD-1"), order("a/b"), order("BD-2"), other])
        };
        let summary = kitchen.import(file()).await.unwrap();
        assert_eq!((summary.placed, summary.known), (2, 0));
        let positions: Vec<_> = summary.refused.iter().map(|refusal| refusal.position).collect();
        assert_eq!(positions, [2, 4]);
        let summary = kitchen.import(file()).await.unwrap();
        assert_eq!((summary.placed, summary.known, summary.refused.len()), (0, 2, 2));

        let cut = Streaming::from_iter([Ok(order("BD-3")), Err(Status::unavailable("gone"))]);
        assert!(matches!(kitchen.import(cut).await, Err(OrderError::Rpc(_))));
        let endless = Streaming::from_iter(std::iter::repeat(order("a/b")));
        assert!(matches!(kitchen.import(endless).await, Err(OrderError::TooMany { limit: 10_000 })));
    }
}
