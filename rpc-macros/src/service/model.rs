//! What will be generated: every name and number decided.

use super::{
    parse::{Attributes, Cancel, MethodAttributes},
    validate,
};
use crate::{
    attribute,
    docs::{docs, is_deprecated},
    message::{Claim, assign},
    names::{self, spoken},
    report::Report,
};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use std::{collections::HashMap, time::Duration};
use syn::{
    Attribute, Ident, ItemTrait, Pat, ReturnType, TraitItem, TraitItemFn, Type, Visibility, ext::IdentExt, parse_quote,
};

/// A service.
pub(super) struct Service {
    pub(super) ident: Ident,
    pub(super) visibility: Visibility,
    pub(super) client: Ident,
    pub(super) server: Ident,
    /// Where generated code finds what it calls.
    pub(super) contract: TokenStream,
    /// `package.Service`.
    pub(super) name: String,
    pub(super) docs: String,
    pub(super) methods: Vec<Method>,
}

/// A method of it.
pub(super) struct Method {
    pub(super) ident: Ident,
    /// The name of its constant on the client.
    pub(super) constant: Ident,
    /// Its name on the wire, and before that its service.
    pub(super) name: String,
    pub(super) path: String,
    /// The message that its arguments are wrapped in.
    pub(super) request: String,
    /// `.with_reserved(&[..])`: what is reserved in that message, if anything is.
    pub(super) reserved: Option<TokenStream>,
    pub(super) docs: String,
    /// Copied to everything that is generated for the method.
    pub(super) cfgs: Vec<Attribute>,
    pub(super) arguments: Vec<Argument>,
    pub(super) output: Type,
    pub(super) deprecated: bool,
    pub(super) idempotent: bool,
    pub(super) bare: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) cancel: Option<Cancel>,
}

/// An argument of it.
pub(super) struct Argument {
    pub(super) ident: Ident,
    pub(super) name: String,
    pub(super) ty: Type,
    pub(super) tag: u32,
    pub(super) key: bool,
}

impl Service {
    /// Decides what follows from the trait, and reports names and numbers that cannot be.
    pub(super) fn new(item: &ItemTrait, attributes: &Attributes, report: &mut Report) -> Self {
        let own = match &attributes.name {
            Some(name) => name.clone(),
            None => {
                let name = item.ident.unraw().to_string();
                spoken(&item.ident, &name, report);
                name
            }
        };
        let name = match &attributes.package {
            Some(package) => format!("{package}.{own}"),
            None => own.clone(),
        };
        let mut service = Self {
            client: format_ident!("{}Client", item.ident.unraw(), span = item.ident.span()),
            server: format_ident!("{}Server", item.ident.unraw(), span = item.ident.span()),
            ident: item.ident.clone(),
            visibility: item.vis.clone(),
            contract: attribute::contract(attributes.krate.as_ref()),
            docs: docs(&item.attrs),
            name,
            methods: Vec::new(),
        };
        let methods = item.items.iter().filter_map(|member| match member {
            TraitItem::Fn(method) => Some(method),
            _ => None,
        });
        for (method, attributes) in methods.zip(&attributes.methods) {
            service.methods.push(Method::new(&service.name, &own, method, attributes, report));
        }
        service.report_twins(report);
        service
    }

    /// Two methods of one name. Under `cfg` they may be alternatives, which only the compiler knows.
    fn report_twins(&self, report: &mut Report) {
        let mut names: HashMap<&str, &Method> = HashMap::new();
        let mut constants: HashMap<String, &Method> = HashMap::new();
        for method in &self.methods {
            let first = names.insert(&method.name, method);
            let same = constants.insert(method.constant.to_string(), method);
            let both = |other: &Method| method.cfgs.is_empty() || other.cfgs.is_empty();
            if let Some(first) = first.filter(|first| both(first)) {
                if first.ident == method.ident {
                    report.at(&method.ident, format!("`{}` stands here twice; give one another name", method.ident));
                    continue;
                }
                let text = format!(
                    "`{}` is called `{}` on the wire, as `{}` is; give one another name with `#[rpc(name = \"..\")]`",
                    method.ident, method.name, first.ident
                );
                report.at(&method.ident, text);
            } else if let Some(first) = same.filter(|first| both(first)) {
                let text = format!(
                    "the constant of `{}` would be `{}`, as that of `{}` is; give one another name",
                    method.ident, method.constant, first.ident
                );
                report.at(&method.ident, text);
            }
        }
    }
}

impl Method {
    fn new(
        service: &str,
        short: &str,
        method: &TraitItemFn,
        attributes: &MethodAttributes,
        report: &mut Report,
    ) -> Self {
        let ident = &method.sig.ident;
        let name = match &attributes.name {
            Some(name) => name.clone(),
            None => {
                let name = names::upper_camel(ident);
                spoken(ident, &name, report);
                name
            }
        };
        let arguments = arguments(method, attributes, report);
        Self {
            constant: names::constant(ident),
            path: format!("/{service}/{name}"),
            request: format!("{short}{name}Request"),
            // As generated code calls the contract between the macros and the core.
            reserved: attributes.reserved.schema(&quote!(__rpc), str::to_owned),
            docs: docs(&method.attrs),
            cfgs: method.attrs.iter().filter_map(attribute::condition).collect(),
            output: match &method.sig.output {
                ReturnType::Type(_, output) => (**output).clone(),
                ReturnType::Default => parse_quote!(()),
            },
            deprecated: is_deprecated(&method.attrs),
            idempotent: attributes.idempotent.is_some(),
            bare: attributes.bare.is_some(),
            timeout: attributes.timeout,
            cancel: attributes.cancel,
            ident: ident.clone(),
            name,
            arguments,
        }
    }
}

/// The arguments that are sent, each with its number.
fn arguments(method: &TraitItemFn, attributes: &MethodAttributes, report: &mut Report) -> Vec<Argument> {
    let mut arguments = Vec::new();
    let mut claims = Vec::new();
    for (argument, attributes) in validate::arguments(&method.sig).zip(&attributes.arguments) {
        // What is no plain name has been reported.
        let Pat::Ident(pattern) = &*argument.pat else { continue };
        let name = pattern.ident.unraw().to_string();
        spoken(&pattern.ident, &name, report);
        claims.push(Claim { name: name.clone(), span: pattern.ident.span(), pinned: attributes.tag.clone() });
        arguments.push(Argument {
            ident: pattern.ident.clone(),
            name,
            ty: (*argument.ty).clone(),
            tag: 0,
            key: attributes.key.is_some(),
        });
    }
    for (argument, tag) in arguments.iter_mut().zip(assign(&claims, &attributes.reserved, report)) {
        argument.tag = tag;
    }
    arguments
}
