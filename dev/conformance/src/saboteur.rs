//! Transports that are broken on purpose, one fault each. A suite that does not notice one of them proves nothing.

use futures_util::FutureExt;
use rpc_core::{
    Body, BoxFuture, BoxService, CallId, Code, Context, Delivery, Io, Metadata, Payload, Request, Response, Service,
    Status, Tasks,
    transport::{ConnectTarget, ConnectionInfo, Drain, DrainPhase, Limits, Recognition, Routes, Transport},
};
use std::sync::{Arc, Mutex, PoisonError};

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "`claim` says what each does")]
pub enum Fault {
    None,
    SwallowsCancel,
    SwallowsCancelAtTheServer,
    IgnoresTheDeadline,
    KeepsTheDeadlineFromTheHandler,
    AddsTimeAtEveryHop,
    RetriesAfterWriting,
    MakesCallsTwice,
    LosesMetadata,
    LosesReplyMetadata,
    LeaksMetadataOfAnotherCall,
    LosesTrace,
    LosesBaggage,
    ForgetsCallId,
    ForgetsAttempt,
    TurnsPanicIntoSilence,
    TurnsPanicIntoSuccess,
    IgnoresLimits,
    DropsDetails,
    FlattensCodes,
    LeaksNeverSent,
    CallsEverythingNeverSent,
    TurnsLossIntoSuccess,
    AnswersWithAnothersReply,
    OneCallAtATime,
    EndsCallsWhenTheDrainBegins,
    IgnoresTheDrain,
    SpawnsTasksNobodyOwns,
    EndsCallsAtHeaders,
}

impl Fault {
    /// All of them.
    pub const ALL: [(Self, &'static str); 28] = [
        (Self::SwallowsCancel, "the client tells nobody that its caller has left"),
        (Self::SwallowsCancelAtTheServer, "the server hears that the caller has left, and works on"),
        (Self::IgnoresTheDeadline, "the client does not send the deadline"),
        (Self::KeepsTheDeadlineFromTheHandler, "the server knows the deadline, and its handlers do not"),
        (Self::AddsTimeAtEveryHop, "the server adds a minute to the deadline"),
        (Self::RetriesAfterWriting, "a call that was lost after writing is written again below the retry layer"),
        (Self::MakesCallsTwice, "every call is made twice"),
        (Self::LosesMetadata, "metadata is not sent"),
        (Self::LosesReplyMetadata, "metadata of replies is not sent"),
        (Self::LeaksMetadataOfAnotherCall, "a call without metadata carries that of the call before"),
        (Self::LosesTrace, "the trace is not sent"),
        (Self::LosesBaggage, "the baggage is not sent"),
        (Self::ForgetsCallId, "every attempt is another call"),
        (Self::ForgetsAttempt, "every attempt is the first"),
        (Self::TurnsPanicIntoSilence, "a call whose handler panicked is never answered"),
        (Self::TurnsPanicIntoSuccess, "a call whose handler panicked succeeds with an empty message"),
        (Self::IgnoresLimits, "messages may be as large as they like"),
        (Self::DropsDetails, "details of errors are not sent"),
        (Self::FlattensCodes, "every failure is Unknown"),
        (Self::LeaksNeverSent, "Unavailable from a peer counts as never sent"),
        (Self::CallsEverythingNeverSent, "a lost call counts as never sent"),
        (Self::TurnsLossIntoSuccess, "a connection that is cut is the end of an empty reply"),
        (Self::AnswersWithAnothersReply, "replies go to whoever asks next"),
        (Self::OneCallAtATime, "a connection carries one call at a time"),
        (Self::EndsCallsWhenTheDrainBegins, "a drain ends calls in flight at once"),
        (Self::IgnoresTheDrain, "a drain is not noticed"),
        (Self::SpawnsTasksNobodyOwns, "handlers run in tasks that nobody owns"),
        (Self::EndsCallsAtHeaders, "a call ends when its response begins, whatever streams behind"),
    ];
}

/// A transport with one fault, and correct apart from that.
#[derive(Clone)]
pub struct Saboteur {
    inner: Arc<dyn Transport>,
    fault: Fault,
}

impl Saboteur {
    /// Breaks `inner`. [`Fault::None`] breaks nothing: the wrapping itself must not be what is caught.
    pub fn new(inner: Arc<dyn Transport>, fault: Fault) -> Self {
        Self { inner, fault }
    }
}

impl Transport for Saboteur {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn protocol(&self) -> &'static str {
        self.inner.protocol()
    }

    fn preference(&self) -> u8 {
        self.inner.preference()
    }

    fn recognises(&self, first: &[u8]) -> Recognition {
        self.inner.recognises(first)
    }

    fn connect(
        &self,
        io: Io,
        mut target: ConnectTarget,
        tasks: Tasks,
    ) -> BoxFuture<'static, Result<rpc_core::transport::Connection, Status>> {
        let fault = self.fault;
        if fault == Fault::IgnoresLimits {
            target.limits = unlimited(target.limits);
        }
        let connecting = self.inner.connect(io, target, tasks.clone());
        Box::pin(async move {
            let mut connection = connecting.await?;
            connection.service = Broken::new(connection.service, fault, tasks).boxed_client();
            Ok(connection)
        })
    }

    fn serve(
        &self,
        io: Io,
        mut info: ConnectionInfo,
        mut routes: Routes,
        tasks: Tasks,
        drain: Drain,
    ) -> BoxFuture<'static, ()> {
        let fault = self.fault;
        if fault == Fault::IgnoresLimits {
            info.limits = unlimited(info.limits);
        }
        routes.service = Broken::new(routes.service, fault, tasks.clone()).boxed_server();
        match fault {
            Fault::IgnoresTheDrain => {
                let (trigger, never) = Drain::new();
                let serving = self.inner.serve(io, info, routes, tasks, never);
                Box::pin(async move {
                    serving.await;
                    drop(trigger);
                })
            }
            Fault::EndsCallsWhenTheDrainBegins => {
                let (trigger, early) = Drain::new();
                let serving = self.inner.serve(io, info, routes, tasks, early);
                let mut drain = drain;
                Box::pin(async move {
                    tokio::pin!(serving);
                    tokio::select! {
                        () = &mut serving => return,
                        () = drain.reached(DrainPhase::Draining) => drop(trigger.advance(DrainPhase::Stopped)),
                    }
                    serving.await;
                })
            }
            _ => self.inner.serve(io, info, routes, tasks, drain),
        }
    }
}

fn unlimited(limits: Limits) -> Limits {
    limits.with_max_message(1 << 30)
}

/// A service with a fault.
struct Broken {
    inner: BoxService,
    fault: Fault,
    tasks: Tasks,
    turn: tokio::sync::Mutex<()>,
    last_reply: Mutex<Option<Payload>>,
    last_metadata: Mutex<Metadata>,
}

impl Broken {
    fn new(inner: BoxService, fault: Fault, tasks: Tasks) -> Arc<Self> {
        Arc::new(Self {
            inner,
            fault,
            tasks,
            turn: tokio::sync::Mutex::default(),
            last_reply: Mutex::default(),
            last_metadata: Mutex::default(),
        })
    }

    fn boxed_client(self: Arc<Self>) -> BoxService {
        rpc_core::service_fn(move |request| {
            let this = self.clone();
            async move { this.client(request).await }
        })
        .boxed()
    }

    fn boxed_server(self: Arc<Self>) -> BoxService {
        rpc_core::service_fn(move |request| {
            let this = self.clone();
            async move { this.server(request).await }
        })
        .boxed()
    }

    /// The client's side of a connection.
    async fn client(&self, mut request: Request) -> Result<Response, Status> {
        request.context = self.mangle(request.context);
        let _turn = match self.fault {
            Fault::OneCallAtATime => Some(self.turn.lock().await),
            _ => None,
        };
        let again = request.try_clone();
        let outcome = match self.fault {
            Fault::SwallowsCancel => self.detached(request).await,
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
            (_, outcome) => outcome,
        }
    }

    /// What of a call's circumstances is sent.
    fn mangle(&self, context: Context) -> Context {
        match self.fault {
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
        request.context = match (self.fault, request.context.deadline()) {
            (Fault::AddsTimeAtEveryHop, Some(deadline)) => {
                without_deadline(&request.context).with_deadline(deadline + std::time::Duration::from_secs(60))
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
            (Fault::EndsCallsAtHeaders, Ok(response)) => {
                let ended = |_| futures_util::stream::empty();
                Ok(Response { body: response.body.map_stream(ended), ..response })
            }
            (_, outcome) => outcome,
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
        let payload = response.body.message()?;
        let mut last = self.last_reply.lock().unwrap_or_else(PoisonError::into_inner);
        let other = last.replace(payload.clone()).unwrap_or(payload);
        Ok(Response { metadata: response.metadata, body: Body::Message(other) })
    }
}

/// Lost after writing, as far as this side knows.
fn lost(status: &Status) -> bool {
    status.code() == Code::Unavailable && status.delivery() == Delivery::Unknown
}

fn empty() -> Response {
    Response::new(Body::Message(Payload::Encoded(bytes::Bytes::new())))
}

fn without_deadline(context: &Context) -> Context {
    let copy = Context::default().with_metadata(context.metadata().clone()).with_baggage(context.baggage().clone());
    with_rest(
        match context.trace() {
            Some(trace) => copy.with_trace(trace),
            None => copy,
        },
        context,
    )
}

fn without_trace(context: &Context) -> Context {
    let copy = Context::default().with_metadata(context.metadata().clone()).with_baggage(context.baggage().clone());
    with_rest(
        match context.deadline() {
            Some(deadline) => copy.with_deadline(deadline),
            None => copy,
        },
        context,
    )
}

/// What neither of the two above leaves out.
fn with_rest(mut copy: Context, context: &Context) -> Context {
    if let Some(id) = context.call_id() {
        copy = copy.with_attempt(id, context.attempt());
    }
    match context.peer() {
        Some(peer) => copy.with_peer(peer.clone()),
        None => copy,
    }
}
