//! Messages in a body: one byte that says whether the message is compressed, four that say how long it is, the message.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::{RecvStream, SendStream};
use http::HeaderMap;
use rpc_core::{Batch, Bounds, Code, Head, Payload, PayloadStream, Status};
use std::task::{Context, Poll, ready};

/// What the other side may send ahead on one stream.
pub(crate) const STREAM_WINDOW: u32 = 256 * 1024;
/// What it may send ahead in all: as much as HTTP/2 knows. With less, as many streams that nobody reads as it has room
/// for would hold up every call beside them. What bounds memory is the number of open calls, by the window of each.
pub(crate) const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// What stands before each message.
const PREFIX: usize = 5;

/// A message as it goes over the wire, in one buffer of exactly its size.
///
/// # Errors
/// `ResourceExhausted` over the limit, before anything is allocated.
pub(crate) fn frame(payload: &Payload, limit: usize) -> Result<Bytes, Status> {
    let length = checked_len(payload, limit)?;
    let mut buffer = BytesMut::with_capacity(PREFIX + length as usize);
    append(payload, length, &mut buffer);
    Ok(buffer.freeze())
}

fn checked_len(payload: &Payload, limit: usize) -> Result<u32, Status> {
    let length = payload.encoded_len();
    match u32::try_from(length) {
        Ok(short) if length <= limit => Ok(short),
        _ => Err(Payload::too_large(length, limit)),
    }
}

fn append(payload: &Payload, length: u32, buffer: &mut BytesMut) {
    buffer.put_u8(0);
    buffer.put_u32(length);
    payload.encode(buffer);
}

/// Bytes on their way out.
pub(crate) trait Chunks {
    /// The next bytes; `None` at the end, which is an error if the stream ended with one.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Status>>;

    /// Where they come from.
    fn stream(&self) -> &PayloadStream;
}

/// A stream of messages on its way out. Messages that are ready together go together.
pub(crate) struct Frames {
    stream: PayloadStream,
    bounds: Bounds,
    /// How many bytes were given out the last time.
    last: usize,
    /// What came behind the messages that were just given out.
    end: Option<Result<(), Status>>,
}

impl Frames {
    /// How many bytes are gathered before they are given out: one HTTP/2 frame.
    const BATCH: usize = 16 * 1024;

    pub(crate) fn new(stream: PayloadStream, limit: usize) -> Self {
        let bounds = Bounds { head: Head::ZeroAndLength, message: limit, count: usize::MAX, bytes: Self::BATCH };
        Self { stream, bounds, last: 0, end: None }
    }
}

impl Chunks for Frames {
    fn stream(&self) -> &PayloadStream {
        &self.stream
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Status>> {
        match &self.end {
            Some(Err(status)) => return Poll::Ready(Err(status.clone())),
            Some(Ok(())) => return Poll::Ready(Ok(None)),
            None => {}
        }
        let mut batch = Batch::new(self.bounds, self.last.min(Self::BATCH));
        let polled = self.stream.poll_batch(cx, &mut batch);
        match polled {
            Poll::Pending if batch.is_empty() => return Poll::Pending,
            Poll::Pending | Poll::Ready(Some(Ok(()))) => {}
            Poll::Ready(None) if batch.is_empty() => return Poll::Ready(Ok(None)),
            Poll::Ready(None) => self.end = Some(Ok(())),
            Poll::Ready(Some(Err(status))) if batch.is_empty() => return Poll::Ready(Err(status)),
            Poll::Ready(Some(Err(status))) => self.end = Some(Err(status)),
        }
        self.last = batch.size();
        Poll::Ready(Ok(Some(batch.finish())))
    }
}

/// What became of a stream of messages.
pub(crate) enum Sent {
    /// All of it was given to HTTP/2; what comes behind is to be sent yet.
    All,
    /// It ended with an error.
    Failed(Status),
    /// Nobody reads it any more: the stream was reset, or its connection is gone.
    Abandoned,
}

/// Sends bytes as fast as the other side takes them.
pub(crate) async fn send(chunks: &mut impl Chunks, to: &mut SendStream<Bytes>) -> Sent {
    loop {
        let next = std::future::poll_fn(|cx| match to.poll_reset(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => chunks.poll_next(cx).map(Some),
        });
        let bytes = match next.await {
            None => return Sent::Abandoned,
            Some(Err(status)) => return Sent::Failed(status),
            Some(Ok(None)) => return Sent::All,
            Some(Ok(Some(bytes))) => bytes,
        };
        // Room for one byte is room enough: HTTP/2 keeps the rest, and no more is taken before that has gone. To claim
        // room for all of it would take it from streams that could use it now.
        to.reserve_capacity(1);
        while to.capacity() == 0 {
            match chunks.stream().room(std::future::poll_fn(|cx| to.poll_capacity(cx))).await {
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(_)) | None) => return Sent::Abandoned,
                Err(status) => return Sent::Failed(status),
            }
        }
        if to.send_data(bytes, false).is_err() {
            return Sent::Abandoned;
        }
    }
}

/// The messages of a body on its way in.
pub(crate) struct Messages {
    body: RecvStream,
    limit: usize,
    /// Received and not looked at yet.
    chunk: Bytes,
    partial: Partial,
    received: u64,
    trailers: Option<HeaderMap>,
}

/// The part of a message that has come so far.
enum Partial {
    Prefix { bytes: [u8; PREFIX], filled: usize },
    Message { buffer: BytesMut, missing: usize },
}

const NOTHING: Partial = Partial::Prefix { bytes: [0; PREFIX], filled: 0 };

/// Why the next message cannot be had.
#[derive(Debug)]
pub(crate) enum Fault {
    /// HTTP/2, or what is below it, failed.
    Broken(h2::Error),
    /// The message says that it is compressed.
    Compressed,
    /// The message is over the limit.
    TooLarge { length: usize, limit: usize },
    /// The body ends inside a message.
    Truncated,
    /// There is no message where there should be one.
    Missing,
    /// There is a second message where there should be one.
    Surplus,
}

impl Fault {
    /// What it is as a status; `malformed` is the code for a body that makes no sense: `InvalidArgument` for a request,
    /// `Internal` for a reply.
    ///
    /// # Errors
    /// [`Broken`](Self::Broken): what the failure of a connection means depends on the role.
    pub(crate) fn describe(self, malformed: Code) -> Result<Status, h2::Error> {
        Ok(match self {
            Self::Broken(error) => return Err(error),
            Self::TooLarge { length, limit } => Payload::too_large(length, limit),
            Self::Compressed => Status::unimplemented("a compressed message; send it as it is (`identity`)"),
            Self::Truncated => Status::new(malformed, "the body ends inside a message"),
            Self::Missing => Status::new(malformed, "no message where there should be one"),
            Self::Surplus => Status::new(malformed, "a second message where there should be one"),
        })
    }
}

impl Messages {
    /// A message is believed to be as long as it says only up to here; beyond, memory is taken as bytes come.
    const TRUST: usize = 64 * 1024;

    pub(crate) fn new(body: RecvStream, limit: usize) -> Self {
        Self { body, limit, chunk: Bytes::new(), partial: NOTHING, received: 0, trailers: None }
    }

    /// What came behind the last message, once [`poll_next`](Self::poll_next) has said that it was the last.
    pub(crate) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The only message; ready when it is known that nothing comes behind it. Meanwhile it is kept in `first`.
    pub(crate) fn poll_only(&mut self, first: &mut Option<Bytes>, cx: &mut Context<'_>) -> Poll<Result<Bytes, Fault>> {
        let message = match first.take() {
            Some(message) => message,
            None => {
                let message = ready!(self.poll_next(cx))?.ok_or(Fault::Missing)?;
                if self.chunk.is_empty() && self.body.is_end_stream() {
                    return Poll::Ready(Ok(message));
                }
                message
            }
        };
        match self.poll_next(cx) {
            Poll::Ready(Ok(None)) => Poll::Ready(Ok(message)),
            Poll::Ready(Ok(Some(_))) => Poll::Ready(Err(Fault::Surplus)),
            Poll::Ready(Err(fault)) => Poll::Ready(Err(fault)),
            Poll::Pending => {
                *first = Some(message);
                Poll::Pending
            }
        }
    }

    /// How many bytes have come so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Fault>> {
        loop {
            if let Some(message) = self.take_message()? {
                return Poll::Ready(Ok(Some(message)));
            }
            match ready!(self.body.poll_data(cx)).transpose().map_err(Fault::Broken)? {
                Some(data) => {
                    // Only what was looked at makes room for more: `chunk` is empty here.
                    self.body.flow_control().release_capacity(data.len()).map_err(Fault::Broken)?;
                    self.received += data.len() as u64;
                    self.chunk = data;
                }
                None if matches!(self.partial, Partial::Prefix { filled: 0, .. }) => {
                    self.trailers = ready!(self.body.poll_trailers(cx)).map_err(Fault::Broken)?;
                    return Poll::Ready(Ok(None));
                }
                None => return Poll::Ready(Err(Fault::Truncated)),
            }
        }
    }

    /// A message of this length, if all of it lies in the chunk.
    fn begin(&mut self, length: usize) -> Option<Bytes> {
        if self.chunk.len() >= length {
            return Some(self.chunk.split_to(length));
        }
        let buffer = BytesMut::with_capacity(length.min(Self::TRUST));
        self.partial = Partial::Message { buffer, missing: length };
        None
    }

    /// A whole message, if one has come. When all of it lies in one chunk, as small messages do, it is not copied.
    fn take_message(&mut self) -> Result<Option<Bytes>, Fault> {
        while self.chunk.has_remaining() {
            match &mut self.partial {
                // As nearly all do: the whole prefix lies in the chunk.
                Partial::Prefix { filled: 0, .. } if self.chunk.len() >= PREFIX => {
                    let Some(prefix) = self.chunk.first_chunk() else { return Ok(None) };
                    let length = length_of(*prefix, self.limit)?;
                    self.chunk.advance(PREFIX);
                    if let Some(message) = self.begin(length) {
                        return Ok(Some(message));
                    }
                }
                Partial::Prefix { bytes, filled } => {
                    let take = (PREFIX - *filled).min(self.chunk.len());
                    self.chunk.copy_to_slice(&mut bytes[*filled..*filled + take]);
                    *filled += take;
                    if *filled < PREFIX {
                        return Ok(None);
                    }
                    let length = length_of(*bytes, self.limit)?;
                    self.partial = NOTHING;
                    if let Some(message) = self.begin(length) {
                        return Ok(Some(message));
                    }
                }
                Partial::Message { buffer, missing } => {
                    let take = (*missing).min(self.chunk.len());
                    buffer.extend_from_slice(&self.chunk.split_to(take));
                    *missing -= take;
                    if *missing == 0 {
                        let message = std::mem::take(buffer).freeze();
                        self.partial = NOTHING;
                        return Ok(Some(message));
                    }
                }
            }
        }
        Ok(None)
    }
}

fn length_of(prefix: [u8; PREFIX], limit: usize) -> Result<usize, Fault> {
    let [flag, length @ ..] = prefix;
    if flag != 0 {
        return Err(Fault::Compressed);
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > limit { Err(Fault::TooLarge { length, limit }) } else { Ok(length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_flag_a_length_and_the_message() {
        let payload = Payload::Encoded(Bytes::from_static(b"abc"));
        assert_eq!(frame(&payload, 3).unwrap()[..], *b"\0\0\0\0\x03abc");
        assert_eq!(frame(&payload, 2).unwrap_err().code(), Code::ResourceExhausted);
    }

    #[tokio::test]
    async fn what_is_ready_together_goes_together_and_the_error_comes_behind() {
        let items = [Ok("a"), Ok("bc"), Err(Status::internal("no more")), Ok("never")];
        let stream = futures_util::stream::iter(items.map(|item| item.map(|text| Payload::Encoded(Bytes::from(text)))));
        let mut frames = Frames::new(PayloadStream::new(stream), 100);
        let first = std::future::poll_fn(|cx| frames.poll_next(cx)).await.unwrap().unwrap();
        assert_eq!(first[..], *b"\0\0\0\0\x01a\0\0\0\0\x02bc");
        let end = std::future::poll_fn(|cx| frames.poll_next(cx)).await;
        assert_eq!(end.unwrap_err().message(), "no more");
    }
}
