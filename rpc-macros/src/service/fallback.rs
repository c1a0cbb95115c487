//! What is written when the trait has mistakes.

use super::{expand, model::Service, validate};
use crate::report::Report;
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use std::collections::HashSet;
use syn::{FnArg, ItemTrait, Pat, PatType, Signature, TraitItem, parse_quote};

/// The trait, and a client and a server that do nothing, so that the code that uses them has no mistakes of its own.
pub(super) fn service(mut item: ItemTrait, service: &Service, report: Report) -> TokenStream {
    mend(&mut item);
    let errors = report.into_tokens();
    let dummies = dummies(&item, service);
    let declaration = expand::declaration(&item, |method| !is_generic(&method.sig));
    quote! {
        #declaration
        #dummies
        #errors
    }
}

/// Takes out what the compiler would report once more.
fn mend(item: &mut ItemTrait) {
    item.supertraits = item.supertraits.iter().filter(|bound| validate::is_implied(bound)).cloned().collect();
    item.supertraits.push(parse_quote!(::core::marker::Sized));
    let mut seen = HashSet::new();
    item.items.retain(|member| match member {
        TraitItem::Fn(method) => seen.insert(method.sig.ident.to_string()) || !method.attrs.is_empty(),
        _ => true,
    });
    for member in &mut item.items {
        let TraitItem::Fn(method) = member else { continue };
        method.sig.constness = None;
        if is_generic(&method.sig) {
            // Nobody promised that its future could be sent.
            method.attrs.push(parse_quote!(#[allow(async_fn_in_trait)]));
        }
        for (index, input) in method.sig.inputs.iter_mut().enumerate() {
            let FnArg::Typed(argument) = input else { continue };
            argument.attrs.clear();
            if !matches!(&*argument.pat, Pat::Ident(_)) && method.default.is_none() {
                let name = format_ident!("argument_{index}");
                argument.pat = parse_quote!(#name);
            }
        }
    }
}

fn is_generic(signature: &Signature) -> bool {
    let opaque =
        |argument: &PatType| argument.ty.to_token_stream().into_iter().any(|token| token.to_string() == "impl");
    signature.generics.type_params().next().is_some() || validate::arguments(signature).any(opaque)
}

fn dummies(item: &ItemTrait, service: &Service) -> TokenStream {
    let contract = &service.contract;
    let (client_struct, server_struct) = (client_struct(service), server_struct(service));
    let (client, server) = (client(service), server(service));
    let implementation = implementation(item, service);
    quote! {
        #client_struct
        #server_struct

        #[allow(dead_code, deprecated, unreachable_pub, unused_variables)]
        const _: () = {
            use #contract as __rpc;
            #client
            #server
            #implementation
        };
    }
}

fn client_struct(service: &Service) -> TokenStream {
    let Service { client, visibility, contract, .. } = service;
    quote! {
        #[doc(hidden)]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #[allow(dead_code, non_camel_case_types, unreachable_pub)]
        #visibility struct #client {
            channel: #contract::Channel,
        }
    }
}

fn server_struct(service: &Service) -> TokenStream {
    let Service { server, visibility, .. } = service;
    quote! {
        #[doc(hidden)]
        #[allow(dead_code, non_camel_case_types, unreachable_pub)]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #visibility struct #server<T> {
            service: ::core::marker::PhantomData<T>,
        }
    }
}

fn client(service: &Service) -> TokenStream {
    let Service { client, visibility, name, .. } = service;
    quote! {
        impl #client {
            #visibility fn local<__Implementation>(service: __Implementation) -> Self {
                ::core::unreachable!()
            }
        }

        impl __rpc::Client for #client {
            const SERVICE: &'static __rpc::ServiceDescriptor = &__rpc::ServiceDescriptor::new(#name, &[], "");

            fn from_channel(channel: __rpc::Channel) -> Self {
                Self { channel }
            }

            fn channel(&self) -> &__rpc::Channel {
                &self.channel
            }
        }
    }
}

fn server(service: &Service) -> TokenStream {
    let Service { client, server, visibility, .. } = service;
    quote! {
        impl<__Implementation> #server<__Implementation> {
            #visibility fn new(service: __Implementation) -> Self {
                Self { service: ::core::marker::PhantomData }
            }

            #visibility fn named(self, name: impl ::core::convert::Into<::std::string::String>) -> Self {
                self
            }
        }

        impl<__Implementation: ::core::marker::Send + ::core::marker::Sync + 'static> __rpc::Service
            for #server<__Implementation>
        {
            async fn call(
                &self,
                request: __rpc::Request,
            ) -> ::core::result::Result<__rpc::Response, __rpc::Status> {
                ::core::result::Result::Err(__rpc::stub::unknown_method(request.method))
            }
        }

        impl<__Implementation: ::core::marker::Send + ::core::marker::Sync + 'static> __rpc::NamedService
            for #server<__Implementation>
        {
            fn descriptor(&self) -> &'static __rpc::ServiceDescriptor {
                <#client as __rpc::Client>::SERVICE
            }
        }
    }
}

/// The trait for the client, unless something in it cannot be made up: a type or a constant of its own.
fn implementation(item: &ItemTrait, service: &Service) -> Option<TokenStream> {
    let Service { ident, client, .. } = service;
    let (generics, arguments, clause) = item.generics.split_for_impl();
    let mut methods = Vec::new();
    for member in &item.items {
        let TraitItem::Fn(method) = member else { return None };
        let mut method = method.clone();
        method.attrs.retain(|attribute| attribute.path().is_ident("cfg"));
        method.default = Some(parse_quote!({ ::core::unreachable!() }));
        method.semi_token = None;
        methods.push(method);
    }
    let unsafety = &item.unsafety;
    Some(quote! {
        #[allow(unused_mut, unused_variables, unreachable_code, improper_ctypes_definitions)]
        #unsafety impl #generics #ident #arguments for #client #clause {
            #(#methods)*
        }
    })
}
