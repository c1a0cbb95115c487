//! Enums without data.

use super::{Element, error::malformed};
use crate::schema::{Catalog, Choice, Type};
use bytes::{Buf, BufMut};
use prost::{
    DecodeError,
    encoding::{self, DecodeContext, WireType, encode_varint, encoded_len_varint},
};

/// What `#[derive(Message)]` implements for an enum whose variants hold nothing.
///
/// Its numbers count from 1. 0 is what an absent one has, and no variant, unless one is marked `#[rpc(unknown)]`: that
/// one takes 0 and the numbers that only a newer peer knows.
pub trait Enumeration: Sized + Send + Sync + 'static {
    /// The name of the type, for messages to people.
    const NAME: &'static str;

    /// Its name, its values, its documentation.
    const SCHEMA: &'static Choice;

    /// Whether no variant is marked `#[rpc(unknown)]`, so that an absent one is an error.
    const REQUIRED_UNLESS_OPTION: bool;

    /// The number on the wire.
    fn number(&self) -> i32;

    /// The variant with this number, the one marked `#[rpc(unknown)]` if none has it, `None` if there is no such.
    fn from_number(number: i32) -> Option<Self>;
}

/// The kind of enums without data.
pub enum AsEnumeration {}

#[inline]
fn bits<E: Enumeration>(value: &E) -> u64 {
    i64::from(value.number()) as u64
}

#[diagnostic::do_not_recommend]
impl<E: Enumeration> Element<AsEnumeration> for E {
    const REQUIRED_UNLESS_OPTION: bool = <E as Enumeration>::REQUIRED_UNLESS_OPTION;

    #[inline]
    fn absent() -> Result<Self, DecodeError> {
        E::from_number(0).ok_or_else(|| malformed(format!("missing; it has to be a variant of {}", E::NAME)))
    }

    #[inline]
    fn is_implied(&self) -> bool {
        self.number() == 0
    }

    #[inline]
    fn encode<B: BufMut>(&self, tag: u32, buffer: &mut B) {
        encoding::int32::encode(tag, &self.number(), buffer);
    }

    #[inline]
    fn encoded_len(&self, tag: u32) -> usize {
        encoding::int32::encoded_len(tag, &self.number())
    }

    #[inline]
    fn read<B: Buf>(wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<Self, DecodeError> {
        let mut number = 0;
        encoding::int32::merge(wire, &mut number, buffer, context)?;
        E::from_number(number).ok_or_else(|| malformed(format!("{number} is no variant of {} known here", E::NAME)))
    }

    fn describe(catalog: &mut Catalog) -> Type {
        catalog.choice::<E>(E::SCHEMA)
    }

    #[inline]
    fn packed() -> Option<WireType> {
        Some(WireType::Varint)
    }

    #[inline]
    fn packed_len(&self) -> usize {
        encoded_len_varint(bits(self))
    }

    #[inline]
    fn encode_packed<B: BufMut>(&self, buffer: &mut B) {
        encode_varint(bits(self), buffer);
    }
}
