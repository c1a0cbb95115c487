//! `Option<T>` and `Vec<T>`.

use super::{Element, Field, room};
use crate::schema::{Catalog, FieldType};
use bytes::{Buf, BufMut};
use prost::{
    DecodeError,
    encoding::{self, DecodeContext, WireType},
};
use std::marker::PhantomData;

/// An optional element. `Some` is written even when it holds what an absent one would mean.
pub struct Maybe<K>(PhantomData<fn() -> K>);

#[diagnostic::do_not_recommend]
impl<K: 'static, T: Element<K>> Field<Maybe<K>> for Option<T> {
    #[inline]
    fn absent() -> Result<Self, DecodeError> {
        Ok(None)
    }

    #[inline]
    fn encode<B: BufMut>(&self, tag: u32, buffer: &mut B) {
        if let Some(value) = self {
            value.encode(tag, buffer);
        }
    }

    #[inline]
    fn encoded_len(&self, tag: u32) -> usize {
        self.as_ref().map_or(0, |value| value.encoded_len(tag))
    }

    #[inline]
    fn is_ordered() -> bool {
        !T::is_bare()
    }

    fn describe(catalog: &mut Catalog) -> FieldType {
        FieldType::Optional(T::describe(catalog))
    }

    #[inline]
    fn read<B: Buf>(wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<Self, DecodeError> {
        T::read(wire, buffer, context).map(Some)
    }

    #[inline]
    fn merge<B: Buf>(&mut self, wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<(), DecodeError> {
        match self {
            Some(value) => value.merge(wire, buffer, context),
            None => {
                *self = Some(T::read(wire, buffer, context)?);
                Ok(())
            }
        }
    }
}

/// A list of elements. Numbers and enums are written packed, and read packed or not.
pub struct Many<K>(PhantomData<fn() -> K>);

#[inline]
fn packed_len<K, T: Element<K>>(list: &[T]) -> usize {
    list.iter().map(T::packed_len).sum()
}

#[diagnostic::do_not_recommend]
impl<K: 'static, T: Element<K>> Field<Many<K>> for Vec<T> {
    #[inline]
    fn absent() -> Result<Self, DecodeError> {
        Ok(Self::new())
    }

    #[inline]
    fn encode<B: BufMut>(&self, tag: u32, buffer: &mut B) {
        if self.is_empty() {
            return;
        }
        if T::packed().is_some() {
            encoding::encode_key(tag, WireType::LengthDelimited, buffer);
            encoding::encode_varint(packed_len(self) as u64, buffer);
            for element in self {
                element.encode_packed(buffer);
            }
        } else {
            for element in self {
                element.encode(tag, buffer);
            }
        }
    }

    #[inline]
    fn encoded_len(&self, tag: u32) -> usize {
        if self.is_empty() {
            return 0;
        }
        if T::packed().is_some() {
            let length = packed_len(self);
            encoding::key_len(tag) + encoding::encoded_len_varint(length as u64) + length
        } else {
            self.iter().map(|element| element.encoded_len(tag)).sum()
        }
    }

    #[inline]
    fn is_ordered() -> bool {
        !T::is_bare()
    }

    fn describe(catalog: &mut Catalog) -> FieldType {
        FieldType::List(T::describe(catalog))
    }

    #[inline]
    fn read<B: Buf>(wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<Self, DecodeError> {
        let mut list = Self::new();
        Field::merge(&mut list, wire, buffer, context)?;
        Ok(list)
    }

    #[inline]
    fn merge<B: Buf>(&mut self, wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<(), DecodeError> {
        match T::packed() {
            Some(element) if wire == WireType::LengthDelimited => {
                encoding::merge_loop(self, buffer, context, |list, buffer, context| {
                    room::take::<T>()?;
                    list.push(T::read(element, buffer, context)?);
                    Ok(())
                })
            }
            _ => {
                room::take::<T>()?;
                self.push(T::read(wire, buffer, context)?);
                Ok(())
            }
        }
    }
}
