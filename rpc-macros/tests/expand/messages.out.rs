/// What somebody wants to eat.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Chosen by the caller.
    pub number: OrderId,
    /// At least one.
    pub items: Vec<String>,
    /// What the rider should know.
    pub note: Option<String>,
    /// How it is paid.
    pub payment: Payment,
}

#[allow(
    deprecated,
    missing_docs,
    non_camel_case_types,
    unreachable_pub,
    clippy::all,
    clippy::pedantic
)]
const _: () = {
    use ::rpc::__private::v1 as __rpc;
    pub struct __OrderSlots {
        field_0: ::core::option::Option<OrderId>,
        field_1: ::core::option::Option<Vec<String>>,
        field_2: ::core::option::Option<Option<String>>,
        field_3: ::core::option::Option<Payment>,
        of: ::core::marker::PhantomData<fn() -> Order>,
    }
    impl ::core::default::Default for __OrderSlots {
        #[inline]
        fn default() -> Self {
            Self {
                field_0: ::core::option::Option::None,
                field_1: ::core::option::Option::None,
                field_2: ::core::option::Option::None,
                field_3: ::core::option::Option::None,
                of: ::core::marker::PhantomData,
            }
        }
    }
    impl __rpc::message::Slots for __OrderSlots {
        #[inline]
        fn read_field<__Buffer: __rpc::codec::Buf>(
            &mut self,
            tag: u32,
            wire: __rpc::codec::WireType,
            buffer: &mut __Buffer,
            context: __rpc::codec::DecodeContext,
        ) -> ::core::result::Result<(), __rpc::codec::DecodeError> {
            match tag {
                1u32 => {
                    <OrderId as __rpc::message::Field<
                        _,
                    >>::read_into(&mut self.field_0, wire, buffer, context)
                        .map_err(|error| __rpc::message::at(error, "Order", "number"))
                }
                3u32 => {
                    <Vec<
                        String,
                    > as __rpc::message::Field<
                        _,
                    >>::read_into(&mut self.field_1, wire, buffer, context)
                        .map_err(|error| __rpc::message::at(error, "Order", "items"))
                }
                4u32 => {
                    <Option<
                        String,
                    > as __rpc::message::Field<
                        _,
                    >>::read_into(&mut self.field_2, wire, buffer, context)
                        .map_err(|error| __rpc::message::at(error, "Order", "note"))
                }
                9u32 => {
                    <Payment as __rpc::message::Field<
                        _,
                    >>::read_into(&mut self.field_3, wire, buffer, context)
                        .map_err(|error| __rpc::message::at(error, "Order", "payment"))
                }
                _ => __rpc::codec::encoding::skip_field(wire, tag, buffer, context),
            }
        }
    }
    #[automatically_derived]
    impl __rpc::codec::Message for Order {
        #[inline]
        #[allow(unused_variables)]
        fn encode_raw(&self, buffer: &mut impl __rpc::codec::BufMut) {
            <OrderId as __rpc::message::Field<_>>::encode(&self.number, 1u32, buffer);
            <Vec<String> as __rpc::message::Field<_>>::encode(&self.items, 3u32, buffer);
            <Option<
                String,
            > as __rpc::message::Field<_>>::encode(&self.note, 4u32, buffer);
            <Payment as __rpc::message::Field<_>>::encode(&self.payment, 9u32, buffer);
        }
        #[inline]
        fn encoded_len(&self) -> usize {
            0 + <OrderId as __rpc::message::Field<_>>::encoded_len(&self.number, 1u32)
                + <Vec<
                    String,
                > as __rpc::message::Field<_>>::encoded_len(&self.items, 3u32)
                + <Option<
                    String,
                > as __rpc::message::Field<_>>::encoded_len(&self.note, 4u32)
                + <Payment as __rpc::message::Field<_>>::encoded_len(&self.payment, 9u32)
        }
        fn merge_field(
            &mut self,
            tag: u32,
            wire: __rpc::codec::WireType,
            buffer: &mut impl __rpc::codec::Buf,
            context: __rpc::codec::DecodeContext,
        ) -> ::core::result::Result<(), __rpc::codec::DecodeError> {
            match tag {
                1u32 => {
                    <OrderId as __rpc::message::Field<
                        _,
                    >>::merge(&mut self.number, wire, buffer, context)
                        .map_err(|error| __rpc::message::at(error, "Order", "number"))
                }
                3u32 => {
                    <Vec<
                        String,
                    > as __rpc::message::Field<
                        _,
                    >>::merge(&mut self.items, wire, buffer, context)
                        .map_err(|error| __rpc::message::at(error, "Order", "items"))
                }
                4u32 => {
                    <Option<
                        String,
                    > as __rpc::message::Field<
                        _,
                    >>::merge(&mut self.note, wire, buffer, context)
                        .map_err(|error| __rpc::message::at(error, "Order", "note"))
                }
                9u32 => {
                    <Payment as __rpc::message::Field<
                        _,
                    >>::merge(&mut self.payment, wire, buffer, context)
                        .map_err(|error| __rpc::message::at(error, "Order", "payment"))
                }
                _ => __rpc::codec::encoding::skip_field(wire, tag, buffer, context),
            }
        }
        fn clear(&mut self) {
            <OrderId as __rpc::message::Field<_>>::clear(&mut self.number);
            <Vec<String> as __rpc::message::Field<_>>::clear(&mut self.items);
            <Option<String> as __rpc::message::Field<_>>::clear(&mut self.note);
            <Payment as __rpc::message::Field<_>>::clear(&mut self.payment);
        }
        fn decode(
            buffer: impl __rpc::codec::Buf,
        ) -> ::core::result::Result<Self, __rpc::codec::DecodeError> {
            <Self as __rpc::message::Derived>::decode_whole(buffer)
        }
        fn decode_length_delimited(
            mut buffer: impl __rpc::codec::Buf,
        ) -> ::core::result::Result<Self, __rpc::codec::DecodeError> {
            <Self as __rpc::message::Element<
                __rpc::message::AsDerived,
            >>::read(
                __rpc::codec::WireType::LengthDelimited,
                &mut buffer,
                ::core::default::Default::default(),
            )
        }
    }
    #[automatically_derived]
    impl __rpc::message::Derived for Order {
        const SCHEMA: &'static __rpc::schema::Structure = &__rpc::schema::Structure::new(
                "baedal.orders.v1",
                "Order",
                "What somebody wants to eat.",
            )
            .with_fields(
                &[
                    __rpc::schema::Member::new(
                        "number",
                        1,
                        <OrderId as __rpc::message::Field<_>>::describe,
                        "Chosen by the caller.",
                    ),
                    __rpc::schema::Member::new(
                        "items",
                        3,
                        <Vec<String> as __rpc::message::Field<_>>::describe,
                        "At least one.",
                    ),
                    __rpc::schema::Member::new(
                        "note",
                        4,
                        <Option<String> as __rpc::message::Field<_>>::describe,
                        "What the rider should know.",
                    ),
                    __rpc::schema::Member::new(
                        "payment",
                        9,
                        <Payment as __rpc::message::Field<_>>::describe,
                        "How it is paid.",
                    ),
                ],
            )
            .with_reserved(
                &[
                    __rpc::schema::Reserved::Numbers(2, 2),
                    __rpc::schema::Reserved::Name("price"),
                ],
            );
        const REQUIRED_UNLESS_OPTION: bool = false
            || <OrderId as __rpc::message::Field<_>>::REQUIRED_UNLESS_OPTION
            || <Vec<String> as __rpc::message::Field<_>>::REQUIRED_UNLESS_OPTION
            || <Option<String> as __rpc::message::Field<_>>::REQUIRED_UNLESS_OPTION
            || <Payment as __rpc::message::Field<_>>::REQUIRED_UNLESS_OPTION;
        type Slots = __OrderSlots;
        #[inline]
        fn finish(
            slots: Self::Slots,
        ) -> ::core::result::Result<Self, __rpc::codec::DecodeError> {
            ::core::result::Result::Ok(Self {
                number: <OrderId as __rpc::message::Field<_>>::finish(slots.field_0)
                    .map_err(|error| __rpc::message::at(error, "Order", "number"))?,
                items: <Vec<String> as __rpc::message::Field<_>>::finish(slots.field_1)
                    .map_err(|error| __rpc::message::at(error, "Order", "items"))?,
                note: <Option<String> as __rpc::message::Field<_>>::finish(slots.field_2)
                    .map_err(|error| __rpc::message::at(error, "Order", "note"))?,
                payment: <Payment as __rpc::message::Field<_>>::finish(slots.field_3)
                    .map_err(|error| __rpc::message::at(error, "Order", "payment"))?,
            })
        }
    }
    const _: bool = <Order as __rpc::message::Derived>::REQUIRED_UNLESS_OPTION;
};

/// What an order is found by.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderId(String);

#[allow(
    deprecated,
    missing_docs,
    non_camel_case_types,
    unreachable_pub,
    clippy::all,
    clippy::pedantic
)]
const _: () = {
    use ::rpc::__private::v1 as __rpc;
    #[automatically_derived]
    impl __rpc::message::Newtype for OrderId {
        type Inner = String;
        #[inline]
        fn wrap(inner: String) -> Self {
            Self(inner)
        }
        #[inline]
        fn inner(&self) -> &String {
            &self.0
        }
        #[inline]
        fn inner_mut(&mut self) -> &mut String {
            &mut self.0
        }
    }
    fn _is_element() {
        let _ = <String as __rpc::message::Element<_>>::is_bare();
    }
};

/// How an order is paid.
#[derive(Clone, Debug, PartialEq)]
pub enum Payment {
    /// By card.
    Card {
        /// As it stands on the card.
        number: String,
        /// Whose card it is.
        brand: Brand,
    },
    /// In won.
    Cash(u64),
    /// Not yet.
    Later,
}

#[allow(
    deprecated,
    missing_docs,
    non_camel_case_types,
    unreachable_pub,
    clippy::all,
    clippy::pedantic
)]
const _: () = {
    use ::rpc::__private::v1 as __rpc;
    pub struct __PaymentCardSlots {
        field_0: ::core::option::Option<String>,
        field_1: ::core::option::Option<Brand>,
        of: ::core::marker::PhantomData<fn() -> Payment>,
    }
    impl ::core::default::Default for __PaymentCardSlots {
        #[inline]
        fn default() -> Self {
            Self {
                field_0: ::core::option::Option::None,
                field_1: ::core::option::Option::None,
                of: ::core::marker::PhantomData,
            }
        }
    }
    impl __rpc::message::Slots for __PaymentCardSlots {
        #[inline]
        fn read_field<__Buffer: __rpc::codec::Buf>(
            &mut self,
            tag: u32,
            wire: __rpc::codec::WireType,
            buffer: &mut __Buffer,
            context: __rpc::codec::DecodeContext,
        ) -> ::core::result::Result<(), __rpc::codec::DecodeError> {
            match tag {
                1u32 => {
                    <String as __rpc::message::Field<
                        _,
                    >>::read_into(&mut self.field_0, wire, buffer, context)
                        .map_err(|error| __rpc::message::at(
                            error,
                            "Payment.Card",
                            "number",
                        ))
                }
                2u32 => {
                    <Brand as __rpc::message::Field<
                        _,
                    >>::read_into(&mut self.field_1, wire, buffer, context)
                        .map_err(|error| __rpc::message::at(
                            error,
                            "Payment.Card",
                            "brand",
                        ))
                }
                _ => __rpc::codec::encoding::skip_field(wire, tag, buffer, context),
            }
        }
    }
    #[automatically_derived]
    impl __rpc::message::Oneof for Payment {
        const NAME: &'static str = "Payment";
        const SCHEMA: &'static __rpc::schema::Alternatives = &__rpc::schema::Alternatives::new(
            "",
            "Payment",
            "How an order is paid.",
            &[
                __rpc::schema::Variant::new(
                    "card",
                    1,
                    __rpc::schema::Holds::Fields(
                        __rpc::schema::Structure::new("", "Card", "")
                            .with_fields(
                                &[
                                    __rpc::schema::Member::new(
                                        "number",
                                        1,
                                        <String as __rpc::message::Field<_>>::describe,
                                        "As it stands on the card.",
                                    ),
                                    __rpc::schema::Member::new(
                                        "brand",
                                        2,
                                        <Brand as __rpc::message::Field<_>>::describe,
                                        "Whose card it is.",
                                    ),
                                ],
                            ),
                    ),
                    "By card.",
                ),
                __rpc::schema::Variant::new(
                    "cash",
                    2,
                    __rpc::schema::Holds::One(
                        <u64 as __rpc::message::Element<_>>::describe,
                    ),
                    "In won.",
                ),
                __rpc::schema::Variant::new(
                    "later",
                    3,
                    __rpc::schema::Holds::Nothing,
                    "Not yet.",
                ),
            ],
        );
        const REQUIRED_UNLESS_OPTION: bool = false;
        fn fallback() -> ::core::result::Result<
            ::core::option::Option<Self>,
            __rpc::codec::DecodeError,
        > {
            ::core::result::Result::Ok(::core::option::Option::Some(Self::Later))
        }
        #[inline]
        fn encode_variant<__Buffer: __rpc::codec::BufMut>(&self, buffer: &mut __Buffer) {
            match self {
                Self::Card { number: field_0, brand: field_1 } => {
                    __rpc::codec::encoding::encode_key(
                        1u32,
                        __rpc::codec::WireType::LengthDelimited,
                        buffer,
                    );
                    __rpc::codec::encoding::encode_varint(
                        (0
                            + <String as __rpc::message::Field<
                                _,
                            >>::encoded_len(field_0, 1u32)
                            + <Brand as __rpc::message::Field<
                                _,
                            >>::encoded_len(field_1, 2u32)) as u64,
                        buffer,
                    );
                    <String as __rpc::message::Field<_>>::encode(field_0, 1u32, buffer);
                    <Brand as __rpc::message::Field<_>>::encode(field_1, 2u32, buffer);
                }
                Self::Cash(one) => {
                    <u64 as __rpc::message::Element<_>>::encode(one, 2u32, buffer)
                }
                Self::Later => __rpc::codec::encoding::message::encode(3u32, &(), buffer),
            }
        }
        #[inline]
        fn variant_len(&self) -> usize {
            match self {
                Self::Card { number: field_0, brand: field_1 } => {
                    let length = 0
                        + <String as __rpc::message::Field<
                            _,
                        >>::encoded_len(field_0, 1u32)
                        + <Brand as __rpc::message::Field<
                            _,
                        >>::encoded_len(field_1, 2u32);
                    __rpc::codec::encoding::key_len(1u32)
                        + __rpc::codec::encoding::encoded_len_varint(length as u64)
                        + length
                }
                Self::Cash(one) => {
                    <u64 as __rpc::message::Element<_>>::encoded_len(one, 2u32)
                }
                Self::Later => __rpc::codec::encoding::message::encoded_len(3u32, &()),
            }
        }
        fn read_variant<__Buffer: __rpc::codec::Buf>(
            tag: u32,
            wire: __rpc::codec::WireType,
            buffer: &mut __Buffer,
            context: __rpc::codec::DecodeContext,
        ) -> ::core::result::Result<
            ::core::option::Option<Self>,
            __rpc::codec::DecodeError,
        > {
            ::core::result::Result::Ok(
                ::core::option::Option::Some(
                    match tag {
                        1u32 => {
                            let mut reading = __rpc::message::Reading(
                                <__PaymentCardSlots as ::core::default::Default>::default(),
                            );
                            __rpc::codec::encoding::message::merge(
                                    wire,
                                    &mut reading,
                                    buffer,
                                    context,
                                )
                                .map_err(|error| __rpc::message::at(
                                    error,
                                    "Payment",
                                    "Card",
                                ))?;
                            Self::Card {
                                number: <String as __rpc::message::Field<
                                    _,
                                >>::finish(reading.0.field_0)
                                    .map_err(|error| __rpc::message::at(
                                        error,
                                        "Payment.Card",
                                        "number",
                                    ))?,
                                brand: <Brand as __rpc::message::Field<
                                    _,
                                >>::finish(reading.0.field_1)
                                    .map_err(|error| __rpc::message::at(
                                        error,
                                        "Payment.Card",
                                        "brand",
                                    ))?,
                            }
                        }
                        2u32 => {
                            Self::Cash(
                                <u64 as __rpc::message::Element<
                                    _,
                                >>::read(wire, buffer, context)
                                    .map_err(|error| __rpc::message::at(
                                        error,
                                        "Payment",
                                        "Cash",
                                    ))?,
                            )
                        }
                        3u32 => {
                            __rpc::codec::encoding::message::merge(
                                    wire,
                                    &mut (),
                                    buffer,
                                    context,
                                )
                                .map_err(|error| __rpc::message::at(
                                    error,
                                    "Payment",
                                    "Later",
                                ))?;
                            Self::Later
                        }
                        _ => {
                            __rpc::codec::encoding::skip_field(
                                wire,
                                tag,
                                buffer,
                                context,
                            )?;
                            return ::core::result::Result::Ok(
                                ::core::option::Option::None,
                            );
                        }
                    },
                ),
            )
        }
        fn merge_variant<__Buffer: __rpc::codec::Buf>(
            &mut self,
            tag: u32,
            wire: __rpc::codec::WireType,
            buffer: &mut __Buffer,
            context: __rpc::codec::DecodeContext,
        ) -> ::core::result::Result<(), __rpc::codec::DecodeError> {
            match (tag, &mut *self) {
                (1u32, Self::Card { number: field_0, brand: field_1 }) => {
                    __rpc::message::read_parts(
                            wire,
                            buffer,
                            context,
                            |tag, wire, buffer, context| match tag {
                                1u32 => {
                                    <String as __rpc::message::Field<
                                        _,
                                    >>::merge(field_0, wire, buffer, context)
                                        .map_err(|error| __rpc::message::at(
                                            error,
                                            "Payment.Card",
                                            "number",
                                        ))
                                }
                                2u32 => {
                                    <Brand as __rpc::message::Field<
                                        _,
                                    >>::merge(field_1, wire, buffer, context)
                                        .map_err(|error| __rpc::message::at(
                                            error,
                                            "Payment.Card",
                                            "brand",
                                        ))
                                }
                                _ => {
                                    __rpc::codec::encoding::skip_field(
                                        wire,
                                        tag,
                                        buffer,
                                        context,
                                    )
                                }
                            },
                        )
                        .map_err(|error| __rpc::message::at(error, "Payment", "Card"))
                }
                (2u32, Self::Cash(one)) => {
                    <u64 as __rpc::message::Element<
                        _,
                    >>::merge(one, wire, buffer, context)
                        .map_err(|error| __rpc::message::at(error, "Payment", "Cash"))
                }
                _ => {
                    if let ::core::option::Option::Some(value) = Self::read_variant(
                        tag,
                        wire,
                        buffer,
                        context,
                    )? {
                        *self = value;
                    }
                    ::core::result::Result::Ok(())
                }
            }
        }
    }
    const _: bool = <Payment as __rpc::message::Oneof>::REQUIRED_UNLESS_OPTION;
};

/// Whose card it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Brand {
    /// One that is not known here.
    Other,
    /// Visa.
    Visa,
}

#[allow(
    deprecated,
    missing_docs,
    non_camel_case_types,
    unreachable_pub,
    clippy::all,
    clippy::pedantic
)]
const _: () = {
    use ::rpc::__private::v1 as __rpc;
    #[automatically_derived]
    impl __rpc::message::Enumeration for Brand {
        const NAME: &'static str = "Brand";
        const SCHEMA: &'static __rpc::schema::Choice = &__rpc::schema::Choice::new(
            "",
            "Brand",
            "Whose card it is.",
            &[
                __rpc::schema::Value::new(
                    "BRAND_OTHER",
                    0,
                    "One that is not known here.",
                ),
                __rpc::schema::Value::new("BRAND_VISA", 1, "Visa."),
            ],
        );
        const REQUIRED_UNLESS_OPTION: bool = false;
        #[inline]
        fn number(&self) -> i32 {
            match self {
                Self::Visa => 1i32,
                Self::Other => 0,
            }
        }
        #[inline]
        fn from_number(number: i32) -> ::core::option::Option<Self> {
            match number {
                1i32 => ::core::option::Option::Some(Self::Visa),
                _ => ::core::option::Option::Some(Self::Other),
            }
        }
    }
};

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
}

#[allow(
    deprecated,
    missing_docs,
    non_camel_case_types,
    unreachable_pub,
    clippy::all,
    clippy::pedantic
)]
const _: () = {
    use ::rpc::__private::v1 as __rpc;
    pub struct __PageSlots<T: __rpc::message::Derived> {
        field_0: ::core::option::Option<Vec<T>>,
        of: ::core::marker::PhantomData<fn() -> Page<T>>,
    }
    impl<T: __rpc::message::Derived> ::core::default::Default for __PageSlots<T> {
        #[inline]
        fn default() -> Self {
            Self {
                field_0: ::core::option::Option::None,
                of: ::core::marker::PhantomData,
            }
        }
    }
    impl<T: __rpc::message::Derived> __rpc::message::Slots for __PageSlots<T> {
        #[inline]
        fn read_field<__Buffer: __rpc::codec::Buf>(
            &mut self,
            tag: u32,
            wire: __rpc::codec::WireType,
            buffer: &mut __Buffer,
            context: __rpc::codec::DecodeContext,
        ) -> ::core::result::Result<(), __rpc::codec::DecodeError> {
            match tag {
                1u32 => {
                    <Vec<
                        T,
                    > as __rpc::message::Field<
                        _,
                    >>::read_into(&mut self.field_0, wire, buffer, context)
                        .map_err(|error| __rpc::message::at(error, "Page", "items"))
                }
                _ => __rpc::codec::encoding::skip_field(wire, tag, buffer, context),
            }
        }
    }
    #[automatically_derived]
    impl<T: __rpc::message::Derived> __rpc::codec::Message for Page<T> {
        #[inline]
        #[allow(unused_variables)]
        fn encode_raw(&self, buffer: &mut impl __rpc::codec::BufMut) {
            <Vec<T> as __rpc::message::Field<_>>::encode(&self.items, 1u32, buffer);
        }
        #[inline]
        fn encoded_len(&self) -> usize {
            0 + <Vec<T> as __rpc::message::Field<_>>::encoded_len(&self.items, 1u32)
        }
        fn merge_field(
            &mut self,
            tag: u32,
            wire: __rpc::codec::WireType,
            buffer: &mut impl __rpc::codec::Buf,
            context: __rpc::codec::DecodeContext,
        ) -> ::core::result::Result<(), __rpc::codec::DecodeError> {
            match tag {
                1u32 => {
                    <Vec<
                        T,
                    > as __rpc::message::Field<
                        _,
                    >>::merge(&mut self.items, wire, buffer, context)
                        .map_err(|error| __rpc::message::at(error, "Page", "items"))
                }
                _ => __rpc::codec::encoding::skip_field(wire, tag, buffer, context),
            }
        }
        fn clear(&mut self) {
            <Vec<T> as __rpc::message::Field<_>>::clear(&mut self.items);
        }
        fn decode(
            buffer: impl __rpc::codec::Buf,
        ) -> ::core::result::Result<Self, __rpc::codec::DecodeError> {
            <Self as __rpc::message::Derived>::decode_whole(buffer)
        }
        fn decode_length_delimited(
            mut buffer: impl __rpc::codec::Buf,
        ) -> ::core::result::Result<Self, __rpc::codec::DecodeError> {
            <Self as __rpc::message::Element<
                __rpc::message::AsDerived,
            >>::read(
                __rpc::codec::WireType::LengthDelimited,
                &mut buffer,
                ::core::default::Default::default(),
            )
        }
    }
    #[automatically_derived]
    impl<T: __rpc::message::Derived> __rpc::message::Derived for Page<T> {
        const SCHEMA: &'static __rpc::schema::Structure = &__rpc::schema::Structure::new(
                "",
                "Page",
                "A part of a list.",
            )
            .with_fields(
                &[
                    __rpc::schema::Member::new(
                        "items",
                        1,
                        <Vec<T> as __rpc::message::Field<_>>::describe,
                        "What is on it.",
                    ),
                ],
            )
            .of(&[<T as __rpc::message::Derived>::SCHEMA]);
        const REQUIRED_UNLESS_OPTION: bool = false
            || <Vec<T> as __rpc::message::Field<_>>::REQUIRED_UNLESS_OPTION;
        type Slots = __PageSlots<T>;
        #[inline]
        fn finish(
            slots: Self::Slots,
        ) -> ::core::result::Result<Self, __rpc::codec::DecodeError> {
            ::core::result::Result::Ok(Self {
                items: <Vec<T> as __rpc::message::Field<_>>::finish(slots.field_0)
                    .map_err(|error| __rpc::message::at(error, "Page", "items"))?,
            })
        }
    }
};
