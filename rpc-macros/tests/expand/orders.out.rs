use rpc::prelude::*;

/// Takes and follows orders.
///
/// The service `baedal.orders.v1.Orders`. The trait is not dyn-compatible: hold [`OrdersClient`], which is one type wherever the service runs, [in this process](OrdersClient::local) included.
pub trait Orders: ::core::marker::Send + ::core::marker::Sync + 'static {
    /// Finds an order by its number.
    fn find(
        &self,
        number: String,
    ) -> impl ::core::future::Future<
        Output = Result<Option<String>, Status>,
    > + ::core::marker::Send;
    /// Follows an order until it is delivered.
    fn follow(
        &self,
        number: String,
    ) -> impl ::core::future::Future<
        Output = Result<Streaming<String>, Status>,
    > + ::core::marker::Send;
}

/// Calls [`Orders`], in another process or in this one; cheap to clone.
///
/// It implements [`Orders`]. The options of its calls are methods of the trait `rpc::Client`, such as `with_timeout`.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
#[allow(dead_code, non_camel_case_types, unreachable_pub)]
pub struct OrdersClient {
    channel: ::rpc::__private::v1::Channel,
}

/// Makes an implementation of [`Orders`] a service, to be given to a server; cloning shares it.
#[allow(dead_code, non_camel_case_types, unreachable_pub)]
pub struct OrdersServer<T> {
    service: ::std::sync::Arc<T>,
    descriptor: &'static ::rpc::__private::v1::ServiceDescriptor,
}

#[allow(dead_code, deprecated, unreachable_pub)]
const _: () = {
    use ::rpc::__private::v1 as __rpc;
    const __RPC_FIND_ARGUMENTS: &__rpc::stub::Arguments<(String,)> = &__rpc::stub::Arguments::<
        (String,),
    >::new(
            "OrdersFindRequest",
            &[__rpc::stub::Parameter::new("number", 1)],
            (__rpc::stub::Argument::<String>::of(),),
        )
        .keyed_by(0);
    const __RPC_FIND_REPLY: __rpc::stub::Reply<Result<Option<String>, Status>> = __rpc::stub::Reply::<
        Result<Option<String>, Status>,
    >::of();
    const __RPC_FOLLOW_ARGUMENTS: &__rpc::stub::Arguments<(String,)> = &__rpc::stub::Arguments::<
        (String,),
    >::new(
        "OrdersFollowRequest",
        &[__rpc::stub::Parameter::new("number", 1)],
        (__rpc::stub::Argument::<String>::of(),),
    );
    const __RPC_FOLLOW_REPLY: __rpc::stub::Reply<Result<Streaming<String>, Status>> = __rpc::stub::Reply::<
        Result<Streaming<String>, Status>,
    >::of();
    impl OrdersClient {
        /// The method `/baedal.orders.v1.Orders/Find`.
        pub const FIND: &'static __rpc::Method = &__rpc::Method::new(
                "baedal.orders.v1.Orders",
                "Find",
                "/baedal.orders.v1.Orders/Find",
                __rpc::Kind::of(
                    __RPC_FIND_ARGUMENTS.is_stream(),
                    __RPC_FIND_REPLY.is_stream(),
                ),
            )
            .idempotent()
            .with_timeout(::core::time::Duration::from_millis(300))
            .with_key("number")
            .with_docs("Finds an order by its number.")
            .with_schema(|catalog| __rpc::schema::signature(
                catalog,
                __RPC_FIND_ARGUMENTS,
                &__RPC_FIND_REPLY,
            ));
        /// The method `/baedal.orders.v1.Orders/Follow`.
        pub const FOLLOW: &'static __rpc::Method = &__rpc::Method::new(
                "baedal.orders.v1.Orders",
                "Follow",
                "/baedal.orders.v1.Orders/Follow",
                __rpc::Kind::of(
                    __RPC_FOLLOW_ARGUMENTS.is_stream(),
                    __RPC_FOLLOW_REPLY.is_stream(),
                ),
            )
            .with_docs("Follows an order until it is delivered.")
            .with_schema(|catalog| __rpc::schema::signature(
                catalog,
                __RPC_FOLLOW_ARGUMENTS,
                &__RPC_FOLLOW_REPLY,
            ));
    }
    impl<__Implementation: Orders> Orders for ::std::sync::Arc<__Implementation> {
        fn find(
            &self,
            number: String,
        ) -> impl ::core::future::Future<
            Output = Result<Option<String>, Status>,
        > + ::core::marker::Send {
            <__Implementation as Orders>::find(&**self, number)
        }
        fn follow(
            &self,
            number: String,
        ) -> impl ::core::future::Future<
            Output = Result<Streaming<String>, Status>,
        > + ::core::marker::Send {
            <__Implementation as Orders>::follow(&**self, number)
        }
    }
    impl OrdersClient {
        /// A client of an implementation in this process, called as a remote one is, except for the bytes.
        pub fn local(service: impl Orders) -> Self {
            <Self as __rpc::Client>::from_channel(
                __rpc::stub::local(OrdersServer::new(service)),
            )
        }
    }
    impl __rpc::Client for OrdersClient {
        const SERVICE: &'static __rpc::ServiceDescriptor = &__rpc::ServiceDescriptor::new(
            "baedal.orders.v1.Orders",
            &[Self::FIND, Self::FOLLOW],
            "Takes and follows orders.",
        );
        fn from_channel(channel: __rpc::Channel) -> Self {
            Self { channel }
        }
        fn channel(&self) -> &__rpc::Channel {
            &self.channel
        }
    }
    impl Orders for OrdersClient {
        async fn find(&self, number: String) -> Result<Option<String>, Status> {
            let (body, key) = __RPC_FIND_ARGUMENTS.wrap((number,));
            let response = self.channel.call(Self::FIND, body, key).await;
            __RPC_FIND_REPLY.unwrap(response)
        }
        async fn follow(&self, number: String) -> Result<Streaming<String>, Status> {
            let (body, key) = __RPC_FOLLOW_ARGUMENTS.wrap((number,));
            let response = self.channel.call(Self::FOLLOW, body, key).await;
            __RPC_FOLLOW_REPLY.unwrap(response)
        }
    }
    impl<__Implementation: Orders> OrdersServer<__Implementation> {
        /// Makes `service` what a server serves.
        pub fn new(service: __Implementation) -> Self {
            Self {
                service: ::std::sync::Arc::new(service),
                descriptor: <OrdersClient as __rpc::Client>::SERVICE,
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
    impl<__Implementation> ::core::clone::Clone for OrdersServer<__Implementation> {
        fn clone(&self) -> Self {
            Self {
                service: ::core::clone::Clone::clone(&self.service),
                descriptor: self.descriptor,
            }
        }
    }
    impl<__Implementation> ::core::fmt::Debug for OrdersServer<__Implementation> {
        fn fmt(
            &self,
            formatter: &mut ::core::fmt::Formatter<'_>,
        ) -> ::core::fmt::Result {
            formatter.write_str("OrdersServer")
        }
    }
    impl<__Implementation: Orders> __rpc::Service for OrdersServer<__Implementation> {
        async fn call(
            &self,
            request: __rpc::Request,
        ) -> ::core::result::Result<__rpc::Response, __rpc::Status> {
            match request.method.name {
                "Find" => {
                    let (number,) = __RPC_FIND_ARGUMENTS.unwrap(request.body)?;
                    let context = ::core::clone::Clone::clone(&request.context);
                    let handler = context
                        .enter(|| <__Implementation as Orders>::find(
                            &self.service,
                            number,
                        ));
                    __RPC_FIND_REPLY.wrap(context.scope(handler).await, request.context)
                }
                "Follow" => {
                    let (number,) = __RPC_FOLLOW_ARGUMENTS.unwrap(request.body)?;
                    let context = ::core::clone::Clone::clone(&request.context);
                    let handler = context
                        .enter(|| <__Implementation as Orders>::follow(
                            &self.service,
                            number,
                        ));
                    __RPC_FOLLOW_REPLY
                        .wrap(context.scope(handler).await, request.context)
                }
                _ => {
                    ::core::result::Result::Err(
                        __rpc::stub::unknown_method(request.method),
                    )
                }
            }
        }
    }
    impl<__Implementation: Orders> __rpc::NamedService
    for OrdersServer<__Implementation> {
        fn descriptor(&self) -> &'static __rpc::ServiceDescriptor {
            self.descriptor
        }
    }
};
