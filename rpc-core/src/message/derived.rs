//! Structs with `#[derive(Message)]`.

use super::{Element, room};
use crate::schema::{Catalog, Structure, Type};
use bytes::{Buf, BufMut};
use prost::{
    DecodeError, Message,
    encoding::{self, DecodeContext, WireType},
};

/// What `#[derive(Message)]` implements for a struct beside `prost::Message`.
pub trait Derived: Message + Sized + 'static {
    /// Its name, its fields, its documentation.
    const SCHEMA: &'static Structure;

    /// Whether a missing one is an error, because a field of it is.
    const REQUIRED_UNLESS_OPTION: bool;

    /// The fields while the message is read.
    type Slots: Slots + Default;

    /// The message, once its bytes have ended.
    ///
    /// # Errors
    /// Names the field that is missing and may not be.
    fn finish(slots: Self::Slots) -> Result<Self, DecodeError>;

    /// Reads all of `buffer` as this message.
    ///
    /// # Errors
    /// If the bytes are not such a message, or a field is missing that may not be.
    fn decode_whole<B: Buf>(buffer: B) -> Result<Self, DecodeError> {
        let _level = room::level()?;
        let mut reading = Reading(Self::Slots::default());
        reading.merge(buffer)?;
        Self::finish(reading.0)
    }
}

/// The fields of a message while it is read: one `Option` each.
pub trait Slots: Send + Sync {
    /// Reads one field.
    ///
    /// # Errors
    /// If the bytes are not such a field.
    fn read_field<B: Buf>(
        &mut self,
        tag: u32,
        wire: WireType,
        buffer: &mut B,
        context: DecodeContext,
    ) -> Result<(), DecodeError>;
}

/// Lets prost read [`Slots`] as if they were a message: it alone can count how deep messages are nested.
pub struct Reading<S>(pub S);

impl<S: Slots> Message for Reading<S> {
    fn encode_raw(&self, _buffer: &mut impl BufMut) {}

    #[inline]
    fn merge_field(
        &mut self,
        tag: u32,
        wire: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        self.0.read_field(tag, wire, buffer, context)
    }

    fn encoded_len(&self) -> usize {
        0
    }

    fn clear(&mut self) {}
}

/// The kind of structs with `#[derive(Message)]`.
pub enum AsDerived {}

#[diagnostic::do_not_recommend]
impl<M: Derived> Element<AsDerived> for M {
    const REQUIRED_UNLESS_OPTION: bool = M::REQUIRED_UNLESS_OPTION;

    #[inline]
    fn absent() -> Result<Self, DecodeError> {
        // One that cannot exist without another of itself, which a generic type shows only here, does not compile.
        let _ = const { M::REQUIRED_UNLESS_OPTION };
        M::finish(M::Slots::default())
    }

    #[inline]
    fn is_implied(&self) -> bool {
        false
    }

    #[inline]
    fn encode<B: BufMut>(&self, tag: u32, buffer: &mut B) {
        encoding::message::encode(tag, self, buffer);
    }

    #[inline]
    fn encoded_len(&self, tag: u32) -> usize {
        encoding::message::encoded_len(tag, self)
    }

    #[inline]
    fn read<B: Buf>(wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<Self, DecodeError> {
        let _level = room::level()?;
        let mut reading = Reading(M::Slots::default());
        encoding::message::merge(wire, &mut reading, buffer, context)?;
        M::finish(reading.0)
    }

    #[inline]
    fn merge<B: Buf>(&mut self, wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<(), DecodeError> {
        let _level = room::level()?;
        encoding::message::merge(wire, self, buffer, context)
    }

    #[inline]
    fn is_bare() -> bool {
        true
    }

    fn describe(catalog: &mut Catalog) -> Type {
        catalog.structure::<M>(M::SCHEMA)
    }

    #[inline]
    fn whole_encode<B: BufMut>(&self, buffer: &mut B) {
        self.encode_raw(buffer);
    }

    #[inline]
    fn whole_len(&self) -> usize {
        Message::encoded_len(self)
    }

    #[inline]
    fn whole_read<B: Buf>(buffer: &mut B) -> Option<Result<Self, DecodeError>> {
        Some(M::decode_whole(buffer))
    }
}

/// No fields: everything is skipped.
impl Slots for () {
    fn read_field<B: Buf>(
        &mut self,
        tag: u32,
        wire: WireType,
        buffer: &mut B,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        encoding::skip_field(wire, tag, buffer, context)
    }
}
