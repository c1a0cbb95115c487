//! What a value is in protobuf.

/// What a value that stands alone is in protobuf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// A number, text or bytes.
    Scalar(Scalar),
    /// A message, by its full name.
    Message(String),
    /// An enum, by its full name.
    Enum(String),
}

/// A scalar of protobuf that a Rust type is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scalar {
    /// `double`
    Double,
    /// `float`
    Float,
    /// `int64`
    Int64,
    /// `uint64`
    Uint64,
    /// `int32`
    Int32,
    /// `bool`
    Bool,
    /// `string`
    String,
    /// `bytes`
    Bytes,
    /// `uint32`
    Uint32,
}

/// What a field is in protobuf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// One value; an absent one has a meaning.
    One(Type),
    /// One value or none.
    Optional(Type),
    /// A list.
    List(Type),
    /// A map.
    Map(Type, Type),
}

/// The scalars with their numbers in `FieldDescriptorProto.Type`, and the names in `.proto` files.
const SCALARS: [(Scalar, i32, &str); 9] = [
    (Scalar::Double, 1, "double"),
    (Scalar::Float, 2, "float"),
    (Scalar::Int64, 3, "int64"),
    (Scalar::Uint64, 4, "uint64"),
    (Scalar::Int32, 5, "int32"),
    (Scalar::Bool, 8, "bool"),
    (Scalar::String, 9, "string"),
    (Scalar::Bytes, 12, "bytes"),
    (Scalar::Uint32, 13, "uint32"),
];

impl Scalar {
    /// Its number in `FieldDescriptorProto.Type`.
    pub(super) fn number(self) -> i32 {
        SCALARS.iter().find(|(scalar, ..)| *scalar == self).map_or(0, |(_, number, _)| *number)
    }
}

/// The name in `.proto` files of the scalar with a number in `FieldDescriptorProto.Type`.
pub(super) fn scalar_name(number: i32) -> &'static str {
    SCALARS.iter().find(|(_, known, _)| *known == number).map_or("", |(.., name)| name)
}
