//! Peers that do not keep to the rules: never a panic, never memory without bounds, never harm to others.

use super::*;
use crate::framed::{Call, Credit};

/// A call as a hostile client makes it.
pub(super) fn call(id: u64, method: &'static Method, message: Option<Payload>) -> Frame {
    Frame::Call(Call {
        id,
        path: method.path.into(),
        remaining: None,
        call_id: None,
        attempt: 1,
        trace: None,
        metadata: crate::Metadata::default(),
        baggage: crate::Metadata::default(),
        message,
        fault: None,
    })
}

async fn greeted(served: &Served) -> Peer {
    greet(served.accept(64 * 1024)).await
}

async fn greet(io: DuplexStream) -> Peer {
    let mut peer = Peer::new(io);
    peer.say(&Frame::Hello(Hello::default())).await;
    assert!(matches!(peer.hear().await, Some(Frame::Hello(_))));
    peer
}

/// The reason with which the server closes.
async fn reason(peer: &mut Peer) -> String {
    loop {
        match peer.hear().await {
            Some(Frame::Goodbye { status }) => {
                assert!(peer.hear().await.is_none(), "the last frame was not the last");
                return status.message().to_owned();
            }
            Some(_) => {}
            None => panic!("closed without a reason"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn breaking_a_rule_closes_the_connection_and_names_the_rule() {
    let item = |id| Frame::Item { id, payload: payload("x") };
    let waiting = || call(1, &WAIT, Some(payload("")));
    let cases: Vec<(&str, Vec<Frame>)> = vec![
        ("in use", vec![waiting(), waiting()]),
        ("nobody streams", vec![waiting(), item(1)]),
        (
            "credit",
            vec![call(1, &IGNORE, None)].into_iter().chain((0..=Credit::default().items).map(|_| item(1))).collect(),
        ),
        ("no client sends", vec![Frame::GoAway]),
        ("no client sends", vec![Frame::Stop { id: 1 }]),
        ("second hello", vec![Frame::Hello(Hello::default())]),
    ];
    let served = Served::new();
    let bystander = served.connect().await;
    for (rule, frames) in cases {
        let mut peer = greeted(&served).await;
        for frame in &frames {
            peer.say(frame).await;
        }
        let reason = reason(&mut peer).await;
        assert!(reason.contains(rule), "{rule}: {reason}");
        until(|| served.seen.running() == 0).await;
    }
    assert_eq!(echo(&bystander).await.unwrap(), "x");
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_calls_that_are_not_open_is_ignored() {
    let served = Served::new();
    let mut peer = greeted(&served).await;
    for id in 0..1000 {
        peer.say(&Frame::Item { id, payload: payload("x") }).await;
        peer.say(&Frame::End { id, trailers: Default::default() }).await;
        peer.say(&Frame::Cancel { id }).await;
        peer.say(&Frame::Credit { id, credit: Credit { items: u32::MAX, bytes: u32::MAX } }).await;
        peer.say(&Frame::Unknown).await;
        peer.say(&Frame::Pong { number: id }).await;
    }
    peer.say(&call(7, &ECHO, Some(payload("x")))).await;
    assert!(matches!(peer.hear().await, Some(Frame::Reply { id: 7, .. })));
    // A number may be used again when its call is over.
    peer.say(&call(7, &ECHO, Some(payload("y")))).await;
    assert!(matches!(peer.hear().await, Some(Frame::Reply { id: 7, .. })));
}

/// A number that is used again while the handler of the call that had it has not yet noticed the cancellation.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_cancelled_call_does_not_touch_the_next_of_its_number() {
    for method in [&WAIT, &SILENT] {
        let served = Served::new();
        let mut peer = greeted(&served).await;
        let mut bytes = BytesMut::new();
        for frame in [call(1, &WAIT, Some(payload(""))), Frame::Cancel { id: 1 }, call(1, method, Some(payload("")))] {
            Bare.encode(&frame, &mut bytes);
        }
        // In one read.
        peer.io.write_all(&bytes).await.unwrap();
        until(|| served.seen.begun() == 2 && served.seen.running() == 1).await;
        // The second is still there to be cancelled.
        peer.say(&Frame::Cancel { id: 1 }).await;
        until(|| served.seen.running() == 0).await;

        peer.io.write_all(&bytes).await.unwrap();
        until(|| served.seen.begun() == 4 && served.seen.running() == 1).await;
        drop(peer);
        until(|| served.seen.running() == 0).await;
    }
}

/// What a handler has not read may be a byte behind each of many large items.
#[tokio::test]
async fn a_small_item_behind_a_large_one_does_not_keep_its_buffer() {
    let (sender, mut items) = tokio::sync::mpsc::unbounded_channel();
    let handler = service_fn(move |request: Request| {
        let (sender, mut items) = (sender.clone(), request.body.into_stream());
        async move {
            while let Some(item) = items.next().await {
                sender.send(item?.into_bytes()).unwrap();
            }
            Ok(Response::new(message("")))
        }
    });
    let served = Served::new();
    let mut peer = greet(served.accept_for(handler.boxed(), 64 * 1024)).await;
    peer.say(&call(1, &SUM, None)).await;
    for _ in 0..3 {
        peer.say(&Frame::Item { id: 1, payload: payload(vec![7; 3 << 20]) }).await;
        assert!(matches!(peer.hear().await, Some(Frame::Credit { .. })));
        assert_eq!(items.recv().await.unwrap().len(), 3 << 20);
        peer.say(&Frame::Item { id: 1, payload: payload("x") }).await;
        let small = items.recv().await.unwrap();
        assert!(small.try_into_mut().is_ok_and(|small| small.capacity() < 64), "a part of something larger");
    }
}

#[tokio::test(start_paused = true)]
async fn credit_without_end_overflows_nothing() {
    let served = Served::new();
    let mut peer = greeted(&served).await;
    peer.say(&call(1, &COUNT, Some(payload(100u64.to_be_bytes().to_vec())))).await;
    for _ in 0..100 {
        peer.say(&Frame::Credit { id: 1, credit: Credit { items: u32::MAX, bytes: u32::MAX } }).await;
    }
    let mut items = 0;
    while let Some(frame) = peer.hear().await {
        match frame {
            Frame::Item { .. } => items += 1,
            Frame::End { id: 1, .. } => break,
            _ => {}
        }
    }
    assert_eq!(items, 100);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_floods_and_reads_nothing_is_not_read_either() {
    let served = Served::with_limits(Limits::default().with_max_concurrent_calls(4));
    let (mut reader, mut writer) = {
        let Peer { io, .. } = greeted(&served).await;
        tokio::io::split(io)
    };
    let mut flood = BytesMut::new();
    for id in 0..20_000 {
        Bare.encode(&call(id, &WAIT, Some(payload(vec![0; 100]))), &mut flood);
    }
    // Refusals pile up until the way out is full; then nothing more is taken in.
    let mut taken = 0;
    while let Ok(Ok(count)) = tokio::time::timeout(Duration::from_secs(1), writer.write(&flood[taken..])).await {
        taken += count;
        assert!(taken < 1 << 20, "the server goes on reading what it cannot answer");
    }
    // Twice its limit: a client that cancels counts its calls no longer, and handlers take a moment to stop.
    assert_eq!(served.seen.running(), 8);
    drop(writer);
    let mut answers = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(1), reader.read_buf(&mut answers)).await;
    drop(reader);
    until(|| served.seen.running() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_or_reads_nothing_is_given_up() {
    let served = Served::new();
    let mut peer = greeted(&served).await;
    let begun = tokio::time::Instant::now();
    peer.say(&call(1, &WAIT, Some(payload("")))).await;
    assert!(matches!(peer.hear().await, Some(Frame::Ping { .. })));
    assert_eq!((begun.elapsed().as_secs(), served.seen.running()), (70, 1));
    assert!(peer.hear().await.is_none(), "it is not asked twice");
    assert_eq!((begun.elapsed().as_secs(), served.seen.running()), (90, 0));

    let Peer { io, .. } = greeted(&served).await;
    let (_reader, mut writer) = tokio::io::split(io);
    let mut bytes = BytesMut::new();
    let begun = tokio::time::Instant::now();
    for id in 1.. {
        Bare.encode(&call(id, &ECHO, Some(payload(vec![0; 1000]))), &mut bytes);
        if writer.write_all(&bytes.split()).await.is_err() {
            break;
        }
    }
    assert!((60..=100).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_frame_without_an_end_is_cut_off() {
    let served = Served::with_limits(Limits::default().with_max_message(1000));
    let mut peer = greeted(&served).await;
    // It says that it has 4 GiB.
    peer.io.write_all(&[255; 4]).await.unwrap();
    let mut sent = 0;
    while peer.io.write_all(&[0; 1024]).await.is_ok() {
        sent += 1024;
        assert!(sent < 1 << 20, "a mebibyte of one frame was taken");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_panics_nowhere() {
    let served = Served::new();
    let bystander = served.connect().await;
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..300 {
        let mut peer = if round % 3 == 0 { Peer::new(served.accept(64 * 1024)) } else { greeted(&served).await };
        let mut bytes = BytesMut::new();
        for _ in 0..random.usize(1..20) {
            // Frames whose length is right and whose rest is chance reach further than noise.
            let body: Vec<u8> = (0..random.usize(1..200)).map(|_| random.u8(..)).collect();
            bytes.extend_from_slice(&(body.len() as u32).to_be_bytes());
            bytes.extend_from_slice(&[random.u8(0..14)]);
            bytes.extend_from_slice(&body[1..]);
        }
        let _ = peer.io.write_all(&bytes).await;
        let _ = peer.io.shutdown().await;
        let _ = tokio::time::timeout(Duration::from_secs(20), peer.io.read_to_end(&mut Vec::new())).await.unwrap();
    }
    assert_eq!(echo(&bystander).await.unwrap(), "x");
    until(|| served.seen.running() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_breaks_the_rules_fails_its_calls() {
    let begun = |id| Frame::Begun { id, metadata: crate::Metadata::default() };
    let reply = |id| Frame::Reply { id, metadata: crate::Metadata::default(), payload: payload("x") };
    let item = |id| Frame::Item { id, payload: payload("x") };
    let cases: Vec<(&'static Method, Vec<Frame>)> = vec![
        (&ECHO, vec![begun(1)]),
        (&ECHO, vec![item(1)]),
        (&COUNT, vec![reply(1)]),
        (&COUNT, vec![begun(1), begun(1)]),
        (&COUNT, vec![begun(1), reply(1)]),
        (&COUNT, vec![begun(1)].into_iter().chain((0..=Credit::default().items).map(|_| item(1))).collect()),
        (&COUNT, vec![Frame::End { id: 1, trailers: Default::default() }]),
        (&ECHO, vec![Frame::End { id: 1, trailers: Default::default() }]),
        (&ECHO, vec![Frame::Cancel { id: 1 }]),
    ];
    for (index, (method, frames)) in cases.into_iter().enumerate() {
        let tasks = Tasks::owner();
        let (connection, mut peer) = Peer::facing(64 * 1024, &tasks).await;
        let (outcome, _peer) = tokio::join!(super::call(&connection, method, message("")), async {
            peer.hear().await;
            for frame in &frames {
                peer.say(frame).await;
            }
            peer
        });
        let failed = match outcome {
            Err(_) => true,
            Ok(response) => {
                let mut items = response.body.into_stream();
                let mut failed = false;
                while let Some(item) = items.next().await {
                    failed = item.is_err();
                }
                failed
            }
        };
        assert!(failed, "case {index}: a success");
    }
}
