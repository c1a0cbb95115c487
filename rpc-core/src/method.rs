//! What is known of a method before any call.

use crate::schema::{Catalog, Signature};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A method of a service, described once, at compile time, by generated code.
///
/// Its path, `/package.Service/Method`, is what names it on every wire.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Method {
    /// The full name of the service, as in `baedal.orders.v1.Orders`.
    pub service: &'static str,
    /// The name of the method, as in `Find`.
    pub name: &'static str,
    /// Both, as gRPC writes them: `/baedal.orders.v1.Orders/Find`.
    pub path: &'static str,
    /// Which of the two directions are streams.
    pub kind: Kind,
    /// Whether the call may be made twice.
    pub idempotency: Idempotency,
    /// What becomes of the handler when its caller leaves.
    pub cancel: Cancel,
    /// `#[rpc(timeout = "..")]`, if there is one.
    pub timeout: Option<Duration>,
    /// The name of the argument that is the key for routing.
    pub key: Option<&'static str>,
    /// The documentation that stands at the method.
    pub docs: &'static str,
    /// Whether it is not to be used any more.
    pub deprecated: bool,
    /// Describes what it takes, what it gives and how it fails; `None` if it was written by hand.
    pub schema: Option<fn(&mut Catalog) -> Signature>,
}

/// Which directions of a call are streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// One message there, one back.
    Unary,
    /// A stream there, one message back.
    ClientStream,
    /// One message there, a stream back.
    ServerStream,
    /// Streams both ways.
    Bidi,
}

impl Kind {
    /// The kind of a method whose argument and whose reply are streams, or not.
    pub const fn of(argument: bool, reply: bool) -> Self {
        match (argument, reply) {
            (false, false) => Self::Unary,
            (true, false) => Self::ClientStream,
            (false, true) => Self::ServerStream,
            (true, true) => Self::Bidi,
        }
    }

    /// Whether the client sends a stream.
    pub const fn request_streams(self) -> bool {
        matches!(self, Self::ClientStream | Self::Bidi)
    }

    /// Whether the server sends a stream.
    pub const fn response_streams(self) -> bool {
        matches!(self, Self::ServerStream | Self::Bidi)
    }
}

/// Whether making a call twice does what making it once does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Idempotency {
    /// It may not: at most one execution.
    Unknown,
    /// It does: `#[rpc(idempotent)]`. Such a call is sent again when it may have been lost.
    Idempotent,
}

/// What becomes of a handler whose caller is gone or whose deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cancel {
    /// It is dropped at its next `.await`. What idempotent and streaming methods do.
    Drop,
    /// It runs to its end in a task that the server owns, so that no write stops between two awaits; it can see that
    /// nobody waits through [`Context::cancelled`](crate::Context::cancelled). What all other methods do.
    Finish,
}

impl Method {
    /// A method without idempotency, timeout or key. `path` is `/service/name`; the three are given apart because
    /// generated code has them apart and constants cannot be joined for free.
    pub const fn new(service: &'static str, name: &'static str, path: &'static str, kind: Kind) -> Self {
        let cancel = if matches!(kind, Kind::Unary) { Cancel::Finish } else { Cancel::Drop };
        Self {
            service,
            name,
            path,
            kind,
            idempotency: Idempotency::Unknown,
            cancel,
            timeout: None,
            key: None,
            docs: "",
            deprecated: false,
            schema: None,
        }
    }

    /// May be made twice; and is therefore dropped with its caller.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotency = Idempotency::Idempotent;
        self.cancel = Cancel::Drop;
        self
    }

    /// What becomes of the handler when its caller leaves, where the default for the kind is wrong.
    ///
    /// # Panics
    /// When a method that answers with a stream is to finish: nobody would read that. In generated code this is an
    /// error of the compiler's.
    #[must_use]
    #[track_caller]
    pub const fn with_cancel(mut self, cancel: Cancel) -> Self {
        let streams = matches!(self.kind, Kind::ServerStream | Kind::Bidi);
        assert!(
            !(streams && matches!(cancel, Cancel::Finish)),
            "a method that answers with a stream cannot finish without its reader; let `rpc::spawn_detached` do what has to be done"
        );
        self.cancel = cancel;
        self
    }

    /// The timeout written at the method.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The argument that routes the call.
    #[must_use]
    pub const fn with_key(mut self, argument: &'static str) -> Self {
        self.key = Some(argument);
        self
    }

    /// The documentation at the method.
    #[must_use]
    pub const fn with_docs(mut self, docs: &'static str) -> Self {
        self.docs = docs;
        self
    }

    /// Not to be used any more.
    #[must_use]
    pub const fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }

    /// With what describes it; called when somebody asks for the schema of its service.
    #[must_use]
    pub const fn with_schema(mut self, schema: fn(&mut Catalog) -> Signature) -> Self {
        self.schema = Some(schema);
        self
    }

    /// Whether the call may be made twice.
    pub const fn is_idempotent(&self) -> bool {
        matches!(self.idempotency, Idempotency::Idempotent)
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Method({})", self.path)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path)
    }
}

/// What is known of a service before any call.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServiceDescriptor {
    /// Its full name, as in `baedal.orders.v1.Orders`.
    pub name: &'static str,
    /// Its methods, in the order in which they are declared.
    pub methods: &'static [&'static Method],
    /// The documentation that stands at the trait.
    pub docs: &'static str,
    /// The one transport that carries its calls, by name; `None`, nearly always, when all do.
    pub only_over: Option<&'static str>,
}

impl ServiceDescriptor {
    /// A service and its methods.
    pub const fn new(name: &'static str, methods: &'static [&'static Method], docs: &'static str) -> Self {
        Self { name, methods, docs, only_over: None }
    }

    /// Carried by one transport alone. It is registered without an endpoint for others.
    #[must_use]
    pub const fn only_over(mut self, transport: &'static str) -> Self {
        self.only_over = Some(transport);
        self
    }

    /// The same service under another full name, as in `baedal.night.v1.Orders`: for a server that serves one trait
    /// twice. It is made once for each name and lives for ever, as descriptors do: names are for programs to choose,
    /// and not for their peers.
    pub fn named(&self, name: impl Into<String>) -> &'static Self {
        /// Whose other name it is. The same methods may be declared to be carried by other transports.
        type Of = (&'static str, usize, Option<&'static str>);
        /// No state: whoever asks gets what it would get without, and the memory of it is taken once.
        static NAMED: Mutex<BTreeMap<(String, Of), &'static ServiceDescriptor>> = Mutex::new(BTreeMap::new());
        let key = (name.into(), (self.name, self.methods.as_ptr().addr(), self.only_over));
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = named.get(&key) {
            return known;
        }
        let descriptor = self.leaked(String::leak(key.0.clone()));
        named.insert(key, descriptor);
        descriptor
    }

    fn leaked(&self, name: &'static str) -> &'static Self {
        let methods = self.methods.iter().map(|method| {
            let path: &'static str = String::leak(format!("/{name}/{}", method.name));
            let method: &'static Method = Box::leak(Box::new(Method { service: name, path, ..**method }));
            method
        });
        Box::leak(Box::new(Self { name, methods: Vec::leak(methods.collect()), ..*self }))
    }

    /// The method that is called as `method` is, if there is one.
    pub(crate) fn like(&self, method: &Method) -> Option<&'static Method> {
        self.methods.iter().copied().find(|other| other.name == method.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_name_of_a_service_is_made_once() {
        const GREET: &Method = &Method::new("demo.Greeter", "Greet", "/demo.Greeter/Greet", Kind::Unary);
        const GREETER: &ServiceDescriptor = &ServiceDescriptor::new("demo.Greeter", &[GREET], "");
        let host = GREETER.named("demo.Host");
        assert!(std::ptr::eq(host, GREETER.named("demo.Host".to_owned())));
        assert_eq!((host.name, host.methods[0].path), ("demo.Host", "/demo.Host/Greet"));
        assert_eq!(GREETER.named("demo.Guest").name, "demo.Guest");
        let there = GREETER.only_over("fast").named("demo.Host");
        assert_eq!((there.only_over, host.only_over), (Some("fast"), None));
    }
}
