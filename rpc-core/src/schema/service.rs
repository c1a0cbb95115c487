//! Services and methods.

use super::{
    Catalog, FieldType, Type,
    descriptor::{IDEMPOTENT, MethodDescriptorProto, MethodOptions, ServiceDescriptorProto},
    names,
};
use crate::{
    Code, Method, ServiceDescriptor,
    stub::{Arguments, List, Reply},
};

/// What a method takes and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The full name of the message that is sent, or of each that is sent.
    pub input: String,
    /// The full name of the message that comes back, or of each that does.
    pub output: String,
    /// How it fails: the codes, and the full names of the messages that are the details.
    pub errors: Vec<(Code, String)>,
}

/// What something that a method takes or gives is in protobuf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What it is as a field.
    pub(crate) field: FieldType,
    /// Whether it is a message by itself.
    pub(crate) bare: bool,
    /// How it fails, if something else comes instead.
    pub(crate) errors: Vec<(Code, String)>,
}

impl Sent {
    /// It, or one of these errors.
    pub(crate) fn or(mut self, errors: Vec<(Code, String)>) -> Self {
        self.errors.extend(errors);
        self
    }

    /// The full name of the message that it is when it is sent alone.
    pub(crate) fn whole(self, catalog: &mut Catalog, name: &str) -> String {
        match self.field {
            FieldType::One(Type::Message(message)) if self.bare => message,
            field => catalog.made(name, &[], |_| vec![("value", 1, field)]),
        }
    }
}

/// What generated code says of a method: it knows the types of its arguments and of its reply.
pub fn signature<L: List, R>(catalog: &mut Catalog, arguments: &Arguments<L>, reply: &Reply<R>) -> Signature {
    let prefix = catalog.method.clone();
    let input = arguments.describe(catalog, &format!("{prefix}Request"));
    let mut sent = reply.describe(catalog);
    let mut errors = std::mem::take(&mut sent.errors);
    errors.sort();
    errors.dedup();
    let output = sent.whole(catalog, &format!("{prefix}Response"));
    Signature { input, output, errors }
}

impl Catalog {
    /// Describes a service and all that its methods refer to.
    pub(super) fn service(&mut self, service: &'static ServiceDescriptor) {
        let package = names::parent(service.name);
        let own = service.name.rsplit('.').next().unwrap_or_default();
        self.own(service.name, "a service");
        self.within(package, |catalog| {
            let mut described =
                ServiceDescriptorProto { name: own.to_owned(), docs: service.docs.to_owned(), ..Default::default() };
            for method in service.methods {
                match method.schema {
                    Some(schema) => {
                        // As the service is served: a trait that is served twice has its messages twice.
                        catalog.method = format!("{own}{}", method.name);
                        let signature = schema(catalog);
                        let details = signature.errors.iter().map(|(_, detail)| (package.to_owned(), detail.clone()));
                        catalog.raised.extend(details);
                        catalog.errors.insert(method.path.to_owned(), signature.errors.clone());
                        described.method.push(describe(method, signature, package));
                    }
                    None => catalog.problems.push(format!("the method {method} was written by hand, without a schema")),
                }
            }
            catalog.file().service.push(described);
        });
    }
}

fn describe(method: &Method, signature: Signature, package: &str) -> MethodDescriptorProto {
    let options = MethodOptions {
        deprecated: method.deprecated,
        idempotency_level: if method.is_idempotent() { IDEMPOTENT } else { 0 },
        ..Default::default()
    };
    MethodDescriptorProto {
        name: method.name.to_owned(),
        input_type: format!(".{}", signature.input),
        output_type: format!(".{}", signature.output),
        options: (options != MethodOptions::default()).then_some(options),
        client_streaming: method.kind.request_streams(),
        server_streaming: method.kind.response_streams(),
        docs: docs(method.docs, &signature.errors, package),
    }
}

/// Protobuf has no place for the errors of a method, but its documentation.
fn docs(written: &str, errors: &[(Code, String)], package: &str) -> String {
    let mut enums: Vec<_> = errors.iter().map(|(_, detail)| names::parent(detail)).collect();
    enums.sort_unstable();
    enums.dedup();
    let within =
        |name: &str| name.strip_prefix(package).and_then(|name| name.strip_prefix('.')).unwrap_or(name).to_owned();
    let enums: Vec<_> = enums.into_iter().map(within).collect();
    if enums.is_empty() {
        return written.to_owned();
    }
    names::paragraphs(written, &format!("Fails with a detail in {}.", enums.join(" or ")))
}
