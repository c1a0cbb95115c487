//! The bytes of version 1. They may never change: peers that speak it will be out there when version 2 comes.

use crate::{
    codec::{self, Incoming},
    frame::{self, Reader, kind},
    items::{self, Items},
    message::{Call, CallBody, Pull, Push, Req, Resp, StreamEnd, Then},
};
use bytes::{Bytes, BytesMut};
use rpc_core::{Batch, CallId, Code, Context, Delivery, Detail, Kind, Metadata, Method, Payload, Status, TraceContext};
use std::time::Duration;
use tokio::time::Instant;

const LIMIT: usize = 1024;

static FIND: Method = Method::new("shop.v1.Orders", "Find", "/shop.v1.Orders/Find", Kind::Unary);

fn payload(bytes: &'static [u8]) -> Payload {
    Payload::Encoded(Bytes::from_static(bytes))
}

fn pairs() -> Metadata {
    let mut metadata = Metadata::default();
    metadata.append("tenant", "seoul").unwrap();
    metadata.append_bytes("token-bin", vec![0, 255]).unwrap();
    metadata
}

fn bytes_of(request: &Req) -> BytesMut {
    let mut buffer = BytesMut::new();
    codec::put_request(&mut buffer, 7, request, LIMIT).unwrap();
    buffer
}

fn bytes_of_response(response: &Resp) -> BytesMut {
    let mut buffer = BytesMut::new();
    codec::put_response(&mut buffer, 7, response, LIMIT);
    buffer
}

#[track_caller]
fn same(bytes: &[u8], golden: &[u8]) {
    assert_eq!(bytes.escape_ascii().to_string(), golden.escape_ascii().to_string());
}

/// The frame's body, behind its type.
fn body(bytes: &[u8], kind: u8) -> Reader {
    let mut frame = Reader::new(frame::next(&mut BytesMut::from(bytes), LIMIT).unwrap().unwrap());
    assert_eq!(frame.u8(), Ok(kind));
    frame
}

fn call(context: Context, stream: u64, body: CallBody) -> Req {
    Req::Call(Box::new(Call { method: &FIND, context, stream, body, position: None, place: None, session: None }))
}

#[tokio::test(start_paused = true)]
async fn a_call_with_nothing() {
    let golden = b"\0\0\0\x40\x01\0\0\0\0\0\0\0\x07\0\
        \xff\xff\xff\xff\xff\xff\xff\xff\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \0\0\0\x01\
        \0\
        \0\x14/shop.v1.Orders/Find\
        abc";
    same(&bytes_of(&Req::unary(&FIND, Context::default(), payload(b"abc"))), golden);

    let (id, request) = codec::request(&mut body(golden, kind::REQUEST), &Context::default()).unwrap();
    let Incoming::Call(call) = request else { panic!("{request:?}") };
    assert_eq!((id, &call.path[..], &call.message[..]), (7, FIND.path.as_bytes(), &b"abc"[..]));
    assert_eq!((call.deadline, call.context.call_id(), call.stream, call.pushed), (None, None, 0, false));
}

#[tokio::test(start_paused = true)]
async fn a_call_with_everything() {
    let context = Context::default()
        .with_deadline(Instant::now() + Duration::from_micros(1_500_000))
        .with_attempt(CallId::from_bits(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10), 2)
        .with_trace(TraceContext { trace_id: 0x11, span_id: 0x22, flags: 1 })
        .with_metadata(pairs())
        .with_baggage(pairs());
    let golden = b"\0\0\0\x98\x01\0\0\0\0\0\0\0\x07\0\
        \0\0\0\0\0\x16\xe3\x60\
        \x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\
        \0\0\0\x02\
        \x1f\
        \0\x14/shop.v1.Orders/Find\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x11\0\0\0\0\0\0\0\x22\x01\
        \x02\x06tenant\0\x05seoul\x09token-bin\0\x02\0\xff\
        \x02\x06tenant\0\x05seoul\x09token-bin\0\x02\0\xff\
        \0\0\0\0\0\0\0\x09";
    same(&bytes_of(&call(context, 9, CallBody::Pushed)), golden);

    let (_, request) = codec::request(&mut body(golden, kind::REQUEST), &Context::default()).unwrap();
    let Incoming::Call(call) = request else { panic!("{request:?}") };
    let context = &call.context;
    assert_eq!(context.remaining(), Some(Duration::from_millis(1500)));
    assert_eq!(context.call_id().unwrap().to_string(), "0102030405060708090a0b0c0d0e0f10");
    assert_eq!(context.attempt(), 2);
    assert_eq!(context.trace(), Some(TraceContext { trace_id: 0x11, span_id: 0x22, flags: 1 }));
    assert_eq!((context.metadata(), context.baggage()), (&pairs(), &pairs()));
    assert_eq!((call.stream, call.pushed), (9, true));
}

fn items() -> Items {
    let mut batch = Batch::new(items::bounds(2, LIMIT), 0);
    for item in [&b"ab"[..], b""] {
        batch.put_payload(&payload(item)).unwrap();
    }
    batch.into()
}

#[test]
fn pulls_and_pushes() {
    let golden = b"\0\0\0\x16\x01\0\0\0\0\0\0\0\x07\x01\0\0\0\0\0\0\0\x09\0\0\0\x40";
    same(&bytes_of(&Req::Pull(Box::new(Pull { stream: 9, credits: 64, turn: None }))), golden);
    let read = codec::request(&mut body(golden, kind::REQUEST), &Context::default()).unwrap();
    assert!(matches!(read, (7, Incoming::Pull { stream: 9, credits: 64 })), "{read:?}");

    let golden = b"\0\0\0\x1d\x01\0\0\0\0\0\0\0\x07\x02\0\0\0\0\0\0\0\x09\x01\0\0\0\x02ab\0\0\0\0";
    let items = items();
    let push = Req::Push(Box::new(Push { stream: 9, items, then: Then::Done, turn: None }));
    same(&bytes_of(&push), golden);
    let (_, read) = codec::request(&mut body(golden, kind::REQUEST), &Context::default()).unwrap();
    let Incoming::Push { stream: 9, items, then: Then::Done } = read else { panic!("{read:?}") };
    assert_eq!(items.map(|item| item.encoded_len()).collect::<Vec<_>>(), [2, 0]);
    same(
        &bytes_of(&Req::Push(Box::new(Push { stream: 9, items: Items::default(), then: Then::More, turn: None }))),
        &{ *b"\0\0\0\x13\x01\0\0\0\0\0\0\0\x07\x02\0\0\0\0\0\0\0\x09\0" },
    );
}

#[test]
fn messages_and_failures() {
    let golden = b"\0\0\0\x0e\x03\0\0\0\0\0\0\0\x07\0\0abc";
    same(&bytes_of_response(&Resp::Message { metadata: Metadata::default(), payload: payload(b"abc") }), golden);

    let golden = b"\0\0\0\x2b\x03\0\0\0\0\0\0\0\x07\0\x02\x02\x06tenant\0\x05seoul\x09token-bin\0\x02\0\xffabc";
    same(&bytes_of_response(&Resp::Message { metadata: pairs(), payload: payload(b"abc") }), golden);
    let (id, read) = codec::response(&mut body(golden, kind::RESPONSE), LIMIT).unwrap();
    let Resp::Message { metadata, payload } = read else { panic!("{read:?}") };
    assert_eq!((id, metadata, payload.into_bytes()), (7, pairs(), Bytes::from_static(b"abc")));

    let detail = Detail { type_url: "t/x".into(), value: Bytes::from_static(b"why") };
    let status = Status::not_found("no order 7").with_detail(detail.clone());
    let golden = b"\0\0\0\x26\x03\0\0\0\0\0\0\0\x07\x01\x05\0\0\x0ano order 7\0\x01\0\x03t/x\0\0\0\x03why";
    same(&bytes_of_response(&Resp::Failed(status)), golden);
    let (_, read) = codec::response(&mut body(golden, kind::RESPONSE), LIMIT).unwrap();
    let Resp::Failed(status) = read else { panic!("{read:?}") };
    assert_eq!((status.code(), status.message(), status.details()), (Code::NotFound, "no order 7", &[detail][..]));
    assert_eq!(status.delivery(), Delivery::Unknown);

    // Since the feature `trailers`.
    let golden =
        b"\0\0\0\x2d\x03\0\0\0\0\0\0\0\x07\x01\x05\x02\0\0\0\0\x02\x06tenant\0\x05seoul\x09token-bin\0\x02\0\xff";
    let response = Resp::Failed(Status::not_found("").with_metadata(pairs()));
    same(&bytes_of_response(&response), golden);
    let (_, read) = codec::response(&mut body(golden, kind::RESPONSE), LIMIT).unwrap();
    let Resp::Failed(status) = read else { panic!("{read:?}") };
    assert_eq!(status.metadata(), &pairs());
    same(&bytes_of_response(&response.without_trailers()), b"\0\0\0\x10\x03\0\0\0\0\0\0\0\x07\x01\x05\0\0\0\0\0");

    let golden = b"\0\0\0\x10\x03\0\0\0\0\0\0\0\x07\x01\x0c\x01\0\0\0\0";
    let status = Status::unimplemented("").with_delivery(Delivery::Unprocessed);
    same(&bytes_of_response(&Resp::Failed(status)), golden);
    let (_, read) = codec::response(&mut body(golden, kind::RESPONSE), LIMIT).unwrap();
    let Resp::Failed(status) = read else { panic!("{read:?}") };
    assert_eq!(status.delivery(), Delivery::Unprocessed);
}

#[test]
fn items_and_what_ends_streams() {
    for (end, golden) in [
        (StreamEnd::More, &b"\0\0\0\x15\x03\0\0\0\0\0\0\0\x07\x02\0\0\0\0\x02ab\0\0\0\0"[..]),
        (StreamEnd::Done, b"\0\0\0\x15\x03\0\0\0\0\0\0\0\x07\x02\x01\0\0\0\x02ab\0\0\0\0"),
        (
            StreamEnd::Failed(Status::not_found("x")),
            b"\0\0\0\x1c\x03\0\0\0\0\0\0\0\x07\x02\x02\x05\0\0\x01x\0\0\0\0\0\x02ab\0\0\0\0",
        ),
        (StreamEnd::Gone, b"\0\0\0\x15\x03\0\0\0\0\0\0\0\x07\x02\x03\0\0\0\x02ab\0\0\0\0"),
    ] {
        let expected = std::mem::discriminant(&end);
        same(&bytes_of_response(&Resp::Items { items: items(), end }), golden);
        let (_, read) = codec::response(&mut body(golden, kind::RESPONSE), LIMIT).unwrap();
        let Resp::Items { items, end } = read else { panic!("{read:?}") };
        assert_eq!((items.len(), std::mem::discriminant(&end)), (2, expected), "{end:?}");
    }
    // Since the feature `trailers`.
    let golden = b"\0\0\0\x32\x03\0\0\0\0\0\0\0\x07\x02\x04\x02\x06tenant\0\x05seoul\x09token-bin\0\x02\0\xff\0\0\0\x02ab\0\0\0\0";
    let response = Resp::Items { items: items(), end: StreamEnd::DoneWith(Box::new(pairs())) };
    same(&bytes_of_response(&response), golden);
    let (_, read) = codec::response(&mut body(golden, kind::RESPONSE), LIMIT).unwrap();
    let Resp::Items { items, end: StreamEnd::DoneWith(trailers) } = read else { panic!("{read:?}") };
    assert_eq!((items.len(), trailers), (2, Box::new(pairs())));
    let Resp::Items { end: StreamEnd::Done, .. } = response.without_trailers() else {
        panic!("an old client would not know it")
    };

    for (response, golden) in [
        (Resp::Begun { metadata: Metadata::default() }, &b"\0\0\0\x0b\x03\0\0\0\0\0\0\0\x07\x03\0"[..]),
        (Resp::Taken, b"\0\0\0\x0a\x03\0\0\0\0\0\0\0\x07\x04"),
        (Resp::Done, b"\0\0\0\x0a\x03\0\0\0\0\0\0\0\x07\x05"),
    ] {
        same(&bytes_of_response(&response), golden);
        let (_, read) = codec::response(&mut body(golden, kind::RESPONSE), LIMIT).unwrap();
        assert_eq!(std::mem::discriminant(&read), std::mem::discriminant(&response));
    }
}

#[test]
fn frames_of_one_number_and_reset() {
    for (kind, number) in [(kind::CANCEL, 2), (kind::PING, 4), (kind::PONG, 5), (kind::GO_AWAY, 6)] {
        let mut buffer = BytesMut::new();
        frame::put_number(&mut buffer, kind, 0x0102_0304_0506_0708);
        same(&buffer, &[0, 0, 0, 9, number, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
    let mut buffer = BytesMut::new();
    let status = Status::unavailable("server draining");
    frame::put::<()>(&mut buffer, kind::RESET, |buffer| {
        codec::put_status(buffer, &status, 0);
        Ok(())
    })
    .unwrap();
    same(&buffer, b"\0\0\0\x16\x07\x0e\0\0\x0fserver draining\0\0");
}

#[test]
fn limits_are_exact_and_an_answer_over_them_says_so() {
    let exact = Payload::Encoded(vec![1; LIMIT].into());
    let over = Payload::Encoded(vec![1; LIMIT + 1].into());
    let mut buffer = BytesMut::new();
    let call = |payload| Req::unary(&FIND, Context::default(), payload);
    codec::put_request(&mut buffer, 7, &call(exact.clone()), LIMIT).unwrap();
    let length = buffer.len();
    let error = codec::put_request(&mut buffer, 8, &call(over.clone()), LIMIT).unwrap_err();
    assert_eq!((error.code(), buffer.len()), (Code::ResourceExhausted, length));

    for (payload, fits) in [(exact, true), (over, false)] {
        let bytes = bytes_of_response(&Resp::Message { metadata: Metadata::default(), payload });
        let mut frame = Reader::new(frame::next(&mut BytesMut::from(&bytes[..]), 2 * LIMIT).unwrap().unwrap());
        frame.u8().unwrap();
        match codec::response(&mut frame, LIMIT).unwrap() {
            (7, Resp::Message { .. }) => assert!(fits),
            (7, Resp::Failed(status)) => assert!(!fits && status.code() == Code::ResourceExhausted),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn details_over_the_limit_are_left_out_and_the_rest_arrives() {
    let status = Status::not_found("no").with_detail(Detail { type_url: "t".into(), value: vec![0; LIMIT].into() });
    let bytes = bytes_of_response(&Resp::Failed(status));
    let (_, Resp::Failed(status)) = codec::response(&mut body(&bytes, kind::RESPONSE), LIMIT).unwrap() else {
        panic!("no failure")
    };
    assert_eq!((status.code(), status.details().len()), (Code::NotFound, 0));
    assert!(status.message().contains("over the limit"), "{status}");
}

proptest::proptest! {
    /// Whatever a peer sends is an error or a message, never a panic.
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = codec::request(&mut Reader::new(bytes.clone().into()), &Context::default());
        let _ = codec::response(&mut Reader::new(bytes.clone().into()), LIMIT);
        let _ = codec::status(&mut Reader::new(bytes.clone().into()));
        let _ = frame::next(&mut BytesMut::from(&bytes[..]), LIMIT);
    }

    /// Nor do bytes that are almost right: a frame cut short, or with one byte changed.
    #[test]
    fn no_damage_panics(cut in 0usize..140, at in 0usize..140, byte in proptest::num::u8::ANY) {
        let context = Context::default().with_metadata(pairs()).with_baggage(pairs());
        let bytes = bytes_of(&call(context, 9, CallBody::Message(payload(b"abc"))));
        let mut damaged = bytes[5..].to_vec();
        if let Some(there) = damaged.get_mut(at) {
            *there = byte;
        }
        damaged.truncate(cut);
        let _ = codec::request(&mut Reader::new(damaged.into()), &Context::default());
    }
}
