//! One message whose type is forgotten.

use crate::{Status, message::room};
use bytes::{Bytes, BytesMut};
use std::{any::Any, fmt, sync::Arc};

/// A message that can be measured and written without knowing its type.
///
/// Every `prost::Message` is one; so are the argument messages of generated code.
pub trait ErasedMessage: Any + Send + Sync {
    /// How many bytes [`encode`](Self::encode) writes.
    fn encoded_len(&self) -> usize;

    /// Appends the message, as protobuf, to a buffer that has room for it.
    fn encode(&self, buffer: &mut BytesMut);

    /// The Rust name of the type, for messages to people.
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }
}

/// A message that can be read from bytes. The counterpart of [`ErasedMessage`] for who knows the type.
pub trait Decode: ErasedMessage + Sized {
    /// Reads the message. An error is a sentence that names the place, such as the path of a field.
    fn decode(bytes: Bytes) -> Result<Self, String>;
}

impl<M: prost::Message + 'static> ErasedMessage for M {
    fn encoded_len(&self) -> usize {
        prost::Message::encoded_len(self)
    }

    fn encode(&self, buffer: &mut BytesMut) {
        self.encode_raw(buffer);
    }
}

impl<M: prost::Message + Default + 'static> Decode for M {
    fn decode(bytes: Bytes) -> Result<Self, String> {
        prost::Message::decode(bytes).map_err(|error| error.to_string())
    }
}

/// A message on its way: as the value it is, or as the bytes it became.
///
/// A transport writes a typed payload straight into its write buffer; a local call takes the value out again and
/// serialises nothing. A second format beside protobuf would be one more variant.
#[derive(Clone)]
#[non_exhaustive]
pub enum Payload {
    /// A value. Shared, because a retry may need it a second time; whoever takes the last share moves it out.
    Typed(Arc<dyn ErasedMessage>),
    /// What came over a wire.
    Encoded(Bytes),
}

impl Payload {
    /// Forgets the type of a message.
    pub fn typed(message: impl ErasedMessage) -> Self {
        Self::Typed(Arc::new(message))
    }

    /// How many bytes the message has on a wire.
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Typed(message) => (**message).encoded_len(),
            Self::Encoded(bytes) => bytes.len(),
        }
    }

    /// Appends the message to a buffer.
    pub fn encode(&self, buffer: &mut BytesMut) {
        match self {
            Self::Typed(message) => {
                buffer.reserve((**message).encoded_len());
                (**message).encode(buffer);
            }
            Self::Encoded(bytes) => buffer.extend_from_slice(bytes),
        }
    }

    /// The message as bytes; free when it is bytes already.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Encoded(bytes) => bytes,
            typed => {
                let mut buffer = BytesMut::with_capacity(typed.encoded_len());
                typed.encode(&mut buffer);
                buffer.freeze()
            }
        }
    }

    /// The value itself. It is moved out when nobody else holds it. One that is shared (a retry is armed) or is of
    /// another Rust type for the same message (a proxy, two versions of a crate) goes through its bytes, so that no
    /// message has to be `Clone`.
    ///
    /// # Errors
    /// A sentence that names the place, when bytes are not such a message.
    pub fn take<M: Decode>(self) -> Result<M, String> {
        self.take_with(M::decode)
    }

    /// [`take`](Self::take) for a message whose bytes are not read by its type alone: `read` knows how.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn take_with<M: ErasedMessage>(self, read: impl FnOnce(Bytes) -> Result<M, String>) -> Result<M, String> {
        let bytes = match self {
            Self::Encoded(bytes) => bytes,
            // On `&*message`: the type of an `Arc` would be its own.
            Self::Typed(message) if (&*message as &dyn Any).is::<M>() => {
                match Arc::downcast::<M>(message as Arc<dyn Any + Send + Sync>).map(Arc::try_unwrap) {
                    Ok(Ok(message)) => return Ok(message),
                    Ok(Err(shared)) => Self::Typed(shared).into_bytes(),
                    Err(_) => return Err("a payload changed its type".to_owned()),
                }
            }
            other => other.into_bytes(),
        };
        room::bounded(bytes.len(), || read(bytes))
    }

    /// Refuses a message over `limit` bytes, at its sender or its receiver.
    ///
    /// # Errors
    /// `ResourceExhausted`, naming both sizes and the setting.
    pub fn within(&self, limit: usize) -> Result<(), Status> {
        let length = self.encoded_len();
        if length <= limit { Ok(()) } else { Err(Self::too_large(length, limit)) }
    }

    /// The error for a message of `length` bytes where `limit` are allowed. For transports that know the length before
    /// they have the message.
    #[cold]
    pub fn too_large(length: usize, limit: usize) -> Status {
        Status::resource_exhausted(format!(
            "a message of {length} bytes is over the limit of {limit}; send less, or raise `max_message` on both sides"
        ))
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Typed(message) => write!(f, "Typed({})", (**message).type_name()),
            Self::Encoded(bytes) => write!(f, "Encoded({} bytes)", bytes.len()),
        }
    }
}
