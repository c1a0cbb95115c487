//! What is generated, for people to read: `tests/expand/x.rs` becomes `tests/expand/x.out.rs`.
//!
//! `UPDATE_EXPECT=1 cargo test -p rpc-macros golden` writes what is generated now. `tests/expand.rs` compiles it.

use super::rpc_service;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use std::{fs, path::Path};
use syn::{File, Item, Meta};

/// The file with its services expanded.
fn expand(source: &str) -> String {
    let mut file: File = syn::parse_file(source).unwrap();
    let mut items = TokenStream::new();
    for mut item in file.items.drain(..) {
        let attributes = match &mut item {
            Item::Trait(item) => &mut item.attrs,
            other => {
                other.to_tokens(&mut items);
                continue;
            }
        };
        let at = attributes.iter().position(|attribute| attribute.path().is_ident("rpc_service")).unwrap();
        let arguments = match attributes.remove(at).meta {
            Meta::List(list) => list.tokens,
            _ => quote!(),
        };
        items.extend(rpc_service(arguments, item.into_token_stream()));
    }
    file.items = syn::parse2::<File>(items).unwrap().items;
    prettyplease::unparse(&file)
}

#[test]
fn golden_expansions_are_as_reviewed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expand");
    let mut compared = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") || path.to_string_lossy().ends_with(".out.rs") {
            continue;
        }
        let expanded = expand(&fs::read_to_string(&path).unwrap());
        let golden = path.with_extension("out.rs");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&golden, &expanded).unwrap();
        }
        let reviewed = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(expanded, reviewed, "{} differs; review it with UPDATE_EXPECT=1", golden.display());
        compared += 1;
    }
    assert!(compared > 0);
}
