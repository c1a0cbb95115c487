//! One number for a schema.

use super::{
    catalog::Errors,
    descriptor::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto},
    names,
};
use crate::fnv::Fnv;
use std::{collections::HashMap, fmt, hash::Hasher};

/// A number that two programs share if their services look the same on the wire.
///
/// Decided by: the names of services and methods, which directions stream, and the numbers, the types and the lists
/// among the fields of every message that can be reached, those that prost generated and the details of errors among
/// them; the numbers in enums; and the codes of errors and the names of their details, which travel. Not by: names of
/// other messages, of fields and values, documentation, the order in which things are declared, nor whether a field is
/// optional. It informs; nothing is routed by it.
///
/// FNV-1a over 64 bits of a text that is made for it; the same in every process and on every machine, for this version
/// of the framework and later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }

    pub(super) fn of<'a>(files: impl Iterator<Item = &'a FileDescriptorProto>, errors: &Errors) -> Self {
        let mut facts = Facts::default();
        let mut methods = Vec::new();
        for file in files {
            facts.file(file);
            for service in &file.service {
                let name = names::join(&file.package, &service.name);
                methods.extend(service.method.iter().map(|method| (format!("/{name}/{}", method.name), method)));
            }
        }
        methods.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (path, method) in methods {
            let (there, back) = (method.client_streaming, method.server_streaming);
            facts.write(&format!("method {} {there} {back}\n", &path[1..]));
            facts.visit(&method.input_type);
            facts.visit(&method.output_type);
            for (code, detail) in errors.get(&path).into_iter().flatten() {
                facts.write(&format!("error {} {detail}\n", code.number()));
                facts.visit(&format!(".{detail}"));
            }
        }
        Self(facts.hash.finish())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What is on the wire, in an order that follows from it alone.
#[derive(Default)]
struct Facts<'a> {
    messages: HashMap<String, &'a DescriptorProto>,
    enums: HashMap<String, &'a EnumDescriptorProto>,
    /// A type is told when it is met first, and later referred to by its place: its name does not matter.
    met: HashMap<String, usize>,
    hash: Fnv,
}

impl<'a> Facts<'a> {
    fn file(&mut self, file: &'a FileDescriptorProto) {
        let scope = if file.package.is_empty() { String::new() } else { format!(".{}", file.package) };
        self.declare(&scope, &file.message_type);
        self.enums.extend(file.enum_type.iter().map(|choice| (format!("{scope}.{}", choice.name), choice)));
    }

    fn declare(&mut self, scope: &str, messages: &'a [DescriptorProto]) {
        for message in messages {
            let name = format!("{scope}.{}", message.name);
            self.declare(&name, &message.nested_type);
            self.enums.extend(message.enum_type.iter().map(|choice| (format!("{name}.{}", choice.name), choice)));
            self.messages.insert(name, message);
        }
    }

    fn write(&mut self, fact: &str) {
        self.hash.write(fact.as_bytes());
    }

    fn visit(&mut self, name: &str) {
        if let Some(place) = self.met.get(name) {
            let place = *place;
            return self.write(&format!("again {place}\n"));
        }
        self.met.insert(name.to_owned(), self.met.len());
        if let Some(message) = self.messages.get(name).copied() {
            let mut fields: Vec<_> = message.field.iter().collect();
            fields.sort_by_key(|field| field.number);
            self.write("message\n");
            for field in fields {
                self.write(&format!("{} {} {}\n", field.number, field.label, field.kind));
                if !field.type_name.is_empty() {
                    self.visit(&field.type_name);
                }
            }
            self.write("end\n");
        } else if let Some(choice) = self.enums.get(name).copied() {
            let mut numbers: Vec<_> = choice.value.iter().filter_map(|value| value.number).collect();
            numbers.sort_unstable();
            self.write(&format!("enum {numbers:?}\n"));
        } else {
            // Declared elsewhere: here its name is all that is known.
            self.write(&format!("other {name}\n"));
        }
    }
}
