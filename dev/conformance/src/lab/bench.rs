//! What the laboratory does on demand.

use super::{Circumstances, DETAIL, Ending, Lab, LabClient, LabError, Parcel, Tally};
use crate::ledger::Ledger;
use futures_util::{StreamExt, TryStreamExt, stream};
use rpc::prelude::*;
use rpc::{Code, Detail, Metadata, Status, Trailers};
use std::{task::Poll, time::Duration};

/// The laboratory: what its handlers remember, and the next one, if calls are relayed.
#[derive(Clone, Debug, Default)]
pub struct Bench {
    /// What the handlers remember.
    pub ledger: Ledger,
    /// Where relayed calls go.
    pub next: Option<LabClient>,
}

impl Bench {
    /// One that relays to `next`.
    pub fn relaying_to(next: LabClient) -> Self {
        Self { ledger: Ledger::default(), next: Some(next) }
    }

    fn next(&self) -> Result<&LabClient, Status> {
        self.next.as_ref().ok_or_else(|| Status::internal("this laboratory relays to nobody"))
    }

    /// Counts as a job; the visit ends with the last item, and is dropped with the stream.
    fn counting(&self, job: u64, last: u64) -> Streaming<u64> {
        let (visit, ledger) = (self.ledger.enter(job), self.ledger.clone());
        Streaming::new(stream::unfold((visit, 0), move |(visit, counted)| {
            let ledger = ledger.clone();
            async move {
                if counted == last {
                    visit.end();
                    return None;
                }
                ledger.pass().await;
                visit.made();
                Some((counted + 1, (visit, counted + 1)))
            }
        }))
    }
}

/// What stands behind a stream of so many items, or beside a failure.
pub fn signature(items: u64) -> Metadata {
    let mut metadata = Metadata::default();
    let inserted = metadata.append("items", items.to_string());
    inserted.and_then(|()| metadata.append_bytes("mark-bin", vec![0, 255, 10])).expect("short pairs");
    metadata
}

fn refusal(code: Code, message: String, detail: &[u8]) -> Status {
    Status::new(code, message)
        .with_detail(Detail { type_url: DETAIL.into(), value: detail.to_vec().into() })
        .with_metadata(signature(7))
        .with_source("a secret of the server")
}

impl Lab for Bench {
    async fn echo(&self, text: String) -> Result<String, Status> {
        Ok(text)
    }

    async fn carry(&self, parcel: Parcel, times: u32) -> Result<Parcel, Status> {
        let inside = (0..times).map(|_| parcel.clone()).collect();
        Ok(Parcel { inside, ..parcel })
    }

    async fn fail(&self, burst: bool, vessel: String, degrees: i64) -> Result<u64, LabError> {
        Err(if burst { LabError::Burst { vessel, degrees } } else { LabError::Empty })
    }

    async fn refuse(&self, code: u32, message: String, detail: Vec<u8>) -> Result<(), Status> {
        let code = u8::try_from(code).ok().and_then(Code::from_number);
        let code = code.ok_or_else(|| Status::internal("the test asked for a code that does not exist"))?;
        Err(refusal(code, message, &detail))
    }

    async fn explode(&self) -> Result<(), Status> {
        panic!("on purpose")
    }

    async fn reflect(&self) -> Result<Circumstances, Status> {
        Ok(Circumstances::current())
    }

    async fn write(&self, job: u64) -> Result<u64, Status> {
        let visit = self.ledger.enter(job);
        let context = Context::current();
        tokio::select! {
            biased;
            () = self.ledger.pass() => {}
            () = context.cancelled() => visit.saw_cancellation(),
        }
        self.ledger.pass().await;
        visit.end();
        Ok(job)
    }

    async fn read(&self, job: u64) -> Result<u64, Status> {
        let visit = self.ledger.enter(job);
        self.ledger.pass().await;
        visit.end();
        Ok(job)
    }

    async fn labour(&self, job: u64, takes: Duration) -> Result<u64, Status> {
        let visit = self.ledger.enter(job);
        tokio::time::sleep(takes).await;
        visit.end();
        Ok(job)
    }

    async fn study(&self, job: u64, takes: Duration) -> Result<u64, Status> {
        self.labour(job, takes).await
    }

    async fn relay_reflect(&self) -> Result<Circumstances, Status> {
        self.next()?.reflect().await
    }

    async fn relay_write(&self, job: u64) -> Result<u64, Status> {
        let visit = self.ledger.enter(job);
        let outcome = self.next()?.write(job).await;
        visit.end();
        outcome
    }

    async fn count(&self, last: u64) -> Result<Streaming<u64>, Status> {
        Ok(Streaming::from_iter(1..=last))
    }

    async fn sign(&self, last: u64, entries: u32) -> Result<Streaming<u64>, Status> {
        let trailers = Trailers::new();
        let own = trailers.clone();
        let behind = stream::poll_fn(move |_| {
            let mut metadata = signature(last);
            for entry in 0..entries {
                if metadata.append(format!("more-{entry}"), "x".repeat(40)).is_err() {
                    break;
                }
            }
            own.set(metadata);
            Poll::Ready(None)
        });
        Ok(Streaming::new(stream::iter(1..=last).chain(behind)).with_trailers(trailers))
    }

    async fn gather(&self, mut numbers: Streaming<u64>) -> Result<Tally, Status> {
        let visit = self.ledger.enter(0);
        let mut tally = Tally { count: 0, sum: 0, jumps: 0 };
        let mut last = None;
        while let Some(number) = numbers.next().await {
            let number = number.inspect_err(|status| visit.note(status))?;
            tally.count += 1;
            tally.sum += number;
            tally.jumps += u64::from(last.is_some_and(|last| number != last + 1));
            last = Some(number);
        }
        visit.note(Circumstances::current().transport.unwrap_or_default());
        visit.end();
        Ok(tally)
    }

    async fn converse(&self, numbers: Streaming<u64>) -> Result<Streaming<u64, LabError>, LabError> {
        let answer = |number: Result<u64, Status>| number.map(|number| number + 1).map_err(LabError::from);
        Ok(Streaming::new(numbers.map(answer)))
    }

    async fn leak(&self, last: u64, ending: Ending) -> Result<Streaming<u64, LabError>, LabError> {
        let burst = || LabError::Burst { vessel: "flask".to_owned(), degrees: -40 };
        let behind = match ending {
            Ending::Clean | Ending::Panic => None,
            Ending::Burst => Some(Err(burst())),
            Ending::Empty => Some(Err(LabError::Empty)),
            Ending::Refused => Some(Err(refusal(Code::DataLoss, "spilt".to_owned(), b"drops").into())),
            Ending::Never => return Err(burst()),
        };
        let panic = stream::poll_fn(move |_| match ending {
            Ending::Panic => panic!("on purpose"),
            _ => Poll::Ready(None),
        });
        Ok(Streaming::new(stream::iter((1..=last).map(Ok)).chain(stream::iter(behind)).chain(panic)))
    }

    async fn watch(&self, job: u64, last: u64) -> Result<Streaming<u64>, Status> {
        Ok(self.counting(job, last))
    }

    async fn dawdle(&self, job: u64, last: u64) -> Result<Streaming<u64>, Status> {
        let stream = self.counting(job, last);
        self.ledger.pass().await;
        Ok(stream)
    }

    async fn sip(&self, mut numbers: Streaming<u64>) -> Result<u64, Status> {
        let mut next = async || numbers.next().await.ok_or_else(|| Status::invalid_argument("too few numbers"))?;
        let visit = self.ledger.enter(next().await?);
        let wanted = next().await?;
        for _ in 0..wanted {
            next().await.inspect_err(|status| visit.note(status))?;
        }
        drop(numbers);
        self.ledger.pass().await;
        visit.end();
        Ok(wanted + 2)
    }

    async fn reflect_streaming(&self) -> Result<Streaming<Circumstances>, Status> {
        let next = self.next.clone();
        let here = stream::once(async { Ok(Circumstances::current()) });
        Ok(Streaming::new(here.chain(stream::iter(next).then(async |next| next.reflect().await))))
    }

    async fn fork(&self, job: u64, last: u64, panic: bool) -> Result<Streaming<u64>, Status> {
        let (sender, stream) = Streaming::channel(4);
        let bench = self.clone();
        rpc::spawn(async move {
            let visit = bench.ledger.enter(job);
            visit.note(Circumstances::current().summary());
            if let Some(next) = &bench.next {
                visit.note(next.reflect().await.map_or_else(|status| status.to_string(), |seen| seen.summary()));
            }
            for number in 1..=last {
                bench.ledger.pass().await;
                if sender.send(Ok(number)).await.is_err() {
                    return;
                }
                visit.made();
            }
            assert!(!panic, "on purpose");
            visit.end();
        });
        Ok(stream)
    }

    async fn leave_behind(&self, job: u64) -> Result<u64, Status> {
        let (visit, detached, ledger) = (self.ledger.enter(job), self.ledger.enter(job + 1), self.ledger.clone());
        rpc::spawn(async move {
            std::future::pending::<()>().await;
            visit.end();
        });
        rpc::spawn_detached(async move {
            detached.note(Circumstances::current().summary());
            ledger.pass().await;
            detached.end();
        });
        Ok(job)
    }

    async fn relay_upload(&self) -> Result<Circumstances, Status> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let numbers = stream::iter(1..=3).inspect(move |_| drop(sender.send(Circumstances::current())));
        self.next()?.gather(Streaming::new(numbers)).await?;
        receiver.recv().map_err(|_| Status::internal("no number was made"))
    }

    async fn linger(&self) -> Result<Streaming<u64>, Status> {
        let context = Context::current();
        let leaving = async move {
            context.draining().await;
            assert!(context.is_draining());
            Err(Status::unavailable("it ended by its own hand"))
        };
        Ok(Streaming::new(stream::iter([Ok(1)]).chain(stream::once(leaving))))
    }

    async fn relay_count(&self, last: u64) -> Result<Streaming<u64>, Status> {
        self.next()?.count(last).await
    }

    async fn relay_sign(&self, last: u64, refuse: bool) -> Result<Streaming<u64>, Status> {
        if refuse {
            self.next()?.refuse(Code::NotFound.number().into(), "no".to_owned(), vec![1]).await?;
        }
        self.next()?.sign(last, 0).await
    }

    async fn relay_gather(&self, numbers: Streaming<u64>) -> Result<Tally, Status> {
        self.next()?.gather(numbers).await
    }

    async fn descend(&self, job: u64) -> Result<Streaming<Duration>, Status> {
        let (visit, bench) = (self.ledger.enter(job), self.clone());
        let remaining = || Context::current().remaining().ok_or_else(|| Status::internal("no deadline came"));
        let below = stream::once(async move {
            let Some(next) = &bench.next else {
                bench.ledger.pass().await;
                return Ok(Streaming::empty());
            };
            next.descend(job).await
        });
        let stream = stream::once(async move { remaining() }).chain(below.try_flatten());
        // The visit lasts as long as the stream.
        Ok(Streaming::new(stream.inspect(move |_| visit.made())))
    }
}
