//! One value as a whole message.

use super::Field;
use crate::payload::{Decode, ErasedMessage, PayloadError};
use bytes::{Bytes, BytesMut};
use std::marker::PhantomData;

/// The message that one value is when it is sent alone, as a reply or as an item of a stream: the value itself if it is
/// a message, else a message with the value as field 1; `()` is `google.protobuf.Empty`.
///
/// Not `Default`: a value begins to exist when its bytes are read ([`Decode`]).
pub struct Sole<T, K>(T, PhantomData<fn() -> K>);

impl<K, T: Field<K>> Sole<T, K> {
    /// Makes a message of a value.
    #[inline]
    pub fn new(value: T) -> Self {
        Self(value, PhantomData)
    }

    /// The value.
    #[inline]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<K: 'static, T: Field<K>> ErasedMessage for Sole<T, K> {
    fn encoded_len(&self) -> usize {
        self.0.whole_len()
    }

    fn encode(&self, buffer: &mut BytesMut) {
        self.0.whole_encode(buffer);
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }
}

impl<K: 'static, T: Field<K>> Decode for Sole<T, K> {
    fn decode(mut bytes: Bytes) -> Result<Self, PayloadError> {
        T::whole_read(&mut bytes).map(Self::new).map_err(|error| PayloadError::new(error.to_string()))
    }
}
