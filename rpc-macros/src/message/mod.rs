//! `#[derive(Message)]`: from a Rust type to protobuf, never asking what a type *is* (its traits know), only what its
//! fields are called and numbered.

mod container;
mod enumeration;
mod fields;
mod newtype;
mod number;
mod oneof;
mod refusal;
mod structure;
mod variant;

use crate::report::Report;
pub(crate) use container::Container;
pub(crate) use fields::{Fields, Owner, place};
pub(crate) use number::{Claim, Pinned, Reserved, Space, assign};
use proc_macro2::TokenStream;
pub(crate) use refusal::refusal;
use syn::{Data, DeriveInput};

/// `quote!` for generated code: its local names cannot meet the user's.
macro_rules! emit {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned! { ::proc_macro2::Span::mixed_site() => $($tokens)* }
    };
}
pub(crate) use emit;

/// The expansion of `#[derive(Message)]`.
pub(crate) fn derive(input: DeriveInput) -> TokenStream {
    let mut report = Report::default();
    let container = Container::parse(&input, &mut report);
    // What is wrong here is said here: unless something stands in, the type is reported again wherever it is used.
    let (items, stand_in): (_, fn(&Container) -> TokenStream) = match &input.data {
        Data::Struct(data) => match &data.fields {
            syn::Fields::Unnamed(fields) => (newtype::expand(&container, fields, &mut report), newtype::stand_in),
            fields => (structure::expand(&container, fields, &mut report), structure::stand_in),
        },
        Data::Enum(data) if data.variants.is_empty() => {
            report.at(&input.ident, "an enum without variants has no value that could be sent");
            (TokenStream::new(), enumeration::stand_in)
        }
        Data::Enum(data) if is_plain(&input.data) => {
            (enumeration::expand(&container, data, &mut report), enumeration::stand_in)
        }
        Data::Enum(data) => (oneof::expand(&container, data, &mut report), oneof::stand_in),
        Data::Union(data) => {
            report.at(data.union_token, "a union cannot be a message: use an enum with data");
            (TokenStream::new(), structure::stand_in)
        }
    };
    let root = &container.root;
    if report.is_empty() {
        return emit! {
            #[allow(deprecated, missing_docs, non_camel_case_types, unreachable_pub, clippy::all, clippy::pedantic)]
            const _: () = {
                use #root as __rpc;
                #items
            };
        };
    }
    if input.generics.lifetimes().next().is_some() {
        // Nothing with a lifetime can stand in.
        return report.into_tokens();
    }
    let stand_in = stand_in(&container);
    let errors = report.into_tokens();
    emit! {
        #errors
        #[allow(clippy::all)]
        const _: () = {
            use #root as __rpc;
            #stand_in
        };
    }
}

/// Whether it is an enum whose variants hold nothing, which is an enum in protobuf too.
fn is_plain(data: &Data) -> bool {
    matches!(data, Data::Enum(data) if data.variants.iter().all(|variant| matches!(variant.fields, syn::Fields::Unit)))
}
