//! A service without generated code, for what generated code cannot say: bytes that are no message, metadata of a reply,
//! a payload of an exact size.

use crate::ledger::Ledger;
use bytes::Bytes;
use rpc_core::{
    Body, Kind, Method, Payload, Request, Response, Service, ServiceDescriptor, Status, client::Channel,
    server::NamedService,
};

/// The full name of the service.
pub const NAME: &str = "conformance.v1.Raw";

/// Gives payload and metadata back.
pub static ECHO: Method = Method::new(NAME, "Echo", "/conformance.v1.Raw/Echo", Kind::Unary);
/// Notes the call as job 0 and answers with the size of the payload: 8 bytes, the most significant first.
pub static WEIGH: Method = Method::new(NAME, "Weigh", "/conformance.v1.Raw/Weigh", Kind::Unary);
/// Answers with so many bytes as the payload says, in the form of [`WEIGH`]'s answer.
pub static PRODUCE: Method = Method::new(NAME, "Produce", "/conformance.v1.Raw/Produce", Kind::Unary);
/// A method that the server does not have.
pub static MISSING_METHOD: Method = Method::new(NAME, "Missing", "/conformance.v1.Raw/Missing", Kind::Unary);
/// A service that the server does not have.
pub static MISSING_SERVICE: Method =
    Method::new("conformance.v1.Nothing", "Echo", "/conformance.v1.Nothing/Echo", Kind::Unary);

static DESCRIPTOR: ServiceDescriptor = ServiceDescriptor::new(NAME, &[&ECHO, &WEIGH, &PRODUCE], "Bytes in, bytes out.");

/// The service.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    /// What its handlers remember.
    pub ledger: Ledger,
}

impl NamedService for Raw {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &DESCRIPTOR
    }
}

impl Service for Raw {
    async fn call(&self, request: Request) -> Result<Response, Status> {
        let (name, metadata) = (request.method.name, request.context.metadata().clone());
        let payload = request.body.message()?.into_bytes();
        let answer = match name {
            "Echo" => payload,
            "Weigh" => {
                self.ledger.enter(0).end();
                Bytes::copy_from_slice(&(payload.len() as u64).to_be_bytes())
            }
            _ => {
                let length = <[u8; 8]>::try_from(payload.as_ref()).map_err(|_| Status::invalid_argument("8 bytes"))?;
                // Not zeros: a transport that compresses or skips them should not look good.
                Bytes::from(patterned(usize::try_from(u64::from_be_bytes(length)).unwrap_or_default()))
            }
        };
        Ok(Response { metadata, body: Body::Message(Payload::Encoded(answer)) })
    }
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
    async fn call(&self, _: Request) -> Result<Response, Status> {
        Ok(Response::new(Body::Message(Payload::Encoded(Bytes::from_static(NO_MESSAGE)))))
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
    let response = channel.call(method, Body::Message(Payload::Encoded(payload.into())), None).await?;
    Ok((response.body.message()?.into_bytes(), response.metadata))
}
