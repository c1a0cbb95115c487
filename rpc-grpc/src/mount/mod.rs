//! Services made for tonic, on our port.
//!
//! Nothing of such a call is taken apart: headers, messages (compressed ones, too) and trailers pass as they are. But
//! it passes through the layers that every call passes through: what travels there is a [`Request`] whose body is the
//! stream of the bytes as they come, and the rest waits in an [`Exchange`] until [`Mounted`] takes it up again.

mod bodies;
mod exchange;

pub(crate) use exchange::{Answer, call};

use crate::trailers;
use bodies::{Download, Upload};
use bytes::Bytes;
use exchange::Exchange;
use rpc_core::{
    Body, Code, Kind, Method, PayloadStream, Request, Response, Service, ServiceDescriptor, Status,
    server::NamedService,
};
use std::{error::Error, fmt, future::poll_fn};

/// A service made for tonic, to be added to a server beside those of this framework: the `..Server` that tonic's build
/// script generates, intercepted or not.
///
/// ```ignore
/// rpc::Server::from_config()?
///     .service(OrdersServer::new(Kitchen::new()))
///     .service(rpc::Mounted::new(GreeterServer::new(Greeter::default())))
///     .run()
///     .await
/// ```
///
/// It is found under its name in the registry, as one that speaks gRPC alone. The server's layers see its calls: they
/// are drained, keep the caller's deadline, and a panic in one is that call's failure. [`Context::current`] is there in
/// its handlers, so that a call made from one inherits the deadline, the trace and the baggage.
///
/// What is different:
/// - Observers see all its calls under one name, `/package.Service/*`, since nothing tells which methods it has.
/// - How large a message may be is said to the service itself (`max_decoding_message_size`), as is compression.
/// - A handler is dropped when its caller leaves, as tonic's own server would drop it.
/// - Its answers say nothing in `rpc-*` and `grpc-retry-pushback-ms`, which are this server's word on a call. In tonic
///   a status that a handler was given and returns has all that stood beside it: what another server said of another
///   call.
/// - What tonic's own server puts beside a request is not there: `remote_addr()` is `None`; [`Context::peer`] knows.
///
/// [`Context::current`]: rpc_core::Context::current
/// [`Context::peer`]: rpc_core::Context::peer
#[derive(Clone)]
pub struct Mounted<S> {
    service: S,
    descriptor: &'static ServiceDescriptor,
}

impl<S: tonic::server::NamedService> Mounted<S> {
    /// Makes a service of tonic's one of this framework's. What describes it, some hundred bytes, lives to the end of
    /// the process.
    pub fn new(service: S) -> Self {
        let path = Box::leak(any_method(S::NAME).into_boxed_str());
        // Streams both ways: on the wire every call looks like that.
        let method: &'static Method = Box::leak(Box::new(Method::new(S::NAME, "*", path, Kind::Bidi)));
        let methods = Box::leak(Box::new([method]));
        let descriptor = ServiceDescriptor::new(S::NAME, methods, "").only_over("grpc");
        Self { service, descriptor: Box::leak(Box::new(descriptor)) }
    }
}

/// The path under which all methods of a mounted service are known here.
fn any_method(service: &str) -> String {
    format!("/{service}/*")
}

impl<S, B> NamedService for Mounted<S>
where
    S: tower_service::Service<http::Request<tonic::body::Body>, Response = http::Response<B>>,
    S: Clone + Send + Sync + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>> + Send,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.descriptor
    }
}

impl<S, B> Service for Mounted<S>
where
    S: tower_service::Service<http::Request<tonic::body::Body>, Response = http::Response<B>>,
    S: Clone + Send + Sync + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>> + Send,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let Some((exchange, head)) = Exchange::current() else {
            let name = self.descriptor.name;
            return Err(Status::unimplemented(format!("{name} is made for tonic; it can be reached over gRPC only")));
        };
        let context = request.context;
        let request = http::Request::from_parts(head, tonic::body::Body::new(Upload(request.body.into_stream())));
        let mut service = self.service.clone();
        let answered = context.clone().scope(async {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request).await
        });
        let (head, body) = match answered.await {
            Ok(response) => response.into_parts(),
            Err(error) => return Err(status(&tonic::Status::from_error(error.into()))),
        };
        let early = trailers::read(&head.headers, None);
        exchange.answered(head);
        if let Some(Err(status)) = early {
            return Err(status);
        }
        let body = Download::new(tonic::body::Body::new(body), early.is_some(), exchange);
        Ok(Response::new(Body::Stream(PayloadStream::new(body)).in_context(context)))
    }
}

impl<S> fmt::Debug for Mounted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mounted({})", self.descriptor.name)
    }
}

/// tonic's status as ours. Only for what the service has not written into its answer itself.
#[cold]
fn status(status: &tonic::Status) -> Status {
    let code = u8::try_from(status.code() as i32).ok().and_then(Code::from_number).unwrap_or(Code::Unknown);
    Status::new(code, status.message().to_owned())
}
