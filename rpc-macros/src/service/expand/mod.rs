//! The output, item by item.

mod client;
mod descriptor;
mod server;
mod trait_;

use super::model::{Method, Service};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::ItemTrait;

pub(super) use trait_::declaration;

/// Everything that is generated for a service without mistakes.
///
/// ```text
/// Input:  pub trait Orders { async fn find(&self, number: String) -> Result<Order, OrderError>; }
/// Output: pub trait Orders { fn find(..) -> impl Future + Send; }    trait_.rs
///         pub struct OrdersClient { .. }                             client.rs
///         pub struct OrdersServer<T> { .. }                          server.rs
///         const _: () = {
///             const __RPC_FIND_ARGUMENTS, __RPC_FIND_REPLY           descriptor.rs: the only bounds on user's types
///             impl OrdersClient { const FIND: &Method }              descriptor.rs
///             impl<T: Orders> Orders for Arc<T>                      trait_.rs
///             impl Client and Orders for OrdersClient                client.rs
///             impl Service and NamedService for OrdersServer         server.rs
///         };
/// ```
pub(super) fn service(item: &ItemTrait, service: &Service) -> TokenStream {
    let Service { contract, .. } = service;
    let declaration = trait_::documented(item, service);
    let shared = trait_::shared(service);
    let codecs = descriptor::codecs(service);
    let descriptors = descriptor::constants(service);
    let client_struct = client::structure(service);
    let client = client::implementation(service);
    let server_struct = server::structure(service);
    let server = server::implementation_of(service);
    quote! {
        #declaration
        #client_struct
        #server_struct
        // Which part of it a crate uses is not the generated code's to know, nor that it forwards deprecated methods.
        #[allow(dead_code, deprecated, unreachable_pub)]
        const _: () = {
            use #contract as __rpc;
            #codecs
            #descriptors
            #shared
            #client
            #server
        };
    }
}

/// The generic parameter of what works for every implementation. Not a plain `T`, which could be a type of the user's.
fn implementation() -> Ident {
    format_ident!("__Implementation")
}

/// Names of the constants of a method that are nobody else's business.
fn arguments_constant(method: &Method) -> Ident {
    format_ident!("__RPC_{}_ARGUMENTS", method.constant)
}

fn reply_constant(method: &Method) -> Ident {
    format_ident!("__RPC_{}_REPLY", method.constant)
}

/// `(number, store,)`: the arguments of a method as a tuple.
fn tuple(method: &Method) -> TokenStream {
    let names = method.arguments.iter().map(|argument| &argument.ident);
    quote!((#(#names,)*))
}

/// `number: String, store: String`: the arguments of a method as parameters.
fn parameters(method: &Method) -> TokenStream {
    let parameters = method.arguments.iter().map(|argument| {
        let (ident, ty) = (&argument.ident, &argument.ty);
        quote!(#ident: #ty)
    });
    quote!(#(#parameters),*)
}
