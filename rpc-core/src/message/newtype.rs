//! `struct OrderId(u64)`: written like what it holds.

use super::Element;
use crate::schema::{Catalog, Type};
use bytes::{Buf, BufMut};
use prost::{
    DecodeError,
    encoding::{DecodeContext, WireType},
};
use std::marker::PhantomData;

/// The kind of a newtype of an element of kind `K`.
pub struct AsNewtype<K>(PhantomData<fn() -> K>);

/// What `#[derive(Message)]` implements for a tuple struct of one field. Everything else follows.
pub trait Newtype: Sized + Send + Sync + 'static {
    /// What it holds.
    type Inner;

    /// Puts the value in.
    fn wrap(inner: Self::Inner) -> Self;

    /// The value inside.
    fn inner(&self) -> &Self::Inner;

    /// The value inside.
    fn inner_mut(&mut self) -> &mut Self::Inner;
}

#[diagnostic::do_not_recommend]
impl<K: 'static, N: Newtype> Element<AsNewtype<K>> for N
where
    N::Inner: Element<K>,
{
    const REQUIRED_UNLESS_OPTION: bool = <N::Inner as Element<K>>::REQUIRED_UNLESS_OPTION;

    #[inline]
    fn absent() -> Result<Self, DecodeError> {
        <N::Inner as Element<K>>::absent().map(N::wrap)
    }

    #[inline]
    fn is_implied(&self) -> bool {
        self.inner().is_implied()
    }

    #[inline]
    fn encode<B: BufMut>(&self, tag: u32, buffer: &mut B) {
        self.inner().encode(tag, buffer);
    }

    #[inline]
    fn encoded_len(&self, tag: u32) -> usize {
        self.inner().encoded_len(tag)
    }

    #[inline]
    fn read<B: Buf>(wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<Self, DecodeError> {
        <N::Inner as Element<K>>::read(wire, buffer, context).map(N::wrap)
    }

    #[inline]
    fn merge<B: Buf>(&mut self, wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<(), DecodeError> {
        self.inner_mut().merge(wire, buffer, context)
    }

    #[inline]
    fn packed() -> Option<WireType> {
        <N::Inner as Element<K>>::packed()
    }

    #[inline]
    fn packed_len(&self) -> usize {
        self.inner().packed_len()
    }

    #[inline]
    fn encode_packed<B: BufMut>(&self, buffer: &mut B) {
        self.inner().encode_packed(buffer);
    }

    #[inline]
    fn is_bare() -> bool {
        <N::Inner as Element<K>>::is_bare()
    }

    fn describe(catalog: &mut Catalog) -> Type {
        <N::Inner as Element<K>>::describe(catalog)
    }

    #[inline]
    fn whole_encode<B: BufMut>(&self, buffer: &mut B) {
        self.inner().whole_encode(buffer);
    }

    #[inline]
    fn whole_len(&self) -> usize {
        self.inner().whole_len()
    }

    #[inline]
    fn whole_read<B: Buf>(buffer: &mut B) -> Option<Result<Self, DecodeError>> {
        <N::Inner as Element<K>>::whole_read(buffer).map(|result| result.map(N::wrap))
    }
}
