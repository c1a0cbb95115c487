use rpc::prelude::*;

/// The service `Counters`. The trait is not dyn-compatible: hold [`CounterClient`], which is one type wherever the service runs, [in this process](CounterClient::local) included.
pub(crate) trait Counter: ::core::marker::Send + ::core::marker::Sync + 'static {
    /// Adds; has a body of its own.
    #[allow(clippy::manual_async_fn)]
    fn add(
        &self,
        left: u32,
        right: u32,
    ) -> impl ::core::future::Future<
        Output = Result<u32, Status>,
    > + ::core::marker::Send {
        async move {
            left.checked_add(right).ok_or_else(|| Status::invalid_argument("too large"))
        }
    }
    #[cfg(test)]
    #[deprecated]
    fn reset(
        &self,
        text: String,
    ) -> impl ::core::future::Future<Output = Result<(), Status>> + ::core::marker::Send;
    fn r#type(
        &self,
    ) -> impl ::core::future::Future<
        Output = Result<String, Status>,
    > + ::core::marker::Send;
}

/// Calls [`Counter`], in another process or in this one; cheap to clone.
///
/// It implements [`Counter`]. The options of its calls are methods of the trait `rpc::Client`, such as `with_timeout`.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
#[allow(dead_code, non_camel_case_types, unreachable_pub)]
pub(crate) struct CounterClient {
    channel: rpc::__private::v1::Channel,
}

/// Makes an implementation of [`Counter`] a service, to be given to a server; cloning shares it.
#[allow(dead_code, non_camel_case_types, unreachable_pub)]
pub(crate) struct CounterServer<T> {
    service: ::std::sync::Arc<T>,
    descriptor: &'static rpc::__private::v1::ServiceDescriptor,
}

#[allow(dead_code, deprecated, unreachable_pub)]
const _: () = {
    use rpc::__private::v1 as __rpc;
    const __RPC_ADD_ARGUMENTS: &__rpc::stub::Arguments<(u32, u32)> = &__rpc::stub::Arguments::<
        (u32, u32),
    >::new(
            "CountersSumRequest",
            &[
                __rpc::stub::Parameter::new("left", 7),
                __rpc::stub::Parameter::new("right", 3),
            ],
            (__rpc::stub::Argument::<u32>::of(), __rpc::stub::Argument::<u32>::of()),
        )
        .with_reserved(
            &[
                __rpc::schema::Reserved::Numbers(2, 2),
                __rpc::schema::Reserved::Numbers(4, 5),
                __rpc::schema::Reserved::Name("carry"),
            ],
        );
    const __RPC_ADD_REPLY: __rpc::stub::Reply<Result<u32, Status>> = __rpc::stub::Reply::<
        Result<u32, Status>,
    >::of();
    #[cfg(test)]
    const __RPC_RESET_ARGUMENTS: &__rpc::stub::Arguments<(String,)> = &__rpc::stub::Arguments::<
        (String,),
    >::bare(
        "CountersResetRequest",
        &[__rpc::stub::Parameter::new("text", 1)],
        (__rpc::stub::Argument::<String>::of(),),
    );
    #[cfg(test)]
    const __RPC_RESET_REPLY: __rpc::stub::Reply<Result<(), Status>> = __rpc::stub::Reply::<
        Result<(), Status>,
    >::of();
    const __RPC_TYPE_ARGUMENTS: &__rpc::stub::Arguments<()> = &__rpc::stub::Arguments::<
        (),
    >::new("CountersTypeRequest", &[], ());
    const __RPC_TYPE_REPLY: __rpc::stub::Reply<Result<String, Status>> = __rpc::stub::Reply::<
        Result<String, Status>,
    >::of();
    impl CounterClient {
        /// The method `/Counters/Sum`.
        pub(crate) const ADD: &'static __rpc::Method = &__rpc::Method::new(
                "Counters",
                "Sum",
                "/Counters/Sum",
                __rpc::Kind::of(
                    __RPC_ADD_ARGUMENTS.is_stream(),
                    __RPC_ADD_REPLY.is_stream(),
                ),
            )
            .with_cancel(__rpc::Cancel::Drop)
            .with_docs("Adds; has a body of its own.")
            .with_schema(|catalog| __rpc::schema::signature(
                catalog,
                __RPC_ADD_ARGUMENTS,
                &__RPC_ADD_REPLY,
            ));
        #[cfg(test)]
        /// The method `/Counters/Reset`.
        pub(crate) const RESET: &'static __rpc::Method = &__rpc::Method::new(
                "Counters",
                "Reset",
                "/Counters/Reset",
                __rpc::Kind::of(
                    __RPC_RESET_ARGUMENTS.is_stream(),
                    __RPC_RESET_REPLY.is_stream(),
                ),
            )
            .deprecated()
            .with_docs("")
            .with_schema(|catalog| __rpc::schema::signature(
                catalog,
                __RPC_RESET_ARGUMENTS,
                &__RPC_RESET_REPLY,
            ));
        /// The method `/Counters/Type`.
        pub(crate) const TYPE: &'static __rpc::Method = &__rpc::Method::new(
                "Counters",
                "Type",
                "/Counters/Type",
                __rpc::Kind::of(
                    __RPC_TYPE_ARGUMENTS.is_stream(),
                    __RPC_TYPE_REPLY.is_stream(),
                ),
            )
            .with_docs("")
            .with_schema(|catalog| __rpc::schema::signature(
                catalog,
                __RPC_TYPE_ARGUMENTS,
                &__RPC_TYPE_REPLY,
            ));
    }
    impl<__Implementation: Counter> Counter for ::std::sync::Arc<__Implementation> {
        fn add(
            &self,
            left: u32,
            right: u32,
        ) -> impl ::core::future::Future<
            Output = Result<u32, Status>,
        > + ::core::marker::Send {
            <__Implementation as Counter>::add(&**self, left, right)
        }
        #[cfg(test)]
        fn reset(
            &self,
            text: String,
        ) -> impl ::core::future::Future<
            Output = Result<(), Status>,
        > + ::core::marker::Send {
            <__Implementation as Counter>::reset(&**self, text)
        }
        fn r#type(
            &self,
        ) -> impl ::core::future::Future<
            Output = Result<String, Status>,
        > + ::core::marker::Send {
            <__Implementation as Counter>::r#type(&**self)
        }
    }
    impl CounterClient {
        /// A client of an implementation in this process, called as a remote one is, except for the bytes.
        pub(crate) fn local(service: impl Counter) -> Self {
            <Self as __rpc::Client>::from_channel(
                __rpc::stub::local(CounterServer::new(service)),
            )
        }
    }
    impl __rpc::Client for CounterClient {
        const SERVICE: &'static __rpc::ServiceDescriptor = &__rpc::ServiceDescriptor::new(
            "Counters",
            &[Self::ADD, #[cfg(test)] Self::RESET, Self::TYPE],
            "",
        );
        fn from_channel(channel: __rpc::Channel) -> Self {
            Self { channel }
        }
        fn channel(&self) -> &__rpc::Channel {
            &self.channel
        }
    }
    impl Counter for CounterClient {
        async fn add(&self, left: u32, right: u32) -> Result<u32, Status> {
            let (body, key) = __RPC_ADD_ARGUMENTS.wrap((left, right));
            let response = self.channel.call(Self::ADD, body, key).await;
            __RPC_ADD_REPLY.unwrap(response)
        }
        #[cfg(test)]
        async fn reset(&self, text: String) -> Result<(), Status> {
            let (body, key) = __RPC_RESET_ARGUMENTS.wrap((text,));
            let response = self.channel.call(Self::RESET, body, key).await;
            __RPC_RESET_REPLY.unwrap(response)
        }
        async fn r#type(&self) -> Result<String, Status> {
            let (body, key) = __RPC_TYPE_ARGUMENTS.wrap(());
            let response = self.channel.call(Self::TYPE, body, key).await;
            __RPC_TYPE_REPLY.unwrap(response)
        }
    }
    impl<__Implementation: Counter> CounterServer<__Implementation> {
        /// Makes `service` what a server serves.
        pub(crate) fn new(service: __Implementation) -> Self {
            Self {
                service: ::std::sync::Arc::new(service),
                descriptor: <CounterClient as __rpc::Client>::SERVICE,
            }
        }
        /// The same under another full name, so that one server can serve the trait twice.
        pub(crate) fn named(
            self,
            name: impl ::core::convert::Into<::std::string::String>,
        ) -> Self {
            Self {
                service: self.service,
                descriptor: self.descriptor.named(name),
            }
        }
    }
    impl<__Implementation> ::core::clone::Clone for CounterServer<__Implementation> {
        fn clone(&self) -> Self {
            Self {
                service: ::core::clone::Clone::clone(&self.service),
                descriptor: self.descriptor,
            }
        }
    }
    impl<__Implementation> ::core::fmt::Debug for CounterServer<__Implementation> {
        fn fmt(
            &self,
            formatter: &mut ::core::fmt::Formatter<'_>,
        ) -> ::core::fmt::Result {
            formatter.write_str("CounterServer")
        }
    }
    impl<__Implementation: Counter> __rpc::Service for CounterServer<__Implementation> {
        async fn call(
            &self,
            request: __rpc::Request,
        ) -> ::core::result::Result<__rpc::Response, __rpc::Status> {
            match request.method.name {
                "Sum" => {
                    let (left, right) = __RPC_ADD_ARGUMENTS.unwrap(request.body)?;
                    let context = ::core::clone::Clone::clone(&request.context);
                    let handler = context
                        .enter(|| <__Implementation as Counter>::add(
                            &self.service,
                            left,
                            right,
                        ));
                    __RPC_ADD_REPLY.wrap(context.scope(handler).await, request.context)
                }
                #[cfg(test)]
                "Reset" => {
                    let (text,) = __RPC_RESET_ARGUMENTS.unwrap(request.body)?;
                    let context = ::core::clone::Clone::clone(&request.context);
                    let handler = context
                        .enter(|| <__Implementation as Counter>::reset(
                            &self.service,
                            text,
                        ));
                    __RPC_RESET_REPLY.wrap(context.scope(handler).await, request.context)
                }
                "Type" => {
                    let () = __RPC_TYPE_ARGUMENTS.unwrap(request.body)?;
                    let context = ::core::clone::Clone::clone(&request.context);
                    let handler = context
                        .enter(|| <__Implementation as Counter>::r#type(&self.service));
                    __RPC_TYPE_REPLY.wrap(context.scope(handler).await, request.context)
                }
                _ => {
                    ::core::result::Result::Err(
                        __rpc::stub::unknown_method(request.method),
                    )
                }
            }
        }
    }
    impl<__Implementation: Counter> __rpc::NamedService
    for CounterServer<__Implementation> {
        fn descriptor(&self) -> &'static __rpc::ServiceDescriptor {
            self.descriptor
        }
    }
};
