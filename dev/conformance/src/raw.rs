//! A service without generated code, for what generated code cannot say: bytes that are no message, metadata of a
//! reply, payloads of an exact size.

use crate::ledger::Ledger;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use rpc_core::{
    Body, Kind, Method, Payload, PayloadStream, Request, Response, Service, ServiceDescriptor, Status, client::Channel,
    server::NamedService,
};
use std::sync::{Arc, Mutex, PoisonError};

/// The full name of the service.
pub const NAME: &str = "conformance.v1.Raw";

/// Gives payload and metadata back.
pub static ECHO: Method = Method::new(NAME, "Echo", "/conformance.v1.Raw/Echo", Kind::Unary);
/// Notes the call as job 0 and answers with the size of the payload: 8 bytes, the most significant first.
pub static WEIGH: Method = Method::new(NAME, "Weigh", "/conformance.v1.Raw/Weigh", Kind::Unary);
/// Answers with so many bytes as the payload says, in the form of [`WEIGH`]'s answer.
pub static PRODUCE: Method = Method::new(NAME, "Produce", "/conformance.v1.Raw/Produce", Kind::Unary);
/// Answers with an item for each 8 bytes of the payload, of so many bytes as they say.
pub static POUR: Method = Method::new(NAME, "Pour", "/conformance.v1.Raw/Pour", Kind::ServerStream);
/// Answers with items of so many bytes as the payload says, without end, as job 1.
pub static FLOOD: Method = Method::new(NAME, "Flood", "/conformance.v1.Raw/Flood", Kind::ServerStream);
/// Answers with the size of all items together, in the form of [`WEIGH`]'s answer. It is job 2, and reads the first
/// item at once and the others when handlers are not held.
pub static DRINK: Method = Method::new(NAME, "Drink", "/conformance.v1.Raw/Drink", Kind::ClientStream);
/// Gives each item back.
pub static MIRROR: Method = Method::new(NAME, "Mirror", "/conformance.v1.Raw/Mirror", Kind::Bidi);
/// Lays the stream of requests on the [shelf](Raw::shelf), unread, and never answers.
pub static SHELVE: Method = Method::new(NAME, "Shelve", "/conformance.v1.Raw/Shelve", Kind::ClientStream);
/// A method that the server does not have.
pub static MISSING_METHOD: Method = Method::new(NAME, "Missing", "/conformance.v1.Raw/Missing", Kind::Unary);
/// A service that the server does not have.
pub static MISSING_SERVICE: Method =
    Method::new("conformance.v1.Nothing", "Echo", "/conformance.v1.Nothing/Echo", Kind::Unary);

static DESCRIPTOR: ServiceDescriptor = ServiceDescriptor::new(
    NAME,
    &[&ECHO, &WEIGH, &PRODUCE, &POUR, &FLOOD, &DRINK, &MIRROR, &SHELVE],
    "Bytes in, bytes out.",
);

/// The service.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    /// What its handlers remember.
    pub ledger: Ledger,
    /// Streams of requests that have outlived their handlers.
    pub shelf: Arc<Mutex<Vec<PayloadStream>>>,
}

impl NamedService for Raw {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &DESCRIPTOR
    }
}

impl Service for Raw {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let metadata = request.context.metadata().clone();
        let body = match request.method.name {
            "Drink" => self.drink(request.body.into_stream()).await?,
            "Shelve" => {
                self.shelf.lock().unwrap_or_else(PoisonError::into_inner).push(request.body.into_stream());
                std::future::pending().await
            }
            "Mirror" => Body::Stream(request.body.into_stream()),
            name => self.answer(name, request.body.into_message()?.into_bytes())?,
        };
        Ok(Response { metadata, body })
    }
}

impl Raw {
    fn answer(&self, name: &str, payload: Bytes) -> Result<Body, Status> {
        Ok(match name {
            "Echo" => message(payload),
            "Weigh" => {
                self.ledger.enter(0).end();
                message(size(payload.len()))
            }
            // Not zeros: a transport that compresses or skips them should not look good.
            "Produce" => message(patterned(number(&payload)?)),
            "Pour" => {
                let sizes = payload.chunks(8).map(number).collect::<Result<Vec<_>, _>>()?;
                items(stream::iter(sizes.into_iter().map(|size| Ok(patterned(size).into()))))
            }
            _ => {
                let (visit, item) = (self.ledger.enter(1), Bytes::from(patterned(number(&payload)?)));
                items(stream::repeat_with(move || {
                    visit.made();
                    Ok(item.clone())
                }))
            }
        })
    }

    async fn drink(&self, mut items: PayloadStream) -> Result<Body, Status> {
        let (visit, mut bytes) = (self.ledger.enter(2), 0);
        while let Some(item) = items.next().await {
            bytes += item.inspect_err(|status| visit.note(status))?.encoded_len();
            visit.made();
            self.ledger.pass().await;
        }
        visit.end();
        Ok(message(size(bytes)))
    }
}

/// A message of bytes.
pub fn message(bytes: impl Into<Bytes>) -> Body {
    Body::Message(Payload::Encoded(bytes.into()))
}

/// A stream of messages of bytes.
pub fn items(items: impl Stream<Item = Result<Bytes, Status>> + Send + 'static) -> Body {
    Body::Stream(PayloadStream::new(items.map(|item| item.map(Payload::Encoded))))
}

/// A size as it is asked for and answered.
pub fn size(size: usize) -> Bytes {
    Bytes::copy_from_slice(&(size as u64).to_be_bytes())
}

fn number(bytes: &[u8]) -> Result<usize, Status> {
    let bytes = <[u8; 8]>::try_from(bytes).map_err(|_| Status::invalid_argument("8 bytes"))?;
    Ok(usize::try_from(u64::from_be_bytes(bytes)).unwrap_or_default())
}

/// Answers every method of another service with bytes that are no message.
#[derive(Clone, Copy, Debug)]
pub struct Babble(pub &'static ServiceDescriptor);

impl NamedService for Babble {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.0
    }
}

impl Service for Babble {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let babble = message(NO_MESSAGE);
        let streams = request.method.kind.response_streams();
        Ok(Response::new(if streams { Body::Stream(babble.into_stream()) } else { babble }))
    }
}

/// Bytes that are no protobuf: a field that claims more than there is.
pub const NO_MESSAGE: &[u8] = &[0x0a, 0xff, 0xff, 0x7f, 0x01];

/// Bytes that show where they stand.
pub fn patterned(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

/// Calls a method with bytes and gives its answer's.
pub async fn call(
    channel: &Channel,
    method: &'static Method,
    payload: impl Into<Bytes>,
) -> Result<(Bytes, rpc::Metadata), Status> {
    let response = channel.call(method, message(payload), None).await?;
    Ok((response.body.into_message()?.into_bytes(), response.metadata))
}
