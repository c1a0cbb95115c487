//! Tuple structs of one field.

use super::{container::Container, emit, fields::place, refusal, refusal::collection};
use crate::{attribute, report::Report};
use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::FieldsUnnamed;

/// *Input*
/// ```text
/// struct OrderId(u64);
/// ```
/// *Output*: all else follows from what it holds.
/// ```text
/// impl Newtype for OrderId { type Inner = u64; fn wrap(inner: u64) -> Self { Self(inner) } .. }
/// ```
pub(super) fn expand(container: &Container, fields: &FieldsUnnamed, report: &mut Report) -> TokenStream {
    let mut list = fields.unnamed.iter();
    let (Some(field), None) = (list.next(), list.next()) else {
        let why = "a message has named fields; only a tuple struct of exactly one field, a newtype, is written as what \
                   it holds";
        report.at(fields, why);
        return TokenStream::new();
    };
    attribute::each(&field.attrs, &[], report, |_, _, _| Ok(()));
    container.reserved.refuse("a newtype is written as what it holds and has no fields; remove `reserved`", report);
    match (collection(&field.ty), refusal(&field.ty)) {
        (Some(what), _) => {
            let why = format!("a newtype is one value, and cannot stand for {what}: give the field a name");
            report.at(&field.ty, why);
        }
        (None, Some(error)) => report.add(error),
        (None, None) => {}
    }
    let (ident, contract, ty) = (&container.ident, &container.contract, container.without_self(&field.ty));
    let (generics, arguments, bounds) = container.generics.split_for_impl();
    let is_element = quote_spanned!(place(&ty)=> <#ty as #contract::message::Element<_>>);
    emit! {
        #[automatically_derived]
        impl #generics #contract::message::Newtype for #ident #arguments #bounds {
            type Inner = #ty;

            #[inline]
            fn wrap(inner: #ty) -> Self {
                Self(inner)
            }

            #[inline]
            fn inner(&self) -> &#ty {
                &self.0
            }

            #[inline]
            fn inner_mut(&mut self) -> &mut #ty {
                &mut self.0
            }
        }

        // Says here that what it holds cannot be sent, and not wherever it is used. The `_` keeps it from being unused.
        fn _is_element #generics () #bounds {
            let _ = #is_element::is_bare();
        }
    }
}

/// A newtype of nothing, for a type whose derive has failed.
pub(super) fn stand_in(container: &Container) -> TokenStream {
    let (ident, contract) = (&container.ident, &container.contract);
    let (generics, arguments, bounds) = container.generics.split_for_impl();
    emit! {
        impl #generics #contract::message::Newtype for #ident #arguments #bounds {
            type Inner = u32;
            fn wrap(_: u32) -> Self { loop {} }
            fn inner(&self) -> &u32 { &0 }
            fn inner_mut(&mut self) -> &mut u32 { loop {} }
        }
    }
}
