//! Where nothing is in scope, and what is has the wrong name.
#![no_implicit_prelude]

use ::rpc::{Status, Streaming, rpc_service};

/// Names that generated code must not pick up.
pub mod shadows {
    #![expect(dead_code, reason = "they only have to be in the way")]

    /// In the way.
    pub enum Option {}
    /// In the way.
    pub enum Some {}
    /// In the way.
    pub enum None {}
    /// In the way.
    pub enum Ok {}
    /// In the way.
    pub enum Err {}
    /// In the way.
    pub enum Vec {}
    /// In the way.
    pub enum Box {}
    /// In the way.
    pub enum Arc {}
    /// In the way.
    pub enum Future {}
    /// In the way.
    pub trait Send {}
    /// In the way.
    pub trait Sync {}
    /// In the way.
    pub trait Clone {}
    /// In the way.
    pub trait Debug {}
    /// In the way.
    pub enum Service {}
    /// In the way.
    pub enum Channel {}
    /// In the way.
    pub enum Client {}
    /// In the way.
    pub enum Request {}
    /// In the way.
    pub enum Response {}
    /// In the way, and an alias beside.
    pub type Result<T> = ::core::result::Result<T, ::rpc::Status>;
    /// A type of the user's that is called as generic parameters are.
    pub type T = u32;
    /// In the way.
    pub mod core {}
    /// In the way.
    pub mod std {}
    /// In the way.
    pub mod rpc {}
}

/// A service of the worst names.
pub mod service {
    use super::shadows::*;
    use super::{Status, Streaming, rpc_service};
    use ::std::string::String;

    /// The worst names.
    #[allow(clippy::wrong_self_convention)]
    #[rpc_service(package = "test.hygiene.v1")]
    pub trait Names {
        /// Called as a keyword is.
        async fn r#type(&self, r#loop: u32, r#match: String) -> Result<String>;
        /// Called as the constructor of the server is.
        async fn new(&self) -> Result<T>;
        /// Called as the constructor of the client is.
        async fn local(&self, service: T) -> Result<T>;
        /// Its argument is called as what a client holds.
        async fn payload(&self, channel: T) -> Result<T>;
        /// Called as a method of `Client` is.
        async fn from_channel(&self, from_channel: T) -> Result<T>;
        /// Called as the method of `Service` is.
        async fn call(&self, request: T, context: T, key: T, body: T, response: T, handler: T) -> Result<T>;
        /// Called as the method of `Debug` is.
        async fn fmt(&self, formatter: T) -> Result<T>;
        /// Called as the method of `NamedService` is.
        async fn descriptor(&self, arguments: T, reply: T) -> Result<T>;
        /// Called as the constant of `Client` is.
        async fn service(&self, names: Streaming<T>) -> Result<Streaming<T>>;
        /// Nobody should call it.
        #[deprecated = "call another"]
        async fn old(&self) -> Result<()>;
        /// Not here either.
        #[cfg_attr(test, cfg(not(test)), doc = "More of it.")]
        async fn nowhere(&self, nothing: Nothing) -> Result<Nothing>;
        /// Here, in two steps.
        #[cfg_attr(test, cfg_attr(test, cfg(test)))]
        async fn twice(&self) -> Result<T>;
        /// Only here.
        #[cfg(test)]
        #[rpc(idempotent)]
        async fn here(&self, #[rpc(key)] key: String) -> Result<String>;
        /// Not here: the type does not even exist.
        #[cfg(not(test))]
        async fn elsewhere(&self, nothing: Nothing) -> Result<Nothing>;
        /// One of two.
        #[cfg(test)]
        async fn either(&self) -> Result<T>;
        /// The other of two.
        #[cfg(not(test))]
        async fn either(&self, nothing: Nothing) -> Result<T>;
        /// A default, with an argument that it changes, some that it does not use, and more than there should be.
        #[allow(unused_variables, clippy::too_many_arguments)]
        async fn default(
            &self,
            mut a: T,
            b: T,
            c: T,
            d: T,
            e: T,
            f: T,
            g: T,
            h: T,
        ) -> ::core::result::Result<T, Status> {
            a += 1;
            ::core::result::Result::Ok(a)
        }
        /// Without documentation of what it is.
        #[must_use]
        async fn must(&self) -> Result<T>;
    }
}

/// Visibilities, and places.
pub mod places {
    use super::{Status, rpc_service};

    /// Where another crate puts ours.
    pub mod other {
        /// As a re-exporter would have it.
        pub mod path {
            pub use ::rpc::__private;
        }
    }

    /// Inside.
    pub mod inner {
        use super::{Status, rpc_service};

        /// For the module above.
        #[rpc_service(crate = super::other::path)]
        pub(in super::super::super) trait Narrow {
            /// Says something.
            async fn say(&self) -> ::core::result::Result<(), Status>;
        }

        /// For nobody.
        #[rpc_service]
        trait Nobodys {
            /// Says something.
            async fn say(&self) -> ::core::result::Result<(), Status>;
        }

        #[expect(dead_code, reason = "that it compiles is the test")]
        fn nobody(nobodys: impl Nobodys) -> NobodysClient {
            NobodysClient::local(nobodys)
        }
    }
}

/// A trait that a macro writes.
macro_rules! service_of {
    ($name:ident, $method:ident, $argument:ident: $ty:ty) => {
        /// Written by a macro.
        #[rpc_service]
        pub trait $name {
            /// Echoes.
            async fn $method(&self, $argument: $ty, request: u32) -> ::core::result::Result<$ty, Status> {
                let _ = request;
                ::core::result::Result::Ok($argument)
            }
        }
    };
}

service_of!(Echo, echo, what: u32);
