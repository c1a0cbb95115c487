//! Calls that are made at two servers when the answer is late.

use super::world::{FIND, Handler, LIST, Log, PLACE, Slow, World, answers, empty, fails, fleet, instance, orders};
use crate::{
    BoxFuture, CallId, Code, Context, Delivery, Layers, Method, Request, Response, Status,
    client::{Channel, ChannelBuilder, Hedge, Hedges, RetryLimits, RetryPolicy, Timeouts},
    observer::{Counters, Event},
    registry::{Memory, Registration, Registry},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(3);
const DELAY: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_secs(1);

/// What handlers do in the order in which they are called, wherever that is; the last for all that come behind.
#[derive(Clone, Default)]
struct Script {
    steps: Arc<Mutex<Vec<Handler>>>,
    dropped: Arc<AtomicUsize>,
}

/// Says that a handler was dropped before its end.
struct Alive(Option<Arc<AtomicUsize>>);

impl Alive {
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.take().map(|dropped| dropped.fetch_add(1, Relaxed));
    }
}

impl Script {
    /// The next step waits, and does this then.
    fn then(self, wait: Duration, handler: Handler) -> Self {
        let dropped = self.dropped.clone();
        let step: Handler = Arc::new(move |request: Request| {
            let (handler, alive) = (handler.clone(), Alive(Some(dropped.clone())));
            Box::pin(async move {
                sleep(wait).await;
                alive.ended();
                handler(request).await
            })
        });
        self.steps.lock().unwrap().push(step);
        self
    }

    fn handler(&self) -> Handler {
        let steps = self.steps.clone();
        Arc::new(move |request| {
            let mut steps = steps.lock().unwrap();
            let step = if steps.len() > 1 { steps.remove(0) } else { steps[0].clone() };
            drop(steps);
            step(request) as BoxFuture<'static, _>
        })
    }
}

fn hedged(hedge: Hedge) -> impl FnOnce(ChannelBuilder) -> ChannelBuilder {
    move |builder| builder.hedges(Hedges::default().with_service(hedge))
}

/// Three servers that follow one script, and a channel to them.
async fn play(
    script: &Script,
    with: impl FnOnce(ChannelBuilder) -> ChannelBuilder,
) -> (World, Channel, Vec<Registration>) {
    play_at(&["a:1", "b:1", "c:1"], script, with).await
}

async fn play_at(
    addresses: &[&str],
    script: &Script,
    with: impl FnOnce(ChannelBuilder) -> ChannelBuilder,
) -> (World, Channel, Vec<Registration>) {
    let (world, registry, records) = fleet(addresses).await;
    for address in addresses {
        world.handle(address, script.handler());
    }
    let channel = with(world.channel(&registry)).build();
    channel.ready(LIMIT).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    (world, channel, records)
}

fn numbers(world: &World) -> Vec<u32> {
    world.seen().iter().map(|seen| seen.attempt).collect()
}

#[tokio::test(start_paused = true)]
async fn a_delay_may_be_longer_than_any_clock_goes() {
    let script = Script::default().then(LATE, answers());
    let (world, channel, _kept) = play(&script, hedged(Hedge::After(Duration::MAX))).await;
    channel.call(&FIND, empty(), None).await.unwrap();
    assert_eq!(numbers(&world), [1]);
}

/// The one beside the first was lost on its way, and may have been done.
#[tokio::test(start_paused = true)]
async fn what_the_attempt_beside_the_first_may_have_done_is_said_of_the_call() {
    let never_sent = fails(Status::unavailable("closed").with_delivery(Delivery::NeverSent));
    let script = Script::default()
        .then(LATE, never_sent.clone())
        .then(Duration::ZERO, fails(Status::unavailable("lost")))
        .then(Duration::ZERO, never_sent);
    let patient = |builder: ChannelBuilder| {
        hedged(Hedge::After(DELAY))(builder.timeouts(Timeouts::default().with_service(LATE * 1000)))
    };
    let (_world, channel, _kept) = play(&script, patient).await;
    let status = channel.call(&FIND, empty(), None).await.unwrap_err();
    assert_eq!((status.message(), status.delivery()), ("closed", Delivery::Unknown));
}

fn late_then_fast() -> Script {
    Script::default().then(LATE, answers()).then(Duration::ZERO, answers())
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_answer_is_late_goes_elsewhere_and_the_first_answer_counts() {
    let script = late_then_fast();
    let (log, observers) = Log::new();
    let (world, channel, _records) =
        play(&script, |builder| hedged(Hedge::After(DELAY))(builder.observer(observers))).await;
    let began = Instant::now();
    channel.call(&FIND, empty(), None).await.unwrap();
    assert_eq!(began.elapsed(), DELAY);
    let [first, second] = &world.seen()[..] else { panic!("{:?}", world.seen()) };
    assert_ne!(first.server, second.server);
    assert_eq!((first.id, first.attempt, second.attempt), (second.id, 1, 2));
    assert_eq!(script.dropped.load(Relaxed), 1, "the loser goes on");
    assert_eq!(
        log.lines()[log.lines().len() - 7..],
        [
            format!("Find goes to {} over fast", first.server),
            format!("Find goes to {} over fast as well as 2 after 50ms", second.server),
            format!("Find goes to {} over fast", second.server),
            format!("attempt at {} over fast went well", second.server),
            "Find was answered there first".to_owned(),
            format!("attempt at {} over fast failed with Cancelled", first.server),
            "call Find went well after 2".to_owned(),
        ][..]
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_the_only_one() {
    let script = Script::default().then(DELAY - Duration::from_millis(1), answers());
    let (world, channel, _records) = play(&script, hedged(Hedge::After(DELAY))).await;
    channel.call(&FIND, empty(), None).await.unwrap();
    assert_eq!(numbers(&world), [1]);
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_layer_takes_makes_no_answer_late() {
    let script = Script::default().then(Duration::from_millis(1), answers());
    let slow = Layers::default().and(Slow(DELAY * 2));
    let with = |builder: ChannelBuilder| hedged(Hedge::After(DELAY))(builder.layers(slow));
    let (world, channel, _records) = play(&script, with).await;
    channel.call(&FIND, empty(), None).await.unwrap();
    assert_eq!(world.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_may_still_win() {
    let script = Script::default().then(DELAY * 2, answers()).then(LATE, answers());
    let (world, channel, _records) = play(&script, hedged(Hedge::After(DELAY))).await;
    let began = Instant::now();
    channel.call(&FIND, empty(), None).await.unwrap();
    assert_eq!((began.elapsed(), numbers(&world)), (DELAY * 2, vec![1, 2]));
    assert_eq!(script.dropped.load(Relaxed), 1);
}

/// Who may not be hedged waits for the late answer.
#[tokio::test(start_paused = true)]
async fn only_what_may_be_made_twice_is() {
    let upstream = Context::default().with_attempt(CallId::random(), 2);
    let none: fn(ChannelBuilder) -> ChannelBuilder = |builder| builder;
    let off: fn(ChannelBuilder) -> ChannelBuilder = |builder| builder.retry(RetryPolicy::Off);
    let once: fn(ChannelBuilder) -> ChannelBuilder =
        |builder| builder.retry(RetryPolicy::On(RetryLimits { attempts: 1, ..RetryLimits::default() }));
    let poor: fn(ChannelBuilder) -> ChannelBuilder =
        |builder| builder.retry(RetryPolicy::On(RetryLimits { percent: 0, per_second: 0, ..RetryLimits::default() }));
    for (what, method, context, with) in [
        ("not idempotent", &PLACE, Context::default(), none),
        ("a stream", &LIST, Context::default(), none),
        ("a retry upstream", &FIND, upstream, none),
        ("without retries", &FIND, Context::default(), off),
        ("a single attempt", &FIND, Context::default(), once),
        ("an empty budget", &FIND, Context::default(), poor),
    ] {
        let (world, channel, _records) =
            play(&late_then_fast(), |builder| with(hedged(Hedge::After(DELAY))(builder))).await;
        let began = Instant::now();
        context.scope(channel.call(method, empty(), None)).await.unwrap();
        assert_eq!((began.elapsed(), world.seen().len()), (LATE, 1), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_hedged_unless_somebody_says_so_and_a_call_may_overrule_it() {
    let took = async |with: fn(ChannelBuilder) -> ChannelBuilder, call: Option<Hedge>| {
        let (_world, channel, _records) = play(&late_then_fast(), with).await;
        let channel = match call {
            Some(hedge) => channel.hedged(hedge),
            None => channel,
        };
        let began = Instant::now();
        channel.call(&FIND, empty(), None).await.unwrap();
        began.elapsed()
    };
    assert_eq!(took(|builder| builder, None).await, LATE);
    assert_eq!(took(|builder| builder, Some(Hedge::After(DELAY))).await, DELAY);
    assert_eq!(took(|builder| hedged(Hedge::After(DELAY))(builder), Some(Hedge::Off)).await, LATE);
}

/// Where there is nobody else, and where the deadline comes first.
#[tokio::test(start_paused = true)]
async fn a_hedge_that_could_not_help_is_not_made() {
    let (world, channel, _records) = play_at(&["a:1"], &late_then_fast(), |builder| {
        let limits = RetryLimits { percent: 0, per_second: 1, ..RetryLimits::default() };
        hedged(Hedge::After(DELAY))(builder.retry(RetryPolicy::On(limits)))
    })
    .await;
    for _ in 0..20 {
        world.handle("a:1", late_then_fast().handler());
        channel.call(&FIND, empty(), None).await.unwrap();
    }
    assert_eq!(numbers(&world), [1; 20], "to the same server");
    // It has cost nothing: the budget of ten is whole.
    world.handle("a:1", fails(Status::unavailable("connection lost")));
    for _ in 0..5 {
        channel.call(&FIND, empty(), None).await.unwrap_err();
    }
    assert_eq!(numbers(&world)[20..], [1, 2, 3].repeat(5));

    let (world, channel, _records) = play(&late_then_fast(), |builder| {
        hedged(Hedge::After(DELAY))(builder.timeouts(Timeouts::default().with_service(DELAY)))
    })
    .await;
    let status = channel.call(&FIND, empty(), None).await.unwrap_err();
    assert_eq!((status.code(), numbers(&world)), (Code::DeadlineExceeded, vec![1]));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_both_and_says_so() {
    let script = Script::default().then(LATE * 60, answers());
    let (_world, channel, _records) = play(&script, hedged(Hedge::After(DELAY))).await;
    let status = channel.call(&FIND, empty(), None).await.unwrap_err();
    assert_eq!(
        status.to_string(),
        "DeadlineExceeded: the deadline of 5s exceeded: 2 attempts sent, no answer over fast"
    );
    assert_eq!(script.dropped.load(Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_leaves_the_call_to_the_other() {
    let lost = || fails(Status::unavailable("connection lost"));
    for delivery in [Delivery::NeverSent, Delivery::Unprocessed, Delivery::Unknown] {
        let refused = fails(Status::unavailable("away").with_delivery(delivery));
        let script = Script::default().then(LATE, answers()).then(Duration::ZERO, refused);
        let (world, channel, _records) = play(&script, hedged(Hedge::After(DELAY))).await;
        channel.call(&FIND, empty(), None).await.unwrap();
        assert_eq!(numbers(&world), [1, 2], "{delivery:?}");
    }
    let script = Script::default().then(DELAY * 2, lost()).then(LATE, answers());
    let (world, channel, _records) = play(&script, hedged(Hedge::After(DELAY))).await;
    let began = Instant::now();
    channel.call(&FIND, empty(), None).await.unwrap();
    assert_eq!((began.elapsed(), numbers(&world)), (DELAY + LATE, vec![1, 2]));
}

/// As if the first had been alone, but that one attempt is gone.
#[tokio::test(start_paused = true)]
async fn where_both_fail_the_first_says_what_comes_next() {
    let lost = || fails(Status::unavailable("connection lost"));
    let broken = || fails(Status::internal("broken").at_edge());
    let script = Script::default().then(DELAY * 2, lost()).then(DELAY, broken()).then(Duration::ZERO, lost());
    let (world, channel, _records) = play(&script, hedged(Hedge::After(DELAY))).await;
    let status = channel.call(&FIND, empty(), None).await.unwrap_err();
    assert_eq!((status.message(), numbers(&world)), ("connection lost", vec![1, 2, 3]));
    let servers: std::collections::BTreeSet<_> = world.seen().into_iter().map(|seen| seen.server).collect();
    assert_eq!(servers.len(), 3, "it came back to one that had failed");

    let script = Script::default().then(DELAY * 2, broken()).then(DELAY, lost());
    let (world, channel, _records) = play(&script, hedged(Hedge::After(DELAY))).await;
    let status = channel.call(&FIND, empty(), None).await.unwrap_err();
    assert_eq!((status.message(), numbers(&world)), ("broken", vec![1, 2]));
}

/// A handler that says no has answered.
#[tokio::test(start_paused = true)]
async fn an_error_of_the_handler_is_an_answer_from_wherever_it_comes() {
    let no = fails(Status::not_found("no such order").at_edge());
    let script = Script::default().then(LATE, answers()).then(Duration::ZERO, no);
    let (_world, channel, _records) = play(&script, hedged(Hedge::After(DELAY))).await;
    let began = Instant::now();
    let status = channel.call(&FIND, empty(), None).await.unwrap_err();
    assert_eq!((status.code(), began.elapsed()), (Code::NotFound, DELAY));
}

#[tokio::test(start_paused = true)]
async fn while_servers_have_too_much_to_do_nothing_is_hedged() {
    let flooded =
        fails(Status::resource_exhausted("too much to do").with_delivery(Delivery::Unprocessed).received_from_peer());
    let script = Script::default().then(Duration::ZERO, flooded).then(LATE / 2, answers());
    let (world, channel, _records) = play(&script, hedged(Hedge::After(DELAY))).await;
    let _refused = channel.call(&FIND, empty(), None).await;
    let before = world.seen().len();
    channel.call(&FIND, empty(), None).await.unwrap();
    assert_eq!(world.seen().len() - before, 1);
    sleep(Duration::from_secs(2)).await;
    channel.call(&FIND, empty(), None).await.unwrap();
    assert_eq!(world.seen().len() - before, 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_key_goes_to_the_next_server_of_the_key() {
    let script = Script::default().then(LATE, answers());
    let (world, channel, _records) = play(&script, hedged(Hedge::After(DELAY))).await;
    for _ in 0..10 {
        channel.call(&FIND, empty(), Some(7)).await.unwrap();
    }
    let servers: Vec<_> = world.seen().into_iter().map(|seen| seen.server).collect();
    assert_eq!(servers.len(), 20);
    assert!(servers.chunks(2).all(|pair| pair == &servers[..2] && pair[0] != pair[1]), "{servers:?}");
}

/// With a hedge no probe ever reaches its deadline, by which it is found out otherwise.
#[tokio::test(start_paused = true)]
async fn a_server_whose_probe_was_overtaken_is_not_probed_by_every_call() {
    let (log, observers) = Log::new();
    let (world, channel, _records) = play(&Script::default().then(DELAY / 10, answers()), |builder| {
        hedged(Hedge::After(DELAY))(builder.observer(observers))
    })
    .await;
    let call = async |count: usize| {
        for _ in 0..count {
            _ = channel.call(&FIND, empty(), None).await;
            sleep(Duration::from_millis(1)).await;
        }
    };
    call(50).await;
    world.handle("a:1", fails(Status::internal("broken").received_from_peer()));
    while log.count("ejected a:1") == 0 {
        call(100).await;
    }
    world.handle("a:1", Arc::new(|_| Box::pin(std::future::pending())));
    sleep(Duration::from_secs(5)).await;
    let before = world.calls("a:1");
    call(100).await;
    assert_eq!((world.calls("a:1") - before, log.count("ejected a:1")), (1, 2));
    assert_eq!(log.count("readmitted"), 0);
}

/// Ten servers at which two answers in a hundred take a second (the others 5 to 15 ms), and 20 callers.
async fn tail(hedge: Hedge, method: &'static Method) -> (Vec<Duration>, Arc<Counters>, Duration) {
    const CALLERS: usize = 20;
    const EACH: usize = 1000;
    let (world, registry) = (World::default(), Memory::new());
    let mut records = Vec::new();
    let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(7)));
    for number in 0..10 {
        let (address, random) = (format!("s{number}:1"), random.clone());
        let handler: Handler = Arc::new(move |_| {
            let mut random = random.lock().unwrap();
            let millis = if random.u32(..100) < 2 { 1000 } else { random.u64(5..=15) };
            Box::pin(async move {
                sleep(Duration::from_millis(millis)).await;
                Ok(Response::new(empty()))
            })
        });
        world.start(&address, handler);
        records.push(registry.register(instance(&address)).await.unwrap());
    }
    let counters = Arc::new(Counters::default());
    let channel = hedged(hedge)(world.channel(&registry)).observer(counters.clone()).build();
    channel.ready(LIMIT).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    let caller = || async {
        let mut took = Vec::with_capacity(EACH);
        for _ in 0..EACH {
            let began = Instant::now();
            channel.call(method, empty(), None).await.unwrap();
            took.push(began.elapsed());
        }
        took
    };
    let began = Instant::now();
    let took = futures_util::future::join_all((0..CALLERS).map(|_| caller())).await;
    let mut took = took.concat();
    took.sort_unstable();
    (took, counters, began.elapsed())
}

fn part(took: &[Duration], per_mille: usize) -> Duration {
    took[took.len() * per_mille / 1000]
}

/// The experiment of The Tail at Scale: a hedge at the 95th percentile for a few percent more load.
#[tokio::test(start_paused = true)]
async fn a_hedge_at_the_95th_percentile_cuts_the_tail_off_for_a_few_more_calls() {
    let (took, counters, _) = tail(Hedge::Off, &FIND).await;
    assert_eq!((part(&took, 990), counters.snapshot().hedges()), (LATE, (0, 0)));
    let (took, counters, _) = tail(Hedge::P95, &FIND).await;
    let counts = counters.snapshot();
    let (hedges, won) = counts.hedges();
    println!("p99 {:?} p999 {:?}, {hedges} of {} hedged, {won} won", part(&took, 990), part(&took, 999), took.len());
    assert!(part(&took, 990) < Duration::from_millis(40), "{:?}", part(&took, 990));
    assert!(part(&took, 999) < LATE, "{:?}", part(&took, 999));
    assert!(hedges * 100 <= took.len() as u64 * 8, "{hedges}");
    assert_eq!(counts.of(Event::Picked), took.len() as u64 + hedges, "each hedge is one more attempt");
    // A method that may not be made twice is not touched, though the whole service is hedged.
    let (took, counters, _) = tail(Hedge::P95, &PLACE).await;
    assert_eq!((part(&took, 990), counters.snapshot().hedges().0), (LATE, 0));
}

/// As a rule does that changes a timeout.
#[tokio::test(start_paused = true)]
async fn other_terms_for_the_same_servers_forget_no_percentile() {
    let quick = Script::default().then(DELAY, answers());
    let (world, channel, _records) = play(&quick, hedged(Hedge::P95)).await;
    for _ in 0..100 {
        channel.call(&FIND, empty(), None).await.unwrap();
    }
    for limit in [LIMIT, LIMIT / 2] {
        let terms = hedged(Hedge::P95)(Channel::builder(orders(), channel.clone()));
        channel.switch_to(&terms.timeouts(Timeouts::default().with_service(limit)).build());
        let script = late_then_fast();
        for address in ["a:1", "b:1", "c:1"] {
            world.handle(address, script.handler());
        }
        let began = Instant::now();
        channel.call(&FIND, empty(), None).await.unwrap();
        let took = began.elapsed();
        assert!(took >= DELAY && took < 2 * DELAY, "{took:?}: as if there had been no answers");
    }
}

/// A delay that is too short for the servers: the budget of the retries bounds what it costs.
#[tokio::test(start_paused = true)]
async fn however_short_the_delay_the_budget_bounds_the_load() {
    let (took, counters, all) = tail(Hedge::After(Duration::from_millis(1)), &FIND).await;
    let (hedges, _) = counters.snapshot().hedges();
    assert!(hedges <= took.len() as u64 / 5 + 10 * (all.as_secs() + 11), "{hedges} in {all:?}");
    assert!(hedges >= took.len() as u64 / 6, "{hedges}");
}
