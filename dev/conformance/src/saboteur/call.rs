//! What is wrong with calls.

use super::{
    Fault,
    context::{bare, without_deadline, without_trace},
    stream,
};
use futures_util::FutureExt;
use rpc_core::{
    Body, BoxService, CallId, Code, Context, Delivery, Kind, Metadata, Payload, Priority, Request, Response, Service,
    Status, Tasks,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A service with a fault.
pub(super) struct Broken {
    inner: BoxService,
    fault: Fault,
    tasks: Tasks,
    turn: tokio::sync::Mutex<()>,
    last_reply: Mutex<Option<Payload>>,
    last_metadata: Mutex<Metadata>,
}

impl Broken {
    pub(super) fn new(inner: BoxService, fault: Fault, tasks: Tasks) -> Arc<Self> {
        Arc::new(Self {
            inner,
            fault,
            tasks,
            turn: tokio::sync::Mutex::default(),
            last_reply: Mutex::default(),
            last_metadata: Mutex::default(),
        })
    }

    pub(super) fn boxed_client(self: Arc<Self>) -> BoxService {
        rpc_core::service_fn(move |request| {
            let this = self.clone();
            async move { this.client(request).await }
        })
        .boxed()
    }

    pub(super) fn boxed_server(self: Arc<Self>) -> BoxService {
        rpc_core::service_fn(move |request| {
            let this = self.clone();
            async move { this.server(request).await }
        })
        .boxed()
    }

    /// The client's side of a connection.
    async fn client(&self, mut request: Request) -> Result<Response, Status> {
        request.context = self.mangle(request.context, request.method.kind);
        let _turn = match self.fault {
            Fault::OneCallAtATime => Some(self.turn.lock().await),
            _ => None,
        };
        request.body = stream::sent(request.body, self.fault, &self.tasks);
        let again = request.try_clone();
        let outcome = match self.fault {
            Fault::SwallowsCancel => self.detached(request).await,
            Fault::SwallowsCancelOfLaterAttempts if request.context.attempt() > 1 => self.detached(request).await,
            Fault::HedgesWhatMustNotBeMadeTwice if request.method.kind == Kind::Unary => self.hedged(request).await,
            _ => self.inner.call(request).await,
        };
        match (self.fault, outcome) {
            (Fault::MakesCallsTwice, Ok(_)) => self.inner.call(again.expect("unary")).await,
            (Fault::RetriesAfterWriting, Err(status)) if lost(&status) => {
                // The connection is gone, so this was "never sent", and the layers above believe that.
                self.inner.call(again.expect("unary")).await
            }
            (Fault::TurnsLossIntoSuccess, Err(status)) if lost(&status) => Ok(empty()),
            (Fault::CallsEverythingNeverSent, Err(status)) if lost(&status) => {
                Err(status.with_delivery(Delivery::NeverSent))
            }
            (Fault::LeaksNeverSent, Err(status)) if status.code() == Code::Unavailable => {
                Err(status.with_delivery(Delivery::NeverSent))
            }
            (Fault::LosesReplyMetadata, Ok(response)) => Ok(Response::new(response.body)),
            (Fault::AnswersWithAnothersReply, Ok(response)) => self.swap(response),
            (_, outcome) => outcome.map(|response| self.streaming(response, stream::arrived)),
        }
    }

    /// What of a call's circumstances is sent.
    fn mangle(&self, context: Context, kind: Kind) -> Context {
        match self.fault {
            Fault::KeepsTheDeadlineOfStreamsToItself if streams(kind) => without_deadline(&context),
            Fault::IgnoresTheDeadline => without_deadline(&context),
            Fault::LosesMetadata => context.with_metadata(Metadata::default()),
            Fault::LeaksMetadataOfAnotherCall => {
                let mut last = self.last_metadata.lock().unwrap_or_else(PoisonError::into_inner);
                if context.metadata().is_empty() {
                    return context.with_metadata(last.clone());
                }
                *last = context.metadata().clone();
                context
            }
            Fault::LosesBaggage => context.with_baggage(Metadata::default()),
            Fault::LosesPriority => context.with_priority(Priority::default()),
            Fault::LosesTrace => without_trace(&context),
            Fault::ForgetsCallId => {
                let attempt = context.attempt();
                context.with_attempt(CallId::random(), attempt)
            }
            Fault::ForgetsAttempt => match context.call_id() {
                Some(id) => context.with_attempt(id, 1),
                None => context,
            },
            _ => context,
        }
    }

    /// The server's side of a connection.
    async fn server(&self, mut request: Request) -> Result<Response, Status> {
        request.body = stream::heard(request.body, self.fault);
        let streams = streams(request.method.kind);
        request.context = match (self.fault, request.context.deadline()) {
            (Fault::AddsTimeToStreams, Some(deadline)) if streams => {
                without_deadline(&request.context).with_deadline(deadline + Duration::from_secs(60))
            }
            (Fault::RunsStreamsOutsideTheirCalls, _) if streams => bare(&request.context),
            (Fault::AddsTimeAtEveryHop, Some(deadline)) => {
                without_deadline(&request.context).with_deadline(deadline + Duration::from_secs(60))
            }
            (Fault::KeepsTheDeadlineFromTheHandler, Some(_)) => without_deadline(&request.context),
            _ => request.context,
        };
        let outcome = match self.fault {
            Fault::SwallowsCancelAtTheServer => self.detached(request).await,
            Fault::SpawnsTasksNobodyOwns => self.unowned(request).await,
            _ => self.inner.call(request).await,
        };
        match (self.fault, outcome) {
            (Fault::TurnsPanicIntoSilence, Err(status)) if status.code() == Code::Internal => {
                std::future::pending().await
            }
            (Fault::TurnsPanicIntoSuccess, Err(status)) if status.code() == Code::Internal => Ok(empty()),
            (Fault::DropsDetails, Err(status)) => Err(Status::new(status.code(), status.message().to_owned())),
            (Fault::FlattensCodes, Err(status)) => Err(Status::new(Code::Unknown, status.message().to_owned())),
            (Fault::LosesMetadataOfFailures, Err(status)) => Err(status.with_metadata(Metadata::default())),
            (Fault::EndsCallsAtHeaders, Ok(response)) => {
                let ended = |_| futures_util::stream::empty();
                Ok(Response { body: response.body.map_stream(ended), ..response })
            }
            (_, outcome) => outcome.map(|response| self.streaming(response, stream::replied)),
        }
    }

    fn streaming(&self, response: Response, broken: fn(Body, Fault, &Tasks) -> Body) -> Response {
        Response { body: broken(response.body, self.fault, &self.tasks), ..response }
    }

    async fn hedged(&self, request: Request) -> Result<Response, Status> {
        let again = request.try_clone().expect("unary");
        let mut first = std::pin::pin!(self.inner.call(request));
        match tokio::time::timeout(Duration::from_millis(20), first.as_mut()).await {
            Ok(outcome) => outcome,
            Err(_) => tokio::select! {
                outcome = first => outcome,
                outcome = self.inner.call(again) => outcome,
            },
        }
    }

    /// The call goes on when this is dropped.
    async fn detached(&self, request: Request) -> Result<Response, Status> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let inner = self.inner.clone();
        self.tasks.spawn(async move { drop(sender.send(inner.call(request).await)) });
        receiver.await.unwrap_or_else(|_| Err(Status::unavailable("the server stopped")))
    }

    /// The call goes on where nobody who drains the server sees it.
    #[expect(clippy::disallowed_methods, reason = "that this task has no owner is the fault")]
    async fn unowned(&self, request: Request) -> Result<Response, Status> {
        let inner = self.inner.clone();
        let running = tokio::spawn(async move { inner.call(request).await });
        running.map(|outcome| outcome.unwrap_or_else(|_| Err(Status::internal("it panicked")))).await
    }

    fn swap(&self, response: Response) -> Result<Response, Status> {
        let payload = response.body.into_message()?;
        let mut last = self.last_reply.lock().unwrap_or_else(PoisonError::into_inner);
        let other = last.replace(payload.clone()).unwrap_or(payload);
        Ok(Response { metadata: response.metadata, body: Body::Message(other) })
    }
}

/// Lost after writing, as far as this side knows.
pub(super) fn lost(status: &Status) -> bool {
    status.code() == Code::Unavailable && status.delivery() == Delivery::Unknown
}

fn empty() -> Response {
    Response::new(Body::Message(Payload::Encoded(bytes::Bytes::new())))
}

fn streams(kind: Kind) -> bool {
    kind.request_streams() || kind.response_streams()
}
