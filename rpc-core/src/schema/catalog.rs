//! Gathers what services and types say of themselves.

use super::{
    FieldType, Scalar, Type,
    descriptor::{
        DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FieldOptions,
        FileDescriptorProto, LABEL_OPTIONAL, LABEL_REPEATED, MessageOptions, OneofDescriptorProto, ReservedRange,
        TYPE_ENUM, TYPE_MESSAGE,
    },
    names,
    shape::{Alternatives, Choice, Holds, Member, Reserved, Structure, generic},
};
use crate::{Code, RpcError};
use std::{
    any::{TypeId, type_name},
    collections::{BTreeSet, HashMap},
};

/// What has been described so far. Types describe themselves into it, each once.
#[derive(Debug, Default)]
pub struct Catalog {
    /// One for each package, in the order in which the packages were met.
    pub(super) files: Vec<FileDescriptorProto>,
    /// Messages that prost generated: somebody has to hand over their descriptors.
    pub(super) foreign: BTreeSet<String>,
    /// Which packages have methods that fail with which details, by their full names. No field refers to those.
    pub(super) raised: BTreeSet<(String, String)>,
    /// What cannot be described, a sentence each.
    pub(super) problems: Vec<String>,
    /// The package of what is being described.
    package: String,
    /// A type may be described in several packages, if it names none.
    described: HashMap<(TypeId, String), String>,
    /// Who has a full name.
    owners: HashMap<String, &'static str>,
}

impl Catalog {
    /// Describes something in a package.
    pub(super) fn within<T>(&mut self, package: &str, describe: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.package, package.to_owned());
        let described = describe(self);
        self.package = outer;
        described
    }

    /// The file of the package of what is being described.
    pub(super) fn file(&mut self) -> &mut FileDescriptorProto {
        let at = self.files.iter().position(|file| file.package == self.package).unwrap_or_else(|| {
            self.files.push(FileDescriptorProto { package: self.package.clone(), ..Default::default() });
            self.files.len() - 1
        });
        &mut self.files[at]
    }

    /// A message that has descriptors of its own.
    pub(crate) fn foreign(&mut self, name: String) -> Type {
        if !name.starts_with("google.protobuf.") {
            self.foreign.insert(name.clone());
        }
        Type::Message(name)
    }

    /// A struct.
    pub(crate) fn structure<T: 'static>(&mut self, of: &'static Structure) -> Type {
        let name = self.declare::<T>(of.package, &of.name(), |catalog, full_name| {
            let place = catalog.reserve();
            let mut message = catalog.message(full_name, of);
            message.name = of.name();
            catalog.fill(place, message);
        });
        Type::Message(name)
    }

    /// An enum without data.
    pub(crate) fn choice<T: 'static>(&mut self, of: &'static Choice) -> Type {
        let name = self.declare::<T>(of.package, of.name, |catalog, full_name| {
            let value = |value: &super::shape::Value| EnumValueDescriptorProto {
                name: value.name.to_owned(),
                number: Some(value.number),
                docs: value.docs.to_owned(),
            };
            let values: Vec<_> = of.values.iter().map(value).collect();
            for value in &values {
                // Values are named beside their enum, not inside of it.
                let sibling = names::join(names::parent(full_name), &value.name);
                catalog.own(&sibling, type_name::<T>());
            }
            let (reserved_range, reserved_name) = reserved(of.reserved, 0);
            catalog.file().enum_type.push(EnumDescriptorProto {
                name: of.name.to_owned(),
                value: values,
                reserved_range,
                reserved_name,
                docs: of.docs.to_owned(),
            });
        });
        Type::Enum(name)
    }

    /// An enum with data.
    pub(crate) fn alternatives<T: 'static>(&mut self, of: &'static Alternatives) -> Type {
        let own = generic(of.name, of.arguments);
        let name = self.declare::<T>(of.package, &own, |catalog, full_name| {
            let place = catalog.reserve();
            let (reserved_range, reserved_name) = reserved(of.reserved, 1);
            let mut message = DescriptorProto {
                name: own.clone(),
                docs: of.docs.to_owned(),
                reserved_range,
                reserved_name,
                ..Default::default()
            };
            let mut oneof = "kind".to_owned();
            while of.variants.iter().any(|variant| variant.name == oneof) {
                oneof.push('_');
            }
            message.oneof_decl.push(OneofDescriptorProto { name: oneof, docs: String::new() });
            for variant in of.variants {
                let kind = match &variant.holds {
                    Holds::Nothing => Type::Message("google.protobuf.Empty".to_owned()),
                    Holds::One(describe) => describe(catalog),
                    Holds::Fields(fields) => {
                        let nested = names::join(full_name, fields.name);
                        message.nested_type.push(catalog.message(&nested, fields));
                        Type::Message(nested)
                    }
                };
                let mut field = field(variant.name, variant.number, variant.docs, LABEL_OPTIONAL, kind);
                field.oneof_index = Some(0);
                message.field.push(field);
            }
            catalog.check(&message, full_name);
            catalog.fill(place, message);
        });
        Type::Message(name)
    }

    /// An error: the codes of its variants, and the messages that are their details.
    pub(crate) fn failures<E: RpcError>(&mut self) -> Vec<(Code, String)> {
        let Some(of) = E::SCHEMA else { return Vec::new() };
        // On the wire a detail is named, and without a package it is named without one.
        let name = self.within(of.package, |catalog| {
            catalog.declare::<E>(of.package, of.name, |catalog, full_name| {
                let place = catalog.reserve();
                let mut message =
                    DescriptorProto { name: of.name.to_owned(), docs: of.docs.to_owned(), ..Default::default() };
                for failure in of.variants {
                    let nested = names::join(full_name, failure.detail.name);
                    let mut detail = catalog.message(&nested, &failure.detail);
                    let code = format!("Travels with the code {}.", names::screaming(&failure.code.to_string()));
                    detail.docs = names::paragraphs(&detail.docs, &code);
                    message.nested_type.push(detail);
                }
                catalog.fill(place, message);
            })
        });
        of.variants.iter().map(|failure| (failure.code, names::join(&name, failure.detail.name))).collect()
    }

    /// A message that belongs to a method and to no type: its fields, and what is reserved in it. Gives its full name.
    pub(crate) fn made(
        &mut self,
        name: &str,
        reserved: &[Reserved],
        fields: impl FnOnce(&mut Self) -> Vec<(&'static str, u32, FieldType)>,
    ) -> String {
        let full_name = names::join(&self.package, name);
        self.own(&full_name, "what a method sends");
        let place = self.reserve();
        let (reserved_range, reserved_name) = self::reserved(reserved, 1);
        let mut message =
            DescriptorProto { name: name.to_owned(), reserved_range, reserved_name, ..Default::default() };
        for (name, number, of) in fields(self) {
            add(&mut message, &full_name, name, number, "", of);
        }
        self.check(&message, &full_name);
        self.fill(place, message);
        full_name
    }

    /// A place for a message before those that it refers to: files are read from the top.
    fn reserve(&mut self) -> usize {
        let messages = &mut self.file().message_type;
        messages.push(DescriptorProto::default());
        messages.len() - 1
    }

    fn fill(&mut self, place: usize, message: DescriptorProto) {
        self.file().message_type[place] = message;
    }

    fn declare<T: 'static>(&mut self, package: &str, name: &str, describe: impl FnOnce(&mut Self, &str)) -> String {
        let package = if package.is_empty() { self.package.clone() } else { package.to_owned() };
        let key = (TypeId::of::<T>(), package);
        if let Some(known) = self.described.get(&key) {
            return known.clone();
        }
        let full_name = names::join(&key.1, name);
        self.own(&full_name, type_name::<T>());
        let package = key.1.clone();
        // Before its parts are described, one of which may be itself.
        self.described.insert(key, full_name.clone());
        self.within(&package, |catalog| describe(catalog, &full_name));
        full_name
    }

    fn own(&mut self, full_name: &str, owner: &'static str) {
        if let Some(other) = self.owners.insert(full_name.to_owned(), owner) {
            let problem = format!(
                "`{full_name}` is the name of {other} and of {owner}: give one another with `#[rpc(name = \"..\")]` or \
                 `#[rpc(package = \"..\")]`"
            );
            self.problems.push(problem);
        }
    }

    fn message(&mut self, full_name: &str, of: &Structure) -> DescriptorProto {
        let (reserved_range, reserved_name) = reserved(of.reserved, 1);
        let mut message = DescriptorProto {
            name: of.name.to_owned(),
            docs: of.docs.to_owned(),
            reserved_range,
            reserved_name,
            ..Default::default()
        };
        for Member { name, number, docs, deprecated, of } in of.fields {
            let of = of(self);
            add(&mut message, full_name, name, *number, docs, of);
            if let (true, Some(field)) = (*deprecated, message.field.last_mut()) {
                field.options = Some(FieldOptions { deprecated: true, ..Default::default() });
            }
        }
        self.check(&message, full_name);
        message
    }

    /// Two fields of one name, which Rust may allow and others do not.
    fn check(&mut self, message: &DescriptorProto, full_name: &str) {
        let mut names = HashMap::new();
        for field in &message.field {
            if let Some(other) = names.insert(&field.json_name, &field.name) {
                self.problems.push(format!(
                    "`{full_name}` has the fields `{other}` and `{}`, which are one in JSON: give one another name with \
                     `#[rpc(name = \"..\")]`",
                    field.name
                ));
            }
        }
    }
}

fn add(message: &mut DescriptorProto, full_name: &str, name: &str, number: u32, docs: &str, of: FieldType) {
    let field = match of {
        FieldType::One(kind) => field(name, number, docs, LABEL_OPTIONAL, kind),
        FieldType::List(kind) => field(name, number, docs, LABEL_REPEATED, kind),
        FieldType::Optional(kind) => {
            // To those who know nothing of optional fields it is a oneof with one member.
            let oneof_index = Some(message.oneof_decl.len() as i32);
            message.oneof_decl.push(OneofDescriptorProto { name: format!("_{name}"), docs: String::new() });
            let field = field(name, number, docs, LABEL_OPTIONAL, kind);
            FieldDescriptorProto { proto3_optional: true, oneof_index, ..field }
        }
        FieldType::Map(key, value) => {
            let entry = names::entry(name);
            let kind = Type::Message(names::join(full_name, &entry));
            message.nested_type.push(DescriptorProto {
                name: entry,
                field: vec![
                    self::field("key", 1, "", LABEL_OPTIONAL, key),
                    self::field("value", 2, "", LABEL_OPTIONAL, value),
                ],
                options: Some(MessageOptions { map_entry: true, ..Default::default() }),
                ..Default::default()
            });
            field(name, number, docs, LABEL_REPEATED, kind)
        }
    };
    message.field.push(field);
}

fn field(name: &str, number: u32, docs: &str, label: i32, of: Type) -> FieldDescriptorProto {
    let (kind, type_name) = match of {
        Type::Scalar(scalar) => (Scalar::number(scalar), String::new()),
        Type::Message(name) => (TYPE_MESSAGE, format!(".{name}")),
        Type::Enum(name) => (TYPE_ENUM, format!(".{name}")),
    };
    FieldDescriptorProto {
        name: name.to_owned(),
        number: i32::try_from(number).unwrap_or(i32::MAX),
        label,
        kind,
        type_name,
        json_name: names::json(name),
        docs: docs.to_owned(),
        ..Default::default()
    }
}

/// Reserved numbers and names; the last number of a range in a message is `exclusive` by 1.
fn reserved(all: &[Reserved], exclusive: i32) -> (Vec<ReservedRange>, Vec<String>) {
    let (mut ranges, mut names) = (Vec::new(), Vec::new());
    for one in all {
        match one {
            Reserved::Numbers(first, last) => {
                let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
                ranges.push(ReservedRange {
                    start: number(*first),
                    end: number(*last).saturating_add(exclusive),
                    ..Default::default()
                });
            }
            Reserved::Name(name) => names.push((*name).to_owned()),
        }
    }
    (ranges, names)
}
