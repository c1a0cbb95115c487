//! What a trait must be so that a service can be made of it.

use super::parse::{Attributes, MethodAttributes};
use crate::{attribute, names, report::Report};
use quote::ToTokens;
use syn::{
    FnArg, GenericArgument, ItemTrait, Lifetime, Pat, PatType, PathArguments, Receiver, ReturnType, Signature,
    TraitItem, TraitItemFn, Type, TypeParamBound, TypePath, ext::IdentExt, visit::Visit,
};

/// More make a call that nobody can read, and no tuple in the standard library is longer.
pub(super) const MOST_ARGUMENTS: usize = 12;

/// What callers write at every client already: the methods of `rpc::Client`, as a test sees, `clone`, and `discover`.
/// One of the service's with such a name could not be called by it alone, and neither could these: the prelude brings
/// both into scope, and the compiler would ask which is meant.
const TAKEN: [&str; 10] = [
    "channel",
    "clone",
    "discover",
    "with_hedge",
    "with_metadata",
    "with_metadata_bytes",
    "with_priority",
    "with_service",
    "with_timeout",
    "with_transport",
];

/// Reports what cannot be part of a service. Types are left to the compiler, which knows them by more than spelling.
pub(super) fn check(item: &ItemTrait, attributes: &Attributes, report: &mut Report) {
    check_trait(item, report);
    let mut methods = attributes.methods.iter();
    for member in &item.items {
        match member {
            TraitItem::Fn(method) => {
                let Some(attributes) = methods.next() else { continue };
                check_signature(&method.sig, report);
                check_deprecation(method, report);
                check_arguments(method, attributes, report);
            }
            TraitItem::Const(constant) => {
                report
                    .at(constant, "a service has no constants, since its client could not know them; make it a method");
            }
            TraitItem::Type(kind) => report.at(
                kind,
                "a service has no associated types, since its client could not know them; name a type in the methods",
            ),
            other => report.at(other, "a service has methods only; write this outside of the trait"),
        }
    }
}

fn check_trait(item: &ItemTrait, report: &mut Report) {
    if let Some(unsafety) = &item.unsafety {
        report.at(unsafety, "a service cannot be unsafe: its callers may be anywhere; remove `unsafe`");
    }
    if !item.generics.params.is_empty() {
        report.at(
            &item.generics,
            "a service cannot be generic: its messages have one form on the wire; write one trait for each type",
        );
    }
    if let Some(clause) = &item.generics.where_clause {
        report.at(clause, "a service has no `where` clause: its client could not fulfil it; remove it");
    }
    for bound in &item.supertraits {
        if !is_implied(bound) {
            report.at(
                bound,
                "the generated client cannot implement this trait; ask for it where an implementation is made. \
                 `Send`, `Sync` and `'static` are added by themselves",
            );
        }
    }
    if item.items.is_empty() {
        report.at(
            &item.ident,
            "a service needs a method: `async fn find(&self, number: String) -> Result<Order, Status>;`",
        );
    }
}

pub(super) fn is_implied(bound: &TypeParamBound) -> bool {
    match bound {
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().is_some_and(|last| last.ident == "Send" || last.ident == "Sync")
        }
        TypeParamBound::Lifetime(lifetime) => lifetime.ident == "static",
        _ => false,
    }
}

fn check_signature(signature: &Signature, report: &mut Report) {
    if signature.asyncness.is_none() {
        report.at(signature.fn_token, "a call takes time: write `async fn`");
    }
    if let Some(constness) = &signature.constness {
        report.at(constness, "a call cannot be made at compile time; remove `const`");
    }
    if let Some(unsafety) = &signature.unsafety {
        report.at(unsafety, "a call cannot be unsafe: it may be answered anywhere; remove `unsafe`");
    }
    if let Some(abi) = &signature.abi {
        report.at(abi, "a call has no binary interface of its own; remove `extern`");
    }
    if !signature.generics.params.is_empty() {
        report.at(
            &signature.generics,
            "a method of a service has no generics or lifetimes: what is sent has one form; write owned, concrete \
             types",
        );
    }
    if let Some(clause) = &signature.generics.where_clause {
        report.at(clause, "a method of a service has no `where` clause; remove it");
    }
    let name = signature.ident.unraw().to_string();
    if TAKEN.contains(&&*name) {
        let wire = names::upper_camel(&signature.ident);
        let text = format!(
            "every client has a `{name}` already; rename this one, and keep its name on the wire with \
             `#[rpc(name = \"{wire}\")]`"
        );
        report.at(&signature.ident, text);
    }
    match signature.inputs.first() {
        Some(FnArg::Receiver(receiver)) => check_receiver(receiver, report),
        _ => report.at(&signature.ident, "a method of a service starts with `&self`"),
    }
    match &signature.output {
        ReturnType::Default => report.at(
            &signature.ident,
            "an RPC method must return `Result<T, E>`, since a remote call can always fail; write \
             `-> Result<(), Status>`",
        ),
        ReturnType::Type(_, output) => {
            check_type(output, "a reply is sent over the network; return an owned type such as `String`", report);
        }
    }
}

fn check_deprecation(method: &TraitItemFn, report: &mut Report) {
    for attribute in method.attrs.iter().filter(|attribute| attribute::would_put(attribute, "deprecated")) {
        let text = "whether a method is deprecated stands in the schema, the same for everybody: write \
                    `#[deprecated]` without `cfg_attr`, or two methods under `cfg`";
        report.at(attribute, text);
    }
}

fn check_receiver(receiver: &Receiver, report: &mut Report) {
    // Another lifetime than 'static has been declared at the method, and is reported there.
    let brief = |lifetime: &Option<Lifetime>| lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static");
    let shared = receiver.mutability.is_none()
        && match (&receiver.reference, &*receiver.ty) {
            (Some((_, lifetime)), _) => brief(lifetime),
            (None, Type::Reference(ty)) => ty.mutability.is_none() && brief(&ty.lifetime),
            _ => false,
        };
    if !shared {
        report.at(receiver, "calls run side by side, so a method of a service takes `&self`; keep state behind a lock");
    }
}

fn check_arguments(method: &TraitItemFn, attributes: &MethodAttributes, report: &mut Report) {
    let arguments: Vec<_> = arguments(&method.sig).collect();
    for argument in &arguments {
        match &*argument.pat {
            Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => {}
            Pat::Wild(pattern) => {
                report.at(pattern, "an argument is a field of the request and needs a name; write one instead of `_`");
            }
            pattern => {
                report.at(pattern, "an argument is a field of the request: write a plain name and take it apart inside")
            }
        }
        if let Some(attribute) = argument.attrs.first() {
            report
                .at(attribute, "an argument is a field of the request, the same for everybody; remove this attribute");
        }
        check_type(&argument.ty, "an argument is sent over the network; use an owned type such as `String`", report);
    }
    if let (true, Some(stream)) = (arguments.len() > 1, arguments.iter().find(|argument| is_streaming(&argument.ty))) {
        let text = "a stream stands alone: put what comes first into metadata or into the first item";
        report.at(&stream.ty, text);
    }
    for (argument, attributes) in arguments.iter().zip(&attributes.arguments) {
        if let (Some(key), true) = (&attributes.key, is_streaming(&argument.ty)) {
            report.at(key, "a stream is no key; put the key into metadata, and route by that");
        }
        if let (Some(tag), true) = (&attributes.tag, is_streaming(&argument.ty)) {
            report.add(syn::Error::new(tag.span, "a stream is no field and has no number; remove `tag`"));
        }
    }
    if attributes.bare.is_some() {
        let why = "a bare message has the numbers of its own fields; remove `reserved` or `bare`";
        attributes.reserved.refuse(why, report);
        if let Some(tag) = attributes.arguments.iter().find_map(|argument| argument.tag.as_ref()) {
            let why = "a bare message has the numbers of its own fields; remove `tag` or `bare`";
            report.add(syn::Error::new(tag.span, why));
        }
    } else if arguments.iter().any(|argument| is_streaming(&argument.ty)) {
        attributes.reserved.refuse("a stream is no request with fields; remove `reserved`", report);
    }
    if let (Some(bare), true) = (&attributes.bare, arguments.len() != 1) {
        let count = arguments.len();
        report.at(bare, format!("`bare` sends one message as it is, and here are {count} arguments; remove `bare`"));
    }
    if arguments.len() > MOST_ARGUMENTS {
        report.at(
            &method.sig.ident,
            format!("more than {MOST_ARGUMENTS} arguments; make them fields of a struct with `#[derive(Message)]`"),
        );
    }
    for second in attributes.arguments.iter().filter_map(|argument| argument.key.as_ref()).skip(1) {
        report.at(second, "a call is routed by one key; remove the others, or make one argument of them");
    }
}

/// The arguments that are sent.
pub(super) fn arguments(signature: &Signature) -> impl Iterator<Item = &PatType> {
    signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    })
}

/// By its spelling; behind an alias the constant of the method's arguments finds it.
fn is_streaming(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Streaming"))
}

/// The stream that a type holds which can hold none.
fn held_stream(path: &TypePath) -> Option<&Type> {
    let holder = path.path.segments.last()?;
    let holds = ["Box", "BTreeMap", "HashMap", "Option", "Streaming", "Vec"].iter().any(|name| holder.ident == name);
    let PathArguments::AngleBracketed(arguments) = &holder.arguments else { return None };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.find(|ty| holds && is_streaming(ty))
}

fn check_type(ty: &Type, remedy: &str, report: &mut Report) {
    let mut search = Borrowed { found: None };
    search.visit_type(ty);
    match search.found {
        Some(Found::Borrow(tokens)) => report.at(tokens, remedy),
        Some(Found::Opaque(tokens)) => report.at(tokens, "what is sent has one form on the wire; name a concrete type"),
        Some(Found::Own(tokens)) => report.at(tokens, "a service cannot be sent; name a type instead of `Self`"),
        Some(Found::Nested(tokens)) => report.at(tokens, "a stream stands alone: it is an argument or a reply itself"),
        None => {}
    }
}

/// Finds the first part of a type that cannot be sent whatever the rest is. One is enough: they come together.
struct Borrowed {
    found: Option<Found>,
}

enum Found {
    Borrow(proc_macro2::TokenStream),
    Opaque(proc_macro2::TokenStream),
    Own(proc_macro2::TokenStream),
    Nested(proc_macro2::TokenStream),
}

impl<'ast> Visit<'ast> for Borrowed {
    fn visit_type(&mut self, ty: &'ast Type) {
        let found = match ty {
            Type::Reference(_) | Type::Ptr(_) => Found::Borrow(ty.to_token_stream()),
            Type::ImplTrait(_) | Type::Infer(_) => Found::Opaque(ty.to_token_stream()),
            Type::Path(path) if path.path.segments.first().is_some_and(|first| first.ident == "Self") => {
                Found::Own(ty.to_token_stream())
            }
            Type::Path(path) => match held_stream(path) {
                Some(stream) => Found::Nested(stream.to_token_stream()),
                None => return syn::visit::visit_type(self, ty),
            },
            _ => return syn::visit::visit_type(self, ty),
        };
        self.found.get_or_insert(found);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            self.found.get_or_insert(Found::Borrow(lifetime.to_token_stream()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_the_traits_of_clients_is_known() {
        let mut known = vec!["clone".to_owned()];
        for (path, name) in [("rpc-core/src/client/channel.rs", "Client"), ("rpc/src/discover.rs", "Discover")] {
            let path = format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"));
            let file = syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap();
            let found = file.items.iter().find_map(|item| match item {
                syn::Item::Trait(item) if item.ident == name => Some(item),
                _ => None,
            });
            known.extend(found.unwrap().items.iter().filter_map(|member| match member {
                // `from_channel` is for those who make clients, and can say whose they mean.
                TraitItem::Fn(method) => Some(method.sig.ident.to_string()).filter(|name| name != "from_channel"),
                _ => None,
            }));
        }
        known.sort_unstable();
        assert_eq!(known, TAKEN);
    }
}
