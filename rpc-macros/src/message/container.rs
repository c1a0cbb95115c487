//! The type that the derive stands on: its name, its generics, its attributes.

use super::{
    is_plain,
    number::{Reserved, Space},
};
use crate::{
    attribute,
    docs::docs,
    names::{name_of, package_of, spoken},
    report::Report,
};
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{DeriveInput, Generics, ext::IdentExt, parse_quote, visit_mut::VisitMut};

/// The type that the derive stands on.
pub(crate) struct Container {
    pub(crate) ident: Ident,
    /// With a bound on every type parameter: messages may be generic over messages.
    pub(crate) generics: Generics,
    /// Its name on the wire, without the package.
    pub(crate) name: String,
    pub(crate) package: String,
    pub(crate) docs: String,
    pub(crate) reserved: Reserved,
    /// Where the contract between the macros and the core is found.
    pub(crate) root: TokenStream,
    /// What generated code calls it.
    pub(crate) contract: TokenStream,
}

impl Container {
    pub(crate) fn parse(input: &DeriveInput, report: &mut Report) -> Self {
        let mut container = Self {
            ident: input.ident.clone(),
            generics: input.generics.clone(),
            name: input.ident.unraw().to_string(),
            package: String::new(),
            docs: docs(&input.attrs),
            reserved: Reserved::of(if is_plain(&input.data) { Space::Variants } else { Space::Fields }),
            root: attribute::contract(None),
            contract: quote!(__rpc),
        };
        attribute::each(&input.attrs, &["crate", "name", "package", "reserved"], report, |word, key, report| {
            match word {
                "crate" => container.root = attribute::contract(Some(&key.value("framework")?)),
                "name" => container.name = name_of(key, "Order")?,
                "package" => container.package = package_of(key)?,
                _ => container.reserved.parse(key, report)?,
            }
            Ok(())
        });
        spoken(&container.ident, &container.name, report);
        for parameter in input.generics.lifetimes() {
            report
                .at(parameter, "a message owns its data, for it outlives the call: use `String` for `&str` and so on");
        }
        let message = container.message();
        for parameter in container.generics.type_params_mut() {
            parameter.bounds.push(parse_quote!(#message::Derived));
        }
        container
    }

    /// The module of the core that the expansion is made of.
    pub(crate) fn message(&self) -> TokenStream {
        let contract = &self.contract;
        quote!(#contract::message)
    }

    /// `"package", "Name", "documentation"`: what every schema begins with.
    pub(crate) fn schema(&self) -> TokenStream {
        let Self { package, name, docs, .. } = self;
        quote!(#package, #name, #docs)
    }

    /// `.of(&[..])`: the schemas of the messages that a generic type is of.
    pub(crate) fn arguments(&self) -> Option<TokenStream> {
        let message = self.message();
        let types: Vec<_> = self.generics.type_params().map(|parameter| &parameter.ident).collect();
        (!types.is_empty()).then(|| quote!(.of(&[#(<#types as #message::Derived>::SCHEMA),*])))
    }

    /// The name with its package.
    pub(crate) fn full_name(&self) -> String {
        if self.package.is_empty() { self.name.clone() } else { format!("{}.{}", self.package, self.name) }
    }

    /// Writes out `Self`, which would mean another type inside the hidden structs.
    pub(crate) fn without_self(&self, ty: &syn::Type) -> syn::Type {
        let (ident, (_, generics, _)) = (&self.ident, self.generics.split_for_impl());
        let mut ty = ty.clone();
        Spell(parse_quote!(#ident #generics)).visit_type_mut(&mut ty);
        ty
    }
}

/// Puts a path in the place of `Self`.
struct Spell(syn::Path);

impl VisitMut for Spell {
    fn visit_type_path_mut(&mut self, ty: &mut syn::TypePath) {
        if ty.qself.is_none() && ty.path.is_ident("Self") {
            ty.path = self.0.clone();
        }
        syn::visit_mut::visit_type_path_mut(self, ty);
    }
}
