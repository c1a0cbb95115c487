//! The circumstances of a call as headers: deadline, call id, attempt, trace, baggage, metadata.

use crate::{
    TARGET,
    encoding::{decode_binary, encode_binary, percent_decoded},
    timeout,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use rpc_core::{CallId, Context, Metadata, Peer, Status, TraceContext, Value};
use std::sync::Arc;
use tokio::time::Instant;

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const CALL_ID: HeaderName = HeaderName::from_static("rpc-call-id");
const ATTEMPT: HeaderName = HeaderName::from_static("rpc-attempt");
/// How many attempts went before this one, by a foreign client.
const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");
/// What clients of this framework call themselves.
const AGENT: &str = concat!("grpc-rust-rpc/", env!("CARGO_PKG_VERSION"));
/// The same without a version.
const AGENT_NAME: &str = AGENT.split_at(AGENT.len() - env!("CARGO_PKG_VERSION").len()).0;
/// The instance that the client wants to reach: ports are reused, and a stale record leads to somebody else.
pub(crate) const INSTANCE: HeaderName = HeaderName::from_static("rpc-instance");
pub(crate) const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// Bytes of all headers of a request or a reply, as HTTP/2 counts them, when everything is as large as it may be:
/// metadata in base64 with 32 bytes per entry (13 KiB), baggage of which every byte is escaped (24 KiB) or a message
/// and its details (12 KiB), and what the protocol itself needs.
pub(crate) const MAX_HEADER_LIST: u32 = 48 * 1024;

/// The headers of a request.
///
/// # Errors
/// `InvalidArgument`, naming the key, for metadata that is no header.
pub(crate) fn of_request(context: &Context, instance: Option<&HeaderValue>) -> Result<HeaderMap, Status> {
    let mut headers = HeaderMap::with_capacity(8 + context.metadata().len());
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::CONTENT_TYPE, GRPC);
    headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some(instance) = instance {
        headers.insert(INSTANCE, instance.clone());
    }
    if let Some(remaining) = context.remaining() {
        headers.insert(TIMEOUT, timeout::header(remaining));
    }
    if let Some(id) = context.call_id() {
        headers.insert(CALL_ID, call_id(id));
        headers.insert(ATTEMPT, attempt(context.attempt()));
    }
    if let Some(trace) = context.trace() {
        headers.extend(HeaderValue::try_from(trace.to_string()).ok().map(|value| (TRACEPARENT, value)));
    }
    if !context.baggage().is_empty() {
        headers.extend(write_baggage(context.baggage()).map(|value| (BAGGAGE, value)));
    }
    write_metadata(context.metadata(), &mut headers)?;
    Ok(headers)
}

pub(crate) fn call_id(id: CallId) -> HeaderValue {
    let mut text = [0; 32];
    let mut bits = id.bits();
    for place in text.iter_mut().rev() {
        *place = b"0123456789abcdef"[(bits & 15) as usize];
        bits >>= 4;
    }
    let mut value = HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
    // It never comes again: in the peer's table of headers it would only drive others out.
    value.set_sensitive(true);
    value
}

fn attempt(attempt: u32) -> HeaderValue {
    match attempt {
        1 => HeaderValue::from_static("1"),
        2 => HeaderValue::from_static("2"),
        more => HeaderValue::from(more),
    }
}

/// Adds metadata to the headers of a request or a reply.
///
/// # Errors
/// `InvalidArgument`, naming the key, for one that is no header.
pub(crate) fn write_metadata(metadata: &Metadata, headers: &mut HeaderMap) -> Result<(), Status> {
    for (key, value) in metadata.iter() {
        let refused = || Status::invalid_argument(format!("metadata `{key}` is no header of HTTP"));
        let name = HeaderName::from_bytes(key.as_bytes()).map_err(|_| refused())?;
        let value = match value {
            Value::Text(text) => HeaderValue::from_str(text).ok(),
            Value::Binary(bytes) => HeaderValue::from_maybe_shared(Bytes::from(encode_binary(bytes))).ok(),
        };
        headers.append(name, value.ok_or_else(refused)?);
    }
    Ok(())
}

/// The context of a request that came from `peer`. `call` is its id, if it has one ([`of_call`]).
///
/// # Errors
/// `InvalidArgument` for a malformed timeout and for metadata over the limits.
pub(crate) fn context(headers: &HeaderMap, call: Option<CallId>, peer: &Arc<Peer>) -> Result<Context, Status> {
    let mut context = Context::default().with_peer(peer.clone());
    if let Some(value) = headers.get(TIMEOUT) {
        context = context.with_deadline(Instant::now() + timeout::parse(value)?);
    }
    if let Some(id) = call {
        let attempt = text(headers, ATTEMPT).and_then(|text| text.parse().ok()).unwrap_or(1);
        context = context.with_attempt(id, attempt);
    } else if let Some(before) = text(headers, PREVIOUS_ATTEMPTS).and_then(|text| text.parse::<u32>().ok()) {
        context = context.with_attempt(None, before.saturating_add(1));
    }
    if let Some(trace) = text(headers, TRACEPARENT).and_then(TraceContext::parse) {
        context = context.with_trace(trace);
    }
    if headers.contains_key(BAGGAGE) {
        context = context.with_baggage(read_baggage(headers));
    }
    let mut metadata = Metadata::default();
    read_metadata(headers, &mut metadata)?;
    Ok(if metadata.is_empty() { context } else { context.with_metadata(metadata) })
}

/// The id of the call that a request is.
pub(crate) fn of_call(headers: &HeaderMap) -> Option<CallId> {
    read_call_id(headers, CALL_ID)
}

/// The id of the call that a request is, where its client is told when the call was not begun.
pub(crate) fn asked(headers: &HeaderMap, call: Option<CallId>) -> Option<CallId> {
    call.filter(|_| is_own(headers))
}

/// Whether a client of this framework has made the request itself. A gateway may copy the headers of the call that it
/// answers, our id among them, into a call of its own; but the libraries of gRPC put their own `user-agent` in the
/// place of that header, or behind what stands in it. So a gateway is not told of its call what it would pass on as
/// said of its caller's.
fn is_own(headers: &HeaderMap) -> bool {
    let mut agents = headers.get_all(header::USER_AGENT).iter();
    let version = agents.next().and_then(|agent| agent.as_bytes().strip_prefix(AGENT_NAME.as_bytes()));
    version.is_some_and(|version| !version.contains(&b' ')) && agents.next().is_none()
}

/// The id of a call that stands in a header.
pub(crate) fn read_call_id(headers: &HeaderMap, name: HeaderName) -> Option<CallId> {
    text(headers, name)?.parse().ok()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Adds what is metadata among the headers. What cannot be metadata here, as a key with a strange letter that some
/// proxy has added, is passed over.
///
/// # Errors
/// `InvalidArgument` when it is more than the limits of [`Metadata`] allow.
pub(crate) fn read_metadata(headers: &HeaderMap, metadata: &mut Metadata) -> Result<(), Status> {
    for (name, value) in headers {
        let name = name.as_str();
        if Metadata::is_reserved(name) {
            continue;
        }
        let added = if name.ends_with("-bin") {
            // Several values of one key may have been joined on the way.
            value.as_bytes().split(|byte| *byte == b',').try_for_each(|part| match decode_binary(part.trim_ascii()) {
                Some(bytes) => metadata.append_bytes(name.to_owned(), bytes),
                None => Ok(()),
            })
        } else {
            match value.to_str() {
                Ok(text) => metadata.append(name.to_owned(), text.to_owned()),
                Err(_) => Ok(()),
            }
        };
        match added {
            Err(error) if error.is_limit() => return Err(error.into()),
            Err(error) => tracing::debug!(target: TARGET, %error, "a header that is no metadata is passed over"),
            Ok(()) => {}
        }
    }
    Ok(())
}

/// `key=value,key=value`, values percent-encoded, as in W3C Baggage.
fn write_baggage(baggage: &Metadata) -> Option<HeaderValue> {
    let mut text = Vec::new();
    for (key, value) in baggage.iter() {
        let encoded;
        let value = match value {
            Value::Text(value) => value.as_bytes(),
            Value::Binary(bytes) => {
                encoded = encode_binary(bytes);
                encoded.as_bytes()
            }
        };
        if !text.is_empty() {
            text.push(b',');
        }
        text.extend_from_slice(key.as_bytes());
        text.push(b'=');
        for &byte in value {
            match byte {
                b'"' | b',' | b';' | b'\\' | b'%' | b' ' => text.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                _ => text.push(byte),
            }
        }
    }
    HeaderValue::from_maybe_shared(Bytes::from(text)).ok()
}

/// Baggage is advice: what cannot be read, or is too much, is left behind.
fn read_baggage(headers: &HeaderMap) -> Metadata {
    let mut baggage = Metadata::default();
    let members = headers.get_all(BAGGAGE).iter().filter_map(|value| value.to_str().ok());
    for member in members.flat_map(|text| text.split(',')) {
        // Behind a semicolon stand properties, which nobody here knows.
        let member = member.split(';').next().unwrap_or_default();
        let Some((key, value)) = member.split_once('=') else { continue };
        let (key, value) = (key.trim(), percent_decoded(value.trim().as_bytes()));
        let added = if key.ends_with("-bin") {
            match decode_binary(value.as_bytes()) {
                Some(bytes) => baggage.append_bytes(key.to_owned(), bytes),
                None => continue,
            }
        } else {
            baggage.append(key.to_owned(), value)
        };
        if added.is_err_and(|error| error.is_limit()) {
            break;
        }
    }
    baggage
}

/// Whether a content type is gRPC with protobuf messages: `application/grpc` or `application/grpc+proto`, with or
/// without parameters.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return false };
    let media_type = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    media_type.eq_ignore_ascii_case(b"application/grpc") || media_type.eq_ignore_ascii_case(b"application/grpc+proto")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn carried(context: &Context) -> Context {
        let headers = of_request(context, None).unwrap();
        super::context(&headers, of_call(&headers), &Arc::new(Peer::new("grpc", None))).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_whole_context_arrives() {
        let (mut metadata, mut baggage) = (Metadata::default(), Metadata::default());
        metadata.append("tenant", "seoul, busan").unwrap();
        metadata.append("tenant", "").unwrap();
        metadata.append_bytes("token-bin", vec![0, 255, 1]).unwrap();
        baggage.append("user", "a \"b\", c; d=e %41\\").unwrap();
        baggage.append_bytes("key-bin", vec![1, 2]).unwrap();
        let trace = TraceContext { trace_id: 7, span_id: 9, flags: 1 };
        let sent = Context::default()
            .with_deadline(Instant::now() + Duration::from_millis(1500))
            .with_metadata(metadata)
            .with_baggage(baggage)
            .with_trace(trace)
            .with_attempt(CallId::random(), 3);
        let got = carried(&sent);
        assert_eq!(got.deadline(), sent.deadline());
        assert_eq!(got.metadata(), sent.metadata());
        assert_eq!(got.baggage(), sent.baggage());
        assert_eq!((got.trace(), got.call_id(), got.attempt()), (Some(trace), sent.call_id(), 3));
    }

    #[test]
    fn a_foreign_clients_retry_is_known_as_one() {
        let attempt = |headers: &[(HeaderName, &'static str)]| {
            let value = |(name, value): &(HeaderName, &'static str)| (name.clone(), HeaderValue::from_static(value));
            let headers = headers.iter().map(value).collect();
            super::context(&headers, of_call(&headers), &Arc::new(Peer::new("grpc", None))).unwrap().attempt()
        };
        assert_eq!(attempt(&[]), 1);
        assert_eq!(attempt(&[(PREVIOUS_ATTEMPTS, "2")]), 3);
        assert_eq!(attempt(&[(PREVIOUS_ATTEMPTS, "4294967295")]), u32::MAX);
        assert_eq!(attempt(&[(PREVIOUS_ATTEMPTS, "many")]), 1);
        let id = (CALL_ID, "0123456789abcdef0123456789abcdef");
        assert_eq!(attempt(&[id, (ATTEMPT, "2"), (PREVIOUS_ATTEMPTS, "7")]), 2, "our own word goes first");
    }

    #[test]
    fn reserved_keys_are_never_taken_for_metadata() {
        let mut headers = HeaderMap::new();
        for name in ["grpc-anything", "rpc-anything", "te", "user-agent", "content-type"] {
            headers.insert(name, HeaderValue::from_static("x"));
        }
        headers.insert("strange!key", HeaderValue::from_static("x"));
        headers.insert("latin", HeaderValue::from_bytes(b"\xe9").unwrap());
        headers.insert("kept", HeaderValue::from_static("x"));
        headers.insert("two-bin", HeaderValue::from_static("AP8=, AQ"));
        let mut metadata = Metadata::default();
        read_metadata(&headers, &mut metadata).unwrap();
        let mut keys: Vec<_> = metadata.iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["kept", "two-bin", "two-bin"]);
    }

    #[test]
    fn more_than_the_limits_is_an_error() {
        let mut headers = HeaderMap::new();
        for _ in 0..=Metadata::MAX_ENTRIES {
            headers.append("many", HeaderValue::from_static("x"));
        }
        assert!(read_metadata(&headers, &mut Metadata::default()).is_err());
        let mut headers = HeaderMap::new();
        headers.insert("long", HeaderValue::from_str(&"x".repeat(Metadata::MAX_BYTES)).unwrap());
        assert!(read_metadata(&headers, &mut Metadata::default()).is_err());
    }

    #[test]
    fn only_who_has_made_a_call_hears_that_it_was_not_begun() {
        let context = Context::default().with_attempt(CallId::random(), 1);
        let sent = of_request(&context, None).unwrap();
        let asked = |headers: &HeaderMap| asked(headers, of_call(headers));
        assert_eq!((asked(&sent), is_own(&sent)), (context.call_id(), true));
        for theirs in ["grpc-go/1.71.0", "grpc-rust-rpc/0.1.0 tonic/0.14.9", "x grpc-rust-rpc/0.1.0", ""] {
            let mut copied = sent.clone();
            copied.insert(header::USER_AGENT, HeaderValue::from_static(theirs));
            assert_eq!(asked(&copied), None, "{theirs}");
        }
        let mut twice = sent.clone();
        twice.append(header::USER_AGENT, HeaderValue::from_static("grpc-rust-rpc/0.1.0"));
        assert_eq!(asked(&twice), None);
        let mut nobodys = sent;
        nobodys.remove(header::USER_AGENT);
        assert_eq!(asked(&nobodys), None);
    }

    #[test]
    fn content_types_of_grpc_are_known() {
        let is = |text| is_grpc(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(text))]));
        for yes in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8", "Application/gRPC"]
        {
            assert!(is(yes), "{yes}");
        }
        for no in ["application/grpc-web", "application/grpc+json", "application/json", "application/grpcx", ""] {
            assert!(!is(no), "{no}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
