//! `#[derive(RpcError)]`: an enum whose variants travel as code, message and one typed detail.

mod variant;

use crate::{
    message::{Container, emit, place},
    report::Report,
};
use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::{Data, DeriveInput};
use variant::{Business, Holder, Variants};

/// The expansion of `#[derive(RpcError)]`.
pub(crate) fn derive(input: DeriveInput) -> TokenStream {
    let mut report = Report::default();
    let container = Container::parse(&input, &mut report);
    let why = "an error has no numbers or names of its own; put `reserved` on the variant whose fields had these";
    container.reserved.refuse(why, &mut report);
    let variants = match &input.data {
        Data::Enum(data) => Variants::parse(&container, data, &mut report),
        _ => {
            let why = "an RPC error is an enum: one variant per failure that callers tell apart, and one, \
                       `Rpc(#[from] rpc::Status)`, for whatever else goes wrong";
            report.at(&input.ident, why);
            Variants::default()
        }
    };
    match variants.status.as_ref().filter(|_| report.is_empty()) {
        Some(holder) => expand(&container, &variants, holder),
        None => stand_in(&container, &variants, report),
    }
}

/// *Input*
/// ```text
/// enum OrderError { #[rpc(code = NotFound)] NotFound { number: String }, Rpc(#[from] Status) }
/// ```
/// *Output*
/// ```text
/// pub struct __OrderErrorNotFoundSlots { field_0: Option<String> }
/// impl RpcError for OrderError {
///     fn into_status(self) -> Status {
///         match self { Self::Rpc { 0: status } => status, ref error @ Self::NotFound { number: ref field_0 } => .. }
///     }
///     fn from_status(status: Status) -> Self {
///         for detail in status.details() { match detail.type_name() { "OrderError.NotFound" => .., _ => {} } }
///         Self::Rpc { 0: status }
///     }
/// }
/// ```
fn expand(container: &Container, variants: &Variants, holder: &Holder) -> TokenStream {
    let Holder { ident: status, member, ty } = holder;
    let (ident, root, contract) = (&container.ident, &container.root, &container.contract);
    let (generics, arguments, bounds) = container.generics.split_for_impl();
    // Each is blamed on what lacks it: the name of the enum, the type that the variant holds.
    let words =
        quote_spanned!(ident.span().resolved_at(Span::mixed_site())=> <Self as #contract::message::Words>::words);
    let held = quote_spanned!(place(ty)=> <#ty as #contract::message::IsStatus>);
    let slots = variants.business.iter().map(|variant| variant.fields.slots(&variant.slots, container));
    let into = variants.business.iter().map(|variant| into_arm(variant, container));
    let from = variants.business.iter().map(|variant| from_arm(variant, container));
    let (head, failures) = (container.schema(), variants.business.iter().map(|variant| schema(variant, container)));
    let conversion = (!variants.has_from).then(|| {
        emit! {
            #[automatically_derived]
            impl #generics ::core::convert::From<#contract::Status> for #ident #arguments #bounds {
                fn from(status: #contract::Status) -> Self {
                    Self::#status { #member: #held::hold(status) }
                }
            }
        }
    });
    emit! {
        #[allow(deprecated, missing_docs, non_camel_case_types, unreachable_pub, clippy::all, clippy::pedantic)]
        const _: () = {
            use #root as __rpc;
            #(#slots)*

            #[automatically_derived]
            impl #generics #contract::RpcError for #ident #arguments #bounds {
                const SCHEMA: ::core::option::Option<&'static #contract::schema::Failures> =
                    ::core::option::Option::Some(&#contract::schema::Failures::new(#head, &[#(#failures),*]));

                fn into_status(self) -> #contract::Status {
                    let words = |error: &Self| #words(error);
                    match self {
                        Self::#status { #member: status } => #held::into_status(status),
                        #(#into)*
                    }
                }

                fn from_status(status: #contract::Status) -> Self {
                    for detail in #contract::Status::details(&status) {
                        match #contract::Detail::type_name(detail) {
                            #(#from)*
                            _ => {}
                        }
                    }
                    Self::#status { #member: #held::hold(status) }
                }
            }

            #conversion
        };
    }
}

/// What the variant is in protobuf.
fn schema(variant: &Business, container: &Container) -> TokenStream {
    let Business { code, word, docs, fields, reserved, .. } = variant;
    let (contract, fields) = (&container.contract, fields.schema(container));
    let reserved = reserved.schema(&container.contract, str::to_owned);
    emit! {
        #contract::schema::Failure::new(
            #contract::Code::#code,
            #contract::schema::Structure::new("", #word, #docs) #fields #reserved,
        )
    }
}

/// The variant's fields, written as the detail.
fn into_arm(variant: &Business, container: &Container) -> TokenStream {
    let Business { ident, code, name, fields, .. } = variant;
    let contract = &container.contract;
    let (pattern, bound) = (fields.pattern_by(&emit!(ref)), fields.bound());
    let (encode, length) = (fields.encode(&bound, container), fields.encoded_len(&bound, container));
    let type_url = format!("type.googleapis.com/{name}");
    emit! {
        ref error @ Self::#ident #pattern => {
            let mut value = #contract::codec::BytesMut::with_capacity(#length);
            {
                #[allow(unused_variables)]
                let buffer = &mut value;
                #encode
            }
            #contract::Status::new(#contract::Code::#code, words(error)).with_detail(#contract::Detail {
                type_url: ::std::borrow::Cow::Borrowed(#type_url),
                value: value.freeze(),
            })
        }
    }
}

/// A detail of this name is the variant, unless it cannot be read: then it is left to the variant that holds the
/// status.
fn from_arm(variant: &Business, container: &Container) -> TokenStream {
    let Business { ident, name, fields, slots, .. } = variant;
    let contract = &container.contract;
    let private = emit!(#contract::codec);
    let (_, arguments, _) = container.generics.split_for_impl();
    let finish = fields.finish(&emit!(Self::#ident), &emit!(slots), container);
    emit! {
        #name => {
            let read = || -> ::core::result::Result<Self, #private::DecodeError> {
                #[allow(unused_variables)]
                let slots = #contract::message::read_detail::<#slots #arguments>(detail)?;
                ::core::result::Result::Ok(#finish)
            };
            if let ::core::result::Result::Ok(error) = read() {
                return error;
            }
        }
    }
}

/// An error that is never made, for a type whose derive has failed: what is wrong is said here and nowhere else.
fn stand_in(container: &Container, variants: &Variants, report: Report) -> TokenStream {
    let (ident, root, contract) = (&container.ident, &container.root, &container.contract);
    let errors = report.into_tokens();
    let (generics, arguments, bounds) = container.generics.split_for_impl();
    let conversion = (!variants.has_from).then(|| {
        emit! {
            impl #generics ::core::convert::From<#contract::Status> for #ident #arguments #bounds {
                fn from(_: #contract::Status) -> Self { loop {} }
            }
        }
    });
    emit! {
        #errors
        #[allow(clippy::all)]
        const _: () = {
            use #root as __rpc;
            impl #generics #contract::RpcError for #ident #arguments #bounds {
                fn into_status(self) -> #contract::Status { loop {} }
                fn from_status(_: #contract::Status) -> Self { loop {} }
            }
            #conversion
        };
    }
}
