//! The service: what somebody has who used tonic before.

use futures_util::{Stream, StreamExt, stream};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status, Streaming, metadata::MetadataMap, transport::Channel};

pub(crate) mod generated {
    #![expect(unreachable_pub, reason = "tonic-build writes as it writes")]
    include!(concat!(env!("OUT_DIR"), "/greet.v1.Greeter.rs"));
}

pub(crate) use generated::{greeter_client::GreeterClient, greeter_server::GreeterServer};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Note {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
    #[prost(int32, tag = "2")]
    pub(crate) number: i32,
}

pub(crate) fn note(text: impl Into<String>, number: i32) -> Note {
    Note { text: text.into(), number }
}

/// Counts the handlers that are at work, so that a test can see one begin and end.
#[derive(Clone)]
pub(crate) struct Greeter {
    pub(crate) at_work: Arc<watch::Sender<usize>>,
    /// How many handlers have begun.
    pub(crate) begun: Arc<AtomicUsize>,
    /// Whom a note that says "relay" is handed on to.
    next: Option<GreeterClient<Channel>>,
}

struct AtWork(Arc<watch::Sender<usize>>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Greeter {
    pub(crate) fn new() -> Self {
        Self { at_work: Arc::new(watch::channel(0).0), begun: Arc::default(), next: None }
    }

    pub(crate) fn relaying_to(next: GreeterClient<Channel>) -> Self {
        Self { next: Some(next), ..Self::new() }
    }

    fn begin(&self) -> AtWork {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.at_work.send_modify(|count| *count += 1);
        AtWork(self.at_work.clone())
    }
}

/// A failure with all that one can have.
pub(crate) fn failure() -> Status {
    let mut trailers = MetadataMap::new();
    trailers.insert("asked", "twice".parse().unwrap());
    Status::with_details_and_metadata(Code::NotFound, "손님이 없다: 100%", vec![0, 255].into(), trailers)
}

type Notes = Pin<Box<dyn Stream<Item = Result<Note, Status>> + Send>>;

#[tonic::async_trait]
impl generated::greeter_server::Greeter for Greeter {
    async fn hello(&self, request: Request<Note>) -> Result<Response<Note>, Status> {
        let _at_work = self.begin();
        let tenant = request.metadata().get("tenant").cloned();
        let context = rpc::Context::current();
        let (metadata, _, mut note) = request.into_parts();
        match note.text.as_str() {
            "relay" => {
                // The usual code; the second line is for those who want their callers' headers at the next server.
                let mut asked = Request::new(note.clone());
                if note.number == 1 {
                    *asked.metadata_mut() = metadata;
                }
                let mut next = self.next.clone().ok_or_else(|| Status::internal("there is nobody next"))?;
                return next.hello(asked).await;
            }
            "fail" => return Err(failure()),
            "panic" => panic!("as asked"),
            "wait" => std::future::pending().await,
            "context" => {
                note.number = context.remaining().map_or(0, |left| left.as_millis() as i32);
                note.text = format!("{:?}", context.peer().map(|peer| peer.transport));
            }
            _ => {}
        }
        let mut response = Response::new(note);
        if let Some(tenant) = tenant {
            response.metadata_mut().insert("tenant", tenant);
        }
        Ok(response)
    }

    type CountStream = Notes;

    async fn count(&self, request: Request<Note>) -> Result<Response<Notes>, Status> {
        let at_work = self.begin();
        let asked = request.into_inner();
        let counted = stream::iter((0..asked.number).map(|n| Ok(note("x".repeat(1000), n))));
        // The text says what becomes of the stream behind the notes.
        let end: Notes = match asked.text.as_str() {
            "fail" => Box::pin(stream::iter([Err(failure())])),
            "panic" => Box::pin(stream::poll_fn(|_| panic!("as asked"))),
            "hang" => Box::pin(stream::pending()),
            _ => Box::pin(stream::empty()),
        };
        Ok(Response::new(Box::pin(counted.chain(end).inspect(move |_| _ = &at_work))))
    }

    async fn sum(&self, request: Request<Streaming<Note>>) -> Result<Response<Note>, Status> {
        let mut notes = request.into_inner();
        let mut sum = 0;
        while let Some(note) = notes.message().await? {
            sum += note.number;
        }
        Ok(Response::new(note("sum", sum)))
    }

    type ChatStream = Notes;

    async fn chat(&self, request: Request<Streaming<Note>>) -> Result<Response<Notes>, Status> {
        Ok(Response::new(Box::pin(request.into_inner())))
    }
}
