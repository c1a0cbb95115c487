//! `#[rpc(..)]`: one grammar for every place where it may stand.

use crate::report::{Report, list, nearest, suggestion};
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::quote;
use std::collections::HashSet;
use syn::{
    Attribute, Meta,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    parse_quote,
};

/// A key in an `#[rpc(..)]`, and what stands between it and the next comma. What is wrong with one key leaves the
/// others as they are, so that all mistakes of an attribute are reported.
pub(crate) struct Key {
    pub(crate) word: Ident,
    rest: TokenStream,
}

impl Key {
    fn read(tokens: TokenStream, known: &[&str]) -> syn::Result<Self> {
        let parser = |input: ParseStream<'_>| Ok(Self { word: input.call(Ident::parse_any)?, rest: input.parse()? });
        let why = || format!("write `key` or `key = value` here{}", suggestion("", known));
        parser.parse2(tokens.clone()).map_err(|_| syn::Error::new_spanned(tokens, why()))
    }

    /// The value in `key = value`, of which `example` is one as it should be.
    pub(crate) fn value<T: Parse>(&self, example: &str) -> syn::Result<T> {
        let parser = |input: ParseStream<'_>| {
            input.parse::<syn::Token![=]>()?;
            input.parse()
        };
        parser.parse2(self.rest.clone()).map_err(|_| self.written(&format!("`{} = {example}`", self.word)))
    }

    /// The values in `key(a, b)`, of which `example` are some as they should be.
    pub(crate) fn parenthesised<T: Parse>(&self, example: &str) -> syn::Result<Vec<T>> {
        let parser = |input: ParseStream<'_>| {
            let content;
            syn::parenthesized!(content in input);
            content.parse_terminated(T::parse, syn::Token![,])
        };
        let values = parser.parse2(self.rest.clone());
        let values = values.map_err(|_| self.written(&format!("`{}({example})`", self.word)))?;
        Ok(values.into_iter().collect())
    }

    /// The key itself, for its place, if it has no value.
    pub(crate) fn alone(&self) -> syn::Result<Ident> {
        if self.rest.is_empty() {
            return Ok(self.word.clone());
        }
        Err(self.written(&format!("`{}`, without a value", self.word)))
    }

    /// The mistake of another form than `form`, at what stands in its place.
    fn written(&self, form: &str) -> syn::Error {
        let mut value = self.rest.clone().into_iter().peekable();
        value.next_if(|token| matches!(token, TokenTree::Punct(sign) if sign.as_char() == '='));
        let value: TokenStream = value.collect();
        let text = format!("`{}` is written so: {form}", self.word);
        match value.is_empty() {
            true => syn::Error::new(self.word.span(), text),
            false => syn::Error::new_spanned(value, text),
        }
    }
}

/// Whether an attribute is `#[rpc(..)]`. Whoever emits the item again must leave it out.
pub(crate) fn is_ours(attribute: &Attribute) -> bool {
    attribute.path().is_ident("rpc")
}

/// Calls `each` with every key inside every `#[rpc(..)]`, in order; an error of it is reported. Mistakes are: a key
/// that is not in `known`, or any attribute where that is empty; a key that stands there twice, but for `reserved`, of
/// which there may be more; an `rpc` hidden in a `cfg_attr`.
pub(crate) fn each(
    attributes: &[Attribute],
    known: &[&str],
    report: &mut Report,
    mut each: impl FnMut(&str, &Key, &mut Report) -> syn::Result<()>,
) {
    let mut seen = HashSet::new();
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
        if known.is_empty() {
            report.at(attribute, "`rpc` has no meaning here; remove it");
            continue;
        }
        let Meta::List(list) = &attribute.meta else {
            report.at(attribute, format!("write `#[rpc(key)]` or `#[rpc(key = value)]`{}", suggestion("", known)));
            continue;
        };
        for tokens in between_commas(list.tokens.clone()) {
            let result = Key::read(tokens, known).and_then(|key| {
                let word = key.word.unraw().to_string();
                if !known.contains(&word.as_str()) {
                    report.at(&key.word, unknown(&word, known));
                } else if !seen.insert(word.clone()) && word != "reserved" {
                    report.at(&key.word, "this stands here twice; remove one");
                } else {
                    each(&word, &key, report)?;
                }
                Ok(())
            });
            if let Err(error) = result {
                report.add(error);
            }
        }
    }
}

/// The parts of a list; nothing follows a comma at its end.
fn between_commas(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    for token in tokens {
        let ends = matches!(&token, TokenTree::Punct(sign) if sign.as_char() == ',');
        match parts.last_mut() {
            // A comma that has nothing before it stands for what is missing, to be reported at its place.
            Some(last) if !ends || last.is_empty() => last.extend([token]),
            _ => {}
        }
        if ends {
            parts.push(TokenStream::new());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn unknown(key: &str, known: &[&str]) -> String {
    let mut sorted = known.to_vec();
    sorted.sort_unstable();
    match (key, nearest(key, known)) {
        // Two words for nearly the same.
        ("default", _) if known.contains(&"unknown") => {
            "`default` is for enums with data; here it is `unknown`".to_owned()
        }
        ("unknown", _) if known.contains(&"default") => {
            "`unknown` is for enums without data; here it is `default`".to_owned()
        }
        (_, Some(near)) => format!("`{key}` has no meaning here; did you mean `{near}`? There are {}", list(&sorted)),
        (_, None) => format!("`{key}` has no meaning here; there are {}", list(&sorted)),
    }
}

/// The path under which generated code finds the contract between the macros and the core; `path` is what
/// `#[rpc(crate = path)]` says.
pub(crate) fn contract(path: Option<&syn::Path>) -> TokenStream {
    match path {
        Some(path) => quote!(#path::__private::v1),
        None => quote!(::rpc::__private::v1),
    }
}

/// Whether a `cfg_attr` would put an `rpc` attribute in place: attributes reach a macro with their `cfg_attr`
/// unexpanded.
pub(crate) fn mentions_rpc(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return false };
    list.tokens.clone().into_iter().any(|token| matches!(token, TokenTree::Ident(word) if word == "rpc"))
}

/// The part of an attribute that decides whether an item is there: `cfg`, also where a `cfg_attr` would put one. What
/// else that would put stays where it was written.
pub(crate) fn condition(attribute: &Attribute) -> Option<Attribute> {
    fn of(meta: &Meta) -> Option<Meta> {
        if meta.path().is_ident("cfg") {
            return Some(meta.clone());
        }
        let (predicate, put) = conditional(meta)?;
        let kept: Vec<_> = put.iter().filter_map(of).collect();
        (!kept.is_empty()).then(|| parse_quote!(cfg_attr(#predicate, #(#kept),*)))
    }
    Some(Attribute { meta: of(&attribute.meta)?, ..attribute.clone() })
}

/// Whether a `cfg_attr` would put an attribute of this name in place.
pub(crate) fn would_put(attribute: &Attribute, name: &str) -> bool {
    fn within(meta: &Meta, name: &str) -> bool {
        let put = conditional(meta).map(|(_, put)| put).unwrap_or_default();
        put.iter().any(|meta| meta.path().is_ident(name) || within(meta, name))
    }
    within(&attribute.meta, name)
}

/// The predicate of a `cfg_attr`, and what it would put.
fn conditional(meta: &Meta) -> Option<(TokenStream, Vec<Meta>)> {
    let Meta::List(list) = meta else { return None };
    if !list.path.is_ident("cfg_attr") {
        return None;
    }
    let mut parts = between_commas(list.tokens.clone()).into_iter();
    Some((parts.next()?, parts.filter_map(|part| syn::parse2(part).ok()).collect()))
}
