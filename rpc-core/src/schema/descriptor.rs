//! `google/protobuf/descriptor.proto`, as far as it is needed here.

use crate::message::Field;
use bytes::{Buf, BufMut};
use prost::{
    DecodeError, Message, Name,
    encoding::{DecodeContext, WireType, skip_field},
};

/// Messages of protobuf's own. `docs` is what the source says about one; it travels in [`SourceCodeInfo`].
macro_rules! descriptors {
    ($($(#[$docs:meta])* $name:ident { $($field:ident: $type:ty = $tag:literal,)* })*) => { $(
        $(#[$docs])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(super) struct $name {
            pub(super) docs: String,
            $(pub(super) $field: $type,)*
        }

        impl Message for $name {
            fn encode_raw(&self, buffer: &mut impl BufMut) {
                $(Field::encode(&self.$field, $tag, buffer);)*
            }

            fn merge_field(
                &mut self,
                tag: u32,
                wire: WireType,
                buffer: &mut impl Buf,
                context: DecodeContext,
            ) -> Result<(), DecodeError> {
                match tag {
                    $($tag => Field::merge(&mut self.$field, wire, buffer, context),)*
                    _ => skip_field(wire, tag, buffer, context),
                }
            }

            fn encoded_len(&self) -> usize {
                0 $(+ Field::encoded_len(&self.$field, $tag))*
            }

            fn clear(&mut self) {
                *self = Self::default();
            }
        }

        impl Name for $name {
            const NAME: &'static str = stringify!($name);
            const PACKAGE: &'static str = "google.protobuf";
        }
    )* };
}

descriptors! {
    /// Several files, as bytes: what they hold beyond the fields known here has to survive.
    FileDescriptorSet {
        file: Vec<Vec<u8>> = 1,
    }
    /// A `.proto` file.
    FileDescriptorProto {
        name: String = 1,
        package: String = 2,
        dependency: Vec<String> = 3,
        message_type: Vec<DescriptorProto> = 4,
        enum_type: Vec<EnumDescriptorProto> = 5,
        service: Vec<ServiceDescriptorProto> = 6,
        source_code_info: Option<SourceCodeInfo> = 9,
        public_dependency: Vec<i32> = 10,
        syntax: String = 12,
    }
    /// A message.
    DescriptorProto {
        name: String = 1,
        field: Vec<FieldDescriptorProto> = 2,
        nested_type: Vec<DescriptorProto> = 3,
        enum_type: Vec<EnumDescriptorProto> = 4,
        options: Option<MessageOptions> = 7,
        oneof_decl: Vec<OneofDescriptorProto> = 8,
        reserved_range: Vec<ReservedRange> = 9,
        reserved_name: Vec<String> = 10,
    }
    /// A field.
    FieldDescriptorProto {
        name: String = 1,
        number: i32 = 3,
        label: i32 = 4,
        kind: i32 = 5,
        type_name: String = 6,
        options: Option<FieldOptions> = 8,
        oneof_index: Option<i32> = 9,
        json_name: String = 10,
        proto3_optional: bool = 17,
    }
    /// A oneof.
    OneofDescriptorProto {
        name: String = 1,
    }
    /// An enum.
    EnumDescriptorProto {
        name: String = 1,
        value: Vec<EnumValueDescriptorProto> = 2,
        reserved_range: Vec<ReservedRange> = 4,
        reserved_name: Vec<String> = 5,
    }
    /// A value of an enum.
    EnumValueDescriptorProto {
        name: String = 1,
        number: Option<i32> = 2,
    }
    /// From one number to another: not inclusive in a message, inclusive in an enum.
    ReservedRange {
        start: i32 = 1,
        end: i32 = 2,
    }
    /// A service.
    ServiceDescriptorProto {
        name: String = 1,
        method: Vec<MethodDescriptorProto> = 2,
    }
    /// A method.
    MethodDescriptorProto {
        name: String = 1,
        input_type: String = 2,
        output_type: String = 3,
        options: Option<MethodOptions> = 4,
        client_streaming: bool = 5,
        server_streaming: bool = 6,
    }
    /// What is said of a message.
    MessageOptions {
        map_entry: bool = 7,
    }
    /// What is said of a field.
    FieldOptions {
        deprecated: bool = 3,
    }
    /// What is said of a method.
    MethodOptions {
        deprecated: bool = 33,
        idempotency_level: i32 = 34,
    }
    /// The documentation of a file.
    SourceCodeInfo {
        location: Vec<Location> = 1,
    }
    /// The documentation of one place in it.
    Location {
        path: Vec<i32> = 1,
        span: Vec<i32> = 2,
        leading_comments: String = 3,
    }
}

/// `FieldDescriptorProto.Label`.
pub(super) const LABEL_OPTIONAL: i32 = 1;
pub(super) const LABEL_REPEATED: i32 = 3;

/// `FieldDescriptorProto.Type`, of those that are no scalars.
pub(super) const TYPE_MESSAGE: i32 = 11;
pub(super) const TYPE_ENUM: i32 = 14;

/// `MethodOptions.IdempotencyLevel.IDEMPOTENT`.
pub(super) const IDEMPOTENT: i32 = 2;
