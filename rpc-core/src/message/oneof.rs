//! Enums with data.

use super::{
    Element,
    derived::{Reading, Slots},
    error::malformed,
    room,
};
use crate::schema::{Alternatives, Catalog, Type};
use bytes::{Buf, BufMut};
use prost::{
    DecodeError, Message,
    encoding::{self, DecodeContext, WireType},
};

/// What `#[derive(Message)]` implements for an enum whose variants hold something: a message with one `oneof`.
///
/// It is no `prost::Message`, since it has no honest default.
pub trait Oneof: Sized + Send + Sync + 'static {
    /// The name of the type, for messages to people.
    const NAME: &'static str;

    /// Its name, its variants, its documentation.
    const SCHEMA: &'static Alternatives;

    /// Whether an absent one is an error: no variant is marked `#[rpc(default)]`, or that one has such a field.
    const REQUIRED_UNLESS_OPTION: bool;

    /// The variant marked `#[rpc(default)]`, which stands for an absent one and for variants that only a newer peer
    /// knows; `None` if none is marked.
    ///
    /// # Errors
    /// If a field of it may not be absent.
    fn fallback() -> Result<Option<Self>, DecodeError>;

    /// Appends the variant as its field.
    fn encode_variant<B: BufMut>(&self, buffer: &mut B);

    /// How many bytes [`encode_variant`](Self::encode_variant) appends.
    fn variant_len(&self) -> usize;

    /// Reads a field where no variant was read before; `None` if it is no variant.
    ///
    /// # Errors
    /// If the bytes are not such a variant.
    fn read_variant<B: Buf>(
        tag: u32,
        wire: WireType,
        buffer: &mut B,
        context: DecodeContext,
    ) -> Result<Option<Self>, DecodeError>;

    /// Reads a field over this value: the same variant merges, as messages do, and another takes its place.
    ///
    /// # Errors
    /// Like [`read_variant`](Self::read_variant).
    fn merge_variant<B: Buf>(
        &mut self,
        tag: u32,
        wire: WireType,
        buffer: &mut B,
        context: DecodeContext,
    ) -> Result<(), DecodeError>;
}

/// The kind of enums with data.
pub enum AsOneof {}

/// The variant read so far.
struct Variant<E>(Option<E>);

impl<E: Oneof> Slots for Variant<E> {
    #[inline]
    fn read_field<B: Buf>(
        &mut self,
        tag: u32,
        wire: WireType,
        buffer: &mut B,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        match &mut self.0 {
            Some(value) => value.merge_variant(tag, wire, buffer, context),
            none => {
                *none = E::read_variant(tag, wire, buffer, context)?;
                Ok(())
            }
        }
    }
}

impl<E: Oneof> Variant<E> {
    /// What was read, once the message has ended.
    fn finish(self) -> Result<E, DecodeError> {
        match self.0 {
            Some(value) => Ok(value),
            None => E::fallback()?.ok_or_else(|| malformed(format!("no variant of {} known here", E::NAME))),
        }
    }
}

/// A value over which another is read.
struct Existing<'a, E>(&'a mut E);

impl<E: Oneof> Slots for Existing<'_, E> {
    fn read_field<B: Buf>(
        &mut self,
        tag: u32,
        wire: WireType,
        buffer: &mut B,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        self.0.merge_variant(tag, wire, buffer, context)
    }
}

/// Reads a message whose fields are where `each` puts them. For what is nested in a message that was counted: this one
/// does not count for the limit of nesting.
///
/// # Errors
/// If the bytes are not a message, or `each` fails.
pub fn read_parts<B: Buf>(
    wire: WireType,
    buffer: &mut B,
    context: DecodeContext,
    mut each: impl FnMut(u32, WireType, &mut B, DecodeContext) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    encoding::wire_type::check_wire_type(WireType::LengthDelimited, wire)?;
    encoding::merge_loop(&mut (), buffer, context, |(), buffer, context| {
        let (tag, wire) = encoding::decode_key(buffer)?;
        each(tag, wire, buffer, context)
    })
}

#[diagnostic::do_not_recommend]
impl<E: Oneof> Element<AsOneof> for E {
    const REQUIRED_UNLESS_OPTION: bool = <E as Oneof>::REQUIRED_UNLESS_OPTION;

    #[inline]
    fn absent() -> Result<Self, DecodeError> {
        // As for structs: a default that holds another default does not compile.
        let _ = const { <E as Oneof>::REQUIRED_UNLESS_OPTION };
        E::fallback()?.ok_or_else(|| malformed(format!("missing; it has to be a variant of {}", E::NAME)))
    }

    #[inline]
    fn is_implied(&self) -> bool {
        false
    }

    #[inline]
    fn encode<B: BufMut>(&self, tag: u32, buffer: &mut B) {
        encoding::encode_key(tag, WireType::LengthDelimited, buffer);
        encoding::encode_varint(self.variant_len() as u64, buffer);
        self.encode_variant(buffer);
    }

    #[inline]
    fn encoded_len(&self, tag: u32) -> usize {
        let length = self.variant_len();
        encoding::key_len(tag) + encoding::encoded_len_varint(length as u64) + length
    }

    #[inline]
    fn read<B: Buf>(wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<Self, DecodeError> {
        let _level = room::level()?;
        let mut reading = Reading(Variant::<E>(None));
        encoding::message::merge(wire, &mut reading, buffer, context)?;
        reading.0.finish()
    }

    fn merge<B: Buf>(&mut self, wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<(), DecodeError> {
        let _level = room::level()?;
        encoding::message::merge(wire, &mut Reading(Existing(self)), buffer, context)
    }

    #[inline]
    fn is_bare() -> bool {
        true
    }

    fn describe(catalog: &mut Catalog) -> Type {
        catalog.alternatives::<E>(E::SCHEMA)
    }

    #[inline]
    fn whole_encode<B: BufMut>(&self, buffer: &mut B) {
        self.encode_variant(buffer);
    }

    #[inline]
    fn whole_len(&self) -> usize {
        self.variant_len()
    }

    #[inline]
    fn whole_read<B: Buf>(buffer: &mut B) -> Option<Result<Self, DecodeError>> {
        let mut reading = Reading(Variant::<E>(None));
        Some(reading.merge(buffer).and_then(|()| reading.0.finish()))
    }
}
