//! What is generated, for people to read: `tests/expand/x.rs` becomes `tests/expand/x.out.rs`.
//!
//! `UPDATE_EXPECT=1 cargo test -p rpc-macros golden` writes what is generated now. `tests/expand.rs` compiles it.

use crate::{attribute, error, message, service};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use std::{fs, path::Path};
use syn::{Attribute, DeriveInput, File, Item, Meta, parse_quote, visit_mut::VisitMut};

/// The file with everything of ours expanded.
fn expand(source: &str) -> String {
    let file: File = syn::parse_file(source).unwrap();
    let mut items = TokenStream::new();
    for item in file.items {
        items.extend(match item {
            Item::Trait(item) => service_of(item),
            Item::Struct(_) | Item::Enum(_) => derived(&item),
            other => other.into_token_stream(),
        });
    }
    let expanded = syn::parse2::<File>(items).unwrap().items;
    let page = |item| prettyplease::unparse(&File { shebang: None, attrs: Vec::new(), items: vec![item] });
    expanded.into_iter().map(page).collect::<Vec<_>>().join("\n")
}

fn service_of(mut item: syn::ItemTrait) -> TokenStream {
    let at = item.attrs.iter().position(|attribute| attribute.path().is_ident("rpc_service")).unwrap();
    let arguments = match item.attrs.remove(at).meta {
        Meta::List(list) => list.tokens,
        _ => quote!(),
    };
    service::rpc_service(arguments, item.into_token_stream())
}

/// A type and what its derives make of it. What is not ours stays at it.
fn derived(item: &Item) -> TokenStream {
    let input: DeriveInput = parse_quote!(#item);
    let mut made = TokenStream::new();
    let mut rest: Vec<syn::Path> = Vec::new();
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        attribute
            .parse_nested_meta(|meta| {
                match meta.path.segments.last() {
                    Some(last) if last.ident == "Message" => made.extend(message::derive(input.clone())),
                    Some(last) if last.ident == "RpcError" => made.extend(error::derive(input.clone())),
                    _ => rest.push(meta.path),
                }
                Ok(())
            })
            .unwrap();
    }
    let mut plain = item.clone();
    WithoutOurs.visit_item_mut(&mut plain);
    if !rest.is_empty() {
        match &mut plain {
            Item::Struct(syn::ItemStruct { attrs, .. }) | Item::Enum(syn::ItemEnum { attrs, .. }) => {
                attrs.push(parse_quote!(#[derive(#(#rest),*)]));
            }
            _ => {}
        }
    }
    quote!(#plain #made)
}

/// What the compiler does with a derive's attributes.
struct WithoutOurs;

impl VisitMut for WithoutOurs {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        attributes.retain(|attribute| !attribute::is_ours(attribute) && !attribute.path().is_ident("derive"));
    }
}

/// Every input and what it becomes, written anew if that is asked for.
fn expansions() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expand");
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".out.rs") || !name.ends_with(".rs") {
            continue;
        }
        all.push((name, expand(&fs::read_to_string(&path).unwrap())));
    }
    assert!(!all.is_empty());
    all
}

#[expect(clippy::disallowed_methods, reason = "for whoever starts the tests")]
#[test]
fn golden_expansions_are_as_reviewed() {
    for (name, expanded) in expansions() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expand").join(name).with_extension("out.rs");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&golden, &expanded).unwrap();
        }
        let reviewed = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(expanded, reviewed, "{} differs; review it with UPDATE_EXPECT=1", golden.display());
    }
}

/// The one path to this framework that generated code takes, so that code expanded today still compiles tomorrow; and
/// where `crate = ..` says another, not even that one.
#[test]
fn expansions_name_the_contract_and_nothing_else_of_ours() {
    for (name, expanded) in expansions() {
        let contract = if name == "elsewhere.rs" { "framework::__private::v1" } else { "rpc::__private::v1" };
        for line in expanded.lines().filter(|line| !line.trim_start().starts_with("use rpc::prelude")) {
            let code = line.split("///").next().unwrap().replace(contract, "");
            let words = ["rpc::", "rpc_core", "rpc_macros", "prost::", "bytes::", "tokio", "futures"];
            let mut strange = words.iter().filter(|word| code.replace("__rpc::", "").contains(**word));
            assert_eq!(strange.next(), None, "{name}: {line}");
        }
    }
}
