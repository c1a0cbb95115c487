//! What types say of themselves: written by the derives, read when a schema is asked for.
//!
//! All of it is constant. A field points to a function that describes its type, so that types may contain each other.

use super::{Catalog, FieldType, Type};
use crate::Code;

/// A struct.
#[derive(Debug)]
pub struct Structure {
    pub(super) name: &'static str,
    pub(super) package: &'static str,
    pub(super) docs: &'static str,
    pub(super) fields: &'static [Member],
    pub(super) reserved: &'static [Reserved],
    pub(super) arguments: &'static [&'static Structure],
}

impl Structure {
    /// A struct of this name in this package, or in that of whatever it is described for if `package` is empty.
    pub const fn new(package: &'static str, name: &'static str, docs: &'static str) -> Self {
        Self { name, package, docs, fields: &[], reserved: &[], arguments: &[] }
    }

    /// With these fields.
    #[must_use]
    pub const fn with_fields(mut self, fields: &'static [Member]) -> Self {
        self.fields = fields;
        self
    }

    /// Without what was there once.
    #[must_use]
    pub const fn with_reserved(mut self, reserved: &'static [Reserved]) -> Self {
        self.reserved = reserved;
        self
    }

    /// Of these messages, which are the arguments of a generic type.
    #[must_use]
    pub const fn of(mut self, arguments: &'static [&'static Self]) -> Self {
        self.arguments = arguments;
        self
    }

    /// The name without the package. A generic type has one for each of its arguments: `PageOfOrder`.
    pub fn name(&self) -> String {
        generic(self.name, self.arguments)
    }

    /// The package that is written at the type; empty if none is.
    pub const fn package(&self) -> &'static str {
        self.package
    }
}

/// The name of a generic type with these arguments.
pub(super) fn generic(name: &str, arguments: &[&'static Structure]) -> String {
    let names: Vec<_> = arguments.iter().map(|argument| argument.name()).collect();
    if names.is_empty() { name.to_owned() } else { format!("{name}Of{}", names.join("And")) }
}

/// A field.
#[derive(Debug)]
pub struct Member {
    pub(super) name: &'static str,
    pub(super) number: u32,
    pub(super) docs: &'static str,
    pub(super) deprecated: bool,
    pub(super) of: fn(&mut Catalog) -> FieldType,
}

impl Member {
    /// A field of the type that `of` describes.
    pub const fn new(name: &'static str, number: u32, of: fn(&mut Catalog) -> FieldType, docs: &'static str) -> Self {
        Self { name, number, docs, deprecated: false, of }
    }

    /// Not to be used any more.
    #[must_use]
    pub const fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }
}

/// What was there once and must not come back with another meaning.
#[derive(Clone, Copy, Debug)]
pub enum Reserved {
    /// The numbers from the first to the last.
    Numbers(u32, u32),
    /// A name.
    Name(&'static str),
}

/// An enum without data.
#[derive(Debug)]
pub struct Choice {
    pub(super) name: &'static str,
    pub(super) package: &'static str,
    pub(super) docs: &'static str,
    pub(super) values: &'static [Value],
    pub(super) reserved: &'static [Reserved],
}

impl Choice {
    /// An enum with these values, the first of which is 0.
    pub const fn new(package: &'static str, name: &'static str, docs: &'static str, values: &'static [Value]) -> Self {
        Self { name, package, docs, values, reserved: &[] }
    }

    /// Without what was there once.
    #[must_use]
    pub const fn with_reserved(mut self, reserved: &'static [Reserved]) -> Self {
        self.reserved = reserved;
        self
    }
}

/// A value of an enum without data.
#[derive(Debug)]
pub struct Value {
    pub(super) name: &'static str,
    pub(super) number: i32,
    pub(super) docs: &'static str,
}

impl Value {
    /// A value.
    pub const fn new(name: &'static str, number: i32, docs: &'static str) -> Self {
        Self { name, number, docs }
    }
}

/// An enum with data: a message with one oneof.
#[derive(Debug)]
pub struct Alternatives {
    pub(super) name: &'static str,
    pub(super) package: &'static str,
    pub(super) docs: &'static str,
    pub(super) variants: &'static [Variant],
    pub(super) reserved: &'static [Reserved],
    pub(super) arguments: &'static [&'static Structure],
}

impl Alternatives {
    /// An enum with these variants.
    pub const fn new(
        package: &'static str,
        name: &'static str,
        docs: &'static str,
        variants: &'static [Variant],
    ) -> Self {
        Self { name, package, docs, variants, reserved: &[], arguments: &[] }
    }

    /// Without what was there once.
    #[must_use]
    pub const fn with_reserved(mut self, reserved: &'static [Reserved]) -> Self {
        self.reserved = reserved;
        self
    }

    /// Of these messages, which are the arguments of a generic type.
    #[must_use]
    pub const fn of(mut self, arguments: &'static [&'static Structure]) -> Self {
        self.arguments = arguments;
        self
    }
}

/// A variant of an enum with data.
#[derive(Debug)]
pub struct Variant {
    pub(super) name: &'static str,
    pub(super) number: u32,
    pub(super) docs: &'static str,
    pub(super) holds: Holds,
}

/// What a variant holds.
#[derive(Debug)]
pub enum Holds {
    /// Nothing.
    Nothing,
    /// One value.
    One(fn(&mut Catalog) -> Type),
    /// Fields, which are a message of their own.
    Fields(Structure),
}

impl Variant {
    /// A variant.
    pub const fn new(name: &'static str, number: u32, holds: Holds, docs: &'static str) -> Self {
        Self { name, number, docs, holds }
    }
}

/// The error of methods.
#[derive(Debug)]
pub struct Failures {
    pub(super) name: &'static str,
    pub(super) package: &'static str,
    pub(super) docs: &'static str,
    pub(super) variants: &'static [Failure],
}

impl Failures {
    /// An error with these variants.
    pub const fn new(
        package: &'static str,
        name: &'static str,
        docs: &'static str,
        variants: &'static [Failure],
    ) -> Self {
        Self { name, package, docs, variants }
    }
}

/// A variant of an error: the message that is its detail, and the code it travels with.
#[derive(Debug)]
pub struct Failure {
    pub(super) code: Code,
    pub(super) detail: Structure,
}

impl Failure {
    /// A variant.
    pub const fn new(code: Code, detail: Structure) -> Self {
        Self { code, detail }
    }
}
