//! Files that are not made of Rust types.

use super::{
    catalog::ForeignEnum,
    descriptor::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet},
    names, wellknown,
};
use prost::Message;
use std::collections::HashMap;

/// A file as it was handed over.
#[derive(Clone, Debug)]
pub(super) struct Foreign {
    pub(super) name: String,
    pub(super) dependency: Vec<String>,
    /// As they were, with whatever is not known here.
    pub(super) bytes: Vec<u8>,
}

/// Every file handed over, and what they declare.
#[derive(Debug, Default)]
pub(super) struct Foreigners {
    files: Vec<Foreign>,
    /// The file of a message or an enum, by full name.
    declared: HashMap<String, String>,
    /// The numbers of an enum, by full name.
    numbers: HashMap<String, Vec<i32>>,
}

impl Foreigners {
    /// Reads sets of files. The first file of a name counts.
    pub(super) fn read(sets: &[Vec<u8>], problems: &mut Vec<String>) -> Self {
        let mut all = Self::default();
        for set in sets {
            let files = FileDescriptorSet::decode(&**set).map(|set| set.file);
            for bytes in files.unwrap_or_else(|error| {
                problems.push(format!("what was handed over is no `FileDescriptorSet`: {error}"));
                Vec::new()
            }) {
                match FileDescriptorProto::decode(&*bytes) {
                    Ok(file) => all.add(file, bytes),
                    Err(error) => problems.push(format!("a file that was handed over cannot be read: {error}")),
                }
            }
        }
        all
    }

    fn add(&mut self, file: FileDescriptorProto, bytes: Vec<u8>) {
        if self.find(&file.name).is_some() {
            return;
        }
        self.declare(&file.name, &file.package, &file.message_type, &file.enum_type);
        self.files.push(Foreign { name: file.name, dependency: file.dependency, bytes });
    }

    /// The file that declares something, by its full name.
    pub(super) fn declares(&mut self, full_name: &str) -> Option<String> {
        if let Some(file) = self.declared.get(full_name) {
            return Some(file.clone());
        }
        let file = wellknown::file(full_name)?;
        let (name, bytes) = (file.name.clone(), file.encode_to_vec());
        self.add(file, bytes);
        Some(name)
    }

    fn declare(&mut self, file: &str, scope: &str, messages: &[DescriptorProto], enums: &[EnumDescriptorProto]) {
        for choice in enums {
            let full_name = names::join(scope, &choice.name);
            let numbers = choice.value.iter().map(|value| value.number.unwrap_or(0)).collect();
            self.numbers.insert(full_name.clone(), numbers);
            self.declared.insert(full_name, file.to_owned());
        }
        for message in messages {
            let full_name = names::join(scope, &message.name);
            self.declare(file, &full_name, &message.nested_type, &message.enum_type);
            self.declared.insert(full_name, file.to_owned());
        }
    }

    /// What is wrong with the name that was said of an enum, if its file is there.
    pub(super) fn mistaken(&self, of: &ForeignEnum) -> Option<String> {
        let ForeignEnum { name, ty, has } = of;
        self.declared.get(name)?;
        let Some(numbers) = self.numbers.get(name) else {
            return Some(format!("`{name}`, which `{ty}` was said to be, is no enum"));
        };
        let strange = numbers.iter().find(|number| !has(**number))?;
        Some(format!("`{name}`, which `{ty}` was said to be, has the number {strange}, and the type has not"))
    }

    /// The file of a name.
    pub(super) fn find(&self, name: &str) -> Option<&Foreign> {
        self.files.iter().find(|file| file.name == name)
    }
}
