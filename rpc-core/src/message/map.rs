//! Maps: on the wire, a list of messages with a key and a value.

use super::{
    Element, Field, Key, One,
    derived::{Reading, Slots},
    room,
};
use crate::schema::{Catalog, FieldType};
use bytes::{Buf, BufMut};
use prost::{
    DecodeError,
    encoding::{self, DecodeContext, WireType},
};
use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, Hash},
    marker::PhantomData,
};

/// A map from keys of kind `KK` to elements of kind `KV`.
pub struct MapOf<KK, KV>(PhantomData<fn() -> (KK, KV)>);

/// Whether the value of an entry need not be written; prost leaves out whatever equals its default.
#[inline]
fn is_implied<K, V: Element<K>>(value: &V) -> bool {
    value.is_implied() || (V::is_bare() && value.whole_len() == 0)
}

#[inline]
fn entry_len<KK: 'static, KV: 'static, K: Element<KK>, V: Element<KV>>(key: &K, value: &V) -> usize {
    let value = if is_implied(value) { 0 } else { value.encoded_len(2) };
    Field::<One<KK>>::encoded_len(key, 1) + value
}

#[inline]
fn encode_entry<KK: 'static, KV: 'static, K: Element<KK>, V: Element<KV>, B: BufMut>(
    tag: u32,
    key: &K,
    value: &V,
    buffer: &mut B,
) {
    encoding::encode_key(tag, WireType::LengthDelimited, buffer);
    encoding::encode_varint(entry_len(key, value) as u64, buffer);
    Field::<One<KK>>::encode(key, 1, buffer);
    if !is_implied(value) {
        value.encode(2, buffer);
    }
}

/// An entry while it is read.
struct Entry<KK, KV, K, V>(Option<K>, Option<V>, PhantomData<fn() -> (KK, KV)>);

impl<KK: 'static, KV: 'static, K: Element<KK>, V: Element<KV>> Slots for Entry<KK, KV, K, V> {
    #[inline]
    fn read_field<B: Buf>(
        &mut self,
        tag: u32,
        wire: WireType,
        buffer: &mut B,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            1 => Field::<One<KK>>::read_into(&mut self.0, wire, buffer, context),
            2 => Field::<One<KV>>::read_into(&mut self.1, wire, buffer, context),
            _ => encoding::skip_field(wire, tag, buffer, context),
        }
    }
}

#[inline]
fn read_entry<KK: 'static, KV: 'static, K: Element<KK>, V: Element<KV>, B: Buf>(
    wire: WireType,
    buffer: &mut B,
    context: DecodeContext,
) -> Result<(K, V), DecodeError> {
    let mut entry = Reading(Entry(None, None, PhantomData::<fn() -> (KK, KV)>));
    encoding::message::merge(wire, &mut entry, buffer, context)?;
    let Entry(key, value, _) = entry.0;
    Ok((Field::<One<KK>>::finish(key)?, Field::<One<KV>>::finish(value)?))
}

macro_rules! map {
    ($map:ty, [$($extra:tt)*], [$($key:tt)*]) => {
        #[diagnostic::do_not_recommend]
        impl<KK: 'static, KV: 'static, K: Key<KK> + $($key)*, V: Element<KV>, $($extra)*> Field<MapOf<KK, KV>> for $map {
            #[inline]
            fn absent() -> Result<Self, DecodeError> {
                Ok(Self::default())
            }

            #[inline]
            fn encode<B: BufMut>(&self, tag: u32, buffer: &mut B) {
                for (key, value) in self {
                    encode_entry(tag, key, value, buffer);
                }
            }

            #[inline]
            fn encoded_len(&self, tag: u32) -> usize {
                self.iter()
                    .map(|(key, value)| {
                        let length = entry_len(key, value);
                        encoding::key_len(tag) + encoding::encoded_len_varint(length as u64) + length
                    })
                    .sum()
            }

            fn describe(catalog: &mut Catalog) -> FieldType {
                FieldType::Map(K::describe(catalog), V::describe(catalog))
            }

            #[inline]
            fn read<B: Buf>(wire: WireType, buffer: &mut B, context: DecodeContext) -> Result<Self, DecodeError> {
                let mut map = Self::default();
                Field::merge(&mut map, wire, buffer, context)?;
                Ok(map)
            }

            #[inline]
            fn merge<B: Buf>(
                &mut self,
                wire: WireType,
                buffer: &mut B,
                context: DecodeContext,
            ) -> Result<(), DecodeError> {
                let (key, value) = read_entry(wire, buffer, context)?;
                match self.insert(key, value) {
                    Some(_) => Ok(()),
                    None => room::take::<(K, V)>(),
                }
            }
        }
    };
}

map!(HashMap<K, V, S>, [S: BuildHasher + Default + Send + Sync + 'static], [Eq + Hash]);
map!(BTreeMap<K, V>, [], [Ord]);
