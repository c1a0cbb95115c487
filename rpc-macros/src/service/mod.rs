//! `#[rpc_service]`: from a trait to a client and a server.
//!
//! `parse` takes the attributes off, `validate` says what cannot be sent, `model` decides names and numbers, `expand`
//! writes; when there is a mistake, `fallback` writes what keeps the rest of the crate compiling instead.

mod expand;
mod fallback;
mod model;
mod parse;
mod timeout;
mod validate;

use crate::report::Report;
use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemTrait;

/// The macro, on tokens that a test can make as well.
pub(crate) fn rpc_service(attributes: TokenStream, item: TokenStream) -> TokenStream {
    let mut report = Report::default();
    let mut parsed: ItemTrait = match syn::parse2(item.clone()) {
        Ok(parsed) => parsed,
        Err(_) => {
            report.at(&item, "`#[rpc_service]` goes on a trait: `pub trait Orders { async fn .. }`");
            let errors = report.into_tokens();
            return quote!(#item #errors);
        }
    };
    let attributes = parse::take(attributes, &mut parsed, &mut report);
    validate::check(&parsed, &attributes, &mut report);
    let model = model::Service::new(&parsed, &attributes, &mut report);
    if report.is_empty() { expand::service(&parsed, &model) } else { fallback::service(parsed, &model, report) }
}
