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
use syn::{DataEnum, Expr, ExprLit, Lit, ext::IdentExt, spanned::Spanned};

/// *Input*
/// ```text
/// enum Size { #[rpc(unknown)] Other, Small, Large }
/// ```
/// *Output*
/// ```text
/// impl Enumeration for Size {
///     fn number(&self) -> i32 { match self { Self::Other => 0, Self::Small => 1, Self::Large => 2 } }
///     fn from_number(number: i32) -> Option<Self> { match number { 1 => Some(Self::Small), .., _ => Some(Self::Other) } }
/// }
/// ```
pub(super) fn expand(container: &Container, data: &DataEnum, report: &mut Report) -> TokenStream {
    let mut unknown: Option<&Ident> = None;
    let mut known = Vec::new();
    let mut zero = None;
    let mut claims = Vec::new();
    // After a number that Rust was told, Rust counts on, and so do we.
    let mut next: Option<Pinned> = None;
    for variant in &data.variants {
        let mut name = variant.ident.unraw().to_string();
        let mut value = value_name(container, &name);
        let mut pinned = None;
        let mut is_unknown = false;
        attribute::each(&variant.attrs, &["tag", "name", "unknown"], report, |word, key, report| {
            match word {
                "tag" => pinned = Some(Pinned::parse(key, Space::Variants)?),
                "name" => {
                    name = name_of(key, "Visa")?;
                    value.clone_from(&name);
                }
                _ => {
                    key.alone()?;
                    is_unknown = true;
                    if unknown.replace(&variant.ident).is_some() {
                        report.at(&key.word, "only one variant can stand for what is not known");
                    }
                }
            }
            Ok(())
        });
        spoken(&variant.ident, &name, report);
        let discriminant = variant.discriminant.as_ref().and_then(|(_, value)| match discriminant(value) {
            Some(pinned) => Some(pinned),
            None => {
                if pinned.is_none() && !is_unknown {
                    report.at(value, "the number on the wire cannot be seen in this: write it as `#[rpc(tag = N)]`");
                }
                None
            }
        });
        if is_unknown {
            if let Some(Pinned { span, .. }) = pinned {
                report.add(syn::Error::new(
                    span,
                    "the variant for what is not known has the number 0: leave out the tag",
                ));
            }
            zero = Some((value, docs(&variant.attrs)));
            continue;
        }
        let discriminant = discriminant.or(next.take());
        if let Some(Pinned { number, .. }) = discriminant {
            next = Some(Pinned { number: number.saturating_add(1), span: variant.ident.span() });
        }
        claims.push(Claim { name, span: variant.ident.span(), pinned: pinned.or(discriminant) });
        known.push(Known { ident: &variant.ident, value, docs: docs(&variant.attrs), number: 0 });
    }
    let numbers = assign(&claims, &container.reserved, report);
    for (variant, number) in known.iter_mut().zip(numbers) {
        variant.number = i32::try_from(number).unwrap_or(i32::MAX);
    }
    let schema =
        schema(container, &known, zero.unwrap_or_else(|| (value_name(container, "Unspecified"), String::new())));
    implementation(container, &known, unknown, schema)
}

/// A variant with a number of its own.
struct Known<'a> {
    ident: &'a Ident,
    /// Its name in protobuf.
    value: String,
    docs: String,
    number: i32,
}

/// `Visa` of `Brand` is `BRAND_VISA`: in protobuf values are named beside their enum.
fn value_name(container: &Container, variant: &str) -> String {
    let (prefix, name) = (screaming(&container.name), screaming(variant));
    if name.starts_with(&format!("{prefix}_")) && name == variant { name } else { format!("{prefix}_{name}") }
}

fn schema(container: &Container, known: &[Known<'_>], zero: (String, String)) -> TokenStream {
    let (contract, head) = (&container.contract, container.schema());
    let (name, docs) = zero;
    let values = known.iter().map(|Known { value, docs, number, .. }| {
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

fn implementation(
    container: &Container,
    known: &[Known<'_>],
    unknown: Option<&Ident>,
    schema: TokenStream,
) -> TokenStream {
    let (known, numbers): (Vec<_>, Vec<_>) = known.iter().map(|known| (known.ident, known.number)).unzip();
    let (ident, contract, name) = (&container.ident, &container.contract, &container.name);
    let (generics, arguments, bounds) = container.generics.split_for_impl();
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
