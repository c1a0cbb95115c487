//! The schema of services, made of the types themselves when somebody asks: nothing of it costs a call anything.
//!
//! Types and methods point to functions that describe them into a [`Catalog`]; a [`Schema`] is what is in the catalog
//! in the end, as protobuf's own descriptors: for reflection and for tools ([`Schema::file_descriptor_set`]), as
//! `.proto` text ([`Schema::files`]) and as one number ([`Schema::fingerprint`]).
//!
//! A message that names no package belongs to the package of what it is described for: its service, or the message that
//! holds it. The details of an error are named on the wire, so an error without a package is described without one, in
//! a file that the files of its services import publicly: whoever has the service's file has the errors' as well.

mod catalog;
mod descriptor;
mod difference;
mod error;
mod files;
mod fingerprint;
mod foreign;
mod names;
mod print;
mod service;
mod shape;
mod types;
mod wellknown;

pub use catalog::Catalog;
pub use difference::differences;
pub use error::SchemaError;
pub use fingerprint::Fingerprint;
pub use service::{Sent, Signature, signature};
pub use shape::{Alternatives, Choice, Failure, Failures, Holds, Member, Reserved, Structure, Value, Variant};
pub use types::{FieldType, Scalar, Type};

use crate::{ServiceDescriptor, message::ProstEnum};
use catalog::{Errors, ForeignEnum};
use descriptor::FileDescriptorProto;
use foreign::Foreign;
use prost::Message;
use std::{
    any::{TypeId, type_name},
    collections::HashMap,
};

/// What services, their messages and their errors are in protobuf.
#[derive(Clone, Debug)]
pub struct Schema {
    services: Vec<&'static str>,
    /// Those that others are needed by come first.
    files: Vec<File>,
    errors: Errors,
}

#[derive(Clone, Debug)]
enum File {
    /// Of messages declared in Rust.
    Own(FileDescriptorProto),
    /// Protobuf's own, or handed over.
    Foreign(Foreign),
}

/// Puts a schema together; see [`Schema::builder`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct SchemaBuilder {
    services: Vec<&'static ServiceDescriptor>,
    sets: Vec<Vec<u8>>,
    enums: HashMap<TypeId, ForeignEnum>,
}

impl Schema {
    /// For several services, or for messages that prost generated.
    pub fn builder() -> SchemaBuilder {
        SchemaBuilder::default()
    }

    /// All files as an encoded `google.protobuf.FileDescriptorSet`, documentation included, each after those it
    /// imports. What gRPC's reflection service, `protoc --descriptor_set_in` and protobuf's libraries read.
    pub fn file_descriptor_set(&self) -> Vec<u8> {
        let file = |file: &File| match file {
            File::Own(file) => files::documented(file).encode_to_vec(),
            File::Foreign(file) => file.bytes.clone(),
        };
        let set = descriptor::FileDescriptorSet { file: self.files.iter().map(file).collect(), ..Default::default() };
        set.encode_to_vec()
    }

    /// The files of what is declared in Rust, each with its name and its `.proto` text; one for each package.
    pub fn files(&self) -> impl Iterator<Item = (&str, String)> {
        self.own().map(|file| (file.name.as_str(), print::print(file)))
    }

    /// The `.proto` text of the package of the first service.
    pub fn proto(&self) -> String {
        let package = self.services.first().map_or("", |name| names::parent(name));
        self.own().find(|file| file.package == package).map(print::print).unwrap_or_default()
    }

    /// One number for what decides whether two programs understand each other's bytes: see [`Fingerprint`] for all of
    /// it.
    pub fn fingerprint(&self) -> Fingerprint {
        // What was handed over has been read before.
        let foreign: Vec<_> = self.files.iter().filter_map(File::foreign).collect();
        Fingerprint::of(self.own().chain(&foreign), &self.errors)
    }

    fn own(&self) -> impl Iterator<Item = &FileDescriptorProto> {
        self.files.iter().filter_map(|file| match file {
            File::Own(file) => Some(file),
            File::Foreign(_) => None,
        })
    }
}

impl SchemaBuilder {
    /// With this service, and all that it refers to.
    pub fn service(mut self, service: &'static ServiceDescriptor) -> Self {
        self.services.push(service);
        self
    }

    /// With these files, an encoded `FileDescriptorSet`: what messages that prost generated are described in
    /// (`config.file_descriptor_set_path(..)` in build.rs).
    pub fn descriptors(mut self, file_descriptor_set: &[u8]) -> Self {
        self.sets.push(file_descriptor_set.to_vec());
        self
    }

    /// With this full name, such as `maps.v1.Kind` or `maps.v1.Place.Kind`, of an enum that prost generated and that is
    /// in the files handed over: unlike prost's messages, its enums do not know what they are called.
    pub fn enumeration<E: ProstEnum>(mut self, full_name: impl Into<String>) -> Self {
        let has = |number| E::try_from(number).is_ok();
        let named = ForeignEnum { name: full_name.into(), ty: type_name::<E>(), has };
        self.enums.insert(TypeId::of::<E>(), named);
        self
    }

    /// The schema.
    ///
    /// # Errors
    /// When two types have one name, or a type that of a service, when a message or an enum that prost generated is in
    /// none of the files handed over, when an enum of prost's has no name or that of another, and when packages refer
    /// to each other both ways, which protobuf cannot say. All of it is reported at once.
    pub fn build(self) -> Result<Schema, SchemaError> {
        let mut catalog = Catalog::with_enums(self.enums);
        for service in &self.services {
            catalog.service(service);
        }
        let services = self.services.iter().map(|service| service.name).collect();
        let errors = std::mem::take(&mut catalog.errors);
        Ok(Schema { services, files: files::arrange(catalog, &self.sets)?, errors })
    }
}

impl ServiceDescriptor {
    /// The schema of this service.
    ///
    /// # Errors
    /// See [`SchemaBuilder::build`]. With messages that prost generated, use [`Schema::builder`].
    pub fn schema(&'static self) -> Result<Schema, SchemaError> {
        Schema::builder().service(self).build()
    }
}
