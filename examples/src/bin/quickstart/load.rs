//! Calls, many at once, over one transport.

use crate::watch::Watch;
use hdrhistogram::Histogram;
use orders::{Order, OrderError, Orders, OrdersClient};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};

/// The calls of a run over one transport.
pub(crate) struct Lane {
    /// `grpc` or `tarpc`.
    pub(crate) transport: &'static str,
    pub(crate) watch: Arc<Watch>,
    pub(crate) client: OrdersClient,
    pub(crate) orders: Arc<[Order]>,
    calls: AtomicU64,
    failed: AtomicU64,
    in_flight: AtomicU64,
    /// What the first failures said.
    pub(crate) complaints: Mutex<Vec<String>>,
    /// In microseconds.
    latencies: Mutex<Histogram<u64>>,
}

impl Lane {
    const COMPLAINTS: usize = 3;

    pub(crate) fn new(transport: &'static str, client: OrdersClient, watch: Arc<Watch>, orders: Arc<[Order]>) -> Self {
        // Up to an hour, to three digits; those are constants that the library takes.
        let latencies = Histogram::new_with_max(3_600_000_000, 3).expect("valid bounds of a histogram");
        Self {
            transport,
            watch,
            client,
            orders,
            calls: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            complaints: Mutex::default(),
            latencies: Mutex::new(latencies),
        }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    /// The latency that this share of the calls did not exceed.
    pub(crate) fn latency(&self, quantile: f64) -> Duration {
        let latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_micros(latencies.value_at_quantile(quantile))
    }

    /// Places every order once.
    pub(crate) async fn place_all(self: &Arc<Self>, in_flight: u16) {
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..in_flight {
            let (lane, next) = (self.clone(), next.clone());
            workers.spawn(async move {
                while let Some(order) = lane.orders.get(next.fetch_add(1, Relaxed)) {
                    lane.call(lane.client.place(order.clone()), |receipt| {
                        (receipt.number == order.number && receipt.total == order.total()).then_some(())
                    })
                    .await;
                }
            });
        }
        workers.join_all().await;
    }

    /// Looks up one order after the other, from the first again after the last, until `enough` is set.
    pub(crate) async fn find_all(self: &Arc<Self>, in_flight: u16, enough: &Arc<AtomicBool>) {
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..in_flight {
            let (lane, next, enough) = (self.clone(), next.clone(), enough.clone());
            workers.spawn(async move {
                while !enough.load(Relaxed) {
                    let order = &lane.orders[next.fetch_add(1, Relaxed) % lane.orders.len()];
                    lane.call(lane.client.find(order.number.clone()), |found| (found == *order).then_some(())).await;
                }
            });
        }
        workers.join_all().await;
    }

    /// Makes one call. An answer that is not the right one is a failure like any other.
    async fn call<T>(&self, call: impl Future<Output = Result<T, OrderError>>, check: impl FnOnce(T) -> Option<()>) {
        self.in_flight.fetch_add(1, Relaxed);
        let begun = Instant::now();
        let outcome = call.await;
        let took = begun.elapsed();
        self.in_flight.fetch_sub(1, Relaxed);
        self.calls.fetch_add(1, Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros);
        match outcome.map(check) {
            Ok(Some(())) => {}
            Ok(None) => self.complain("the answer is not the order that was asked for".to_owned()),
            Err(error) => self.complain(error.to_string()),
        }
    }

    /// Counts a call that is a stream; it has ended.
    pub(crate) fn streamed(&self) {
        self.calls.fetch_add(1, Relaxed);
    }

    /// Counts a failure.
    pub(crate) fn complain(&self, what: String) {
        self.failed.fetch_add(1, Relaxed);
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if complaints.len() < Self::COMPLAINTS {
            complaints.push(what);
        }
    }
}
