//! The variants of an enum whose variants hold something.

use super::{
    Fields, Owner,
    container::Container,
    number::{Claim, Pinned, Reserved, Space, assign},
    refusal,
    refusal::collection,
};
use crate::{
    attribute,
    docs::docs,
    names::{name_of, snake, spoken},
    report::Report,
};
use proc_macro2::Ident;
use quote::format_ident;
use syn::{DataEnum, Type, ext::IdentExt};

/// One variant, which is one field of the message.
pub(super) struct Variant {
    pub(super) ident: Ident,
    pub(super) name: String,
    /// The name of the field that it is in protobuf.
    pub(super) field: String,
    pub(super) docs: String,
    pub(super) reserved: Reserved,
    pub(super) number: u32,
    pub(super) shape: Shape,
}

/// What a variant holds.
pub(super) enum Shape {
    /// Nothing: an empty message.
    Unit,
    /// One value, which is the field.
    One(Type),
    /// Named fields: a message of its own, with the hidden struct to read it.
    Named(Fields, Ident),
}

/// The variants, and which of them is marked `#[rpc(default)]`.
pub(super) fn parse(container: &Container, data: &DataEnum, report: &mut Report) -> (Vec<Variant>, Option<usize>) {
    let mut default = None;
    let mut claims = Vec::new();
    let mut variants = Vec::new();
    for (index, variant) in data.variants.iter().enumerate() {
        let mut name = variant.ident.unraw().to_string();
        let mut field = snake(&name);
        let mut pinned = None;
        let mut reserved = Reserved::default();
        attribute::each(&variant.attrs, &["tag", "name", "default", "reserved"], report, |word, key, report| {
            match word {
                "tag" => pinned = Some(Pinned::parse(key, Space::Fields)?),
                "name" => {
                    name = name_of(key, "Card")?;
                    field.clone_from(&name);
                }
                "reserved" => reserved.parse(key, report)?,
                _ => {
                    key.alone()?;
                    if default.replace(index).is_some() {
                        report.at(&key.word, "only one variant can stand for what is absent or not known");
                    }
                }
            }
            Ok(())
        });
        spoken(&variant.ident, &name, report);
        let shape = shape(container, variant, &reserved, report);
        claims.push(Claim { name: name.clone(), span: variant.ident.span(), pinned });
        let (ident, docs) = (variant.ident.clone(), docs(&variant.attrs));
        variants.push(Variant { ident, name, field, docs, reserved, number: 0, shape });
    }
    for (variant, number) in variants.iter_mut().zip(assign(&claims, &container.reserved, report)) {
        variant.number = number;
    }
    (variants, default)
}

fn shape(container: &Container, variant: &syn::Variant, reserved: &Reserved, report: &mut Report) -> Shape {
    let name = format!("{}.{}", container.name, variant.ident.unraw());
    if !matches!(variant.fields, syn::Fields::Named(_)) {
        reserved.refuse("this variant has no fields with numbers of their own; remove `reserved`", report);
    }
    match &variant.fields {
        syn::Fields::Unit => Shape::Unit,
        syn::Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
            let field = &fields.unnamed[0];
            attribute::each(&field.attrs, &[], report, |_, _, _| Ok(()));
            if let Some(what) = collection(&field.ty) {
                let why = format!(
                    "a variant cannot hold {what} bare: give the field a name, as in `{} {{ list: .. }}`",
                    variant.ident
                );
                report.at(&field.ty, why);
            } else if let Some(error) = refusal(&field.ty) {
                report.add(error);
            }
            Shape::One(container.without_self(&field.ty))
        }
        syn::Fields::Unnamed(fields) => {
            let why = format!("a variant holds one value, or fields with names: `{} {{ .. }}`", variant.ident);
            report.at(fields, why);
            Shape::Unit
        }
        named => {
            let ident = format_ident!("__{}{}Slots", container.name, variant.ident.unraw());
            Shape::Named(Fields::parse(Owner { name: &name, reserved }, named, container, report), ident)
        }
    }
}
