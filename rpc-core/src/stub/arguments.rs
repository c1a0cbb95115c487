//! All the arguments of a method.

use super::error;
use crate::{
    Body, ErasedMessage, Payload, PayloadError, Status,
    message::at,
    schema::{Catalog, Reserved, Sent},
};
use bytes::{Bytes, BytesMut};
use prost::{
    DecodeError,
    encoding::{self, DecodeContext, WireType},
};

/// How the arguments of one method become a request and a request becomes arguments. `L` is the tuple of their types.
pub struct Arguments<L: List> {
    message: &'static str,
    parameters: &'static [Parameter],
    pub(super) codecs: L::Codecs,
    pub(super) form: Form,
    key: Option<usize>,
    reserved: &'static [Reserved],
}

/// A field of a request: the name and the number of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name of the argument.
    pub name: &'static str,
    /// The number of its field.
    pub tag: u32,
}

impl Parameter {
    /// The argument `name` as field `tag`.
    pub const fn new(name: &'static str, tag: u32) -> Self {
        Self { name, tag }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Each argument is a field of the request.
    Fields,
    /// The only argument is the request.
    Bare,
    /// The only argument is a stream of requests.
    Stream,
}

/// A tuple of arguments.
pub trait List: Sized + 'static {
    /// An [`Argument`](crate::stub::Argument) for each.
    type Codecs: Copy;

    #[doc(hidden)]
    fn wrap(self, arguments: &'static Arguments<Self>) -> Body;

    #[doc(hidden)]
    fn unwrap(body: Body, arguments: &'static Arguments<Self>) -> Result<Self, Status>;

    #[doc(hidden)]
    fn key(&self, arguments: &Arguments<Self>, index: usize) -> Option<u64>;

    #[doc(hidden)]
    fn encoded_len(&self, arguments: &Arguments<Self>) -> usize;

    #[doc(hidden)]
    fn encode(&self, arguments: &Arguments<Self>, buffer: &mut BytesMut);

    #[doc(hidden)]
    fn decode(bytes: Bytes, arguments: &Arguments<Self>) -> Result<Self, DecodeError>;

    #[doc(hidden)]
    fn describe(arguments: &Arguments<Self>, catalog: &mut Catalog) -> Vec<Sent>;
}

impl<L: List> Arguments<L> {
    pub(super) const fn with(
        message: &'static str,
        parameters: &'static [Parameter],
        codecs: L::Codecs,
        form: Form,
    ) -> Self {
        Self { message, parameters, codecs, form, key: None, reserved: &[] }
    }

    /// With the argument at this index as the key that routes the call.
    #[must_use]
    pub const fn keyed_by(mut self, index: usize) -> Self {
        assert!(!self.is_stream(), "a stream is no key; put the key into metadata or make it a plain argument");
        self.key = Some(index);
        self
    }

    /// Without what was an argument once.
    #[must_use]
    pub const fn with_reserved(mut self, reserved: &'static [Reserved]) -> Self {
        assert!(!self.is_stream(), "a stream is no request with fields; remove `reserved`");
        self.reserved = reserved;
        self
    }

    /// Whether they are a stream.
    pub const fn is_stream(&self) -> bool {
        matches!(self.form, Form::Stream)
    }

    /// The name of the request message, as the trait has it. In a schema it begins with the name of the service as it
    /// is served.
    pub const fn message(&self) -> &'static str {
        self.message
    }

    /// The fields of the request message.
    pub const fn parameters(&self) -> &'static [Parameter] {
        self.parameters
    }

    /// Describes the request, or each in a stream of them, as the message `name` if it is none by itself; gives its
    /// full name.
    pub(crate) fn describe(&self, catalog: &mut Catalog, name: &str) -> String {
        match self.form {
            Form::Fields => catalog.made(name, self.reserved, |catalog| {
                let sent = L::describe(self, catalog);
                self.parameters.iter().zip(sent).map(|(of, sent)| (of.name, of.tag, sent.field)).collect()
            }),
            Form::Bare | Form::Stream => {
                let sent = L::describe(self, catalog).pop();
                if self.form == Form::Bare && sent.as_ref().is_some_and(|sent| !sent.bare) {
                    // Whether a type is a message is known to its functions, which no constant can ask.
                    catalog.not_bare(name);
                }
                sent.map_or_else(String::new, |sent| sent.whole(catalog, name))
            }
        }
    }

    /// The body of a request, and the hash of its key.
    pub fn wrap(&'static self, values: L) -> (Body, Option<u64>) {
        let key = self.key.and_then(|index| values.key(self, index));
        (values.wrap(self), key)
    }

    /// The arguments in the body of a request.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the field, when the bytes are no such request.
    pub fn unwrap(&'static self, body: Body) -> Result<L, Status> {
        L::unwrap(body, self)
    }

    pub(super) fn tag(&self, index: usize) -> u32 {
        self.parameters.get(index).map_or(0, |parameter| parameter.tag)
    }

    pub(super) fn at(&self, error: DecodeError, index: usize) -> DecodeError {
        at(error, self.message, self.parameters.get(index).map_or("", |parameter| parameter.name))
    }
}

impl<L: List> std::fmt::Debug for Arguments<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Arguments({})", self.message)
    }
}

/// The message that arguments are the fields of.
pub(super) struct Wrapped<L: List> {
    values: L,
    arguments: &'static Arguments<L>,
}

impl<L: List + Send + Sync> ErasedMessage for Wrapped<L>
where
    L::Codecs: Send + Sync,
{
    fn encoded_len(&self) -> usize {
        self.values.encoded_len(self.arguments)
    }

    fn encode(&self, buffer: &mut BytesMut) {
        self.values.encode(self.arguments, buffer);
    }

    fn type_name(&self) -> &'static str {
        self.arguments.message
    }
}

impl<L: List + Send + Sync> Wrapped<L>
where
    L::Codecs: Send + Sync,
{
    pub(super) fn new(values: L, arguments: &'static Arguments<L>) -> Self {
        Self { values, arguments }
    }

    pub(super) fn take(payload: Payload, arguments: &'static Arguments<L>) -> Result<L, PayloadError> {
        let read = |bytes| match L::decode(bytes, arguments) {
            Ok(values) => Ok(Self { values, arguments }),
            Err(error) => Err(error::unreadable(&error)),
        };
        payload.take_with(read).map(|wrapped| wrapped.values)
    }
}

/// Reads every field of a message through `read`, which says whether it knows the number.
pub(super) fn read_fields(
    mut bytes: Bytes,
    mut read: impl FnMut(u32, WireType, &mut Bytes, DecodeContext) -> Option<Result<(), DecodeError>>,
) -> Result<(), DecodeError> {
    let context = DecodeContext::default();
    while !bytes.is_empty() {
        let (tag, wire) = encoding::decode_key(&mut bytes)?;
        match read(tag, wire, &mut bytes, context.clone()) {
            Some(result) => result?,
            None => encoding::skip_field(wire, tag, &mut bytes, context.clone())?,
        }
    }
    Ok(())
}
