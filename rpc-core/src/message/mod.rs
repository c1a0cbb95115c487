//! Messages: how ordinary Rust types become protobuf.
//!
//! Two traits say how a value is written and read. [`Element`] is for what stands alone, in a list or in a map;
//! [`Field`] is for what a field of a message may be: an element, an `Option` or a `Vec` of elements, a map. Each
//! *kind* of type (a scalar, a derived struct, an enum, a newtype, ..) has its own marker `K` in `Element<K>`, which
//! rustc infers; it keeps the implementations for whole families of types apart. So the macros never look at how a type
//! is spelled, and aliases work.
//!
//! A derived struct *is* a `prost::Message`, and what prost generates is accepted wherever a derived type is (it needs
//! `config.enable_type_names()`). Bytes and speed are prost's.
//!
//! **Nothing is invented.** A value begins to exist when its bytes are read; what was not sent is decided by
//! [`Element::absent`] once its message ends. There is no zero for an enum, so a peer's bytes cannot become a variant
//! that nobody sent: they are an error that names the field.

mod boxed;
mod derived;
mod element;
mod enumeration;
mod error;
mod failure;
mod field;
mod key;
mod list;
mod map;
mod newtype;
mod oneof;
mod prost_enum;
pub(crate) mod room;
mod scalar;
mod small;
mod sole;
mod wellknown;

pub use boxed::InBox;
pub use derived::{AsDerived, Derived, Reading, Slots};
pub use element::Element;
pub use enumeration::{AsEnumeration, Enumeration};
pub use error::{at, malformed};
pub use failure::{IsStatus, Words, read_detail};
pub use field::{Field, One};
pub use key::Key;
pub use list::{Many, Maybe};
pub use map::MapOf;
pub use newtype::{AsNewtype, Newtype};
pub use oneof::{AsOneof, Oneof, read_parts};
pub use prost_enum::{AsProstEnum, ProstEnum};
pub use scalar::AsProst;
pub use small::AsSmall;
pub use sole::Sole;
pub use wellknown::AsWellKnown;

/// What generated code needs of the crates below, so that it names no crate but ours.
#[doc(hidden)]
pub mod __private {
    pub use bytes::{Buf, BufMut, Bytes, BytesMut};
    pub use prost::{
        DecodeError, Message,
        encoding::{self, DecodeContext, WireType},
    };
}
