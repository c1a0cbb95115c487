use rpc::prelude::*;

/// In a crate that re-exports ours.
///
/// The service `Greeter`. The trait is not dyn-compatible: hold [`GreeterClient`], which is one type wherever the service runs, [in this process](GreeterClient::local) included.
pub trait Greeter: ::core::marker::Send + ::core::marker::Sync + 'static {
    /// Greets.
    fn greet(
        &self,
        person: Person,
    ) -> impl ::core::future::Future<
        Output = Result<Person, GreetError>,
    > + ::core::marker::Send;
}

/// Calls [`Greeter`], in another process or in this one; cheap to clone.
///
/// It implements [`Greeter`]. The options of its calls are methods of the trait `rpc::Client`, such as `with_timeout`.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
#[allow(dead_code, non_camel_case_types, unreachable_pub)]
pub struct GreeterClient {
    channel: framework::__private::v1::Channel,
}

/// Makes an implementation of [`Greeter`] a service, to be given to a server; cloning shares it.
#[allow(dead_code, non_camel_case_types, unreachable_pub)]
pub struct GreeterServer<T> {
    service: ::std::sync::Arc<T>,
    descriptor: &'static framework::__private::v1::ServiceDescriptor,
}

#[allow(dead_code, deprecated, unreachable_pub)]
const _: () = {
    use framework::__private::v1 as __rpc;
    const __RPC_GREET_ARGUMENTS: &__rpc::stub::Arguments<(Person,)> = &__rpc::stub::Arguments::<
        (Person,),
    >::bare(
        "GreeterGreetRequest",
        &[__rpc::stub::Parameter::new("person", 1)],
        (__rpc::stub::Argument::<Person>::of(),),
    );
    const __RPC_GREET_REPLY: __rpc::stub::Reply<Result<Person, GreetError>> = __rpc::stub::Reply::<
        Result<Person, GreetError>,
    >::of();
    impl GreeterClient {
        /// The method `/Greeter/Greet`.
        pub const GREET: &'static __rpc::Method = &__rpc::Method::new(
                "Greeter",
                "Greet",
                "/Greeter/Greet",
                __rpc::Kind::of(
                    __RPC_GREET_ARGUMENTS.is_stream(),
                    __RPC_GREET_REPLY.is_stream(),
                ),
            )
            .with_docs("Greets.")
            .with_schema(|catalog| __rpc::schema::signature(
                catalog,
                __RPC_GREET_ARGUMENTS,
                &__RPC_GREET_REPLY,
            ));
    }
    impl<__Implementation: Greeter> Greeter for ::std::sync::Arc<__Implementation> {
        fn greet(
            &self,
            person: Person,
        ) -> impl ::core::future::Future<
            Output = Result<Person, GreetError>,
        > + ::core::marker::Send {
            <__Implementation as Greeter>::greet(&**self, person)
        }
    }
    impl GreeterClient {
        /// A client of an implementation in this process, called as a remote one is, except for the bytes.
        pub fn local(service: impl Greeter) -> Self {
            <Self as __rpc::Client>::from_channel(
                __rpc::stub::local(GreeterServer::new(service)),
            )
        }
    }
    impl __rpc::Client for GreeterClient {
        const SERVICE: &'static __rpc::ServiceDescriptor = &__rpc::ServiceDescriptor::new(
            "Greeter",
            &[Self::GREET],
            "In a crate that re-exports ours.",
        );
        fn from_channel(channel: __rpc::Channel) -> Self {
            Self { channel }
        }
        fn channel(&self) -> &__rpc::Channel {
            &self.channel
        }
    }
    impl Greeter for GreeterClient {
        async fn greet(&self, person: Person) -> Result<Person, GreetError> {
            let (body, key) = __RPC_GREET_ARGUMENTS.wrap((person,));
            let response = self.channel.call(Self::GREET, body, key).await;
            __RPC_GREET_REPLY.unwrap(response)
        }
    }
    impl<__Implementation: Greeter> GreeterServer<__Implementation> {
        /// Makes `service` what a server serves.
        pub fn new(service: __Implementation) -> Self {
            Self {
                service: ::std::sync::Arc::new(service),
                descriptor: <GreeterClient as __rpc::Client>::SERVICE,
            }
        }
        /// The same under another full name, so that one server can serve the trait twice.
        pub fn named(
            self,
            name: impl ::core::convert::Into<::std::string::String>,
        ) -> Self {
            Self {
                service: self.service,
                descriptor: self.descriptor.named(name),
            }
        }
    }
    impl<__Implementation> ::core::clone::Clone for GreeterServer<__Implementation> {
        fn clone(&self) -> Self {
            Self {
                service: ::core::clone::Clone::clone(&self.service),
                descriptor: self.descriptor,
            }
        }
    }
    impl<__Implementation> ::core::fmt::Debug for GreeterServer<__Implementation> {
        fn fmt(
            &self,
            formatter: &mut ::core::fmt::Formatter<'_>,
        ) -> ::core::fmt::Result {
            formatter.write_str("GreeterServer")
        }
    }
    impl<__Implementation: Greeter> __rpc::Service for GreeterServer<__Implementation> {
        async fn call(
            &self,
            request: __rpc::Request,
        ) -> ::core::result::Result<__rpc::Response, __rpc::Status> {
            match request.method.name {
                "Greet" => {
                    let (person,) = __RPC_GREET_ARGUMENTS.unwrap(request.body)?;
                    let context = ::core::clone::Clone::clone(&request.context);
                    let handler = context
                        .enter(|| <__Implementation as Greeter>::greet(
                            &self.service,
                            person,
                        ));
                    __RPC_GREET_REPLY.wrap(context.scope(handler).await, request.context)
                }
                _ => {
                    ::core::result::Result::Err(
                        __rpc::stub::unknown_method(request.method),
                    )
                }
            }
        }
    }
    impl<__Implementation: Greeter> __rpc::NamedService
    for GreeterServer<__Implementation> {
        fn descriptor(&self) -> &'static __rpc::ServiceDescriptor {
            self.descriptor
        }
    }
};

/// Who is greeted.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// What they are called.
    pub name: String,
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
    use framework::__private::v1 as __rpc;
    pub struct __PersonSlots {
        field_0: ::core::option::Option<String>,
        of: ::core::marker::PhantomData<fn() -> Person>,
    }
    impl ::core::default::Default for __PersonSlots {
        #[inline]
        fn default() -> Self {
            Self {
                field_0: ::core::option::Option::None,
                of: ::core::marker::PhantomData,
            }
        }
    }
    impl __rpc::message::Slots for __PersonSlots {
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
                        .map_err(|error| __rpc::message::at(error, "Person", "name"))
                }
                _ => __rpc::codec::encoding::skip_field(wire, tag, buffer, context),
            }
        }
    }
    #[automatically_derived]
    impl __rpc::codec::Message for Person {
        #[inline]
        #[allow(unused_variables)]
        fn encode_raw(&self, buffer: &mut impl __rpc::codec::BufMut) {
            <String as __rpc::message::Field<_>>::encode(&self.name, 1u32, buffer);
        }
        #[inline]
        fn encoded_len(&self) -> usize {
            0 + <String as __rpc::message::Field<_>>::encoded_len(&self.name, 1u32)
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
                    <String as __rpc::message::Field<
                        _,
                    >>::merge(&mut self.name, wire, buffer, context)
                        .map_err(|error| __rpc::message::at(error, "Person", "name"))
                }
                _ => __rpc::codec::encoding::skip_field(wire, tag, buffer, context),
            }
        }
        fn clear(&mut self) {
            <String as __rpc::message::Field<_>>::clear(&mut self.name);
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
    impl __rpc::message::Derived for Person {
        const SCHEMA: &'static __rpc::schema::Structure = &__rpc::schema::Structure::new(
                "",
                "Person",
                "Who is greeted.",
            )
            .with_fields(
                &[
                    __rpc::schema::Member::new(
                        "name",
                        1,
                        <String as __rpc::message::Field<_>>::describe,
                        "What they are called.",
                    ),
                ],
            );
        const REQUIRED_UNLESS_OPTION: bool = false
            || <String as __rpc::message::Field<_>>::REQUIRED_UNLESS_OPTION;
        type Slots = __PersonSlots;
        #[inline]
        fn finish(
            slots: Self::Slots,
        ) -> ::core::result::Result<Self, __rpc::codec::DecodeError> {
            ::core::result::Result::Ok(Self {
                name: <String as __rpc::message::Field<_>>::finish(slots.field_0)
                    .map_err(|error| __rpc::message::at(error, "Person", "name"))?,
            })
        }
    }
    const _: bool = <Person as __rpc::message::Derived>::REQUIRED_UNLESS_OPTION;
};

/// Why nobody is greeted.
#[derive(Debug)]
pub enum GreetError {
    /// Whatever the wire did.
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
    use framework::__private::v1 as __rpc;
    #[automatically_derived]
    impl __rpc::RpcError for GreetError {
        const SCHEMA: ::core::option::Option<&'static __rpc::schema::Failures> = ::core::option::Option::Some(
            &__rpc::schema::Failures::new(
                "",
                "GreetError",
                "Why nobody is greeted.",
                &[],
            ),
        );
        fn into_status(self) -> __rpc::Status {
            let words = |error: &Self| <Self as __rpc::message::Words>::words(error);
            match self {
                Self::Rpc { 0: status } => {
                    <Status as __rpc::message::IsStatus>::into_status(status)
                }
            }
        }
        fn from_status(status: __rpc::Status) -> Self {
            for detail in __rpc::Status::details(&status) {
                match __rpc::Detail::type_name(detail) {
                    _ => {}
                }
            }
            Self::Rpc {
                0: <Status as __rpc::message::IsStatus>::hold(status),
            }
        }
    }
    #[automatically_derived]
    impl ::core::convert::From<__rpc::Status> for GreetError {
        fn from(status: __rpc::Status) -> Self {
            Self::Rpc {
                0: <Status as __rpc::message::IsStatus>::hold(status),
            }
        }
    }
};
