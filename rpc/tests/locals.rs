//! How services in this process hear that it is about to leave, and that they outlive those who can call them.
#![cfg(feature = "tarpc")]

use rpc::{
    App, AppBuilder, Code, Config, Observer,
    prelude::*,
    registry::{Memory, RegistrationState},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

/// Tells of something that lasts.
#[rpc_service(package = "t.v1")]
trait Follow {
    /// One number, and the next when the process is about to leave.
    async fn follow(&self) -> Result<Streaming<u64>, Status>;
    /// So many numbers, made in a task of the call.
    async fn count(&self, last: u64) -> Result<Streaming<u64>, Status>;
    /// Whether it is.
    async fn leaving(&self) -> Result<bool, Status>;
    /// Waits until it is, whoever waits for the answer.
    async fn write(&self) -> Result<(), Status>;
}

#[derive(Clone, Default)]
struct Follower {
    written: Arc<AtomicUsize>,
    /// Of the last call that follows.
    context: Arc<Mutex<Context>>,
}

/// Notes whether the process is about to leave when a record goes.
struct Log {
    follower: Follower,
    notes: Mutex<Vec<bool>>,
}

impl Observer for Log {
    fn registration(&self, _: &str, state: RegistrationState) {
        if state == RegistrationState::Closed {
            self.notes.lock().unwrap().push(self.follower.context.lock().unwrap().is_draining());
        }
    }
}

impl Follow for Follower {
    async fn follow(&self) -> Result<Streaming<u64>, Status> {
        let context = Context::current();
        *self.context.lock().unwrap() = context.clone();
        Ok(Streaming::new(futures_util::stream::unfold((context, 0), async |(context, number)| {
            if number > 0 {
                context.draining().await;
                return Some((Err(Status::unavailable("leaving")), (context, number)));
            }
            Some((Ok(1), (context, 1)))
        })))
    }

    async fn count(&self, last: u64) -> Result<Streaming<u64>, Status> {
        let (sender, stream) = Streaming::channel(1);
        rpc::spawn(async move {
            for number in 1..=last {
                if sender.send(Ok(number)).await.is_err() {
                    break;
                }
            }
        });
        Ok(stream)
    }

    async fn leaving(&self) -> Result<bool, Status> {
        Ok(Context::current().is_draining())
    }

    async fn write(&self) -> Result<(), Status> {
        Context::current().draining().await;
        self.written.fetch_add(1, Relaxed);
        Ok(())
    }
}

/// An App whose clients of it go here.
fn towards(target: &str) -> AppBuilder {
    let mut config = Config::default();
    config.client.services.entry("Follow".to_owned()).or_default().target = Some(target.parse().unwrap());
    App::builder().config(config).registry(Arc::new(Memory::new()))
}

/// An App that serves it in this process, and a client there.
async fn here(builder: AppBuilder, follower: Follower) -> (App, FollowClient) {
    let app = builder.build();
    app.serve_local(FollowServer::new(follower)).unwrap();
    let client = app.client().await.unwrap();
    (app, client)
}

/// A stream that has begun.
async fn followed(client: &FollowClient) -> Streaming<u64> {
    let mut stream = client.follow().await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), 1);
    assert!(is_silent(&mut stream).await);
    stream
}

async fn is_silent(stream: &mut Streaming<u64>) -> bool {
    tokio::time::timeout(Duration::from_millis(20), stream.next()).await.is_err()
}

async fn is_told(mut stream: Streaming<u64>) {
    let next = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("nobody tells it");
    let status = next.unwrap().unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "leaving"));
}

#[tokio::test]
async fn a_service_in_this_process_hears_when_the_handlers_of_the_server_do() {
    let follower = Follower::default();
    let log = Arc::new(Log { follower: follower.clone(), notes: Mutex::default() });
    let (app, here) = here(towards("local://").observer(log.clone()), follower).await;
    let one = app.server().service(FollowServer::new(Follower::default())).start().await.unwrap();
    let other = app.server().service(FollowServer::new(Follower::default())).start().await.unwrap();
    let port = other.address().to_string().rsplit_once(':').unwrap().1.to_owned();
    let away = towards(&format!("static://127.0.0.1:{port}?assume=tarpc/1")).build();
    let there: FollowClient = away.client().await.unwrap();
    let (mut stream, far) = (followed(&here).await, followed(&there).await);
    assert!(one.shutdown().await);
    assert!(is_silent(&mut stream).await, "another server goes on");
    let (peaceful, (), ()) = tokio::join!(other.shutdown(), is_told(stream), is_told(far));
    assert!(peaceful);
    let notes = log.notes.lock().unwrap().clone();
    assert_eq!(notes, [false, false], "readers would come back to this very server");
    // The program goes on, and so does what it serves itself.
    assert!(!here.leaving().await.unwrap());
    followed(&here).await;
}

#[tokio::test]
async fn where_there_is_no_server_it_hears_when_the_app_ends_and_its_writes_are_waited_for() {
    let follower = Follower::default();
    let (app, here) = here(towards("local://"), follower.clone()).await;
    let stream = followed(&here).await;
    // Nobody waits for it, so that it goes on alone.
    tokio::time::timeout(Duration::from_millis(20), here.write()).await.unwrap_err();
    assert_eq!(follower.written.load(Relaxed), 0);
    assert!(app.shutdown().await, "it was not told, and cut");
    assert_eq!(follower.written.load(Relaxed), 1);
    is_told(stream).await;
    assert!(here.leaving().await.unwrap());
}

#[tokio::test]
async fn that_nobody_can_call_it_any_more_is_no_reason_to_leave() {
    let (app, here) = here(towards("local://"), Follower::default()).await;
    let mut stream = followed(&here).await;
    drop((app, here));
    assert!(is_silent(&mut stream).await);
    let mut stream = followed(&FollowClient::local(Follower::default())).await;
    assert!(is_silent(&mut stream).await);
}

#[tokio::test]
async fn a_stream_has_what_makes_it_when_its_client_is_gone() {
    let mut stream = FollowClient::local(Follower::default()).count(100).await.unwrap();
    let mut numbers = Vec::new();
    while let Some(number) = stream.next().await {
        numbers.push(number.unwrap());
    }
    assert!(numbers.iter().copied().eq(1..=100), "{} of a hundred, and a clean end", numbers.len());
}
