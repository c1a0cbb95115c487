//! Enums that prost generated.
//!
//! They have no trait in common but conversions, of which one fails with an error of prost's own: that tells them from
//! everything else. So they need no attribute, and stand wherever a derived enum does; what they are called in protobuf
//! they do not know, and a schema has to be told.

use super::{Element, error::malformed};
use crate::schema::{Catalog, Type};
use bytes::{Buf, BufMut};
use prost::{
    DecodeError, UnknownEnumValue,
    encoding::{self, DecodeContext, WireType, encode_varint, encoded_len_varint},
};
use std::any::type_name;

/// What prost's `Enumeration` derive gives an enum; everything that has it is one.
pub trait ProstEnum: Copy + Into<i32> + TryFrom<i32, Error = UnknownEnumValue> + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<E: Copy + Into<i32> + TryFrom<i32, Error = UnknownEnumValue> + Send + Sync + 'static> ProstEnum for E {}

/// The kind of enums that prost generated.
pub enum AsProstEnum {}

#[inline]
fn bits<E: ProstEnum>(value: E) -> u64 {
    let number: i32 = value.into();
    i64::from(number) as u64
}

/// The name of the type, for messages to people.
fn name<E>() -> &'static str {
    type_name::<E>().rsplit("::").next().unwrap_or_default()
}

/// The value of number 0 stands for an absent one, as in prost's own messages; where there is none (in proto2), an
/// absent one is an error. So is a number that this program does not know: prost's messages keep it as an `i32`, and an
/// enum cannot.
#[diagnostic::do_not_recommend]
impl<E: ProstEnum> Element<AsProstEnum> for E {
    #[inline]
    fn absent() -> Result<Self, DecodeError> {
        E::try_from(0).map_err(|_| malformed(format!("missing; it has to be a value of {}", name::<E>())))
    }

    #[inline]
    fn is_implied(&self) -> bool {
        bits(*self) == 0
    }

    #[inline]
    fn encode<B: BufMut>(&self, tag: u32, buffer: &mut B) {
        encoding::int32::encode(tag, &(*self).into(), buffer);
    }

    #[inline]
    fn encoded_len(&self, tag: u32) -> usize {
        encoding::int32::encoded_len(tag, &(*self).into())
    }

    #[inline]
    fn read<B: Buf>(wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<Self, DecodeError> {
        let mut number = 0;
        encoding::int32::merge(wire, &mut number, buffer, context)?;
        E::try_from(number).map_err(|_| malformed(format!("{number} is no value of {} known here", name::<E>())))
    }

    fn describe(catalog: &mut Catalog) -> Type {
        catalog.nameless::<E>()
    }

    #[inline]
    fn packed() -> Option<WireType> {
        Some(WireType::Varint)
    }

    #[inline]
    fn packed_len(&self) -> usize {
        encoded_len_varint(bits(*self))
    }

    #[inline]
    fn encode_packed<B: BufMut>(&self, buffer: &mut B) {
        encode_varint(bits(*self), buffer);
    }
}
