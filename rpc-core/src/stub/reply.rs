//! What a method gives back.

use super::Part;
use crate::{
    Context, Response, RpcError, Status,
    schema::{Catalog, Sent},
};

/// The return type of a method: `Result<T, E>` under whatever name.
#[diagnostic::on_unimplemented(
    message = "an RPC method must return `Result<T, E>`, not `{Self}`",
    label = "a remote call can always fail, so its type must be able to say so",
    note = "write `Result<{Self}, rpc::Status>`, or use an error type of your own with `#[derive(rpc::RpcError)]`"
)]
pub trait Outcome: Sized {
    /// What comes back when all goes well.
    type Ok;
    /// What comes back when not.
    type Err: RpcError;

    /// As a result.
    ///
    /// # Errors
    /// If it is one.
    fn into_result(self) -> Result<Self::Ok, Self::Err>;

    /// From a result.
    fn from_result(result: Result<Self::Ok, Self::Err>) -> Self;
}

impl<T, E: RpcError> Outcome for Result<T, E> {
    type Ok = T;
    type Err = E;

    fn into_result(self) -> Self {
        self
    }

    fn from_result(result: Self) -> Self {
        result
    }
}

/// How the return type of one method becomes a response and back.
pub struct Reply<R> {
    stream: bool,
    wrap: fn(R, Context) -> Result<Response, Status>,
    unwrap: fn(Result<Response, Status>) -> R,
    describe: fn(&mut Catalog) -> Sent,
}

impl<R> Reply<R> {
    /// The one place where generated code says what it needs of a return type.
    pub const fn of<K>() -> Self
    where
        R: Outcome,
        R::Ok: Part<K>,
    {
        Self {
            stream: <R::Ok as Part<K>>::STREAM,
            wrap: wrap::<K, R>,
            unwrap: unwrap::<K, R>,
            describe: |catalog| {
                let sent = R::Ok::describe(catalog);
                sent.or(catalog.failures::<R::Err>())
            },
        }
    }

    /// Whether it is a stream.
    pub const fn is_stream(&self) -> bool {
        self.stream
    }

    /// What it is in protobuf, and how the method fails.
    pub(crate) fn describe(&self, catalog: &mut Catalog) -> Sent {
        (self.describe)(catalog)
    }

    /// What a handler gave, as a response. A stream goes on being polled in the context of its call.
    ///
    /// # Errors
    /// What the handler failed with.
    pub fn wrap(&self, reply: R, context: Context) -> Result<Response, Status> {
        (self.wrap)(reply, context)
    }

    /// What came back, as the caller wants it. A response that makes no sense is an error of code `Internal`.
    pub fn unwrap(&self, response: Result<Response, Status>) -> R {
        (self.unwrap)(response)
    }
}

impl<R> std::fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply({})", std::any::type_name::<R>())
    }
}

fn wrap<K, R: Outcome<Ok: Part<K>>>(reply: R, context: Context) -> Result<Response, Status> {
    match reply.into_result() {
        Ok(value) => Ok(Response::new(value.into_reply(context))),
        Err(error) => Err(error.into_status()),
    }
}

fn unwrap<K, R: Outcome<Ok: Part<K>>>(response: Result<Response, Status>) -> R {
    let value = response.and_then(|response| R::Ok::from_reply(response.body));
    R::from_result(value.map_err(R::Err::from_status))
}
