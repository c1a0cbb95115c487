//! `#[rpc(..)]`: one grammar for every place where it may stand.

use crate::report::{Report, list, nearest, suggestion};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{ext::IdentExt, meta::ParseNestedMeta, parse::ParseStream};

/// Whether an attribute is `#[rpc(..)]`. Whoever emits the item again must leave it out.
pub(crate) fn is_ours(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("rpc")
}

/// Calls `each` with every key inside every `#[rpc(..)]`, in order. `each` reads the key's value, if it has one, with
/// `meta.value()` or [`parenthesised`]. A key that is not in `known`, and an `rpc` hidden in a `cfg_attr`, are mistakes.
pub(crate) fn each(
    attributes: &[syn::Attribute],
    known: &[&str],
    report: &mut Report,
    mut each: impl FnMut(&str, &ParseNestedMeta<'_>, &mut Report) -> syn::Result<()>,
) {
    for attribute in attributes {
        if attribute.path().is_ident("cfg_attr") && mentions_rpc(attribute) {
            report.at(
                attribute,
                "`rpc` cannot be inside `cfg_attr`: put `#[cfg(..)]` on two versions of the item instead",
            );
        }
        if !is_ours(attribute) {
            continue;
        }
        if !matches!(attribute.meta, syn::Meta::List(_)) {
            report.at(attribute, format!("write `#[rpc(key)]` or `#[rpc(key = value)]`{}", suggestion("", known)));
            continue;
        }
        let result = attribute.parse_nested_meta(|meta| {
            let key = meta.path.get_ident().map(|ident| ident.unraw().to_string()).unwrap_or_default();
            if known.contains(&key.as_str()) {
                return each(&key, &meta, report);
            }
            report.at(&meta.path, unknown(&key, known));
            skip_value(meta.input)
        });
        if let Err(error) = result {
            report.add(error);
        }
    }
}

fn unknown(key: &str, known: &[&str]) -> String {
    let mut sorted = known.to_vec();
    sorted.sort_unstable();
    match (nearest(key, known), sorted.is_empty()) {
        (Some(near), _) => format!("`{key}` has no meaning here; did you mean `{near}`? There are {}", list(&sorted)),
        (None, false) => format!("`{key}` has no meaning here; there are {}", list(&sorted)),
        (None, true) => format!("`{key}` has no meaning here; remove it"),
    }
}

/// Reads the value after `key =`.
pub(crate) fn value<T: syn::parse::Parse>(meta: &ParseNestedMeta<'_>) -> syn::Result<T> {
    meta.value()?.parse()
}

/// Reads the values in `key(a, b)`.
pub(crate) fn parenthesised<T: syn::parse::Parse>(meta: &ParseNestedMeta<'_>) -> syn::Result<Vec<T>> {
    let content;
    syn::parenthesized!(content in meta.input);
    Ok(content.parse_terminated(T::parse, syn::Token![,])?.into_iter().collect())
}

/// The path under which generated code finds the contract between the macros and the core; `path` is what
/// `#[rpc(crate = path)]` says.
pub(crate) fn contract(path: Option<&syn::Path>) -> TokenStream {
    match path {
        Some(path) => quote!(#path::__private::v1),
        None => quote!(::rpc::__private::v1),
    }
}

/// Steps over the value of a key that was not understood, so that the keys after it are checked too.
fn skip_value(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(syn::Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}

/// Whether a `cfg_attr` would put an `rpc` attribute in place: attributes reach a macro with their `cfg_attr` unexpanded.
pub(crate) fn mentions_rpc(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    list.tokens.clone().into_iter().any(|token| matches!(token, proc_macro2::TokenTree::Ident(word) if word == "rpc"))
}
