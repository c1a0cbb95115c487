//! What a server serves.

use super::{Method, Service, arguments_constant, implementation, reply_constant, tuple};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

/// ```text
/// Output: pub struct OrdersServer<T> { service: Arc<T>, descriptor: &'static ServiceDescriptor }
/// ```
pub(in crate::service) fn structure(service: &Service) -> TokenStream {
    let Service { ident, server, visibility, contract, .. } = service;
    let title =
        format!(" Makes an implementation of [`{ident}`] a service, to be given to a server; cloning shares it.");
    quote! {
        #[doc = #title]
        #[allow(dead_code, non_camel_case_types, unreachable_pub)]
        #visibility struct #server<T> {
            service: ::std::sync::Arc<T>,
            descriptor: &'static #contract::ServiceDescriptor,
        }
    }
}

/// ```text
/// Output: impl<T: Orders> OrdersServer<T> { pub fn new(service: T) -> Self; pub fn named(self, name) -> Self }
///         impl<T> Clone, Debug for OrdersServer<T>
///         impl<T: Orders> Service for OrdersServer<T> { async fn call(..) { match the name of the method { .. } } }
///         impl<T: Orders> NamedService for OrdersServer<T> { .. }
/// ```
pub(super) fn implementation_of(service: &Service) -> TokenStream {
    let Service { ident, client, server, visibility, .. } = service;
    let implementation = implementation();
    let arms = service.methods.iter().map(|method| arm(service, method));
    let basics = basics(service);
    quote_spanned! {Span::mixed_site()=>
        impl<#implementation: #ident> #server<#implementation> {
            /// Makes `service` what a server serves.
            #visibility fn new(service: #implementation) -> Self {
                Self {
                    service: ::std::sync::Arc::new(service),
                    descriptor: <#client as __rpc::Client>::SERVICE,
                }
            }

            /// The same under another full name, so that one server can serve the trait twice.
            #visibility fn named(self, name: impl ::core::convert::Into<::std::string::String>) -> Self {
                Self { service: self.service, descriptor: self.descriptor.named(name) }
            }
        }

        #basics

        impl<#implementation: #ident> __rpc::Service for #server<#implementation> {
            async fn call(
                &self,
                request: __rpc::Request,
            ) -> ::core::result::Result<__rpc::Response, __rpc::Status> {
                match request.method.name {
                    #(#arms)*
                    _ => ::core::result::Result::Err(__rpc::stub::unknown_method(request.method)),
                }
            }
        }

        impl<#implementation: #ident> __rpc::NamedService for #server<#implementation> {
            fn descriptor(&self) -> &'static __rpc::ServiceDescriptor {
                self.descriptor
            }
        }
    }
}

/// By hand: derives would ask the same of the implementation.
fn basics(service: &Service) -> TokenStream {
    let server = &service.server;
    let (implementation, name) = (implementation(), server.to_string());
    quote_spanned! {Span::mixed_site()=>
        impl<#implementation> ::core::clone::Clone for #server<#implementation> {
            fn clone(&self) -> Self {
                Self { service: ::core::clone::Clone::clone(&self.service), descriptor: self.descriptor }
            }
        }

        impl<#implementation> ::core::fmt::Debug for #server<#implementation> {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                formatter.write_str(#name)
            }
        }
    }
}

/// ```text
/// Output: "Find" => { unwrap; run the handler as part of its call; wrap }
/// ```
fn arm(service: &Service, method: &Method) -> TokenStream {
    let trait_ = &service.ident;
    let implementation = implementation();
    let Method { ident, cfgs, name, .. } = method;
    let values = tuple(method);
    let names = method.arguments.iter().map(|argument| &argument.ident);
    let (arguments, reply) = (arguments_constant(method), reply_constant(method));
    quote_spanned! {Span::mixed_site()=>
        #(#cfgs)*
        #name => {
            let #values = #arguments.unwrap(request.body)?;
            let context = ::core::clone::Clone::clone(&request.context);
            // Entered at once: an implementation that is no `async fn` runs its first part right here.
            let handler = context.enter(|| <#implementation as #trait_>::#ident(&self.service #(, #names)*));
            #reply.wrap(context.scope(handler).await, request.context)
        }
    }
}
