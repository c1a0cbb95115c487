use rpc::prelude::*;

/// Has a mistake; what uses it compiles nevertheless.
pub trait Orders: ::core::marker::Sized + ::core::marker::Send + ::core::marker::Sync + 'static {
    fn find(
        &self,
        number: &str,
    ) -> impl ::core::future::Future<
        Output = Result<String, Status>,
    > + ::core::marker::Send;
}

#[doc(hidden)]
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
#[allow(dead_code, non_camel_case_types, unreachable_pub)]
pub struct OrdersClient {
    channel: ::rpc::__private::v1::Channel,
}

#[doc(hidden)]
#[allow(dead_code, non_camel_case_types, unreachable_pub)]
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub struct OrdersServer<T> {
    service: ::core::marker::PhantomData<T>,
}

#[allow(dead_code, deprecated, unreachable_pub, unused_variables)]
const _: () = {
    use ::rpc::__private::v1 as __rpc;
    impl OrdersClient {
        pub fn local<__Implementation>(service: __Implementation) -> Self {
            ::core::unreachable!()
        }
    }
    impl __rpc::Client for OrdersClient {
        const SERVICE: &'static __rpc::ServiceDescriptor = &__rpc::ServiceDescriptor::new(
            "baedal.orders.v1.Orders",
            &[],
            "",
        );
        fn from_channel(channel: __rpc::Channel) -> Self {
            Self { channel }
        }
        fn channel(&self) -> &__rpc::Channel {
            &self.channel
        }
    }
    impl<__Implementation> OrdersServer<__Implementation> {
        pub fn new(service: __Implementation) -> Self {
            Self {
                service: ::core::marker::PhantomData,
            }
        }
        pub fn named(
            self,
            name: impl ::core::convert::Into<::std::string::String>,
        ) -> Self {
            self
        }
    }
    impl<
        __Implementation: ::core::marker::Send + ::core::marker::Sync + 'static,
    > __rpc::Service for OrdersServer<__Implementation> {
        async fn call(
            &self,
            request: __rpc::Request,
        ) -> ::core::result::Result<__rpc::Response, __rpc::Status> {
            ::core::result::Result::Err(__rpc::stub::unknown_method(request.method))
        }
    }
    impl<
        __Implementation: ::core::marker::Send + ::core::marker::Sync + 'static,
    > __rpc::NamedService for OrdersServer<__Implementation> {
        fn descriptor(&self) -> &'static __rpc::ServiceDescriptor {
            <OrdersClient as __rpc::Client>::SERVICE
        }
    }
    #[allow(unused_mut, unused_variables, unreachable_code, improper_ctypes_definitions)]
    impl Orders for OrdersClient {
        async fn find(&self, number: &str) -> Result<String, Status> {
            ::core::unreachable!()
        }
    }
};

::core::compile_error! {
    "an argument is sent over the network; use an owned type such as `String`"
}
