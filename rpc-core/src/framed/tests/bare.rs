//! A codec that is as plain as can be, for the tests: length, kind, fields in order.

use crate::{
    CallId, Code, Delivery, Metadata, Payload, Status, TraceContext, Value,
    framed::{Call, Codec, Credit, Frame, Hello, Malformed},
    transport::Limits,
};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::time::Duration;

#[derive(Clone, Debug)]
pub(super) struct Bare;

impl Codec for Bare {
    fn encode(&mut self, frame: &Frame, out: &mut BytesMut) {
        let start = out.len();
        out.put_u32(0);
        put(frame, out);
        let length = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    fn decode(&mut self, read: &mut BytesMut) -> Result<Option<Frame>, Malformed> {
        let Some(length) = read.first_chunk().map(|length| u32::from_be_bytes(*length) as usize) else {
            return Ok(None);
        };
        if read.len() - 4 < length {
            return Ok(None);
        }
        read.advance(4);
        take(read.split_to(length).freeze()).map(Some)
    }

    fn max_frame(&self, max_message: usize) -> usize {
        max_message + 64 * 1024
    }
}

fn put(frame: &Frame, out: &mut BytesMut) {
    let mut head = |kind: u8, id: u64| {
        out.put_u8(kind);
        out.put_u64(id);
    };
    match frame {
        Frame::Hello(Hello { limits, instance, credit }) => {
            head(0, limits.max_message as u64);
            out.put_u64(limits.max_concurrent_calls as u64);
            put_credit(*credit, out);
            put_bytes(instance.as_deref().unwrap_or_default().as_bytes(), out);
        }
        Frame::Call(call) => {
            head(1, call.id);
            put_bytes(call.path.as_bytes(), out);
            out.put_u64(call.remaining.map_or(u64::MAX, |left| left.as_micros() as u64));
            out.put_u128(call.call_id.map_or(0, CallId::bits));
            out.put_u32(call.attempt);
            put_bytes(call.trace.map(|trace| trace.to_string()).unwrap_or_default().as_bytes(), out);
            put_metadata(&call.metadata, out);
            put_metadata(&call.baggage, out);
            match &call.message {
                None => out.put_u8(0),
                Some(payload) => {
                    out.put_u8(1);
                    payload.encode(out);
                }
            }
        }
        Frame::Item { id, payload } => {
            head(2, *id);
            payload.encode(out);
        }
        Frame::End { id, trailers } => {
            head(3, *id);
            put_metadata(trailers, out);
        }
        Frame::Credit { id, credit } => {
            head(4, *id);
            put_credit(*credit, out);
        }
        Frame::Stop { id } => head(5, *id),
        Frame::Cancel { id } => head(6, *id),
        Frame::Begun { id, metadata } => {
            head(7, *id);
            put_metadata(metadata, out);
        }
        Frame::Reply { id, metadata, payload } => {
            head(8, *id);
            put_metadata(metadata, out);
            payload.encode(out);
        }
        Frame::Failed { id, status } => {
            head(9, *id);
            put_status(status, out);
        }
        Frame::GoAway => head(10, 0),
        Frame::Goodbye { status } => {
            head(11, 0);
            put_status(status, out);
        }
        Frame::Ping { number } => head(12, *number),
        Frame::Pong { number } => head(13, *number),
        Frame::Unknown => head(255, 0),
    }
}

fn put_credit(credit: Credit, out: &mut BytesMut) {
    out.put_u32(credit.items);
    out.put_u32(credit.bytes);
}

fn put_bytes(bytes: &[u8], out: &mut BytesMut) {
    out.put_u32(bytes.len() as u32);
    out.put_slice(bytes);
}

fn put_metadata(metadata: &Metadata, out: &mut BytesMut) {
    out.put_u8(metadata.len() as u8);
    for (key, value) in metadata.iter() {
        put_bytes(key.as_bytes(), out);
        match value {
            Value::Text(text) => put_bytes(text.as_bytes(), out),
            Value::Binary(bytes) => put_bytes(bytes, out),
        }
    }
}

fn put_status(status: &Status, out: &mut BytesMut) {
    out.put_u8(status.code().number());
    out.put_u8(u8::from(status.delivery() == Delivery::Unprocessed));
    put_bytes(status.message().as_bytes(), out);
    put_metadata(status.metadata(), out);
}

const SHORT: Malformed = Malformed("a frame that ends too early");

fn take(mut frame: Bytes) -> Result<Frame, Malformed> {
    let frame = &mut frame;
    let kind = frame.try_get_u8().map_err(|_| SHORT)?;
    let id = u64(frame)?;
    Ok(match kind {
        0 => {
            let calls = u64(frame)? as usize;
            let limits = Limits::default().with_max_message(id as usize).with_max_concurrent_calls(calls);
            let (credit, instance) = (credit(frame)?, text(frame)?);
            Frame::Hello(Hello { limits, instance: Some(instance).filter(|id| !id.is_empty()), credit })
        }
        1 => {
            let path = text(frame)?.into();
            let remaining = Some(u64(frame)?).filter(|left| *left != u64::MAX).map(Duration::from_micros);
            let call_id = Some(frame.try_get_u128().map_err(|_| SHORT)?).filter(|bits| *bits != 0);
            let attempt = frame.try_get_u32().map_err(|_| SHORT)?;
            let trace = TraceContext::parse(&text(frame)?);
            let (metadata, baggage) = (metadata(frame)?, metadata(frame)?);
            let fault = metadata.as_ref().err().or(baggage.as_ref().err()).cloned();
            let message = frame.try_get_u8().map_err(|_| SHORT)? == 1;
            Frame::Call(Call {
                id,
                path,
                remaining,
                call_id: call_id.map(CallId::from_bits),
                attempt,
                trace,
                metadata: metadata.unwrap_or_default(),
                baggage: baggage.unwrap_or_default(),
                message: message.then(|| Payload::Encoded(std::mem::take(frame))),
                fault,
            })
        }
        2 => Frame::Item { id, payload: Payload::Encoded(std::mem::take(frame)) },
        3 => Frame::End { id, trailers: metadata(frame)?.unwrap_or_default() },
        4 => Frame::Credit { id, credit: credit(frame)? },
        5 => Frame::Stop { id },
        6 => Frame::Cancel { id },
        7 => Frame::Begun { id, metadata: metadata(frame)?.unwrap_or_default() },
        8 => {
            let metadata = metadata(frame)?.unwrap_or_default();
            Frame::Reply { id, metadata, payload: Payload::Encoded(std::mem::take(frame)) }
        }
        9 => Frame::Failed { id, status: status(frame)? },
        10 => Frame::GoAway,
        11 => Frame::Goodbye { status: status(frame)? },
        12 => Frame::Ping { number: id },
        13 => Frame::Pong { number: id },
        128.. => Frame::Unknown,
        _ => return Err(Malformed("a frame of a kind that nobody knows")),
    })
}

fn u64(frame: &mut Bytes) -> Result<u64, Malformed> {
    frame.try_get_u64().map_err(|_| SHORT)
}

fn credit(frame: &mut Bytes) -> Result<Credit, Malformed> {
    let both = u64(frame)?;
    Ok(Credit { items: (both >> 32) as u32, bytes: both as u32 })
}

fn bytes(frame: &mut Bytes) -> Result<Bytes, Malformed> {
    let length = frame.try_get_u32().map_err(|_| SHORT)? as usize;
    if length > frame.len() { Err(SHORT) } else { Ok(frame.split_to(length)) }
}

fn text(frame: &mut Bytes) -> Result<String, Malformed> {
    String::from_utf8(bytes(frame)?.into()).map_err(|_| Malformed("a text that is not UTF-8"))
}

fn metadata(frame: &mut Bytes) -> Result<Result<Metadata, Status>, Malformed> {
    let mut metadata = Ok(Metadata::default());
    for _ in 0..frame.try_get_u8().map_err(|_| SHORT)? {
        let (key, value) = (text(frame)?, bytes(frame)?);
        metadata = metadata.and_then(|mut metadata: Metadata| {
            if key.ends_with("-bin") {
                metadata.append_bytes(key, value)?;
            } else {
                metadata.append(key, String::from_utf8_lossy(&value).into_owned())?;
            }
            Ok(metadata)
        });
    }
    Ok(metadata)
}

fn status(frame: &mut Bytes) -> Result<Status, Malformed> {
    let (code, unprocessed) = (frame.try_get_u8().map_err(|_| SHORT)?, frame.try_get_u8().map_err(|_| SHORT)?);
    let status = Status::new(Code::from_number(code).unwrap_or(Code::Unknown), text(frame)?);
    let status = status.with_metadata(metadata(frame)?.unwrap_or_default());
    Ok(if unprocessed == 1 { status.with_delivery(Delivery::Unprocessed) } else { status })
}
