//! `Box<T>`: written like `T`. Recursive messages need it.

use super::{Element, room};
use crate::schema::{Catalog, Type};
use bytes::{Buf, BufMut};
use prost::{
    DecodeError,
    encoding::{DecodeContext, WireType},
};
use std::marker::PhantomData;

/// The kind of a box of an element.
pub struct InBox<K>(PhantomData<fn() -> K>);

#[diagnostic::do_not_recommend]
impl<K: 'static, T: Element<K>> Element<InBox<K>> for Box<T> {
    // The compiler shows this line to whoever has a cycle, which goes through a box or has no size.
    const REQUIRED_UNLESS_OPTION: bool = T::REQUIRED_UNLESS_OPTION; // a type without end: make it `Option<Box<_>>`

    #[inline]
    fn absent() -> Result<Self, DecodeError> {
        T::absent().map(Box::new)
    }

    #[inline]
    fn is_implied(&self) -> bool {
        (**self).is_implied()
    }

    #[inline]
    fn encode<B: BufMut>(&self, tag: u32, buffer: &mut B) {
        Element::encode(&**self, tag, buffer);
    }

    #[inline]
    fn encoded_len(&self, tag: u32) -> usize {
        Element::encoded_len(&**self, tag)
    }

    #[inline]
    fn read<B: Buf>(wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<Self, DecodeError> {
        room::take::<T>()?;
        T::read(wire, buffer, context).map(Box::new)
    }

    #[inline]
    fn merge<B: Buf>(&mut self, wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<(), DecodeError> {
        Element::merge(&mut **self, wire, buffer, context)
    }

    #[inline]
    fn packed() -> Option<WireType> {
        T::packed()
    }

    #[inline]
    fn packed_len(&self) -> usize {
        (**self).packed_len()
    }

    #[inline]
    fn encode_packed<B: BufMut>(&self, buffer: &mut B) {
        (**self).encode_packed(buffer);
    }

    #[inline]
    fn is_bare() -> bool {
        T::is_bare()
    }

    fn describe(catalog: &mut Catalog) -> Type {
        T::describe(catalog)
    }

    #[inline]
    fn whole_encode<B: BufMut>(&self, buffer: &mut B) {
        Element::whole_encode(&**self, buffer);
    }

    #[inline]
    fn whole_len(&self) -> usize {
        Element::whole_len(&**self)
    }

    #[inline]
    fn whole_read<B: Buf>(buffer: &mut B) -> Option<Result<Self, DecodeError>> {
        T::whole_read(buffer).map(|result| result.map(Box::new))
    }
}
