//! The ten scalars, and messages that prost generated.
//!
//! prost implements `Message` and `Name` for the scalars too (as wrapper messages), so one blanket implementation
//! catches both, and a second one for the scalars would make `K` ambiguous. The types are told apart by their ids,
//! which the compiler compares while it builds.

use super::Element;
use crate::schema::{Catalog, Scalar, Type};
use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message, Name,
    encoding::{self, DecodeContext, WireType, encode_varint, encoded_len_varint},
};
use std::any::{Any, TypeId};

/// The kind of the scalars and of messages that prost generated with `config.enable_type_names()`.
pub enum AsProst {}

/// Runs `$each!` for every scalar: its type, its module in `prost::encoding`.
macro_rules! scalars {
    ($each:ident, $($argument:tt)*) => {
        numbers!($each, $($argument)*);
        $each!(String, string, $($argument)*);
        $each!(Vec<u8>, bytes, $($argument)*);
        $each!(Bytes, bytes, $($argument)*);
    };
}

/// Runs `$each!` for every number.
macro_rules! numbers {
    ($each:ident, $($argument:tt)*) => {
        $each!(u32, uint32, $($argument)*);
        $each!(u64, uint64, $($argument)*);
        $each!(i32, int32, $($argument)*);
        $each!(i64, int64, $($argument)*);
        $each!(bool, bool, $($argument)*);
        $each!(f32, float, $($argument)*);
        $each!(f64, double, $($argument)*);
    };
}

/// What the scalars are called in protobuf.
const SCALARS: [(fn() -> TypeId, Scalar); 10] = [
    (TypeId::of::<u32>, Scalar::Uint32),
    (TypeId::of::<u64>, Scalar::Uint64),
    (TypeId::of::<i32>, Scalar::Int32),
    (TypeId::of::<i64>, Scalar::Int64),
    (TypeId::of::<bool>, Scalar::Bool),
    (TypeId::of::<f32>, Scalar::Float),
    (TypeId::of::<f64>, Scalar::Double),
    (TypeId::of::<String>, Scalar::String),
    (TypeId::of::<Vec<u8>>, Scalar::Bytes),
    (TypeId::of::<Bytes>, Scalar::Bytes),
];

macro_rules! is {
    ($type:ty, $module:ident, $id:expr) => {
        if $id == TypeId::of::<$type>() {
            return true;
        }
    };
}

macro_rules! is_default {
    ($type:ty, $module:ident, $value:expr) => {
        if let Some(value) = cast::<_, $type>($value) {
            return *value == <$type>::default();
        }
    };
}

macro_rules! encode {
    ($type:ty, $module:ident, $value:expr, $tag:expr, $buffer:expr) => {
        if let Some(value) = cast::<_, $type>($value) {
            return encoding::$module::encode($tag, value, $buffer);
        }
    };
}

macro_rules! encoded_len {
    ($type:ty, $module:ident, $value:expr, $tag:expr) => {
        if let Some(value) = cast::<_, $type>($value) {
            return encoding::$module::encoded_len($tag, value);
        }
    };
}

macro_rules! merge {
    ($type:ty, $module:ident, $value:expr, $wire:expr, $buffer:expr, $context:expr) => {
        if let Some(value) = ($value as &mut dyn Any).downcast_mut::<$type>() {
            return encoding::$module::merge($wire, value, $buffer, $context);
        }
    };
}

#[inline(always)]
fn cast<A: 'static, B: 'static>(value: &A) -> Option<&B> {
    (value as &dyn Any).downcast_ref()
}

/// Whether a type is one of the ten.
#[inline(always)]
fn is_scalar<M: 'static>() -> bool {
    let id = TypeId::of::<M>();
    scalars!(is, id);
    false
}

/// A number that is written as a varint: the bits of it.
#[inline(always)]
fn varint<M: 'static>(value: &M) -> Option<u64> {
    // Negative numbers take ten bytes on the wire, as protobuf has it.
    if let Some(value) = cast::<_, u32>(value) {
        return Some(u64::from(*value));
    }
    if let Some(value) = cast::<_, u64>(value) {
        return Some(*value);
    }
    if let Some(value) = cast::<_, i32>(value) {
        return Some(i64::from(*value) as u64);
    }
    if let Some(value) = cast::<_, i64>(value) {
        return Some(*value as u64);
    }
    cast::<_, bool>(value).map(|value| u64::from(*value))
}

#[diagnostic::do_not_recommend]
impl<M: Message + Name + Default + 'static> Element<AsProst> for M {
    #[inline]
    fn absent() -> Result<Self, DecodeError> {
        Ok(M::default())
    }

    #[inline]
    fn is_implied(&self) -> bool {
        scalars!(is_default, self);
        false
    }

    #[inline]
    fn encode<B: BufMut>(&self, tag: u32, buffer: &mut B) {
        scalars!(encode, self, tag, buffer);
        encoding::message::encode(tag, self, buffer);
    }

    #[inline]
    fn encoded_len(&self, tag: u32) -> usize {
        scalars!(encoded_len, self, tag);
        encoding::message::encoded_len(tag, self)
    }

    #[inline]
    fn read<B: Buf>(wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<Self, DecodeError> {
        let mut value = M::default();
        Element::merge(&mut value, wire, buffer, context)?;
        Ok(value)
    }

    #[inline]
    fn merge<B: Buf>(&mut self, wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<(), DecodeError> {
        scalars!(merge, self, wire, buffer, context);
        encoding::message::merge(wire, self, buffer, context)
    }

    #[inline]
    fn packed() -> Option<WireType> {
        let id = TypeId::of::<M>();
        if id == TypeId::of::<f32>() {
            return Some(WireType::ThirtyTwoBit);
        }
        if id == TypeId::of::<f64>() {
            return Some(WireType::SixtyFourBit);
        }
        let is_varint = || {
            numbers!(is, id);
            false
        };
        is_varint().then_some(WireType::Varint)
    }

    #[inline]
    fn packed_len(&self) -> usize {
        match varint(self) {
            Some(bits) => encoded_len_varint(bits),
            None => size_of::<Self>(),
        }
    }

    #[inline]
    fn encode_packed<B: BufMut>(&self, buffer: &mut B) {
        if let Some(bits) = varint(self) {
            encode_varint(bits, buffer);
        } else if let Some(value) = cast::<_, f32>(self) {
            buffer.put_f32_le(*value);
        } else if let Some(value) = cast::<_, f64>(self) {
            buffer.put_f64_le(*value);
        }
    }

    #[inline]
    fn is_bare() -> bool {
        !is_scalar::<M>()
    }

    fn describe(catalog: &mut Catalog) -> Type {
        let id = TypeId::of::<M>();
        let scalar = SCALARS.iter().find(|(of, _)| of() == id);
        scalar.map_or_else(|| catalog.foreign(M::full_name()), |(_, scalar)| Type::Scalar(*scalar))
    }

    // The scalars' prost implementations are messages with the value as field 1: what a scalar is when sent alone.
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
        let mut value = M::default();
        Some(Message::merge(&mut value, buffer).map(|()| value))
    }
}
