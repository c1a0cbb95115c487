//! What is known before any call.

use super::{Method, Service, arguments_constant, reply_constant};
use crate::service::parse::Cancel;
use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Ident, Type, spanned::Spanned};

/// ```text
/// Output: const __RPC_FIND_ARGUMENTS: &Arguments<(String,)> =
///             &Arguments::<(String,)>::new("OrdersFindRequest", &[Parameter::new("number", 1)], (Argument::of(),));
///         const __RPC_FIND_REPLY: Reply<Result<Order, OrderError>> = Reply::<..>::of();
/// ```
/// Nothing else asks anything of a user's type, so that a missing derive is one error; each `of()` is spanned at the
/// type, so that it is an error there.
pub(super) fn codecs(service: &Service) -> TokenStream {
    service.methods.iter().map(codec).collect()
}

fn codec(method: &Method) -> TokenStream {
    let Method { cfgs, output, request, reserved, .. } = method;
    let (arguments, reply) = (arguments_constant(method), reply_constant(method));
    let types: Vec<_> = method.arguments.iter().map(|argument| &argument.ty).collect();
    let codecs = types.iter().map(|ty| at(ty, "Argument"));
    let parameters = method.arguments.iter().map(|argument| {
        let (name, tag) = (&argument.name, Literal::u32_unsuffixed(argument.tag));
        quote!(__rpc::stub::Parameter::new(#name, #tag))
    });
    let constructor = Ident::new(if method.bare { "bare" } else { "new" }, method.ident.span());
    let keyed = method.arguments.iter().position(|argument| argument.key).map(|index| {
        let index = Literal::usize_unsuffixed(index);
        quote!(.keyed_by(#index))
    });
    let of = at(output, "Reply");
    // A stream behind an alias is found when the constant is evaluated, and reported where this stands.
    let here = Span::mixed_site().located_at(method.ident.span());
    let value = quote_spanned! {here=>
        __rpc::stub::Arguments::<(#(#types,)*)>::#constructor(#request, &[#(#parameters),*], (#(#codecs,)*)) #reserved #keyed
    };
    quote! {
        #(#cfgs)*
        const #arguments: &__rpc::stub::Arguments<(#(#types,)*)> = &#value;
        #(#cfgs)*
        const #reply: __rpc::stub::Reply<#output> = #of;
    }
}

/// `Argument::<ty>::of()` from the first token of the type to its last, so that an error marks all of it.
fn at(ty: &Type, what: &str) -> TokenStream {
    let mut tokens = ty.to_token_stream().into_iter();
    let start = ty.span();
    let end = tokens.by_ref().last().map_or(start, |token| token.span());
    let what = Ident::new(what, start);
    let of = quote_spanned!(end=> of());
    quote_spanned!(start=> __rpc::stub::#what::<#ty>::#of)
}

/// ```text
/// Output: impl OrdersClient { pub const FIND: &'static Method = &Method::new(..).idempotent().with_timeout(..); }
/// ```
pub(super) fn constants(service: &Service) -> TokenStream {
    let Service { client, visibility, name: service_name, .. } = service;
    let constants = service.methods.iter().map(|method| {
        let Method { constant, cfgs, name, path, docs, .. } = method;
        let (arguments, reply) = (arguments_constant(method), reply_constant(method));
        let options = options(method);
        let title = format!(" The method `{path}`.");
        quote! {
            #(#cfgs)*
            #[doc = #title]
            #visibility const #constant: &'static __rpc::Method = &__rpc::Method::new(
                #service_name,
                #name,
                #path,
                __rpc::Kind::of(#arguments.is_stream(), #reply.is_stream()),
            )
            #options
            .with_docs(#docs)
            .with_schema(|catalog| __rpc::schema::signature(catalog, #arguments, &#reply));
        }
    });
    quote! {
        impl #client {
            #(#constants)*
        }
    }
}

/// What is written at the method.
fn options(method: &Method) -> TokenStream {
    let idempotent = method.idempotent.then(|| quote!(.idempotent()));
    let cancel = method.cancel.map(|cancel| match cancel {
        Cancel::Drop => quote!(.with_cancel(__rpc::Cancel::Drop)),
        Cancel::Finish(place) => {
            quote_spanned!(Span::call_site().located_at(place)=> .with_cancel(__rpc::Cancel::Finish))
        }
    });
    let timeout = method.timeout.map(|timeout| {
        let milliseconds = Literal::u128_unsuffixed(timeout.as_millis());
        quote!(.with_timeout(::core::time::Duration::from_millis(#milliseconds)))
    });
    let key = method.arguments.iter().find(|argument| argument.key).map(|argument| {
        let name = &argument.name;
        quote!(.with_key(#name))
    });
    let deprecated = method.deprecated.then(|| quote!(.deprecated()));
    quote!(#idempotent #cancel #timeout #key #deprecated)
}

/// `&[Self::FIND, ..]`: the methods of the service, for its descriptor.
pub(super) fn list(service: &Service) -> TokenStream {
    let methods = service.methods.iter().map(|method| {
        let Method { constant, cfgs, .. } = method;
        quote!(#(#cfgs)* Self::#constant)
    });
    quote!(&[#(#methods),*])
}
