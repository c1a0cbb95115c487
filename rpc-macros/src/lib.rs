//! Macros.

mod attribute;
mod message;
mod report;

use proc_macro::TokenStream;

/// Makes a type a message: a struct with named fields, a newtype, or an enum. See the guide for what the attributes say.
#[proc_macro_derive(Message, attributes(rpc))]
pub fn message(input: TokenStream) -> TokenStream {
    message::derive(syn::parse_macro_input!(input as syn::DeriveInput)).into()
}
