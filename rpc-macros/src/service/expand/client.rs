//! What callers hold.

use super::{Method, Service, arguments_constant, descriptor, parameters, reply_constant, tuple};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

/// ```text
/// Output: pub struct OrdersClient { channel: Channel }
/// ```
pub(in crate::service) fn structure(service: &Service) -> TokenStream {
    let Service { ident, client, visibility, contract, .. } = service;
    let title = format!(" Calls [`{ident}`], in another process or in this one; cheap to clone.");
    let more = format!(
        " It implements [`{ident}`]. The options of its calls are methods of the trait `rpc::Client`, such as \
         `with_timeout`."
    );
    quote! {
        #[doc = #title]
        #[doc = ""]
        #[doc = #more]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #[allow(dead_code, non_camel_case_types, unreachable_pub)]
        #visibility struct #client {
            channel: #contract::Channel,
        }
    }
}

/// ```text
/// Output: impl OrdersClient { pub fn local(service: impl Orders) -> Self }
///         impl Client for OrdersClient { .. }
///         impl Orders for OrdersClient { .. }
/// ```
pub(super) fn implementation(service: &Service) -> TokenStream {
    let Service { ident, client, server, visibility, name, docs, .. } = service;
    let methods = service.methods.iter().map(method);
    let list = descriptor::list(service);
    quote_spanned! {Span::mixed_site()=>
        impl #client {
            /// A client of an implementation in this process, called as a remote one is, except for the bytes.
            #visibility fn local(service: impl #ident) -> Self {
                <Self as __rpc::Client>::from_channel(__rpc::stub::local(#server::new(service)))
            }
        }

        impl __rpc::Client for #client {
            const SERVICE: &'static __rpc::ServiceDescriptor = &__rpc::ServiceDescriptor::new(#name, #list, #docs);

            fn from_channel(channel: __rpc::Channel) -> Self {
                Self { channel }
            }

            fn channel(&self) -> &__rpc::Channel {
                &self.channel
            }
        }

        impl #ident for #client {
            #(#methods)*
        }
    }
}

/// ```text
/// Output: async fn find(&self, number: String) -> Result<Order, OrderError> { wrap; call; unwrap }
/// ```
fn method(method: &Method) -> TokenStream {
    let Method { ident, constant, cfgs, output, .. } = method;
    let (parameters, values) = (parameters(method), tuple(method));
    let (arguments, reply) = (arguments_constant(method), reply_constant(method));
    quote_spanned! {Span::mixed_site()=>
        #(#cfgs)*
        async fn #ident(&self, #parameters) -> #output {
            let (body, key) = #arguments.wrap(#values);
            let response = self.channel.call(Self::#constant, body, key).await;
            #reply.unwrap(response)
        }
    }
}
