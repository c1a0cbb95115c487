use rpc::prelude::*;

/// Why an order could not be found.
#[derive(Debug)]
pub enum OrderError {
    /// Nobody has placed it.
    NotFound {
        /// The number asked for.
        number: String,
    },
    /// The store is closed.
    Closed,
    /// Whatever the wire, the deadline or the fleet did.
    Rpc(Status),
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
    pub struct __OrderErrorNotFoundSlots {
        field_0: ::core::option::Option<String>,
        of: ::core::marker::PhantomData<fn() -> OrderError>,
    }
    impl ::core::default::Default for __OrderErrorNotFoundSlots {
        #[inline]
        fn default() -> Self {
            Self {
                field_0: ::core::option::Option::None,
                of: ::core::marker::PhantomData,
            }
        }
    }
    impl __rpc::message::Slots for __OrderErrorNotFoundSlots {
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
                            "OrderError.NotFound",
                            "number",
                        ))
                }
                _ => __rpc::codec::encoding::skip_field(wire, tag, buffer, context),
            }
        }
    }
    pub struct __OrderErrorClosedSlots {
        of: ::core::marker::PhantomData<fn() -> OrderError>,
    }
    impl ::core::default::Default for __OrderErrorClosedSlots {
        #[inline]
        fn default() -> Self {
            Self {
                of: ::core::marker::PhantomData,
            }
        }
    }
    impl __rpc::message::Slots for __OrderErrorClosedSlots {
        #[inline]
        fn read_field<__Buffer: __rpc::codec::Buf>(
            &mut self,
            tag: u32,
            wire: __rpc::codec::WireType,
            buffer: &mut __Buffer,
            context: __rpc::codec::DecodeContext,
        ) -> ::core::result::Result<(), __rpc::codec::DecodeError> {
            match tag {
                _ => __rpc::codec::encoding::skip_field(wire, tag, buffer, context),
            }
        }
    }
    #[automatically_derived]
    impl __rpc::RpcError for OrderError {
        const SCHEMA: ::core::option::Option<&'static __rpc::schema::Failures> = ::core::option::Option::Some(
            &__rpc::schema::Failures::new(
                "baedal.orders.v1",
                "OrderError",
                "Why an order could not be found.",
                &[
                    __rpc::schema::Failure::new(
                        __rpc::Code::NotFound,
                        __rpc::schema::Structure::new(
                                "",
                                "NotFound",
                                "Nobody has placed it.",
                            )
                            .with_fields(
                                &[
                                    __rpc::schema::Member::new(
                                        "number",
                                        1,
                                        <String as __rpc::message::Field<_>>::describe,
                                        "The number asked for.",
                                    ),
                                ],
                            ),
                    ),
                    __rpc::schema::Failure::new(
                        __rpc::Code::FailedPrecondition,
                        __rpc::schema::Structure::new(
                            "",
                            "Closed",
                            "The store is closed.",
                        ),
                    ),
                ],
            ),
        );
        fn into_status(self) -> __rpc::Status {
            let words = |error: &Self| <Self as __rpc::message::Words>::words(error);
            match self {
                Self::Rpc { 0: status } => {
                    <Status as __rpc::message::IsStatus>::into_status(status)
                }
                ref error @ Self::NotFound { number: ref field_0 } => {
                    let mut value = __rpc::codec::BytesMut::with_capacity(
                        0
                            + <String as __rpc::message::Field<
                                _,
                            >>::encoded_len(field_0, 1u32),
                    );
                    {
                        #[allow(unused_variables)]
                        let buffer = &mut value;
                        <String as __rpc::message::Field<
                            _,
                        >>::encode(field_0, 1u32, buffer);
                    }
                    __rpc::Status::new(__rpc::Code::NotFound, words(error))
                        .with_detail(__rpc::Detail {
                            type_url: ::std::borrow::Cow::Borrowed(
                                "type.googleapis.com/baedal.orders.v1.OrderError.NotFound",
                            ),
                            value: value.freeze(),
                        })
                }
                ref error @ Self::Closed {} => {
                    let mut value = __rpc::codec::BytesMut::with_capacity(0);
                    {
                        #[allow(unused_variables)]
                        let buffer = &mut value;
                    }
                    __rpc::Status::new(__rpc::Code::FailedPrecondition, words(error))
                        .with_detail(__rpc::Detail {
                            type_url: ::std::borrow::Cow::Borrowed(
                                "type.googleapis.com/baedal.orders.v1.OrderError.Closed",
                            ),
                            value: value.freeze(),
                        })
                }
            }
        }
        fn from_status(status: __rpc::Status) -> Self {
            for detail in __rpc::Status::details(&status) {
                match __rpc::Detail::type_name(detail) {
                    "baedal.orders.v1.OrderError.NotFound" => {
                        let read = || -> ::core::result::Result<
                            Self,
                            __rpc::codec::DecodeError,
                        > {
                            #[allow(unused_variables)]
                            let slots = __rpc::message::read_detail::<
                                __OrderErrorNotFoundSlots,
                            >(detail)?;
                            ::core::result::Result::Ok(Self::NotFound {
                                number: <String as __rpc::message::Field<
                                    _,
                                >>::finish(slots.field_0)
                                    .map_err(|error| __rpc::message::at(
                                        error,
                                        "OrderError.NotFound",
                                        "number",
                                    ))?,
                            })
                        };
                        if let ::core::result::Result::Ok(error) = read() {
                            return error;
                        }
                    }
                    "baedal.orders.v1.OrderError.Closed" => {
                        let read = || -> ::core::result::Result<
                            Self,
                            __rpc::codec::DecodeError,
                        > {
                            #[allow(unused_variables)]
                            let slots = __rpc::message::read_detail::<
                                __OrderErrorClosedSlots,
                            >(detail)?;
                            ::core::result::Result::Ok(Self::Closed {})
                        };
                        if let ::core::result::Result::Ok(error) = read() {
                            return error;
                        }
                    }
                    _ => {}
                }
            }
            Self::Rpc {
                0: <Status as __rpc::message::IsStatus>::hold(status),
            }
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<__rpc::Status> for OrderError {
        fn from(status: __rpc::Status) -> Self {
            Self::Rpc {
                0: <Status as __rpc::message::IsStatus>::hold(status),
            }
        }
    }
};
