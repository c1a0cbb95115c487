//! Enums whose variants hold something: a message with one `oneof`, in which every variant is a field.

use super::{
    container::Container,
    emit,
    fields::place,
    structure::is_boxed,
    variant::{Shape, Variant, parse},
};
use crate::{names::snake, report::Report};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote_spanned;
use syn::{DataEnum, Type, ext::IdentExt};

/// *Input*
/// ```text
/// enum Payment { Card { number: String }, Cash(u64), #[rpc(default)] Later }
/// ```
/// *Output*
/// ```text
/// pub struct __PaymentCardSlots { .. }
/// impl Oneof for Payment {
///     fn encode_variant(&self, buffer) { match self { Self::Cash(one) => Element::encode(one, 2, buffer), .. } }
///     fn read_variant(tag, ..) -> Option<Self> { match tag { 1 => .., 2 => .., 3 => .., _ => skip } }
///     fn merge_variant(&mut self, tag, ..) { match (tag, self) { (1, Self::Card { .. }) => .., _ => *self = read } }
///     ..
/// }
/// ```
pub(super) fn expand(container: &Container, data: &DataEnum, report: &mut Report) -> TokenStream {
    let (variants, default) = parse(container, data, report);
    for field in default.iter().flat_map(|index| &data.variants[*index].fields) {
        if is_boxed(&field.ty, container) {
            let why = format!(
                "a `{0}` that was not sent would hold another one, without end: mark another variant `default`, or \
                 make this an `Option<Box<{0}>>`",
                container.ident
            );
            report.at(&field.ty, why);
        }
    }
    let slots = variants.iter().filter_map(|variant| match &variant.shape {
        Shape::Named(fields, ident) => Some(fields.slots(ident, container)),
        _ => None,
    });
    let encode = variants.iter().map(|variant| encode_arm(variant, container));
    let encoded_len = variants.iter().map(|variant| len_arm(variant, container));
    let reading = reading(&variants, container);
    let (required, fallback) = match default.map(|index| &variants[index]) {
        Some(variant) => default_variant(variant, container),
        None => (emit!(true), emit!(::core::option::Option::None)),
    };
    let (ident, contract, name) = (&container.ident, &container.contract, &container.name);
    let (generics, arguments, bounds) = container.generics.split_for_impl();
    let private = emit!(#contract::codec);
    let schema = schema(&variants, container);
    let cycle = container
        .generics
        .params
        .is_empty()
        .then(|| emit!(const _: bool = <#ident as #contract::message::Oneof>::REQUIRED_UNLESS_OPTION;));
    emit! {
        #(#slots)*

        #[automatically_derived]
        impl #generics #contract::message::Oneof for #ident #arguments #bounds {
            const NAME: &'static str = #name;
            const SCHEMA: &'static #contract::schema::Alternatives = #schema;
            const REQUIRED_UNLESS_OPTION: bool = #required;

            fn fallback() -> ::core::result::Result<::core::option::Option<Self>, #private::DecodeError> {
                ::core::result::Result::Ok(#fallback)
            }

            #[inline]
            fn encode_variant<__Buffer: #private::BufMut>(&self, buffer: &mut __Buffer) {
                match self { #(#encode)* }
            }

            #[inline]
            fn variant_len(&self) -> usize {
                match self { #(#encoded_len)* }
            }

            #reading
        }

        #cycle
    }
}

/// What the variants are in protobuf.
fn schema(variants: &[Variant], container: &Container) -> TokenStream {
    let (contract, head) = (&container.contract, container.schema());
    let schema = emit!(#contract::schema);
    let (reserved, of) = (container.reserved.schema(&container.contract, snake), container.arguments());
    let variants = variants.iter().map(|variant| {
        let Variant { ident, field, docs, .. } = variant;
        let number = Literal::u32_unsuffixed(variant.number);
        let holds = match &variant.shape {
            Shape::Unit => emit!(#schema::Holds::Nothing),
            Shape::One(ty) => {
                let element = as_element(ty, container);
                emit!(#schema::Holds::One(#element::describe))
            }
            Shape::Named(fields, _) => {
                let (name, fields) = (ident.unraw().to_string(), fields.schema(container));
                let reserved = variant.reserved.schema(&container.contract, str::to_owned);
                emit!(#schema::Holds::Fields(#schema::Structure::new("", #name, "") #fields #reserved))
            }
        };
        emit!(#schema::Variant::new(#field, #number, #holds, #docs))
    });
    emit!(&#schema::Alternatives::new(#head, &[#(#variants),*]) #reserved #of)
}

/// The two functions that read a variant: from nothing, and over a value.
fn reading(variants: &[Variant], container: &Container) -> TokenStream {
    let read = variants.iter().map(|variant| read_arm(variant, container));
    let merge = variants.iter().map(|variant| merge_arm(variant, container));
    let contract = &container.contract;
    let private = emit!(#contract::codec);
    emit! {
        fn read_variant<__Buffer: #private::Buf>(
            tag: u32,
            wire: #private::WireType,
            buffer: &mut __Buffer,
            context: #private::DecodeContext,
        ) -> ::core::result::Result<::core::option::Option<Self>, #private::DecodeError> {
            ::core::result::Result::Ok(::core::option::Option::Some(match tag {
                #(#read)*
                _ => {
                    #private::encoding::skip_field(wire, tag, buffer, context)?;
                    return ::core::result::Result::Ok(::core::option::Option::None);
                }
            }))
        }

        fn merge_variant<__Buffer: #private::Buf>(
            &mut self,
            tag: u32,
            wire: #private::WireType,
            buffer: &mut __Buffer,
            context: #private::DecodeContext,
        ) -> ::core::result::Result<(), #private::DecodeError> {
            match (tag, &mut *self) {
                #(#merge)*
                _ => {
                    if let ::core::option::Option::Some(value) = Self::read_variant(tag, wire, buffer, context)? {
                        *self = value;
                    }
                    ::core::result::Result::Ok(())
                }
            }
        }
    }
}

fn as_element(ty: &Type, container: &Container) -> TokenStream {
    let contract = &container.contract;
    quote_spanned!(place(ty)=> <#ty as #contract::message::Element<_>>)
}

fn encode_arm(Variant { ident, number, shape, .. }: &Variant, container: &Container) -> TokenStream {
    let contract = &container.contract;
    let encoding = emit!(#contract::codec::encoding);
    match shape {
        Shape::Unit => emit!(Self::#ident => #encoding::message::encode(#number, &(), buffer),),
        Shape::One(ty) => {
            let element = as_element(ty, container);
            emit!(Self::#ident(one) => #element::encode(one, #number, buffer),)
        }
        Shape::Named(fields, _) => {
            let (pattern, bound) = (fields.pattern(), fields.bound());
            let (encode, length) = (fields.encode(&bound, container), fields.encoded_len(&bound, container));
            emit! {
                Self::#ident #pattern => {
                    #encoding::encode_key(#number, #contract::codec::WireType::LengthDelimited, buffer);
                    #encoding::encode_varint((#length) as u64, buffer);
                    #encode
                }
            }
        }
    }
}

fn len_arm(Variant { ident, number, shape, .. }: &Variant, container: &Container) -> TokenStream {
    let contract = &container.contract;
    let encoding = emit!(#contract::codec::encoding);
    match shape {
        Shape::Unit => emit!(Self::#ident => #encoding::message::encoded_len(#number, &()),),
        Shape::One(ty) => {
            let element = as_element(ty, container);
            emit!(Self::#ident(one) => #element::encoded_len(one, #number),)
        }
        Shape::Named(fields, _) => {
            let (pattern, length) = (fields.pattern(), fields.encoded_len(&fields.bound(), container));
            emit! {
                Self::#ident #pattern => {
                    let length = #length;
                    #encoding::key_len(#number) + #encoding::encoded_len_varint(length as u64) + length
                }
            }
        }
    }
}

/// Adds the path of the variant to an error.
fn at(Variant { name, .. }: &Variant, container: &Container) -> TokenStream {
    let (contract, owner) = (&container.contract, &container.name);
    emit!(.map_err(|error| #contract::message::at(error, #owner, #name)))
}

/// Reads a variant where none was read before.
fn read_arm(variant: &Variant, container: &Container) -> TokenStream {
    let Variant { ident, number, shape, .. } = variant;
    let (contract, at) = (&container.contract, at(variant, container));
    let merge = emit!(#contract::codec::encoding::message::merge);
    match shape {
        Shape::Unit => emit! {
            #number => {
                #merge(wire, &mut (), buffer, context) #at ?;
                Self::#ident
            }
        },
        Shape::One(ty) => {
            let element = as_element(ty, container);
            emit!(#number => Self::#ident(#element::read(wire, buffer, context) #at ?),)
        }
        Shape::Named(fields, slots) => {
            let slots = slots_type(slots, container);
            let finish = fields.finish(&emit!(Self::#ident), &emit!(reading.0), container);
            emit! {
                #number => {
                    let mut reading = #contract::message::Reading(<#slots as ::core::default::Default>::default());
                    #merge(wire, &mut reading, buffer, context) #at ?;
                    #finish
                }
            }
        }
    }
}

/// Reads a variant over the same variant.
fn merge_arm(variant: &Variant, container: &Container) -> TokenStream {
    let Variant { ident, number, shape, .. } = variant;
    let (contract, at) = (&container.contract, at(variant, container));
    match shape {
        Shape::Unit => TokenStream::new(),
        Shape::One(ty) => {
            let element = as_element(ty, container);
            emit!((#number, Self::#ident(one)) => #element::merge(one, wire, buffer, context) #at,)
        }
        Shape::Named(fields, _) => {
            let (pattern, arms) = (fields.pattern(), fields.merge_bound(container));
            emit! {
                (#number, Self::#ident #pattern) => {
                    #contract::message::read_parts(wire, buffer, context, |tag, wire, buffer, context| match tag {
                        #arms
                        _ => #contract::codec::encoding::skip_field(wire, tag, buffer, context),
                    }) #at
                }
            }
        }
    }
}

fn slots_type(ident: &Ident, container: &Container) -> TokenStream {
    let (_, arguments, _) = container.generics.split_for_impl();
    emit!(#ident #arguments)
}

/// Whether the variant marked `#[rpc(default)]` may itself not be absent, and how to make it.
fn default_variant(Variant { ident, shape, .. }: &Variant, container: &Container) -> (TokenStream, TokenStream) {
    let some = emit!(::core::option::Option::Some);
    match shape {
        Shape::Unit => (emit!(false), emit!(#some(Self::#ident))),
        Shape::One(ty) => {
            let element = as_element(ty, container);
            (emit!(#element::REQUIRED_UNLESS_OPTION), emit!(#some(Self::#ident(#element::absent()?))))
        }
        Shape::Named(fields, slots) => {
            let finish = fields.finish(&emit!(Self::#ident), &emit!(slots), container);
            let slots = slots_type(slots, container);
            let make = emit!({
                let slots = <#slots as ::core::default::Default>::default();
                #some(#finish)
            });
            (fields.required(container), make)
        }
    }
}

/// An enum of nothing, for a type whose derive has failed.
pub(super) fn stand_in(container: &Container) -> TokenStream {
    let (ident, contract) = (&container.ident, &container.contract);
    let (generics, arguments, bounds) = container.generics.split_for_impl();
    let private = emit!(#contract::codec);
    emit! {
        impl #generics #contract::message::Oneof for #ident #arguments #bounds {
            const NAME: &'static str = "";
            const SCHEMA: &'static #contract::schema::Alternatives =
                &#contract::schema::Alternatives::new("", "", "", &[]);
            const REQUIRED_UNLESS_OPTION: bool = false;
            fn fallback() -> ::core::result::Result<::core::option::Option<Self>, #private::DecodeError> { loop {} }
            fn encode_variant<__Buffer: #private::BufMut>(&self, _: &mut __Buffer) {}
            fn variant_len(&self) -> usize { 0 }
            fn read_variant<__Buffer: #private::Buf>(
                _: u32,
                _: #private::WireType,
                _: &mut __Buffer,
                _: #private::DecodeContext,
            ) -> ::core::result::Result<::core::option::Option<Self>, #private::DecodeError> { loop {} }
            fn merge_variant<__Buffer: #private::Buf>(
                &mut self,
                _: u32,
                _: #private::WireType,
                _: &mut __Buffer,
                _: #private::DecodeContext,
            ) -> ::core::result::Result<(), #private::DecodeError> { loop {} }
        }
    }
}
