//! Tuples of arguments, one for each number of them.

use super::{
    Argument, Arguments, List, Parameter,
    argument::{Codec, FieldCodec},
    arguments::{Form, Wrapped, read_fields},
    error,
};
use crate::{
    Body, Payload, Status,
    schema::{Catalog, Sent},
};
use bytes::{Bytes, BytesMut};
use prost::DecodeError;

/// For a method without arguments: an empty message.
impl Arguments<()> {
    #[doc(hidden)]
    pub const fn new(message: &'static str, parameters: &'static [Parameter], codecs: ()) -> Self {
        Self::with(message, parameters, codecs, Form::Fields)
    }
}

impl List for () {
    type Codecs = ();

    fn wrap(self, arguments: &'static Arguments<Self>) -> Body {
        Body::Message(Payload::typed(Wrapped::new(self, arguments)))
    }

    fn unwrap(body: Body, arguments: &'static Arguments<Self>) -> Result<Self, Status> {
        Wrapped::take(body.into_message()?, arguments).map_err(error::bad_request)
    }

    fn key(&self, _arguments: &Arguments<Self>, _index: usize) -> Option<u64> {
        None
    }

    fn encoded_len(&self, _arguments: &Arguments<Self>) -> usize {
        0
    }

    fn encode(&self, _arguments: &Arguments<Self>, _buffer: &mut BytesMut) {}

    fn decode(bytes: Bytes, _arguments: &Arguments<Self>) -> Result<Self, DecodeError> {
        read_fields(bytes, |_, _, _, _| None)
    }

    fn describe(_arguments: &Arguments<Self>, _catalog: &mut Catalog) -> Vec<Sent> {
        Vec::new()
    }
}

/// For a method with one argument, which may also be a stream, or a message that is sent as it is.
impl<A: 'static> Arguments<(A,)> {
    #[doc(hidden)]
    pub const fn new(message: &'static str, parameters: &'static [Parameter], codecs: (Argument<A>,)) -> Self {
        let form = if codecs.0.is_stream() { Form::Stream } else { Form::Fields };
        Self::with(message, parameters, codecs, form)
    }

    #[doc(hidden)]
    pub const fn bare(message: &'static str, parameters: &'static [Parameter], codecs: (Argument<A>,)) -> Self {
        assert!(!codecs.0.is_stream(), "a stream stands alone already; remove `bare`");
        Self::with(message, parameters, codecs, Form::Bare)
    }
}

impl<A: 'static> List for (A,) {
    type Codecs = (Argument<A>,);

    fn wrap(self, arguments: &'static Arguments<Self>) -> Body {
        match (&arguments.codecs.0.0, arguments.form) {
            (Codec::Stream(stream), _) => (stream.wrap)(self.0),
            (Codec::Field(field), Form::Bare) => Body::Message((field.wrap_bare)(self.0)),
            // Through a pointer: only where it was made is it known that the value may be shared between threads.
            (Codec::Field(field), _) => Body::Message((field.wrap)(self.0, arguments)),
        }
    }

    fn unwrap(body: Body, arguments: &'static Arguments<Self>) -> Result<Self, Status> {
        let read = match (&arguments.codecs.0.0, arguments.form) {
            (Codec::Stream(stream), _) => return (stream.unwrap)(body).map(|stream| (stream,)),
            (Codec::Field(field), Form::Bare) => (field.unwrap_bare)(body.into_message()?).map(|value| (value,)),
            (Codec::Field(field), _) => (field.unwrap)(body.into_message()?, arguments),
        };
        read.map_err(error::bad_request)
    }

    fn key(&self, arguments: &Arguments<Self>, _index: usize) -> Option<u64> {
        arguments.codecs.0.field().map(|field| (field.key)(&self.0))
    }

    fn encoded_len(&self, arguments: &Arguments<Self>) -> usize {
        arguments.codecs.0.field().map_or(0, |field| (field.encoded_len)(&self.0, arguments.tag(0)))
    }

    fn encode(&self, arguments: &Arguments<Self>, buffer: &mut BytesMut) {
        if let Some(field) = arguments.codecs.0.field() {
            (field.encode)(&self.0, arguments.tag(0), buffer);
        }
    }

    fn decode(bytes: Bytes, arguments: &Arguments<Self>) -> Result<Self, DecodeError> {
        let field = expect_field(&arguments.codecs.0)?;
        let mut slot = None;
        read_fields(bytes, |tag, wire, bytes, context| {
            (tag == arguments.tag(0))
                .then(|| (field.read_into)(&mut slot, wire, bytes, context).map_err(|error| arguments.at(error, 0)))
        })?;
        Ok(((field.finish)(slot).map_err(|error| arguments.at(error, 0))?,))
    }

    fn describe(arguments: &Arguments<Self>, catalog: &mut Catalog) -> Vec<Sent> {
        vec![arguments.codecs.0.describe(catalog)]
    }
}

/// A stream among other arguments does not compile, and alone it is never decoded as a field.
fn expect_field<T>(argument: &Argument<T>) -> Result<&FieldCodec<T>, DecodeError> {
    argument.field().ok_or_else(|| crate::message::malformed("a stream is no field"))
}

/// For more arguments: all of them are fields.
macro_rules! list {
    ($($T:ident $slot:ident $index:tt)*) => {
        impl<$($T: Send + Sync + 'static),*> Arguments<($($T,)*)> {
            #[doc(hidden)]
            pub const fn new(
                message: &'static str,
                parameters: &'static [Parameter],
                codecs: ($(Argument<$T>,)*),
            ) -> Self {
                $(assert!(
                    !codecs.$index.is_stream(),
                    "a stream stands alone: put what comes first into metadata or into the first item"
                );)*
                Self::with(message, parameters, codecs, Form::Fields)
            }
        }

        impl<$($T: Send + Sync + 'static),*> List for ($($T,)*) {
            type Codecs = ($(Argument<$T>,)*);

            fn wrap(self, arguments: &'static Arguments<Self>) -> Body {
                Body::Message(Payload::typed(Wrapped::new(self, arguments)))
            }

            fn unwrap(body: Body, arguments: &'static Arguments<Self>) -> Result<Self, Status> {
                Wrapped::take(body.into_message()?, arguments).map_err(error::bad_request)
            }

            fn key(&self, arguments: &Arguments<Self>, index: usize) -> Option<u64> {
                match index {
                    $($index => arguments.codecs.$index.field().map(|field| (field.key)(&self.$index)),)*
                    _ => None,
                }
            }

            fn encoded_len(&self, arguments: &Arguments<Self>) -> usize {
                let mut len = 0;
                $(if let Some(field) = arguments.codecs.$index.field() {
                    len += (field.encoded_len)(&self.$index, arguments.tag($index));
                })*
                len
            }

            fn encode(&self, arguments: &Arguments<Self>, buffer: &mut BytesMut) {
                $(if let Some(field) = arguments.codecs.$index.field() {
                    (field.encode)(&self.$index, arguments.tag($index), buffer);
                })*
            }

            fn decode(bytes: Bytes, arguments: &Arguments<Self>) -> Result<Self, DecodeError> {
                let fields = ($(expect_field(&arguments.codecs.$index)?,)*);
                $(let mut $slot = None;)*
                read_fields(bytes, |tag, wire, bytes, context| {
                    $(if tag == arguments.tag($index) {
                        let read = (fields.$index.read_into)(&mut $slot, wire, bytes, context);
                        return Some(read.map_err(|error| arguments.at(error, $index)));
                    })*
                    None
                })?;
                Ok(($((fields.$index.finish)($slot).map_err(|error| arguments.at(error, $index))?,)*))
            }

            fn describe(arguments: &Arguments<Self>, catalog: &mut Catalog) -> Vec<Sent> {
                vec![$(arguments.codecs.$index.describe(catalog)),*]
            }
        }
    };
}

list!(A a 0 B b 1);
list!(A a 0 B b 1 C c 2);
list!(A a 0 B b 1 C c 2 D d 3);
list!(A a 0 B b 1 C c 2 D d 3 E e 4);
list!(A a 0 B b 1 C c 2 D d 3 E e 4 F f 5);
list!(A a 0 B b 1 C c 2 D d 3 E e 4 F f 5 G g 6);
list!(A a 0 B b 1 C c 2 D d 3 E e 4 F f 5 G g 6 H h 7);
list!(A a 0 B b 1 C c 2 D d 3 E e 4 F f 5 G g 6 H h 7 I i 8);
list!(A a 0 B b 1 C c 2 D d 3 E e 4 F f 5 G g 6 H h 7 I i 8 J j 9);
list!(A a 0 B b 1 C c 2 D d 3 E e 4 F f 5 G g 6 H h 7 I i 8 J j 9 K k 10);
list!(A a 0 B b 1 C c 2 D d 3 E e 4 F f 5 G g 6 H h 7 I i 8 J j 9 K k 10 L l 11);
