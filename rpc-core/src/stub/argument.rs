//! One argument of a method.

use super::{Arguments, Part};
use crate::{
    Body, Payload, PayloadError, Status,
    schema::{Catalog, Sent},
};
use bytes::{Bytes, BytesMut};
use prost::{
    DecodeError,
    encoding::{DecodeContext, WireType},
};

/// How values of one type are written and read as an argument.
pub struct Argument<T: 'static>(pub(super) Codec<T>);

pub(super) enum Codec<T: 'static> {
    /// A field of the request, or a message that is the request.
    Field(FieldCodec<T>),
    /// A stream, which is the request.
    Stream(StreamCodec<T>),
}

/// What a type that is a field can do, without saying that it can.
pub(super) struct FieldCodec<T: 'static> {
    pub(super) encoded_len: fn(&T, u32) -> usize,
    pub(super) encode: fn(&T, u32, &mut BytesMut),
    pub(super) read_into: fn(&mut Option<T>, WireType, &mut Bytes, DecodeContext) -> Result<(), DecodeError>,
    pub(super) finish: fn(Option<T>) -> Result<T, DecodeError>,
    pub(super) key: fn(&T) -> u64,
    pub(super) describe: fn(&mut Catalog) -> Sent,
    /// As the only field of a request.
    pub(super) wrap: fn(T, &'static Arguments<(T,)>) -> Payload,
    pub(super) unwrap: Unwrap<T>,
    /// As the request itself.
    pub(super) wrap_bare: fn(T) -> Payload,
    pub(super) unwrap_bare: fn(Payload) -> Result<T, PayloadError>,
}

/// Takes the only field of a request out of it.
type Unwrap<T> = fn(Payload, &'static Arguments<(T,)>) -> Result<(T,), PayloadError>;

/// What a stream can do.
pub(super) struct StreamCodec<T> {
    pub(super) wrap: fn(T) -> Body,
    pub(super) unwrap: fn(Body) -> Result<T, Status>,
    pub(super) describe: fn(&mut Catalog) -> Sent,
}

impl<T: 'static> Argument<T> {
    /// The one place where generated code says what it needs of an argument's type.
    pub const fn of<K>() -> Self
    where
        T: Part<K>,
    {
        T::ARGUMENT
    }

    pub(super) fn field(&self) -> Option<&FieldCodec<T>> {
        match &self.0 {
            Codec::Field(field) => Some(field),
            Codec::Stream(_) => None,
        }
    }

    /// What it is in protobuf; of a stream, what each item is.
    pub(super) fn describe(&self, catalog: &mut Catalog) -> Sent {
        match &self.0 {
            Codec::Field(field) => (field.describe)(catalog),
            Codec::Stream(stream) => (stream.describe)(catalog),
        }
    }

    pub(super) const fn is_stream(&self) -> bool {
        matches!(self.0, Codec::Stream(_))
    }
}

// By hand, because they hold whatever `T` is.
impl<T> Clone for Argument<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Argument<T> {}

impl<T> Clone for Codec<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Codec<T> {}

impl<T> Clone for FieldCodec<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for FieldCodec<T> {}

impl<T> Clone for StreamCodec<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for StreamCodec<T> {}

impl<T> std::fmt::Debug for Argument<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Argument({})", std::any::type_name::<T>())
    }
}
