//! Integers narrower than protobuf's: on the wire they are 32 bits wide, and what does not fit is an error.

use super::{Element, error::malformed};
use crate::schema::{Catalog, Scalar, Type};
use bytes::{Buf, BufMut};
use prost::{
    DecodeError,
    encoding::{self, DecodeContext, WireType, encode_varint, encoded_len_varint},
};

/// The kind of `i8`, `i16` and `u16`. (`u8` has none: `Vec<u8>` is bytes, and one byte alone is a `u32`.)
pub enum AsSmall {}

macro_rules! small {
    ($($type:ty: $wide:ty, $module:ident, $scalar:ident, $bits:ty;)*) => { $(
        #[diagnostic::do_not_recommend]
        impl Element<AsSmall> for $type {
            #[inline]
            fn absent() -> Result<Self, DecodeError> {
                Ok(0)
            }

            #[inline]
            fn is_implied(&self) -> bool {
                *self == 0
            }

            #[inline]
            fn encode<B: BufMut>(&self, tag: u32, buffer: &mut B) {
                encoding::$module::encode(tag, &<$wide>::from(*self), buffer);
            }

            #[inline]
            fn encoded_len(&self, tag: u32) -> usize {
                encoding::$module::encoded_len(tag, &<$wide>::from(*self))
            }

            #[inline]
            fn read<B: Buf>(wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<Self, DecodeError> {
                let mut wide: $wide = 0;
                encoding::$module::merge(wire, &mut wide, buffer, context)?;
                wide.try_into()
                    .map_err(|_| malformed(format!("{wide} does not fit in {}", stringify!($type))))
            }

            fn describe(_catalog: &mut Catalog) -> Type {
                Type::Scalar(Scalar::$scalar)
            }

            #[inline]
            fn packed() -> Option<WireType> {
                Some(WireType::Varint)
            }

            #[inline]
            fn packed_len(&self) -> usize {
                encoded_len_varint(<$bits>::from(*self) as u64)
            }

            #[inline]
            fn encode_packed<B: BufMut>(&self, buffer: &mut B) {
                encode_varint(<$bits>::from(*self) as u64, buffer);
            }
        }
    )* };
}

small! {
    u16: u32, uint32, Uint32, u64;
    i16: i32, int32, Int32, i64;
    i8: i32, int32, Int32, i64;
}
