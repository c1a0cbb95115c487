//! What may be the key of a map.

use super::{AsNewtype, AsProst, AsSmall, Element, newtype::Newtype};

/// What protobuf allows as the key of a map: whole numbers, `bool`, `String`, and newtypes of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a map",
    label = "not a key in protobuf",
    note = "keys are whole numbers, `bool`, `String` and newtypes of these; send a list of structs that hold key and value instead"
)]
pub trait Key<K>: Element<K> {}

macro_rules! keys {
    ($($type:ty: $kind:ty),* $(,)?) => { $(impl Key<$kind> for $type {})* };
}

keys! {
    u32: AsProst, u64: AsProst, i32: AsProst, i64: AsProst, bool: AsProst, String: AsProst,
    u16: AsSmall, i16: AsSmall, i8: AsSmall,
}

#[diagnostic::do_not_recommend]
impl<K: 'static, N: Newtype> Key<AsNewtype<K>> for N where N::Inner: Key<K> {}
