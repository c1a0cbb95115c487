//! The trait itself, and the trait for what is shared.

use super::{Method, Service, implementation, parameters};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{ItemTrait, ReturnType, TraitItem, TraitItemFn, TypeParamBound, parse_quote};

/// ```text
/// Input:  async fn find(&self, number: String) -> Result<Order, OrderError> { body }
/// Output: fn find(&self, number: String) -> impl Future<Output = Result<Order, OrderError>> + Send {
///             async move { body }
///         }
/// ```
/// Who implements the trait still writes `async fn`. `Send`, because servers run calls on many threads; `Sync` and
/// `'static`, because they share the implementation. Methods that are not among `which` stay as they are.
pub(in crate::service) fn declaration(item: &ItemTrait, which: impl Fn(&TraitItemFn) -> bool) -> ItemTrait {
    let mut item = item.clone();
    let missing = |name: &str, item: &ItemTrait| {
        !item.supertraits.iter().any(|bound| match bound {
            TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| last.ident == name),
            _ => false,
        })
    };
    if missing("Send", &item) {
        item.supertraits.push(parse_quote!(::core::marker::Send));
    }
    if missing("Sync", &item) {
        item.supertraits.push(parse_quote!(::core::marker::Sync));
    }
    if !item.supertraits.iter().any(|bound| matches!(bound, TypeParamBound::Lifetime(_))) {
        item.supertraits.push(parse_quote!('static));
    }
    item.colon_token.get_or_insert_default();
    for member in &mut item.items {
        match member {
            TraitItem::Fn(method) if which(method) => rewrite(method),
            _ => {}
        }
    }
    item
}

fn rewrite(method: &mut TraitItemFn) {
    if method.sig.asyncness.take().is_none() {
        return;
    }
    let output = match &method.sig.output {
        ReturnType::Type(_, output) => output.to_token_stream(),
        ReturnType::Default => quote!(()),
    };
    method.sig.output = parse_quote!(-> impl ::core::future::Future<Output = #output> + ::core::marker::Send);
    if let Some(body) = &method.default {
        method.default = Some(parse_quote!({ async move #body }));
        // It is an `async fn` that was taken apart; the lint would have it put together again.
        method.attrs.push(parse_quote!(#[allow(clippy::manual_async_fn)]));
    }
}

/// The trait with what its documentation has to add.
pub(super) fn documented(item: &ItemTrait, service: &Service) -> ItemTrait {
    let Service { client, name, .. } = service;
    let mut item = declaration(item, |_| true);
    let note = format!(
        " The service `{name}`. The trait is not dyn-compatible: hold [`{client}`], which is one type wherever the \
         service runs, [in this process]({client}::local) included."
    );
    if item.attrs.iter().any(|attribute| attribute.path().is_ident("doc")) {
        item.attrs.push(parse_quote!(#[doc = ""]));
    }
    item.attrs.push(parse_quote!(#[doc = #note]));
    item
}

/// ```text
/// Output: impl<T: Orders> Orders for Arc<T> { fn find(..) -> impl Future + Send { T::find(&**self, number) } }
/// ```
/// Every method, those with a body too: an implementation may have its own.
pub(super) fn shared(service: &Service) -> TokenStream {
    let ident = &service.ident;
    let implementation = implementation();
    let methods = service.methods.iter().map(|method| {
        let Method { ident: name, cfgs, output, .. } = method;
        let parameters = parameters(method);
        let arguments = method.arguments.iter().map(|argument| &argument.ident);
        quote_spanned! {Span::mixed_site()=>
            #(#cfgs)*
            fn #name(
                &self,
                #parameters
            ) -> impl ::core::future::Future<Output = #output> + ::core::marker::Send {
                <#implementation as #ident>::#name(&**self #(, #arguments)*)
            }
        }
    });
    quote! {
        impl<#implementation: #ident> #ident for ::std::sync::Arc<#implementation> {
            #(#methods)*
        }
    }
}
