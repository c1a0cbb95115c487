//! Requests and responses as bytes. `WIRE.md` is the specification; the golden bytes in `golden.rs` hold version 1 to
//! it.

use crate::{
    frame::{self, Reader, kind},
    hello::cut,
    items::Items,
    message::{Call, CallBody, Req, Resp, StreamEnd, Then},
};
use bytes::{BufMut, Bytes, BytesMut};
use rpc_core::{
    CallId, Code, Context, Delivery, Detail, Metadata, MetadataError, Payload, Status, TraceContext, Value,
    framed::Malformed,
};
use std::time::Duration;
use tokio::time::Instant;

/// The forms of a request.
mod form {
    pub(super) const CALL: u8 = 0;
    pub(super) const PULL: u8 = 1;
    pub(super) const PUSH: u8 = 2;

    pub(super) const MESSAGE: u8 = 0;
    pub(super) const FAILED: u8 = 1;
    pub(super) const ITEMS: u8 = 2;
    pub(super) const BEGUN: u8 = 3;
    pub(super) const TAKEN: u8 = 4;
    pub(super) const DONE: u8 = 5;
}

/// What a call or a response has beside its fixed fields.
mod flag {
    pub(super) const TRACE: u8 = 1;
    pub(super) const METADATA: u8 = 2;
    pub(super) const BAGGAGE: u8 = 4;
    pub(super) const STREAM: u8 = 8;
    pub(super) const PUSHED: u8 = 16;
    pub(super) const OF_A_CALL: u8 = TRACE | METADATA | BAGGAGE | STREAM | PUSHED;

    pub(super) const UNPROCESSED: u8 = 1;
    /// Of a status, behind its details. Only for peers that know [`Features::TRAILERS`](crate::hello::Features).
    pub(super) const BESIDE: u8 = 2;
}

/// The remaining time of a call without a deadline.
const FOREVER: u64 = u64::MAX;

/// Longer deadlines are this long: far timers overflow.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long a path may be.
const LONGEST_PATH: usize = 4096;

/// How long the message of a status may be; what is over is cut.
const LONGEST_TEXT: usize = 16 * 1024;

/// Appends a request. A message over `limit` bytes is refused, and nothing of it appended.
pub(crate) fn put_request(buffer: &mut BytesMut, id: u64, request: &Req, limit: usize) -> Result<(), Status> {
    frame::put(buffer, kind::REQUEST, |buffer| {
        buffer.put_u64(id);
        match request {
            Req::Call(call) => return put_call(buffer, call, limit),
            Req::Pull(pull) => {
                buffer.put_u8(form::PULL);
                buffer.put_u64(pull.stream);
                buffer.put_u32(pull.credits);
            }
            Req::Push(push) => {
                buffer.put_u8(form::PUSH);
                buffer.put_u64(push.stream);
                buffer.put_u8(match push.then {
                    Then::More => 0,
                    Then::Done => 1,
                });
                buffer.extend_from_slice(push.items.as_bytes());
            }
        }
        Ok(())
    })
}

fn put_call(buffer: &mut BytesMut, call: &Call, limit: usize) -> Result<(), Status> {
    let (context, path) = (&call.context, call.method.path);
    if path.len() > LONGEST_PATH {
        return Err(Status::internal("the path of a method is over 4 KiB; give its service a shorter name"));
    }
    let trace = context.trace();
    let mut flags = 0;
    flags |= if trace.is_some() { flag::TRACE } else { 0 };
    flags |= if context.metadata().is_empty() { 0 } else { flag::METADATA };
    flags |= if context.baggage().is_empty() { 0 } else { flag::BAGGAGE };
    flags |= if call.stream == 0 { 0 } else { flag::STREAM };
    flags |= if matches!(call.body, CallBody::Pushed) { flag::PUSHED } else { 0 };
    let remaining = context.remaining().map_or(FOREVER, |left| left.min(LONGEST).as_micros() as u64);

    let mut fixed = [0; 32];
    fixed[0] = form::CALL;
    fixed[1..9].copy_from_slice(&remaining.to_be_bytes());
    fixed[9..25].copy_from_slice(&context.call_id().map_or(0, CallId::bits).to_be_bytes());
    fixed[25..29].copy_from_slice(&context.attempt().to_be_bytes());
    fixed[29] = flags;
    fixed[30..].copy_from_slice(&(path.len() as u16).to_be_bytes());
    buffer.extend_from_slice(&fixed);
    buffer.extend_from_slice(path.as_bytes());
    if let Some(trace) = trace {
        buffer.put_u128(trace.trace_id);
        buffer.put_u64(trace.span_id);
        buffer.put_u8(trace.flags);
    }
    for pairs in [context.metadata(), context.baggage()] {
        if !pairs.is_empty() {
            put_metadata(buffer, pairs);
        }
    }
    if call.stream != 0 {
        buffer.put_u64(call.stream);
    }
    match &call.body {
        CallBody::Message(payload) => put_message(buffer, payload, limit),
        CallBody::Pushed => Ok(()),
    }
}

/// Appends a message, straight into the write buffer.
fn put_message(buffer: &mut BytesMut, payload: &Payload, limit: usize) -> Result<(), Status> {
    let length = payload.encoded_len();
    if length > limit {
        return Err(Payload::too_large(length, limit));
    }
    buffer.reserve(length);
    payload.encode(buffer);
    Ok(())
}

/// Appends pairs, whose number and size their type bounds.
fn put_metadata(buffer: &mut BytesMut, metadata: &Metadata) {
    buffer.put_u8(metadata.len() as u8);
    for (key, value) in metadata.iter() {
        buffer.put_u8(key.len() as u8);
        buffer.put_slice(key.as_bytes());
        buffer.put_u16(value.len() as u16);
        match value {
            Value::Text(text) => buffer.put_slice(text.as_bytes()),
            Value::Binary(bytes) => buffer.put_slice(bytes),
        }
    }
}

/// Appends a response. A message over `limit` bytes becomes a failure that says so.
pub(crate) fn put_response(buffer: &mut BytesMut, id: u64, response: &Resp, limit: usize) {
    let put = frame::put(buffer, kind::RESPONSE, |buffer| {
        buffer.put_u64(id);
        put_response_body(buffer, response, limit)
    });
    if let Err(status) = put {
        put_failure(buffer, id, &status, limit);
    }
}

/// Appends a response that is a failure.
pub(crate) fn put_failure(buffer: &mut BytesMut, id: u64, status: &Status, limit: usize) {
    let put: Result<(), std::convert::Infallible> = frame::put(buffer, kind::RESPONSE, |buffer| {
        buffer.put_u64(id);
        buffer.put_u8(form::FAILED);
        put_status(buffer, status, limit);
        Ok(())
    });
    let Ok(()) = put;
}

fn put_response_body(buffer: &mut BytesMut, response: &Resp, limit: usize) -> Result<(), Status> {
    match response {
        Resp::Message { metadata, payload } => {
            buffer.put_u8(form::MESSAGE);
            put_optional_metadata(buffer, metadata);
            put_message(buffer, payload, limit)?;
        }
        Resp::Failed(status) => {
            buffer.put_u8(form::FAILED);
            put_status(buffer, status, limit);
        }
        Resp::Items { items, end } => {
            buffer.put_u8(form::ITEMS);
            match end {
                StreamEnd::More => buffer.put_u8(0),
                StreamEnd::Done => buffer.put_u8(1),
                StreamEnd::Failed(status) => {
                    buffer.put_u8(2);
                    put_status(buffer, status, limit);
                }
                StreamEnd::Gone => buffer.put_u8(3),
                StreamEnd::DoneWith(trailers) => {
                    buffer.put_u8(4);
                    put_metadata(buffer, trailers);
                }
            }
            buffer.extend_from_slice(items.as_bytes());
        }
        Resp::Begun { metadata } => {
            buffer.put_u8(form::BEGUN);
            put_optional_metadata(buffer, metadata);
        }
        Resp::Taken => buffer.put_u8(form::TAKEN),
        Resp::Done => buffer.put_u8(form::DONE),
    }
    Ok(())
}

fn put_optional_metadata(buffer: &mut BytesMut, metadata: &Metadata) {
    if metadata.is_empty() {
        buffer.put_u8(0);
    } else {
        buffer.put_u8(flag::METADATA);
        put_metadata(buffer, metadata);
    }
}

/// Appends a status. Details that would be over `limit` in all are left out, and the message says so.
pub(crate) fn put_status(buffer: &mut BytesMut, status: &Status, limit: usize) {
    buffer.put_u8(status.code().number());
    let unprocessed = if status.delivery() == Delivery::Unprocessed { flag::UNPROCESSED } else { 0 };
    buffer.put_u8(unprocessed | if status.metadata().is_empty() { 0 } else { flag::BESIDE });
    put_text_and_details(buffer, status, limit);
    if !status.metadata().is_empty() {
        put_metadata(buffer, status.metadata());
    }
}

fn put_text_and_details(buffer: &mut BytesMut, status: &Status, limit: usize) {
    let size: usize = status.details().iter().map(|detail| detail.type_url.len() + detail.value.len() + 6).sum();
    let fits = size <= limit
        && status.details().len() <= usize::from(u16::MAX)
        && status.details().iter().all(|detail| detail.type_url.len() <= LONGEST_PATH);
    if !fits {
        let text =
            format!("{} (its details, {size} bytes, are over the limit)", cut(status.message(), LONGEST_TEXT / 2));
        put_text(buffer, &text);
        buffer.put_u16(0);
        return;
    }
    put_text(buffer, status.message());
    buffer.put_u16(status.details().len() as u16);
    for detail in status.details() {
        put_text(buffer, &detail.type_url);
        buffer.put_u32(detail.value.len() as u32);
        buffer.put_slice(&detail.value);
    }
}

fn put_text(buffer: &mut BytesMut, text: &str) {
    let text = cut(text, LONGEST_TEXT);
    buffer.put_u16(text.len() as u16);
    buffer.put_slice(text.as_bytes());
}

/// A request as it came, before anybody knows whether it is taken.
#[derive(Debug)]
pub(crate) enum Incoming {
    Call(IncomingCall),
    Pull { stream: u64, credits: u32 },
    Push { stream: u64, items: Items, then: Then },
}

/// A call as it came.
#[derive(Debug)]
pub(crate) struct IncomingCall {
    pub(crate) path: Bytes,
    pub(crate) deadline: Option<Instant>,
    /// Without deadline and peer.
    pub(crate) context: Context,
    pub(crate) stream: u64,
    pub(crate) pushed: bool,
    pub(crate) message: Bytes,
    /// What is wrong with the metadata; the call fails, and the connection goes on.
    pub(crate) fault: Option<MetadataError>,
}

/// Reads the id and the rest of a request. `context` is what all calls on the connection begin with.
pub(crate) fn request(frame: &mut Reader, context: &Context) -> Result<(u64, Incoming), Malformed> {
    let id = frame.u64()?;
    let request = match frame.u8()? {
        form::CALL => Incoming::Call(call(frame, context.clone())?),
        form::PULL => {
            let (stream, credits) = (frame.u64()?, frame.u32()?);
            frame.end()?;
            Incoming::Pull { stream, credits }
        }
        form::PUSH => {
            let stream = frame.u64()?;
            let then = match frame.u8()? {
                0 => Then::More,
                1 => Then::Done,
                _ => return Err(Malformed("a push that neither goes on nor ends")),
            };
            Incoming::Push { stream, then, items: Items::read(frame)?.0 }
        }
        _ => return Err(Malformed("a request of an unknown form")),
    };
    Ok((id, request))
}

fn call(frame: &mut Reader, mut context: Context) -> Result<IncomingCall, Malformed> {
    let (remaining, id, attempt, flags) = (frame.u64()?, frame.u128()?, frame.u32()?, frame.u8()?);
    if flags & !flag::OF_A_CALL != 0 {
        return Err(Malformed("a call with unknown flags"));
    }
    let length = frame.u16()?.into();
    let path = frame.bytes(length)?;
    let deadline = (remaining != FOREVER).then(|| Instant::now() + Duration::from_micros(remaining).min(LONGEST));
    if let Some(deadline) = deadline {
        context = context.with_deadline(deadline);
    }
    if id != 0 {
        context = context.with_attempt(CallId::from_bits(id), attempt);
    }
    if flags & flag::TRACE != 0 {
        let (trace_id, span_id, flags) = (frame.u128()?, frame.u64()?, frame.u8()?);
        context = context.with_trace(TraceContext { trace_id, span_id, flags });
    }
    let mut fault = None;
    if flags & flag::METADATA != 0 {
        match metadata(frame)? {
            Ok(pairs) => context = context.with_metadata(pairs),
            Err(error) => fault = Some(error),
        }
    }
    if flags & flag::BAGGAGE != 0 {
        match metadata(frame)? {
            Ok(pairs) => context = context.with_baggage(pairs),
            Err(error) => fault = Some(error),
        }
    }
    let stream = if flags & flag::STREAM != 0 { frame.u64()? } else { 0 };
    let pushed = flags & flag::PUSHED != 0;
    if pushed {
        frame.end()?;
        if stream == 0 {
            return Err(Malformed("a call whose items are pushed, without the id of a stream"));
        }
    }
    Ok(IncomingCall { path, deadline, context, stream, pushed, message: frame.rest(), fault })
}

/// Pairs that are well-formed as bytes may still break a rule for metadata: that is the call's fault and not the
/// connection's.
fn metadata(frame: &mut Reader) -> Result<Result<Metadata, MetadataError>, Malformed> {
    let mut pairs = Ok(Metadata::default());
    for _ in 0..frame.u8()? {
        let length = frame.u8()?.into();
        let key = String::from_utf8(frame.bytes(length)?.into()).map_err(|_| Malformed("a key that is not UTF-8"))?;
        let length = frame.u16()?.into();
        let value = frame.bytes(length)?;
        let Ok(metadata) = &mut pairs else { continue };
        let inserted = if key.ends_with("-bin") {
            // Copied: metadata may be kept long after the call, and should not keep a read buffer with it.
            metadata.append_bytes(key, Bytes::copy_from_slice(&value))
        } else {
            let text = String::from_utf8(value.into()).map_err(|_| Malformed("a text that is not UTF-8"))?;
            metadata.append(key, text)
        };
        if let Err(error) = inserted {
            pairs = Err(error);
        }
    }
    Ok(pairs)
}

fn optional_metadata(frame: &mut Reader) -> Result<Result<Metadata, Status>, Malformed> {
    match frame.u8()? {
        0 => Ok(Ok(Metadata::default())),
        flag::METADATA => Ok(metadata(frame)?.map_err(|error| forbidden(&error))),
        _ => Err(Malformed("a response with unknown flags")),
    }
}

#[cold]
fn forbidden(error: &MetadataError) -> Status {
    Status::internal(format!("the server sent metadata that is not allowed: {error}"))
}

/// Reads the id and the rest of a response. A message over `limit` bytes becomes a failure.
pub(crate) fn response(frame: &mut Reader, limit: usize) -> Result<(u64, Resp), Malformed> {
    let id = frame.u64()?;
    let response = match frame.u8()? {
        form::MESSAGE => {
            let metadata = optional_metadata(frame)?;
            let payload = Payload::Encoded(frame.rest());
            match metadata.and_then(|metadata| payload.within(limit).map(|()| metadata)) {
                Ok(metadata) => Resp::Message { metadata, payload },
                Err(status) => Resp::Failed(status),
            }
        }
        form::FAILED => Resp::Failed(status(frame)?),
        form::ITEMS => {
            let end = match frame.u8()? {
                0 => StreamEnd::More,
                1 => StreamEnd::Done,
                2 => StreamEnd::Failed(status(frame)?),
                3 => StreamEnd::Gone,
                4 => match metadata(frame)? {
                    Ok(trailers) => StreamEnd::DoneWith(Box::new(trailers)),
                    Err(error) => StreamEnd::Failed(forbidden(&error)),
                },
                _ => return Err(Malformed("a stream that goes on in an unknown way")),
            };
            match Items::read(frame)? {
                (items, longest) if longest <= limit => Resp::Items { items, end },
                (_, longest) => {
                    Resp::Items { items: Items::default(), end: StreamEnd::Failed(Payload::too_large(longest, limit)) }
                }
            }
        }
        form::BEGUN => match optional_metadata(frame)? {
            Ok(metadata) => Resp::Begun { metadata },
            Err(status) => Resp::Failed(status),
        },
        form::TAKEN => Resp::Taken,
        form::DONE => Resp::Done,
        _ => return Err(Malformed("a response of an unknown form")),
    };
    frame.end()?;
    Ok((id, response))
}

/// Reads a status that came over the wire. A code that nobody has defined is `Unknown`.
pub(crate) fn status(frame: &mut Reader) -> Result<Status, Malformed> {
    let code = Code::from_number(frame.u8()?).unwrap_or(Code::Unknown);
    let flags = frame.u8()?;
    let mut status = Status::new(code, text(frame)?);
    if flags & flag::UNPROCESSED != 0 {
        status = status.with_delivery(Delivery::Unprocessed);
    }
    for _ in 0..frame.u16()? {
        let type_url = text(frame)?.into();
        let length = frame.u32()? as usize;
        status = status.with_detail(Detail { type_url, value: Bytes::copy_from_slice(&frame.bytes(length)?) });
    }
    if flags & flag::BESIDE != 0 {
        // A failure is worth having without it.
        status = status.with_metadata(metadata(frame)?.unwrap_or_default());
    }
    Ok(status.received_from_peer())
}

fn text(frame: &mut Reader) -> Result<String, Malformed> {
    let length = frame.u16()?.into();
    String::from_utf8(frame.bytes(length)?.into()).map_err(|_| Malformed("a text that is not UTF-8"))
}
