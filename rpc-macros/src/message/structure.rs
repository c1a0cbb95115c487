//! Structs with named fields, or with none.

use super::{Fields, Owner, container::Container, emit};
use crate::report::Report;
use proc_macro2::TokenStream;
use quote::format_ident;
use syn::{GenericArgument, PathArguments, Type};

/// *Input*
/// ```text
/// struct Item { menu: String, count: u32 }
/// ```
/// *Output*: `prost::Message`, as prost's own derive would write it, and how to read one from nothing.
/// ```text
/// pub struct __ItemSlots { field_0: Option<String>, field_1: Option<u32> }
/// impl prost::Message for Item { .. }
/// impl Derived for Item { type Slots = __ItemSlots; fn finish(slots) -> Result<Self, DecodeError> { .. } .. }
/// ```
pub(super) fn expand(container: &Container, fields: &syn::Fields, report: &mut Report) -> TokenStream {
    for field in fields {
        if is_boxed(&field.ty, container) {
            let why = format!(
                "every `{0}` would hold another `{0}`, without end: make it `Option<Box<{0}>>`",
                container.ident
            );
            report.at(&field.ty, why);
        }
    }
    let owner = Owner { name: &container.name, reserved: &container.reserved };
    let fields = Fields::parse(owner, fields, container, report);
    let slots_ident = format_ident!("__{}Slots", container.name);
    let slots = fields.slots(&slots_ident, container);
    let message = message(&fields, container);
    let (ident, contract, schema) = (&container.ident, &container.contract, container.schema());
    let (generics, arguments, bounds) = container.generics.split_for_impl();
    let required = fields.required(container);
    let finish = fields.finish(&emit!(Self), &emit!(slots), container);
    let (members, arguments_of) = (fields.schema(container), container.arguments());
    let reserved = container.reserved.schema(&container.contract, str::to_owned);
    // A message that cannot exist without another of itself is a cycle in this constant: an error now, not an overflow
    // of the stack when the first one is read.
    let cycle = container
        .generics
        .params
        .is_empty()
        .then(|| emit!(const _: bool = <#ident as #contract::message::Derived>::REQUIRED_UNLESS_OPTION;));
    emit! {
        #slots
        #message

        #[automatically_derived]
        impl #generics #contract::message::Derived for #ident #arguments #bounds {
            const SCHEMA: &'static #contract::schema::Structure =
                &#contract::schema::Structure::new(#schema) #members #reserved #arguments_of;
            const REQUIRED_UNLESS_OPTION: bool = #required;

            type Slots = #slots_ident #arguments;

            #[inline]
            fn finish(
                slots: Self::Slots,
            ) -> ::core::result::Result<Self, #contract::codec::DecodeError> {
                ::core::result::Result::Ok(#finish)
            }
        }

        #cycle
    }
}

fn message(fields: &Fields, container: &Container) -> TokenStream {
    let (ident, contract) = (&container.ident, &container.contract);
    let (generics, arguments, bounds) = container.generics.split_for_impl();
    let access = fields.of_self();
    let encode = fields.encode(&access, container);
    let encoded_len = fields.encoded_len(&access, container);
    let merge = fields.merge_arms(container);
    let clear = fields.clear(container);
    emit! {
        #[automatically_derived]
        impl #generics #contract::codec::Message for #ident #arguments #bounds {
            #[inline]
            #[allow(unused_variables)]
            fn encode_raw(&self, buffer: &mut impl #contract::codec::BufMut) {
                #encode
            }

            #[inline]
            fn encoded_len(&self) -> usize {
                #encoded_len
            }

            fn merge_field(
                &mut self,
                tag: u32,
                wire: #contract::codec::WireType,
                buffer: &mut impl #contract::codec::Buf,
                context: #contract::codec::DecodeContext,
            ) -> ::core::result::Result<(), #contract::codec::DecodeError> {
                match tag {
                    #merge
                    _ => #contract::codec::encoding::skip_field(wire, tag, buffer, context),
                }
            }

            fn clear(&mut self) {
                #clear
            }

            // Prost's own would begin with a default and never notice what is missing.
            fn decode(
                buffer: impl #contract::codec::Buf,
            ) -> ::core::result::Result<Self, #contract::codec::DecodeError> {
                <Self as #contract::message::Derived>::decode_whole(buffer)
            }

            fn decode_length_delimited(
                mut buffer: impl #contract::codec::Buf,
            ) -> ::core::result::Result<Self, #contract::codec::DecodeError> {
                <Self as #contract::message::Element<#contract::message::AsDerived>>::read(
                    #contract::codec::WireType::LengthDelimited,
                    &mut buffer,
                    ::core::default::Default::default(),
                )
            }
        }
    }
}

/// Whether a type is `Box<Self>`. What holds itself by way of others is found by the constant `REQUIRED_UNLESS_OPTION`.
pub(super) fn is_boxed(ty: &Type, container: &Container) -> bool {
    let Type::Path(path) = ty else { return false };
    let Some(segment) = path.path.segments.last().filter(|segment| segment.ident == "Box") else { return false };
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return false };
    matches!(arguments.args.first(), Some(GenericArgument::Type(Type::Path(inner)))
        if inner.path.is_ident("Self")
            || inner.path.segments.len() == 1 && inner.path.segments[0].ident == container.ident)
}

/// A message of nothing, for a type whose derive has failed.
pub(super) fn stand_in(container: &Container) -> TokenStream {
    let (ident, contract) = (&container.ident, &container.contract);
    let (generics, arguments, bounds) = container.generics.split_for_impl();
    emit! {
        impl #generics #contract::codec::Message for #ident #arguments #bounds {
            fn encode_raw(&self, _: &mut impl #contract::codec::BufMut) {}
            fn encoded_len(&self) -> usize { 0 }
            fn merge_field(
                &mut self,
                _: u32,
                _: #contract::codec::WireType,
                _: &mut impl #contract::codec::Buf,
                _: #contract::codec::DecodeContext,
            ) -> ::core::result::Result<(), #contract::codec::DecodeError> { loop {} }
            fn clear(&mut self) {}
        }
        impl #generics #contract::message::Derived for #ident #arguments #bounds {
            const SCHEMA: &'static #contract::schema::Structure = &#contract::schema::Structure::new("", "", "");
            const REQUIRED_UNLESS_OPTION: bool = false;
            type Slots = ();
            fn finish(_: ()) -> ::core::result::Result<Self, #contract::codec::DecodeError> { loop {} }
        }
    }
}
