//! The files of protobuf's own that messages here refer to.

use super::{
    Scalar,
    descriptor::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, LABEL_OPTIONAL},
    names,
};

/// The file that declares a message of `google.protobuf`, if it is known here.
pub(super) fn file(full_name: &str) -> Option<FileDescriptorProto> {
    let name = full_name.strip_prefix("google.protobuf.")?;
    let fields: &[(&str, i32, Scalar)] = match name {
        "Empty" => &[],
        "Duration" | "Timestamp" => &[("seconds", 1, Scalar::Int64), ("nanos", 2, Scalar::Int32)],
        _ => return None,
    };
    let field = |(name, number, scalar): &(&str, i32, Scalar)| FieldDescriptorProto {
        name: (*name).to_owned(),
        number: *number,
        label: LABEL_OPTIONAL,
        kind: scalar.number(),
        json_name: names::json(name),
        ..Default::default()
    };
    let message =
        DescriptorProto { name: name.to_owned(), field: fields.iter().map(field).collect(), ..Default::default() };
    Some(FileDescriptorProto {
        name: format!("google/protobuf/{}.proto", name.to_lowercase()),
        package: "google.protobuf".to_owned(),
        message_type: vec![message],
        syntax: "proto3".to_owned(),
        ..Default::default()
    })
}
