//! `.proto` text.

use super::{
    descriptor::{
        DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, LABEL_REPEATED,
        MethodDescriptorProto, ReservedRange, ServiceDescriptorProto,
    },
    names,
    types::scalar_name,
};
use std::fmt::Write;

/// A file as people write it: what it is for on top, declarations in the order of the descriptor.
pub(super) fn print(file: &FileDescriptorProto) -> String {
    let mut page = Page { text: String::new(), depth: 0, package: &file.package };
    page.line("// Made of the Rust types: change those, not this.");
    page.line("syntax = \"proto3\";");
    if !file.package.is_empty() {
        page.gap();
        page.line(&format!("package {};", file.package));
    }
    if !file.dependency.is_empty() {
        page.gap();
    }
    for (index, import) in (0..).zip(&file.dependency) {
        let public = if file.public_dependency.contains(&index) { "public " } else { "" };
        page.line(&format!("import {public}\"{import}\";"));
    }
    for service in &file.service {
        page.gap();
        page.service(service);
    }
    for message in &file.message_type {
        page.gap();
        page.message(message, &[]);
    }
    for choice in &file.enum_type {
        page.gap();
        page.choice(choice);
    }
    page.text
}

struct Page<'a> {
    text: String,
    depth: usize,
    package: &'a str,
}

/// What comes after a line in its block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Followed {
    More,
    Nothing,
}

/// A message, and those it is nested in before it.
type Scope<'a> = [&'a DescriptorProto];

impl Page<'_> {
    fn line(&mut self, line: &str) {
        let indent = if line.is_empty() { 0 } else { self.depth * 2 };
        let _ = writeln!(self.text, "{:indent$}{line}", "");
    }

    fn gap(&mut self) {
        // None after the opening of a block, and never two.
        if !self.text.ends_with("{\n") && !self.text.ends_with("\n\n") {
            self.line("");
        }
    }

    fn docs(&mut self, docs: &str) {
        for line in docs.lines() {
            self.line(format!("// {line}").trim_end());
        }
    }

    /// The documentation of a line among others, with a gap around what has any. Says whether it has.
    fn explained(&mut self, docs: &str, apart: bool) -> bool {
        if apart || !docs.is_empty() {
            self.gap();
        }
        self.docs(docs);
        !docs.is_empty()
    }

    fn open(&mut self, line: &str) {
        self.line(&format!("{line} {{"));
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.line("}");
    }

    fn service(&mut self, service: &ServiceDescriptorProto) {
        self.docs(&service.docs);
        self.open(&format!("service {}", service.name));
        let mut apart = false;
        for method in &service.method {
            apart = self.explained(&method.docs, apart);
            self.method(method);
        }
        self.close();
    }

    fn method(&mut self, method: &MethodDescriptorProto) {
        let sent =
            |stream: bool, name: &str| format!("{}{}", if stream { "stream " } else { "" }, self.name(name, &[]));
        let input = sent(method.client_streaming, &method.input_type);
        let output = sent(method.server_streaming, &method.output_type);
        let line = format!("rpc {}({input}) returns ({output})", method.name);
        let Some(options) = &method.options else { return self.line(&format!("{line};")) };
        self.open(&line);
        if options.deprecated {
            self.line("option deprecated = true;");
        }
        if options.idempotency_level != 0 {
            self.line("option idempotency_level = IDEMPOTENT;");
        }
        self.close();
    }

    fn message(&mut self, message: &DescriptorProto, outer: &Scope<'_>) {
        let is_entry = |nested: &&DescriptorProto| nested.options.as_ref().is_some_and(|options| options.map_entry);
        let scope = [outer, &[message]].concat();
        self.docs(&message.docs);
        let oneof = message.oneof_decl.first().filter(|_| is_oneof(message));
        let is_empty = message.field.is_empty() && message.nested_type.is_empty();
        if is_empty && message.reserved_range.is_empty() && message.reserved_name.is_empty() {
            return self.line(&format!("message {} {{}}", message.name));
        }
        self.open(&format!("message {}", message.name));
        let followed = if is_empty { Followed::Nothing } else { Followed::More };
        self.reserved(&message.reserved_range, &message.reserved_name, 1, followed);
        if let Some(oneof) = oneof {
            self.open(&format!("oneof {}", oneof.name));
        }
        let mut apart = false;
        for field in &message.field {
            apart = self.explained(&field.docs, apart);
            self.field(field, &scope);
        }
        if oneof.is_some() {
            self.close();
        }
        for nested in message.nested_type.iter().filter(|nested| !is_entry(nested)) {
            self.gap();
            self.message(nested, &scope);
        }
        self.close();
    }

    fn field(&mut self, field: &FieldDescriptorProto, scope: &Scope<'_>) {
        let FieldDescriptorProto { name, number, .. } = field;
        let entry = scope.last().and_then(|message| {
            let is_entry = |nested: &&DescriptorProto| {
                nested.options.as_ref().is_some_and(|options| options.map_entry)
                    && field.type_name.ends_with(&format!(".{}.{}", message.name, nested.name))
            };
            message.nested_type.iter().find(is_entry)
        });
        let kind = match entry.map(|entry| &*entry.field) {
            Some([key, value]) => format!("map<{}, {}>", self.kind(key, scope), self.kind(value, scope)),
            _ if field.label == LABEL_REPEATED => format!("repeated {}", self.kind(field, scope)),
            _ if field.proto3_optional => format!("optional {}", self.kind(field, scope)),
            _ => self.kind(field, scope),
        };
        let deprecated = field.options.as_ref().is_some_and(|options| options.deprecated);
        let options = if deprecated { " [deprecated = true]" } else { "" };
        self.line(&format!("{kind} {name} = {number}{options};"));
    }

    fn kind(&self, field: &FieldDescriptorProto, scope: &Scope<'_>) -> String {
        if field.type_name.is_empty() { scalar_name(field.kind).to_owned() } else { self.name(&field.type_name, scope) }
    }

    /// The shortest name that means `.full.name` where it is written.
    fn name(&self, full_name: &str, scope: &Scope<'_>) -> String {
        let name = full_name.trim_start_matches('.');
        let mut home = self.package.to_owned();
        for (depth, message) in scope.iter().enumerate() {
            home = names::join(&home, &message.name);
            let nested = name.strip_prefix(&*home).and_then(|name| name.strip_prefix('.'));
            if let (Some(nested), true) = (nested, depth + 1 == scope.len()) {
                return nested.to_owned();
            }
        }
        let in_package = match self.package {
            "" => Some(name),
            package => name.strip_prefix(package).and_then(|name| name.strip_prefix('.')),
        };
        let short = in_package.unwrap_or(name);
        let first = short.split('.').next().unwrap_or(short);
        // A message further in, or a part of the package, would be found first.
        let hidden = scope.iter().flat_map(|message| &message.nested_type).any(|nested| nested.name == first)
            || (in_package.is_none() && self.package.split('.').any(|part| part == first));
        if hidden { full_name.to_owned() } else { short.to_owned() }
    }

    fn choice(&mut self, choice: &EnumDescriptorProto) {
        self.docs(&choice.docs);
        self.open(&format!("enum {}", choice.name));
        self.reserved(&choice.reserved_range, &choice.reserved_name, 0, Followed::More);
        let mut apart = false;
        for value in &choice.value {
            apart = self.explained(&value.docs, apart);
            self.line(&format!("{} = {};", value.name, value.number.unwrap_or_default()));
        }
        self.close();
    }

    /// The last number of a range in a message is `exclusive` by 1.
    fn reserved(&mut self, ranges: &[ReservedRange], names: &[String], exclusive: i32, followed: Followed) {
        let range = |range: &ReservedRange| match range.end - exclusive {
            last if last == range.start => last.to_string(),
            last => format!("{} to {last}", range.start),
        };
        if !ranges.is_empty() {
            let ranges: Vec<_> = ranges.iter().map(range).collect();
            self.line(&format!("reserved {};", ranges.join(", ")));
        }
        if !names.is_empty() {
            let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
            self.line(&format!("reserved {};", names.join(", ")));
        }
        if !(ranges.is_empty() && names.is_empty()) && followed == Followed::More {
            self.gap();
        }
    }
}

/// Whether there is a oneof that somebody wrote: an enum with data has one, with all of its fields.
fn is_oneof(message: &DescriptorProto) -> bool {
    message.field.iter().any(|field| field.oneof_index.is_some() && !field.proto3_optional)
}
