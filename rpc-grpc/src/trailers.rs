//! A status as it stands in headers: `grpc-status`, `grpc-message`, `grpc-status-details-bin`.

use crate::{
    TARGET,
    encoding::{decode_binary, percent_decoded},
    headers,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;
use rpc_core::{CallId, Code, Delivery, Detail, Metadata, Pushback, Status};
use std::borrow::Cow;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
/// Says that the server has not begun the call of this id. Headers of a failed call are often passed on, as tonic does
/// by itself when a handler returns the status of a call of its own: by then its own call has been begun, and making
/// that again would do half of it twice. So it counts only where it names the call that it answers; and it is said
/// only to who has made that call, since a gateway that copies the headers of requests as well has them name one call
/// at both of its ends ([`headers::asked`]).
const UNPROCESSED: HeaderName = HeaderName::from_static("rpc-unprocessed");

/// How long to stay away (gRFC A6). It is gRPC's own and names no call, so one that a foreign gateway passes on is
/// taken for the gateway's. That makes nothing be done twice: by itself it leads to no other attempt, and at most the
/// gateway gets no calls for a few seconds while another has them.
const PUSH_BACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// `google.rpc.Status`, which travels beside the code and message so that the details have a place.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// The trailers of a call that went well.
pub(crate) fn ok() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    trailers
}

/// The trailers of a call that failed, of this id if it is to hear whether it was begun.
#[cold]
pub(crate) fn failed(status: &Status, asked: Option<CallId>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let code = tonic::Code::from_i32(status.code().number().into());
    let message = cut(status.message());
    let details = details(status, &message);
    if tonic::Status::with_details(code, message, details).add_header(&mut headers).is_err() {
        headers.insert(STATUS, HeaderValue::from(u16::from(status.code().number())));
    }
    if let Some(id) = asked.filter(|_| status.delivery() != Delivery::Unknown) {
        headers.insert(UNPROCESSED, headers::call_id(id));
    }
    if let Some(time) = status.outgoing_pushback() {
        headers.insert(PUSH_BACK, HeaderValue::from(u32::try_from(time.as_millis()).unwrap_or(u32::MAX)));
    }
    if let Err(error) = headers::write_metadata(status.metadata(), &mut headers) {
        // The failure is worth more than what stands beside it.
        tracing::warn!(target: TARGET, %error, "metadata of a status is not sent");
    }
    headers
}

fn details(status: &Status, message: &str) -> Bytes {
    if status.details().is_empty() {
        return Bytes::new();
    }
    let any = |detail: &Detail| Any { type_url: detail.type_url.to_string(), value: detail.value.clone() };
    let details = status.details().iter().map(any).collect();
    let code = status.code().number().into();
    RpcStatus { code, message: message.to_owned(), details }.encode_to_vec().into()
}

/// A message that is short enough when every byte that is not printable ASCII has become three: a peer that is sent too
/// many headers drops the call.
fn cut(message: &str) -> Cow<'_, str> {
    let mut encoded = 0;
    for (index, character) in message.char_indices() {
        encoded += if matches!(character, ' '..='~') && character != '%' { 1 } else { 3 * character.len_utf8() };
        if encoded > Status::MAX_MESSAGE {
            return format!("{}...", &message[..index]).into();
        }
    }
    message.into()
}

/// Takes away what only the server itself says of a call, and not the service behind it: it would be what somebody said
/// of a call that the service has made.
pub(crate) fn strip(headers: &mut HeaderMap) {
    headers.remove(PUSH_BACK);
    let own: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with("rpc-")).cloned().collect();
    for name in own {
        headers.remove(name);
    }
}

/// The outcome that stands in headers or trailers; `None` when there is none. `asked` is the call's id, where it can be
/// that the server has not begun it.
pub(crate) fn read(headers: &HeaderMap, asked: Option<CallId>) -> Option<Result<(), Status>> {
    match headers.get(STATUS)?.as_bytes() {
        b"0" => Some(Ok(())),
        code => Some(read_failure(code, headers, asked)),
    }
}

#[cold]
fn read_failure(code: &[u8], headers: &HeaderMap, asked: Option<CallId>) -> Result<(), Status> {
    let code = match tonic::Code::from_bytes(code) {
        // "00", which is no form of zero that the specification knows.
        tonic::Code::Ok => Code::Unknown,
        code => u8::try_from(code as i32).ok().and_then(Code::from_number).unwrap_or(Code::Unknown),
    };
    let message = headers.get(MESSAGE).map(|value| percent_decoded(value.as_bytes())).unwrap_or_default();
    let mut status = Status::new(code, message);
    if asked.is_some() && headers::read_call_id(headers, UNPROCESSED) == asked {
        status = status.with_delivery(Delivery::Unprocessed);
    }
    for Any { type_url, value } in headers.get(DETAILS).map(read_details).unwrap_or_default() {
        status = status.with_detail(Detail { type_url: type_url.into(), value });
    }
    let mut metadata = Metadata::default();
    if let Err(error) = headers::read_metadata(headers, &mut metadata) {
        tracing::debug!(target: TARGET, %error, "not all metadata of a status is taken");
    }
    let status = status.with_metadata(metadata).received_from_peer();
    Err(match headers.get(PUSH_BACK) {
        Some(value) => status.with_incoming_pushback(Pushback::from_millis(value.to_str().unwrap_or_default())),
        None => status,
    })
}

/// Details that cannot be read are left out: code and message are worth having without them.
fn read_details(value: &HeaderValue) -> Vec<Any> {
    // Not by `tonic::Status::from_header_map`: it panics on a value that is not base64.
    let bytes = decode_binary(value.as_bytes());
    match bytes.and_then(|bytes| RpcStatus::decode(bytes).ok()) {
        Some(status) => status.details,
        None => {
            tracing::debug!(target: TARGET, "`grpc-status-details-bin` is no google.rpc.Status in base64");
            Vec::new()
        }
    }
}

/// The code for an HTTP status where there is no gRPC status: an answer by something that does not speak gRPC.
///
/// Source: `grpc/grpc/doc/http-grpc-status-mapping.md`, and grpc-go for 431.
pub(crate) fn code_of_http(status: http::StatusCode) -> Code {
    match status.as_u16() {
        400 | 431 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(status: &Status) -> Status {
        let asked = Some(CallId::from_bits(7));
        let headers = failed(status, asked);
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        assert!(bytes < 16 * 1024, "{bytes} bytes of trailers");
        read(&headers, asked).unwrap().unwrap_err()
    }

    #[test]
    fn a_refusal_is_of_the_call_that_it_names() {
        let [asked, another] = [7, 8].map(|bits| Some(CallId::from_bits(bits)));
        let refused = Status::unavailable("leaving").with_delivery(Delivery::Unprocessed);
        let heard = |headers: &HeaderMap, asked| read(headers, asked).unwrap().unwrap_err().delivery();
        let headers = failed(&refused, asked);
        assert_eq!(heard(&headers, asked), Delivery::Unprocessed);
        for asked in [another, None] {
            assert_eq!(heard(&headers, asked), Delivery::Unknown, "{asked:?}");
        }
        for asked in [asked, None] {
            assert_eq!(heard(&failed(&refused, None), asked), Delivery::Unknown, "it has not said of which");
        }
        let mut relayed = failed(&refused, asked);
        relayed.insert(PUSH_BACK, HeaderValue::from_static("-1"));
        strip(&mut relayed);
        let relayed = read(&relayed, asked).unwrap().unwrap_err();
        assert_eq!((relayed.delivery(), relayed.incoming_pushback()), (Delivery::Unknown, None));
        assert_eq!((relayed.code(), relayed.message()), (refused.code(), "leaving"));
    }

    #[test]
    fn every_code_and_any_message_arrive() {
        for code in Code::ALL {
            let sent = Status::new(code, "배달 100% 완료\n\u{0}");
            let got = carried(&sent);
            assert_eq!((got.code(), got.message()), (code, sent.message()));
            assert_eq!(got.origin(), rpc_core::Origin::Remote);
        }
        assert!(read(&ok(), None).unwrap().is_ok());
        assert!(read(&HeaderMap::new(), None).is_none());
    }

    #[test]
    fn details_arrive_and_delivery_only_as_a_refusal() {
        let detail = Detail { type_url: "type.googleapis.com/t.E".into(), value: Bytes::from_static(&[0, 255, 7]) };
        let got = carried(&Status::not_found("no order").with_detail(detail.clone()).with_detail(detail.clone()));
        assert_eq!(got.details(), [detail.clone(), detail]);
        assert_eq!(got.delivery(), Delivery::Unknown);
        let refused = Status::unavailable("leaving").with_delivery(Delivery::Unprocessed);
        assert_eq!(carried(&refused).delivery(), Delivery::Unprocessed);
    }

    #[test]
    fn a_refusal_says_how_long_to_stay_away_in_grpcs_way_too() {
        let second = std::time::Duration::from_secs(1);
        let refused =
            Status::resource_exhausted("full").with_delivery(Delivery::Unprocessed).with_outgoing_pushback(second);
        assert_eq!(failed(&refused, None)[PUSH_BACK], "1000");
        let told = carried(&refused);
        assert_eq!((told.incoming_pushback(), told.details().len()), (Some(Pushback::After(second)), 0));
    }

    #[test]
    fn a_foreign_servers_pushback_is_heard() {
        for (text, pushback) in
            [("250", Pushback::After(std::time::Duration::from_millis(250))), ("-1", Pushback::Never)]
        {
            let mut headers = failed(&Status::unavailable("busy"), None);
            assert!(!headers.contains_key(PUSH_BACK));
            headers.insert(PUSH_BACK, HeaderValue::from_static(text));
            assert_eq!(read(&headers, None).unwrap().unwrap_err().incoming_pushback(), Some(pushback));
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_cut_and_says_so() {
        let got = carried(&Status::internal("한".repeat(10_000)));
        assert!(got.message().ends_with("한..."), "{}", got.message());
    }

    #[test]
    fn what_a_peer_writes_wrongly_is_an_error_and_no_panic() {
        let mut headers = HeaderMap::new();
        for code in ["", "-1", "00", "17", "999999999999", "x"] {
            headers.insert(STATUS, HeaderValue::from_static(code));
            headers.insert(DETAILS, HeaderValue::from_static("!!! no base64 !!!"));
            headers.insert(MESSAGE, HeaderValue::from_static("50% of %zz %e2%28 %4"));
            let status = read(&headers, None).unwrap().unwrap_err();
            assert_eq!(status.code(), Code::Unknown, "{code}");
            assert_eq!(status.message(), "50% of %zz %e2%28 %4");
            assert!(status.details().is_empty());
        }
    }
}
