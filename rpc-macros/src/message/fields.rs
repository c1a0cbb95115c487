//! The fields of a message: a struct's, or those of a variant, which is a message of its own.

use super::{
    container::Container,
    emit,
    number::{Claim, Pinned, Reserved, Space, assign},
    refusal,
};
use crate::{
    attribute,
    docs::{docs, is_deprecated},
    names::{name_of, spoken},
    report::Report,
};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{Index, Member, Type, ext::IdentExt, spanned::Spanned};

/// The fields of a message.
pub(crate) struct Fields {
    /// What errors call the message.
    owner: String,
    list: Vec<Field>,
}

struct Field {
    member: Member,
    /// What the field is called in the hidden structs and in patterns.
    slot: Ident,
    name: String,
    ty: Type,
    number: u32,
    docs: String,
    deprecated: bool,
}

/// Who has the fields.
pub(crate) struct Owner<'a> {
    /// What errors call it.
    pub(crate) name: &'a str,
    pub(crate) reserved: &'a Reserved,
}

impl Fields {
    pub(crate) fn parse(owner: Owner<'_>, fields: &syn::Fields, container: &Container, report: &mut Report) -> Self {
        let mut claims = Vec::new();
        let mut list = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            let (member, mut name) = match &field.ident {
                Some(ident) => (Member::Named(ident.clone()), ident.unraw().to_string()),
                None => (Member::Unnamed(Index::from(index)), format!("value{index}")),
            };
            let mut pinned = None;
            attribute::each(&field.attrs, &["tag", "name"], report, |word, key, _| {
                match word {
                    "tag" => pinned = Some(Pinned::parse(key, Space::Fields)?),
                    _ => name = name_of(key, "number")?,
                }
                Ok(())
            });
            if let Some(ident) = &field.ident {
                spoken(ident, &name, report);
            }
            if let Some(error) = refusal(&field.ty) {
                report.add(error);
            }
            let span = field.ident.as_ref().map_or_else(|| field.ty.span(), Ident::span);
            claims.push(Claim { name: name.clone(), span, pinned });
            let slot = format_ident!("field_{index}", span = Span::mixed_site());
            let (docs, deprecated) = (docs(&field.attrs), is_deprecated(&field.attrs));
            list.push(Field { member, slot, name, ty: container.without_self(&field.ty), number: 0, docs, deprecated });
        }
        for (field, number) in list.iter_mut().zip(assign(&claims, owner.reserved, report)) {
            field.number = number;
        }
        Self { owner: owner.name.to_owned(), list }
    }

    /// `<Type as Field<_>>`, blamed on the type: when it is no message, all uses of it are one error for the reader.
    fn as_field(&self, field: &Field, container: &Container) -> TokenStream {
        let (ty, contract) = (&field.ty, &container.contract);
        quote_spanned!(place(ty)=> <#ty as #contract::message::Field<_>>)
    }

    /// A pattern that binds every field: `{ number: field_0, .. }`.
    pub(crate) fn pattern(&self) -> TokenStream {
        self.pattern_by(&TokenStream::new())
    }

    /// A pattern that binds every field in a mode, such as `ref`.
    pub(crate) fn pattern_by(&self, mode: &TokenStream) -> TokenStream {
        let pairs = self.list.iter().map(|Field { member, slot, .. }| emit!(#member: #mode #slot));
        emit!({ #(#pairs),* })
    }

    /// How to get at the fields of `self`.
    pub(crate) fn of_self(&self) -> Vec<TokenStream> {
        self.list.iter().map(|Field { member, .. }| emit!(&self.#member)).collect()
    }

    /// How to get at fields bound by [`pattern`](Self::pattern).
    pub(crate) fn bound(&self) -> Vec<TokenStream> {
        self.list.iter().map(|Field { slot, .. }| emit!(#slot)).collect()
    }

    /// Statements that append all fields to `buffer`, in the order of their numbers, as prost does.
    pub(crate) fn encode(&self, access: &[TokenStream], container: &Container) -> TokenStream {
        let mut sorted: Vec<_> = self.list.iter().zip(access).collect();
        sorted.sort_by_key(|(field, _)| field.number);
        let statements = sorted.into_iter().map(|(field, access)| {
            let (as_field, number) = (self.as_field(field, container), field.number);
            emit!(#as_field::encode(#access, #number, buffer);)
        });
        emit!(#(#statements)*)
    }

    /// How many bytes [`encode`](Self::encode) appends.
    pub(crate) fn encoded_len(&self, access: &[TokenStream], container: &Container) -> TokenStream {
        let terms = self.list.iter().zip(access).map(|(field, access)| {
            let (as_field, number) = (self.as_field(field, container), field.number);
            emit!(+ #as_field::encoded_len(#access, #number))
        });
        emit!(0 #(#terms)*)
    }

    /// Arms of `match tag` that read a field of `self` once more.
    pub(crate) fn merge_arms(&self, container: &Container) -> TokenStream {
        self.arms(container, |field, as_field| {
            let member = &field.member;
            emit!(#as_field::merge(&mut self.#member, wire, buffer, context))
        })
    }

    /// Arms of `match tag` that read a field bound by [`pattern`](Self::pattern) once more.
    pub(crate) fn merge_bound(&self, container: &Container) -> TokenStream {
        self.arms(container, |field, as_field| {
            let slot = &field.slot;
            emit!(#as_field::merge(#slot, wire, buffer, context))
        })
    }

    /// Statements that empty the fields of `self`.
    pub(crate) fn clear(&self, container: &Container) -> TokenStream {
        let statements = self.list.iter().map(|field| {
            let (as_field, member) = (self.as_field(field, container), &field.member);
            emit!(#as_field::clear(&mut self.#member);)
        });
        emit!(#(#statements)*)
    }

    /// Whether a message with these fields may not be absent.
    pub(crate) fn required(&self, container: &Container) -> TokenStream {
        let terms = self.list.iter().map(|field| {
            let as_field = self.as_field(field, container);
            emit!(|| #as_field::REQUIRED_UNLESS_OPTION)
        });
        emit!(false #(#terms)*)
    }

    /// `.with_fields(&[..])`: what the fields are in protobuf, if there are any.
    pub(crate) fn schema(&self, container: &Container) -> Option<TokenStream> {
        let contract = &container.contract;
        let members = self.list.iter().map(|field| {
            let Field { name, docs, .. } = field;
            let (as_field, number) = (self.as_field(field, container), Literal::u32_unsuffixed(field.number));
            let deprecated = field.deprecated.then(|| emit!(.deprecated()));
            emit!(#contract::schema::Member::new(#name, #number, #as_field::describe, #docs) #deprecated)
        });
        (!self.list.is_empty()).then(|| emit!(.with_fields(&[#(#members),*])))
    }

    /// The hidden struct that holds the fields while they are read.
    ///
    /// ```text
    /// pub struct __OrderSlots { field_0: Option<String>, field_1: Option<Payment> }
    /// impl Default for __OrderSlots { .. }
    /// impl Slots for __OrderSlots { fn read_field(..) { match tag { 1 => .. } } }
    /// ```
    pub(crate) fn slots(&self, ident: &Ident, container: &Container) -> TokenStream {
        let contract = &container.contract;
        let (generics, arguments, bounds) = container.generics.split_for_impl();
        let of = &container.ident;
        let slots: Vec<_> = self.list.iter().map(|field| &field.slot).collect();
        let types = self.list.iter().map(|field| &field.ty);
        let arms = self.arms(container, |field, as_field| {
            let slot = &field.slot;
            emit!(#as_field::read_into(&mut self.#slot, wire, buffer, context))
        });
        emit! {
            pub struct #ident #generics #bounds {
                #(#slots: ::core::option::Option<#types>,)*
                of: ::core::marker::PhantomData<fn() -> #of #arguments>,
            }

            impl #generics ::core::default::Default for #ident #arguments #bounds {
                #[inline]
                fn default() -> Self {
                    Self { #(#slots: ::core::option::Option::None,)* of: ::core::marker::PhantomData }
                }
            }

            impl #generics #contract::message::Slots for #ident #arguments #bounds {
                #[inline]
                fn read_field<__Buffer: #contract::codec::Buf>(
                    &mut self,
                    tag: u32,
                    wire: #contract::codec::WireType,
                    buffer: &mut __Buffer,
                    context: #contract::codec::DecodeContext,
                ) -> ::core::result::Result<(), #contract::codec::DecodeError> {
                    match tag {
                        #arms
                        _ => #contract::codec::encoding::skip_field(wire, tag, buffer, context),
                    }
                }
            }
        }
    }

    /// A literal of `path` with every field finished out of `slots`: `Order { number: Field::finish(..)?, .. }`.
    pub(crate) fn finish(&self, path: &TokenStream, slots: &TokenStream, container: &Container) -> TokenStream {
        let pairs = self.list.iter().map(|field| {
            let Field { member, slot, .. } = field;
            let (as_field, place) = (self.as_field(field, container), self.place(field, container));
            emit!(#member: #as_field::finish(#slots.#slot) #place ?)
        });
        emit!(#path { #(#pairs),* })
    }

    fn arms(&self, container: &Container, read: impl Fn(&Field, TokenStream) -> TokenStream) -> TokenStream {
        let arms = self.list.iter().map(|field| {
            let (number, place) = (field.number, self.place(field, container));
            let read = read(field, self.as_field(field, container));
            emit!(#number => #read #place,)
        });
        emit!(#(#arms)*)
    }

    /// Adds the path of the field to an error.
    fn place(&self, field: &Field, container: &Container) -> TokenStream {
        let (contract, owner, name) = (&container.contract, &self.owner, &field.name);
        emit!(.map_err(|error| #contract::message::at(error, #owner, #name)))
    }
}

/// Where a type stands, for errors; its names still mean what they mean in generated code.
pub(crate) fn place(ty: &Type) -> Span {
    ty.span().resolved_at(Span::mixed_site())
}
