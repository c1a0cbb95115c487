//! What stands behind a stream.

use crate::Metadata;
use std::sync::{Arc, OnceLock};

/// A place for the metadata that travels behind the last item of a stream of replies.
///
/// The handler keeps one and gives another to its stream, and fills it before the stream ends; what comes later is not
/// sent. The limits are those of [`Metadata`]. A failed call carries its metadata in its [`Status`](crate::Status).
///
/// ```
/// # extern crate rpc_core as rpc;
/// use rpc::{Metadata, Streaming, Trailers};
///
/// let (trailers, mut lines) = (Trailers::new(), 0);
/// let end = trailers.clone();
/// let stream = futures_util::stream::poll_fn(move |_| {
///     lines += 1;
///     if lines <= 3 {
///         return std::task::Poll::Ready(Some(lines));
///     }
///     let mut metadata = Metadata::default();
///     metadata.append("lines", "3").expect("a short pair");
///     end.set(metadata);
///     std::task::Poll::Ready(None)
/// });
/// let reply: Streaming<u32> = Streaming::new(stream).with_trailers(trailers);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trailers(Arc<OnceLock<Metadata>>);

impl Trailers {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Fills it. The first time counts.
    pub fn set(&self, metadata: Metadata) {
        let _ = self.0.set(metadata);
    }

    /// What it was filled with.
    pub fn get(&self) -> Option<&Metadata> {
        self.0.get()
    }
}
