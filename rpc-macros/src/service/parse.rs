//! The attributes of a service, taken off the trait that carries them.

use super::timeout;
use crate::{
    attribute,
    message::{Pinned, Reserved, Space},
    names::{name_of, package_of},
    report::{Report, suggestion},
};
use proc_macro2::{Span, TokenStream};
use std::time::Duration;
use syn::{Attribute, FnArg, Ident, ItemTrait, LitStr, Path, TraitItem, TraitItemFn, parse_quote};

/// What stands in `#[rpc_service(..)]`, and in every `#[rpc(..)]` within.
#[derive(Default)]
pub(super) struct Attributes {
    pub(super) package: Option<String>,
    pub(super) name: Option<String>,
    pub(super) krate: Option<Path>,
    /// In the order of the methods in the trait.
    pub(super) methods: Vec<MethodAttributes>,
}

/// What stands at a method.
#[derive(Default)]
pub(super) struct MethodAttributes {
    pub(super) name: Option<String>,
    pub(super) idempotent: Option<Ident>,
    pub(super) bare: Option<Ident>,
    pub(super) timeout: Option<Duration>,
    pub(super) cancel: Option<Cancel>,
    /// What arguments had once.
    pub(super) reserved: Reserved,
    /// In the order of the arguments, the receiver not counted.
    pub(super) arguments: Vec<ArgumentAttributes>,
}

/// What stands at an argument.
#[derive(Default)]
pub(super) struct ArgumentAttributes {
    pub(super) key: Option<Ident>,
    pub(super) tag: Option<Pinned>,
}

/// What becomes of a handler whose caller has left.
#[derive(Clone, Copy)]
pub(super) enum Cancel {
    Drop,
    /// With its place: whether the reply is a stream, only the compiler knows.
    Finish(Span),
}

/// Reads every attribute and leaves the trait without them.
pub(super) fn take(tokens: TokenStream, item: &mut ItemTrait, report: &mut Report) -> Attributes {
    let mut attributes = Attributes::default();
    let own: Attribute = parse_quote!(#[rpc(#tokens)]);
    attribute::each(&[own], &["crate", "name", "package"], report, |word, key, _| {
        match word {
            "crate" => attributes.krate = Some(key.value("framework")?),
            "name" => attributes.name = Some(name_of(key, "Orders")?),
            _ => attributes.package = Some(package_of(key)?),
        }
        Ok(())
    });
    for attribute in item.attrs.iter().filter(|attribute| attribute::is_ours(attribute)) {
        report.at(attribute, "write what concerns the whole service into `#[rpc_service(..)]`");
    }
    item.attrs.retain(|attribute| !attribute::is_ours(attribute));
    attribute::each(&item.attrs, &[], report, |_, _, _| Ok(()));
    strip(&mut item.attrs);
    for item in &mut item.items {
        if let TraitItem::Fn(method) = item {
            attributes.methods.push(take_method(method, report));
        }
    }
    attributes
}

fn take_method(method: &mut TraitItemFn, report: &mut Report) -> MethodAttributes {
    let mut found = MethodAttributes::default();
    let words = ["bare", "cancel", "idempotent", "name", "reserved", "timeout"];
    attribute::each(&method.attrs, &words, report, |word, key, report| {
        match word {
            "bare" => found.bare = Some(key.alone()?),
            "cancel" => found.cancel = Some(cancel(key.value("\"drop\"")?)?),
            "idempotent" => found.idempotent = Some(key.alone()?),
            "name" => found.name = Some(name_of(key, "Find")?),
            "reserved" => found.reserved.parse(key, report)?,
            _ => {
                let text: LitStr = key.value("\"300ms\"")?;
                let timeout = timeout::parse(&text.value()).map_err(|error| syn::Error::new(text.span(), error))?;
                found.timeout = Some(timeout);
            }
        }
        Ok(())
    });
    strip(&mut method.attrs);
    for input in &mut method.sig.inputs {
        let FnArg::Typed(argument) = input else { continue };
        let mut own = ArgumentAttributes::default();
        attribute::each(&argument.attrs, &["key", "tag"], report, |word, key, _| {
            match word {
                "key" => own.key = Some(key.alone()?),
                _ => own.tag = Some(Pinned::parse(key, Space::Fields)?),
            }
            Ok(())
        });
        strip(&mut argument.attrs);
        found.arguments.push(own);
    }
    found
}

fn cancel(text: LitStr) -> syn::Result<Cancel> {
    match &*text.value() {
        "drop" => Ok(Cancel::Drop),
        "finish" => Ok(Cancel::Finish(text.span())),
        other => {
            let why =
                format!("`{other}` is not what can become of a handler{}", suggestion(other, &["drop", "finish"]));
            Err(syn::Error::new(text.span(), why))
        }
    }
}

/// Takes `#[rpc(..)]` away, and a `cfg_attr` that would bring one, which has been reported.
fn strip(attributes: &mut Vec<Attribute>) {
    let conditional =
        |attribute: &Attribute| attribute.path().is_ident("cfg_attr") && attribute::mentions_rpc(attribute);
    attributes.retain(|attribute| !attribute::is_ours(attribute) && !conditional(attribute));
}
