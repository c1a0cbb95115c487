//! One message whose type is forgotten.

use crate::{Status, message::room};
use bytes::{Bytes, BytesMut};
use std::{any::Any, error::Error, fmt, sync::Arc};

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
    /// Reads the message.
    ///
    /// # Errors
    /// When the bytes are no such message; the error names the place, such as the path of a field.
    fn decode(bytes: Bytes) -> Result<Self, PayloadError>;
}

/// Bytes are not the message that was to be read from them. It is written as a sentence that begins with the place, as
/// in `OrdersFindRequest.number: invalid string value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadError {
    sentence: String,
}

impl PayloadError {
    /// With a sentence that names the place, for people; its text is not an interface.
    #[cold]
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into() }
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl Error for PayloadError {}

impl<M: prost::Message + 'static> ErasedMessage for M {
    fn encoded_len(&self) -> usize {
        prost::Message::encoded_len(self)
    }

    fn encode(&self, buffer: &mut BytesMut) {
        self.encode_raw(buffer);
    }
}

impl<M: prost::Message + Default + 'static> Decode for M {
    fn decode(bytes: Bytes) -> Result<Self, PayloadError> {
        prost::Message::decode(bytes).map_err(|error| PayloadError::new(error.to_string()))
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

    /// Appends the message to a buffer, which grows as it has to: who knows
    /// [`encoded_len`](Self::encoded_len) reserves so much before, and the message is not measured twice.
    pub fn encode(&self, buffer: &mut BytesMut) {
        match self {
            Self::Typed(message) => (**message).encode(buffer),
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
    /// When the bytes are no such message.
    pub fn take<M: Decode>(self) -> Result<M, PayloadError> {
        self.take_with(M::decode)
    }

    /// [`take`](Self::take) for a message whose bytes are not read by its type alone: `read` knows how.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn take_with<M: ErasedMessage>(
        self,
        read: impl FnOnce(Bytes) -> Result<M, PayloadError>,
    ) -> Result<M, PayloadError> {
        let bytes = match self {
            Self::Encoded(bytes) => bytes,
            // On `&*message`: the type of an `Arc` would be its own.
            Self::Typed(message) if (&*message as &dyn Any).is::<M>() => {
                match Arc::downcast::<M>(message as Arc<dyn Any + Send + Sync>).map(Arc::try_unwrap) {
                    Ok(Ok(message)) => return Ok(message),
                    Ok(Err(shared)) => Self::Typed(shared).into_bytes(),
                    Err(_) => return Err(PayloadError::new("a payload changed its type")),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    /// Counts how often it was written, together with those that were read from its bytes.
    #[derive(Debug)]
    struct Letter {
        text: Box<str>,
        written: Arc<AtomicUsize>,
    }

    impl Letter {
        fn new() -> Self {
            Self { text: "dear".into(), written: Arc::default() }
        }

        fn read(&self) -> impl FnOnce(Bytes) -> Result<Self, PayloadError> + use<> {
            let written = self.written.clone();
            |bytes| {
                let text = String::from_utf8(bytes.to_vec()).map_err(|error| PayloadError::new(error.to_string()))?;
                Ok(Self { text: text.into(), written })
            }
        }
    }

    impl ErasedMessage for Letter {
        fn encoded_len(&self) -> usize {
            self.text.len()
        }

        fn encode(&self, buffer: &mut BytesMut) {
            self.written.fetch_add(1, Relaxed);
            buffer.extend_from_slice(self.text.as_bytes());
        }
    }

    fn never(_: Bytes) -> Result<Letter, PayloadError> {
        panic!("it was read")
    }

    #[test]
    fn who_alone_holds_a_value_is_given_it() {
        let letter = Letter::new();
        let (place, written) = (letter.text.as_ptr(), letter.written.clone());
        let payload = Payload::typed(letter);
        // Measuring is not writing.
        payload.within(4).unwrap();
        assert_eq!(payload.within(3).unwrap_err().code(), crate::Code::ResourceExhausted);
        let letter = payload.take_with(never).unwrap();
        assert_eq!((letter.text.as_ptr(), written.load(Relaxed)), (place, 0));
    }

    #[test]
    fn who_shares_it_is_given_another_and_the_last_one_the_value() {
        let letter = Letter::new();
        let (place, written, read) = (letter.text.as_ptr(), letter.written.clone(), letter.read());
        let payload = Payload::typed(letter);
        let copy = payload.clone().take_with(read).unwrap();
        assert_eq!((&*copy.text, written.load(Relaxed)), ("dear", 1));
        assert_ne!(copy.text.as_ptr(), place);
        assert_eq!(payload.take_with(never).unwrap().text.as_ptr(), place);
    }

    #[test]
    fn another_type_of_the_same_message_goes_through_its_bytes() {
        let text = Payload::typed("dear".to_owned());
        // That of a `String` in a field of its own, as prost has it.
        assert_eq!(text.clone().into_bytes()[..], *b"\x0a\x04dear");
        let bytes: Vec<u8> = text.take().unwrap();
        assert_eq!(bytes, b"dear");
        assert!(Payload::typed(vec![0xff_u8]).take::<String>().unwrap_err().to_string().contains("UTF-8"));
    }

    #[test]
    fn bytes_are_handed_over_and_not_copied() {
        let bytes = Bytes::from(vec![1, 2, 3]);
        let payload = Payload::Encoded(bytes.clone());
        assert_eq!(payload.clone().into_bytes().as_ptr(), bytes.as_ptr());
        let mut buffer = BytesMut::new();
        payload.encode(&mut buffer);
        assert_eq!((&buffer[..], payload.encoded_len()), (&bytes[..], 3));
    }
}
