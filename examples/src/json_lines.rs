//! A transport of one's own: newline-delimited JSON, which a person can read off the network.
//!
//! Written as a third party would, on the public API of [`rpc`] alone. [`rpc::framed`] makes the calls, streams and
//! drains; here stands what its frames look like: one object a line, whose first field names the kind. Messages are
//! protobuf, as on every wire, in base64:
//!
//! ```json
//! {"@frame":"call","attempt":1,"id":1,"left_us":299871,"message":"CgExAA==","path":"/baedal.orders.v1.Orders/Find"}
//! {"@frame":"reply","id":1,"message":"CgkKATESBG1pbmE=","metadata":[]}
//! ```
//!
//! A program adds it with `App::builder().transport(Arc::new(json_lines()))`. Its servers then speak it on the port of
//! gRPC and tarpc, and register it as `json-lines/1`; `transport = "json-lines"` lets a client use it.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::BytesMut;
use rpc::framed::{Call, Codec, Credit, Frame, Framed, Hello, Malformed};
use rpc::{Code, Delivery, Detail, Metadata, Payload, Status, TraceContext, Value, transport::Limits};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// The transport.
pub const fn json_lines() -> Framed<Lines> {
    Framed::new("json-lines", "json-lines/1", br#"{"@frame":"hello""#, Lines { searched: 0 })
}

/// Frames as lines.
#[derive(Clone, Debug)]
pub struct Lines {
    /// So many of the bytes that were read are known to hold no end of a line.
    searched: usize,
}

impl Codec for Lines {
    fn encode(&mut self, frame: &Frame, out: &mut BytesMut) {
        out.extend_from_slice(format!("{}\n", line(frame)).as_bytes());
    }

    fn decode(&mut self, read: &mut BytesMut) -> Result<Option<Frame>, Malformed> {
        let Some(end) = read[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = read.len();
            return Ok(None);
        };
        let line = read.split_to(std::mem::take(&mut self.searched) + end + 1);
        let line = serde_json::from_slice(&line).map_err(|_| Malformed("a line that is not a frame in JSON"))?;
        frame(line).map(Some)
    }

    // Base64 is a third longer than its bytes; beside it there are names, quotes and escapes.
    fn max_frame(&self, max_message: usize) -> usize {
        max_message / 3 * 4 + 256 * 1024
    }
}

fn line(frame: &Frame) -> serde_json::Value {
    match frame {
        Frame::Hello(Hello { limits: Limits { max_message, max_concurrent_calls, .. }, instance, credit, .. }) => {
            json!({
                "@frame": "hello", "version": 1, "max_message": max_message, "max_calls": max_concurrent_calls,
                "items": credit.items, "bytes": credit.bytes, "instance": instance,
            })
        }
        Frame::Call(call) => json!({
            "@frame": "call", "id": call.id, "path": call.path, "attempt": call.attempt,
            "left_us": call.remaining.map(|left| left.as_micros() as u64),
            "call_id": call.call_id.map(|id| id.to_string()), "trace": call.trace.map(|trace| trace.to_string()),
            "metadata": pairs(&call.metadata), "baggage": pairs(&call.baggage),
            "message": call.message.as_ref().map(text),
        }),
        Frame::Item { id, payload } => json!({ "@frame": "item", "id": id, "message": text(payload) }),
        Frame::End { id, trailers } => json!({ "@frame": "end", "id": id, "metadata": pairs(trailers) }),
        Frame::Credit { id, credit: Credit { items, bytes } } => {
            json!({ "@frame": "credit", "id": id, "items": items, "bytes": bytes })
        }
        Frame::Stop { id } => json!({ "@frame": "stop", "id": id }),
        Frame::Cancel { id } => json!({ "@frame": "cancel", "id": id }),
        Frame::Begun { id, metadata } => json!({ "@frame": "begun", "id": id, "metadata": pairs(metadata) }),
        Frame::Reply { id, metadata, payload } => {
            json!({ "@frame": "reply", "id": id, "metadata": pairs(metadata), "message": text(payload) })
        }
        Frame::Failed { id, status } => failure("failed", *id, status),
        Frame::GoAway => json!({ "@frame": "go_away" }),
        Frame::Goodbye { status } => failure("goodbye", 0, status),
        Frame::Ping { number } => json!({ "@frame": "ping", "id": number }),
        Frame::Pong { number } => json!({ "@frame": "pong", "id": number }),
        Frame::Unknown => json!({}),
    }
}

fn failure(kind: &str, id: u64, status: &Status) -> serde_json::Value {
    let detail = |detail: &Detail| (detail.type_url.to_string(), BASE64.encode(&detail.value));
    json!({
        "@frame": kind, "id": id, "code": status.code().number(), "reason": status.message(),
        "unprocessed": status.delivery() == Delivery::Unprocessed, "metadata": pairs(status.metadata()),
        "details": status.details().iter().map(detail).collect::<Pairs>(),
    })
}

/// Keys and values. The values of keys that end in `-bin` are in base64.
type Pairs = Vec<(String, String)>;

fn pairs(metadata: &Metadata) -> Pairs {
    let pair = |(key, value): (&str, &Value)| match value {
        Value::Text(text) => (key.to_owned(), text.to_string()),
        Value::Binary(bytes) => (key.to_owned(), BASE64.encode(bytes)),
    };
    metadata.iter().map(pair).collect()
}

fn text(payload: &Payload) -> String {
    BASE64.encode(payload.clone().into_bytes())
}

/// Everything that a line can say.
#[derive(Deserialize, Default)]
#[serde(default)]
#[rustfmt::skip]
struct Line {
    #[serde(rename = "@frame")]
    kind: String,
    id: u64, path: String, attempt: u32, left_us: Option<u64>, call_id: Option<String>, trace: Option<String>,
    metadata: Pairs, baggage: Pairs, message: Option<String>,
    version: u32, max_message: usize, max_calls: usize, items: u32, bytes: u32, instance: Option<String>,
    code: u8, reason: String, unprocessed: bool, details: Pairs,
}

fn frame(line: Line) -> Result<Frame, Malformed> {
    let (id, credit) = (line.id, Credit { items: line.items, bytes: line.bytes });
    let payload = || bytes(line.message.as_deref().unwrap_or_default()).map(Payload::Encoded);
    Ok(match line.kind.as_str() {
        "hello" if line.version == 1 => {
            let limits = Limits::default().with_max_message(line.max_message).with_max_concurrent_calls(line.max_calls);
            Frame::Hello(Hello { limits, instance: line.instance, credit })
        }
        "hello" => return Err(Malformed("a version of JSON lines that is not spoken here")),
        "call" => {
            let (metadata, baggage) = (metadata(&line.metadata), metadata(&line.baggage));
            Frame::Call(Call {
                fault: metadata.as_ref().err().or(baggage.as_ref().err()).cloned(),
                message: line.message.is_some().then(payload).transpose()?,
                remaining: line.left_us.map(Duration::from_micros),
                call_id: line.call_id.and_then(|id| id.parse().ok()),
                trace: line.trace.and_then(|trace| TraceContext::parse(&trace)),
                metadata: metadata.unwrap_or_default(),
                baggage: baggage.unwrap_or_default(),
                path: line.path.into(),
                attempt: line.attempt,
                id,
            })
        }
        "item" => Frame::Item { id, payload: payload()? },
        "end" => Frame::End { id, trailers: metadata(&line.metadata).unwrap_or_default() },
        "credit" => Frame::Credit { id, credit },
        "stop" => Frame::Stop { id },
        "cancel" => Frame::Cancel { id },
        "begun" => Frame::Begun { id, metadata: metadata(&line.metadata).unwrap_or_default() },
        "reply" => Frame::Reply { id, metadata: metadata(&line.metadata).unwrap_or_default(), payload: payload()? },
        "failed" => Frame::Failed { id, status: status(&line)? },
        "go_away" => Frame::GoAway,
        "goodbye" => Frame::Goodbye { status: status(&line)? },
        "ping" => Frame::Ping { number: id },
        "pong" => Frame::Pong { number: id },
        _ => Frame::Unknown,
    })
}

fn status(line: &Line) -> Result<Status, Malformed> {
    let mut status = Status::new(Code::from_number(line.code).unwrap_or(Code::Unknown), line.reason.clone())
        .with_metadata(metadata(&line.metadata).unwrap_or_default());
    for (type_url, value) in &line.details {
        status = status.with_detail(Detail { type_url: type_url.clone().into(), value: bytes(value)? });
    }
    Ok(if line.unprocessed { status.with_delivery(Delivery::Unprocessed) } else { status })
}

fn metadata(pairs: &Pairs) -> Result<Metadata, Status> {
    let mut metadata = Metadata::default();
    for (key, value) in pairs {
        match bytes(value) {
            Ok(value) if key.ends_with("-bin") => metadata.append_bytes(key.clone(), value)?,
            _ => metadata.append(key.clone(), value.clone())?,
        }
    }
    Ok(metadata)
}

fn bytes(base64: &str) -> Result<bytes::Bytes, Malformed> {
    BASE64.decode(base64).map(Into::into).map_err(|_| Malformed("base64 that is none"))
}
