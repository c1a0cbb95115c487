//! Enums whose variants hold nothing.

use super::{
    container::Container,
    emit,
    number::{Claim, Pinned, Space, assign},
};
use crate::{
    attribute,
    docs::docs,
    names::{name_of, screaming, spoken},
    report::Report,
};
use proc_macro2::{Ident, Literal, TokenStream};
use syn::{DataEnum, Expr, ExprLit, Lit, Variant, ext::IdentExt, spanned::Spanned};

/// *Input*
/// ```text
/// enum Size { #[rpc(unknown)] Other, Small, Large }
/// ```
/// *Output*
/// ```text
/// impl Enumeration for Size {
///     fn number(&self) -> i32 { match self { Self::Other => 0, Self::Small => 1, Self::Large => 2 } }
///     fn from_number(number: i32) -> Option<Self> { match number { 1 => Some(Self::Small), .., _ => .. } }
/// }
/// ```
pub(super) fn expand(container: &Container, data: &DataEnum, report: &mut Report) -> TokenStream {
    let variants = Variants::parse(container, data, report);
    let (ident, contract, name) = (&container.ident, &container.contract, &container.name);
    let (generics, arguments, bounds) = container.generics.split_for_impl();
    let schema = schema(container, &variants);
    let Variants { known, unknown, .. } = variants;
    let (known, numbers): (Vec<_>, Vec<_>) = known.into_iter().map(|known| (known.ident, known.number)).unzip();
    let zero = unknown.map(|unknown| emit!(Self::#unknown => 0,));
    let rest = match unknown {
        Some(unknown) => emit!(::core::option::Option::Some(Self::#unknown)),
        None => emit!(::core::option::Option::None),
    };
    let required = unknown.is_none();
    emit! {
        #[automatically_derived]
        impl #generics #contract::message::Enumeration for #ident #arguments #bounds {
            const NAME: &'static str = #name;
            const SCHEMA: &'static #contract::schema::Choice = #schema;
            const REQUIRED_UNLESS_OPTION: bool = #required;

            #[inline]
            fn number(&self) -> i32 {
                match self {
                    #(Self::#known => #numbers,)*
                    #zero
                }
            }

            #[inline]
            fn from_number(number: i32) -> ::core::option::Option<Self> {
                match number {
                    #(#numbers => ::core::option::Option::Some(Self::#known),)*
                    _ => #rest,
                }
            }
        }
    }
}

fn schema(container: &Container, variants: &Variants<'_>) -> TokenStream {
    let (contract, head) = (&container.contract, container.schema());
    let (name, docs) = &variants.zero;
    let values = variants.known.iter().map(|Known { value, docs, number, .. }| {
        let number = Literal::i32_unsuffixed(*number);
        emit!(#contract::schema::Value::new(#value, #number, #docs))
    });
    let reserved = container.reserved.schema(&container.contract, |name| value_name(container, name));
    emit! {
        &#contract::schema::Choice::new(
            #head,
            &[#contract::schema::Value::new(#name, 0, #docs), #(#values),*],
        )
        #reserved
    }
}

/// The variants, each where it belongs.
struct Variants<'a> {
    known: Vec<Known<'a>>,
    /// The one that is marked `#[rpc(unknown)]`.
    unknown: Option<&'a Ident>,
    /// The name and the documentation of number 0 in protobuf.
    zero: (String, String),
}

/// A variant with a number of its own.
struct Known<'a> {
    ident: &'a Ident,
    /// Its name in protobuf.
    value: String,
    docs: String,
    number: i32,
}

/// What is written on a variant.
#[derive(Default)]
struct Marks {
    name: Option<String>,
    tag: Option<Pinned>,
    unknown: Option<Ident>,
}

impl<'a> Variants<'a> {
    fn parse(container: &Container, data: &'a DataEnum, report: &mut Report) -> Self {
        let zero = (value_name(container, "Unspecified"), String::new());
        let mut variants = Self { known: Vec::new(), unknown: None, zero };
        let mut claims = Vec::new();
        // After a number that Rust was told, Rust counts on, and so do we.
        let mut next: Option<Pinned> = None;
        for variant in &data.variants {
            let Marks { name, tag, unknown } = Marks::parse(variant, report);
            let ident = &variant.ident;
            let rust = ident.unraw().to_string();
            let value = name.clone().unwrap_or_else(|| value_name(container, &rust));
            let name = name.unwrap_or(rust);
            spoken(ident, &name, report);
            if let Some(word) = unknown {
                if let Some(Pinned { span, .. }) = tag {
                    let why = "the variant for what is not known has the number 0: leave out the tag";
                    report.add(syn::Error::new(span, why));
                }
                if variants.unknown.replace(ident).is_some() {
                    report.at(word, "only one variant can stand for what is not known");
                }
                variants.zero = (value, docs(&variant.attrs));
                continue;
            }
            let told = variant.discriminant.as_ref().map(|(_, value)| (value, discriminant(value)));
            if let (Some((value, None)), None) = (&told, &tag) {
                report.at(value, "the number on the wire cannot be seen in this: write it as `#[rpc(tag = N)]`");
            }
            let told = told.and_then(|(_, number)| number).or(next.take());
            if let Some(Pinned { number, .. }) = told {
                next = Some(Pinned { number: number.saturating_add(1), span: ident.span() });
            }
            claims.push(Claim { name, span: ident.span(), pinned: tag.or(told) });
            variants.known.push(Known { ident, value, docs: docs(&variant.attrs), number: 0 });
        }
        for (variant, number) in variants.known.iter_mut().zip(assign(&claims, &container.reserved, report)) {
            variant.number = i32::try_from(number).unwrap_or(i32::MAX);
        }
        variants
    }
}

impl Marks {
    fn parse(variant: &Variant, report: &mut Report) -> Self {
        let mut marks = Self::default();
        attribute::each(&variant.attrs, &["tag", "name", "unknown"], report, |word, key, _| {
            match word {
                "tag" => marks.tag = Some(Pinned::parse(key, Space::Variants)?),
                "name" => marks.name = Some(name_of(key, "Visa")?),
                _ => marks.unknown = Some(key.alone()?),
            }
            Ok(())
        });
        marks
    }
}

/// `Visa` of `Brand` is `BRAND_VISA`: in protobuf values are named beside their enum.
fn value_name(container: &Container, variant: &str) -> String {
    let (prefix, name) = (screaming(&container.name), screaming(variant));
    if name.starts_with(&format!("{prefix}_")) && name == variant { name } else { format!("{prefix}_{name}") }
}

/// The number of `Red = 5`.
fn discriminant(value: &Expr) -> Option<Pinned> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => {
            literal.base10_parse().ok().map(|number| Pinned { number, span: value.span() })
        }
        _ => None,
    }
}

/// An enum of nothing, for a type whose derive has failed.
pub(super) fn stand_in(container: &Container) -> TokenStream {
    let (ident, contract) = (&container.ident, &container.contract);
    let (generics, arguments, bounds) = container.generics.split_for_impl();
    emit! {
        impl #generics #contract::message::Enumeration for #ident #arguments #bounds {
            const NAME: &'static str = "";
            const SCHEMA: &'static #contract::schema::Choice = &#contract::schema::Choice::new("", "", "", &[]);
            const REQUIRED_UNLESS_OPTION: bool = false;
            fn number(&self) -> i32 { 0 }
            fn from_number(_: i32) -> ::core::option::Option<Self> { ::core::option::Option::None }
        }
    }
}
