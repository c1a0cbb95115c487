//! `#[rpc_service]`, `#[derive(Message)]` and `#[derive(RpcError)]`. Their documentation stands where people meet them,
//! at the re-exports of the facade crate `rpc`.

mod attribute;
mod docs;
mod error;
#[cfg(test)]
mod golden;
mod message;
mod names;
mod report;
mod service;

use proc_macro::TokenStream;

#[expect(missing_docs, reason = "documented at the re-export, where examples can name the facade")]
#[proc_macro_attribute]
pub fn rpc_service(attributes: TokenStream, item: TokenStream) -> TokenStream {
    service::rpc_service(attributes.into(), item.into()).into()
}

#[expect(missing_docs, reason = "documented at the re-export, where examples can name the facade")]
#[proc_macro_derive(Message, attributes(rpc))]
pub fn message(input: TokenStream) -> TokenStream {
    message::derive(syn::parse_macro_input!(input as syn::DeriveInput)).into()
}

#[expect(missing_docs, reason = "documented at the re-export, where examples can name the facade")]
#[proc_macro_derive(RpcError, attributes(rpc))]
pub fn rpc_error(input: TokenStream) -> TokenStream {
    error::derive(syn::parse_macro_input!(input as syn::DeriveInput)).into()
}
