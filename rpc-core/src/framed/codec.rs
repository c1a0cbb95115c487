//! What differs between wires of frames: their bytes.

use super::{Frame, Malformed};
use bytes::BytesMut;

/// Frames as bytes, and bytes as frames. What one has to write to have a transport.
///
/// A connection has two, made by cloning: one for each direction. A codec may therefore remember what it has seen, such
/// as how far it has looked for the end of a line.
pub trait Codec: Clone + Send + 'static {
    /// Appends a frame to what goes out. It cannot fail: sizes are checked before.
    fn encode(&mut self, frame: &Frame, out: &mut BytesMut);

    /// Takes the next frame out of what has come in; `None` while it is not all there, and then nothing is taken out.
    ///
    /// A frame that this version does not know and that may be skipped is [`Frame::Unknown`]. A call whose metadata
    /// breaks the rules is a [`Call`](super::Call) with a fault, so that it alone fails.
    ///
    /// # Errors
    /// When the bytes are not of this wire. The connection is closed then, and the peer told why.
    fn decode(&mut self, read: &mut BytesMut) -> Result<Option<Frame>, Malformed>;

    /// How many bytes a frame may have on this wire whose message has up to `max_message`. A peer that sends more
    /// without an end is cut off, so that its frame cannot take memory without end.
    ///
    /// Beside the message there must be room for metadata and baggage (8 KiB each, see
    /// [`Metadata`](crate::Metadata)), for a path, and for a status: 16 KiB of text, metadata, and details of up to
    /// `max_message`.
    fn max_frame(&self, max_message: usize) -> usize;
}

/// [`Codec`], its type forgotten: what lies above it is compiled once.
pub(super) trait AnyCodec: Send {
    fn encode(&mut self, frame: &Frame, out: &mut BytesMut);
    fn decode(&mut self, read: &mut BytesMut) -> Result<Option<Frame>, Malformed>;
    fn max_frame(&self, max_message: usize) -> usize;
}

impl<C: Codec> AnyCodec for C {
    fn encode(&mut self, frame: &Frame, out: &mut BytesMut) {
        Codec::encode(self, frame, out);
    }

    fn decode(&mut self, read: &mut BytesMut) -> Result<Option<Frame>, Malformed> {
        Codec::decode(self, read)
    }

    fn max_frame(&self, max_message: usize) -> usize {
        Codec::max_frame(self, max_message)
    }
}
