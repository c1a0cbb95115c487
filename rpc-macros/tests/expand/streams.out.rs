use rpc::prelude::*;

type Steps = Streaming<String, Late>;

/// Every kind of stream.
///
/// The service `baedal.orders.v1.Tracking`. The trait is not dyn-compatible: hold [`TrackingClient`], which is one type wherever the service runs, [in this process](TrackingClient::local) included.
pub trait Tracking: ::core::marker::Send + ::core::marker::Sync + 'static {
    /// A stream of requests.
    fn import(
        &self,
        orders: Streaming<String>,
    ) -> impl ::core::future::Future<Output = Result<u32, Late>> + ::core::marker::Send;
    /// A stream of replies with an error of its own, behind an alias.
    fn follow(
        &self,
        number: String,
    ) -> impl ::core::future::Future<
        Output = Result<Steps, Late>,
    > + ::core::marker::Send;
    /// Both.
    #[allow(clippy::manual_async_fn)]
    fn track(
        &self,
        riders: Streaming<String>,
    ) -> impl ::core::future::Future<
        Output = Result<Streaming<String>, Status>,
    > + ::core::marker::Send {
        async move { Ok(riders) }
    }
    /// Not in this build.
    #[cfg(any())]
    fn later(
        &self,
        nothing: Nothing,
    ) -> impl ::core::future::Future<
        Output = Result<Nothing, Status>,
    > + ::core::marker::Send;
}

/// Calls [`Tracking`], in another process or in this one; cheap to clone.
///
/// It implements [`Tracking`]. The options of its calls are methods of the trait `rpc::Client`, such as `with_timeout`.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
#[allow(dead_code, non_camel_case_types, unreachable_pub)]
pub struct TrackingClient {
    channel: ::rpc::__private::v1::Channel,
}

/// Makes an implementation of [`Tracking`] a service, to be given to a server; cloning shares it.
#[allow(dead_code, non_camel_case_types, unreachable_pub)]
pub struct TrackingServer<T> {
    service: ::std::sync::Arc<T>,
    descriptor: &'static ::rpc::__private::v1::ServiceDescriptor,
}

#[allow(dead_code, deprecated, unreachable_pub)]
const _: () = {
    use ::rpc::__private::v1 as __rpc;
    const __RPC_IMPORT_ARGUMENTS: &__rpc::stub::Arguments<(Streaming<String>,)> = &__rpc::stub::Arguments::<
        (Streaming<String>,),
    >::new(
        "TrackingImportRequest",
        &[__rpc::stub::Parameter::new("orders", 1)],
        (__rpc::stub::Argument::<Streaming<String>>::of(),),
    );
    const __RPC_IMPORT_REPLY: __rpc::stub::Reply<Result<u32, Late>> = __rpc::stub::Reply::<
        Result<u32, Late>,
    >::of();
    const __RPC_FOLLOW_ARGUMENTS: &__rpc::stub::Arguments<(String,)> = &__rpc::stub::Arguments::<
        (String,),
    >::new(
        "TrackingFollowRequest",
        &[__rpc::stub::Parameter::new("number", 1)],
        (__rpc::stub::Argument::<String>::of(),),
    );
    const __RPC_FOLLOW_REPLY: __rpc::stub::Reply<Result<Steps, Late>> = __rpc::stub::Reply::<
        Result<Steps, Late>,
    >::of();
    const __RPC_TRACK_ARGUMENTS: &__rpc::stub::Arguments<(Streaming<String>,)> = &__rpc::stub::Arguments::<
        (Streaming<String>,),
    >::new(
        "TrackingTrackRequest",
        &[__rpc::stub::Parameter::new("riders", 1)],
        (__rpc::stub::Argument::<Streaming<String>>::of(),),
    );
    const __RPC_TRACK_REPLY: __rpc::stub::Reply<Result<Streaming<String>, Status>> = __rpc::stub::Reply::<
        Result<Streaming<String>, Status>,
    >::of();
    #[cfg(any())]
    const __RPC_LATER_ARGUMENTS: &__rpc::stub::Arguments<(Nothing,)> = &__rpc::stub::Arguments::<
        (Nothing,),
    >::new(
        "TrackingLaterRequest",
        &[__rpc::stub::Parameter::new("nothing", 1)],
        (__rpc::stub::Argument::<Nothing>::of(),),
    );
    #[cfg(any())]
    const __RPC_LATER_REPLY: __rpc::stub::Reply<Result<Nothing, Status>> = __rpc::stub::Reply::<
        Result<Nothing, Status>,
    >::of();
    impl TrackingClient {
        /// The method `/baedal.orders.v1.Tracking/Import`.
        pub const IMPORT: &'static __rpc::Method = &__rpc::Method::new(
                "baedal.orders.v1.Tracking",
                "Import",
                "/baedal.orders.v1.Tracking/Import",
                __rpc::Kind::of(
                    __RPC_IMPORT_ARGUMENTS.is_stream(),
                    __RPC_IMPORT_REPLY.is_stream(),
                ),
            )
            .with_docs("A stream of requests.")
            .with_schema(|catalog| __rpc::schema::signature(
                catalog,
                __RPC_IMPORT_ARGUMENTS,
                &__RPC_IMPORT_REPLY,
            ));
        /// The method `/baedal.orders.v1.Tracking/Follow`.
        pub const FOLLOW: &'static __rpc::Method = &__rpc::Method::new(
                "baedal.orders.v1.Tracking",
                "Follow",
                "/baedal.orders.v1.Tracking/Follow",
                __rpc::Kind::of(
                    __RPC_FOLLOW_ARGUMENTS.is_stream(),
                    __RPC_FOLLOW_REPLY.is_stream(),
                ),
            )
            .with_docs("A stream of replies with an error of its own, behind an alias.")
            .with_schema(|catalog| __rpc::schema::signature(
                catalog,
                __RPC_FOLLOW_ARGUMENTS,
                &__RPC_FOLLOW_REPLY,
            ));
        /// The method `/baedal.orders.v1.Tracking/Track`.
        pub const TRACK: &'static __rpc::Method = &__rpc::Method::new(
                "baedal.orders.v1.Tracking",
                "Track",
                "/baedal.orders.v1.Tracking/Track",
                __rpc::Kind::of(
                    __RPC_TRACK_ARGUMENTS.is_stream(),
                    __RPC_TRACK_REPLY.is_stream(),
                ),
            )
            .with_docs("Both.")
            .with_schema(|catalog| __rpc::schema::signature(
                catalog,
                __RPC_TRACK_ARGUMENTS,
                &__RPC_TRACK_REPLY,
            ));
        #[cfg(any())]
        /// The method `/baedal.orders.v1.Tracking/Later`.
        pub const LATER: &'static __rpc::Method = &__rpc::Method::new(
                "baedal.orders.v1.Tracking",
                "Later",
                "/baedal.orders.v1.Tracking/Later",
                __rpc::Kind::of(
                    __RPC_LATER_ARGUMENTS.is_stream(),
                    __RPC_LATER_REPLY.is_stream(),
                ),
            )
            .with_docs("Not in this build.")
            .with_schema(|catalog| __rpc::schema::signature(
                catalog,
                __RPC_LATER_ARGUMENTS,
                &__RPC_LATER_REPLY,
            ));
    }
    impl<__Implementation: Tracking> Tracking for ::std::sync::Arc<__Implementation> {
        fn import(
            &self,
            orders: Streaming<String>,
        ) -> impl ::core::future::Future<
            Output = Result<u32, Late>,
        > + ::core::marker::Send {
            <__Implementation as Tracking>::import(&**self, orders)
        }
        fn follow(
            &self,
            number: String,
        ) -> impl ::core::future::Future<
            Output = Result<Steps, Late>,
        > + ::core::marker::Send {
            <__Implementation as Tracking>::follow(&**self, number)
        }
        fn track(
            &self,
            riders: Streaming<String>,
        ) -> impl ::core::future::Future<
            Output = Result<Streaming<String>, Status>,
        > + ::core::marker::Send {
            <__Implementation as Tracking>::track(&**self, riders)
        }
        #[cfg(any())]
        fn later(
            &self,
            nothing: Nothing,
        ) -> impl ::core::future::Future<
            Output = Result<Nothing, Status>,
        > + ::core::marker::Send {
            <__Implementation as Tracking>::later(&**self, nothing)
        }
    }
    impl TrackingClient {
        /// A client of an implementation in this process, called as a remote one is, except for the bytes.
        pub fn local(service: impl Tracking) -> Self {
            <Self as __rpc::Client>::from_channel(
                __rpc::stub::local(TrackingServer::new(service)),
            )
        }
    }
    impl __rpc::Client for TrackingClient {
        const SERVICE: &'static __rpc::ServiceDescriptor = &__rpc::ServiceDescriptor::new(
            "baedal.orders.v1.Tracking",
            &[Self::IMPORT, Self::FOLLOW, Self::TRACK, #[cfg(any())] Self::LATER],
            "Every kind of stream.",
        );
        fn from_channel(channel: __rpc::Channel) -> Self {
            Self { channel }
        }
        fn channel(&self) -> &__rpc::Channel {
            &self.channel
        }
    }
    impl Tracking for TrackingClient {
        async fn import(&self, orders: Streaming<String>) -> Result<u32, Late> {
            let (body, key) = __RPC_IMPORT_ARGUMENTS.wrap((orders,));
            let response = self.channel.call(Self::IMPORT, body, key).await;
            __RPC_IMPORT_REPLY.unwrap(response)
        }
        async fn follow(&self, number: String) -> Result<Steps, Late> {
            let (body, key) = __RPC_FOLLOW_ARGUMENTS.wrap((number,));
            let response = self.channel.call(Self::FOLLOW, body, key).await;
            __RPC_FOLLOW_REPLY.unwrap(response)
        }
        async fn track(
            &self,
            riders: Streaming<String>,
        ) -> Result<Streaming<String>, Status> {
            let (body, key) = __RPC_TRACK_ARGUMENTS.wrap((riders,));
            let response = self.channel.call(Self::TRACK, body, key).await;
            __RPC_TRACK_REPLY.unwrap(response)
        }
        #[cfg(any())]
        async fn later(&self, nothing: Nothing) -> Result<Nothing, Status> {
            let (body, key) = __RPC_LATER_ARGUMENTS.wrap((nothing,));
            let response = self.channel.call(Self::LATER, body, key).await;
            __RPC_LATER_REPLY.unwrap(response)
        }
    }
    impl<__Implementation: Tracking> TrackingServer<__Implementation> {
        /// Makes `service` what a server serves.
        pub fn new(service: __Implementation) -> Self {
            Self {
                service: ::std::sync::Arc::new(service),
                descriptor: <TrackingClient as __rpc::Client>::SERVICE,
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
    impl<__Implementation> ::core::clone::Clone for TrackingServer<__Implementation> {
        fn clone(&self) -> Self {
            Self {
                service: ::core::clone::Clone::clone(&self.service),
                descriptor: self.descriptor,
            }
        }
    }
    impl<__Implementation> ::core::fmt::Debug for TrackingServer<__Implementation> {
        fn fmt(
            &self,
            formatter: &mut ::core::fmt::Formatter<'_>,
        ) -> ::core::fmt::Result {
            formatter.write_str("TrackingServer")
        }
    }
    impl<__Implementation: Tracking> __rpc::Service
    for TrackingServer<__Implementation> {
        async fn call(
            &self,
            request: __rpc::Request,
        ) -> ::core::result::Result<__rpc::Response, __rpc::Status> {
            match request.method.name {
                "Import" => {
                    let (orders,) = __RPC_IMPORT_ARGUMENTS.unwrap(request.body)?;
                    let context = ::core::clone::Clone::clone(&request.context);
                    let handler = context
                        .enter(|| <__Implementation as Tracking>::import(
                            &self.service,
                            orders,
                        ));
                    __RPC_IMPORT_REPLY
                        .wrap(context.scope(handler).await, request.context)
                }
                "Follow" => {
                    let (number,) = __RPC_FOLLOW_ARGUMENTS.unwrap(request.body)?;
                    let context = ::core::clone::Clone::clone(&request.context);
                    let handler = context
                        .enter(|| <__Implementation as Tracking>::follow(
                            &self.service,
                            number,
                        ));
                    __RPC_FOLLOW_REPLY
                        .wrap(context.scope(handler).await, request.context)
                }
                "Track" => {
                    let (riders,) = __RPC_TRACK_ARGUMENTS.unwrap(request.body)?;
                    let context = ::core::clone::Clone::clone(&request.context);
                    let handler = context
                        .enter(|| <__Implementation as Tracking>::track(
                            &self.service,
                            riders,
                        ));
                    __RPC_TRACK_REPLY.wrap(context.scope(handler).await, request.context)
                }
                #[cfg(any())]
                "Later" => {
                    let (nothing,) = __RPC_LATER_ARGUMENTS.unwrap(request.body)?;
                    let context = ::core::clone::Clone::clone(&request.context);
                    let handler = context
                        .enter(|| <__Implementation as Tracking>::later(
                            &self.service,
                            nothing,
                        ));
                    __RPC_LATER_REPLY.wrap(context.scope(handler).await, request.context)
                }
                _ => {
                    ::core::result::Result::Err(
                        __rpc::stub::unknown_method(request.method),
                    )
                }
            }
        }
    }
    impl<__Implementation: Tracking> __rpc::NamedService
    for TrackingServer<__Implementation> {
        fn descriptor(&self) -> &'static __rpc::ServiceDescriptor {
            self.descriptor
        }
    }
};
