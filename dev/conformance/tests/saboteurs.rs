//! The suite bites: each of these transports is broken in one way, and the suite notices every one of them; and it
//! notices nothing in the one that is wrapped and not broken.
//!
//! `cargo test -p rpc-conformance --test saboteurs -- [FILTER]`

use futures_util::{StreamExt as _, stream};
use rpc_conformance::{
    columns::{self, Column, Wire},
    outcome::{self, Outcome},
    saboteur::{Fault, Saboteur},
    scenario::Scenario,
    scenarios,
};
use rpc_core::transport::Transport;
use std::{process::ExitCode, sync::Arc};

/// How many are hunted at once: most of the time goes by in waiting for what does not come.
const ABREAST: usize = 4;

fn main() -> ExitCode {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    outcome::keep_panics();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if runtime.block_on(run(&filter)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(filter: &str) -> bool {
    let wires = columns::wires();
    let honest: &[_] = if "None: without a fault".contains(filter) { &wires } else { &[] };
    let accused = falsely_accused(honest).await;
    // In turn on one wire and on the other. (A new one comes last: a few show on some wires only, as gRPC drops the
    // handler of a connection that is cut.)
    let pairs = Fault::ALL.into_iter().zip(wires.iter().cycle());
    let wanted = pairs.filter(|((fault, claim), _)| format!("{fault:?} {claim}").contains(filter));
    let hunts =
        wanted.map(async |((fault, claim), wire)| (fault, claim, wire, catcher(&column(wire, fault), fault).await));
    let mut hunts = stream::iter(hunts).buffered(ABREAST);
    let (mut all, mut caught) = (0, 0);
    while let Some((fault, claim, wire, catch)) = hunts.next().await {
        all += 1;
        match catch {
            Some((scenario, why)) => {
                caught += 1;
                println!("{fault:?} [{}]: {claim}\n    caught by: {}\n    {why}", wire.name(), scenario.name);
            }
            None => println!("{fault:?} [{}]: {claim}\n    NOT CAUGHT", wire.name()),
        }
    }
    println!("{all} saboteurs, {caught} caught");
    let failed = all - caught + accused;
    println!("{} passed, {failed} failed", caught + honest.len() - accused);
    failed == 0
}

/// How many of the wires fail when they are wrapped and not broken.
async fn falsely_accused(wires: &[Arc<dyn Transport>]) -> usize {
    let mut accused = 0;
    for wire in wires {
        match catcher(&column(wire, Fault::None), Fault::None).await {
            Some((scenario, why)) => {
                accused += 1;
                println!("{} without a fault: FALSELY ACCUSED by {}: {why}", wire.name(), scenario.name);
            }
            None => println!("{} without a fault: nothing noticed", wire.name()),
        }
    }
    accused
}

fn column(wire: &Arc<dyn Transport>, fault: Fault) -> Arc<dyn Column> {
    Arc::new(Wire::new(wire.name(), Arc::new(Saboteur::new(wire.clone(), fault))))
}

/// The first scenario that fails, and why. Those that should catch the fault go first, since one that merely hangs on
/// it takes its time.
async fn catcher(column: &Arc<dyn Column>, fault: Fault) -> Option<(Scenario, String)> {
    let (likely, others): (Vec<_>, Vec<_>) =
        scenarios::all().partition(|scenario| expected(fault).contains(&scenario.name));
    for scenario in likely.into_iter().chain(others) {
        if let Outcome::Failed(why) = scenario.run(column.clone()).await {
            return Some((scenario, why));
        }
    }
    None
}

/// The scenarios that are about this fault.
fn expected(fault: Fault) -> &'static [&'static str] {
    match fault {
        Fault::SwallowsCancel | Fault::SwallowsCancelAtTheServer => {
            &["a handler of an idempotent method is dropped with its caller"]
        }
        Fault::IgnoresTheDeadline => &["the server knows what is left"],
        Fault::KeepsTheDeadlineFromTheHandler => &["the server knows what is left"],
        Fault::MakesCallsTwice => &["a call is made once"],
        Fault::AddsTimeAtEveryHop => &["a nested call has no more time than its caller"],
        Fault::RetriesAfterWriting | Fault::CallsEverythingNeverSent => {
            &["a call whose connection is cut is an error, and is not made again"]
        }
        Fault::ForgetsCallId | Fault::ForgetsAttempt => {
            &["an idempotent call whose connection is cut is made again, as the same call"]
        }
        Fault::TurnsPanicIntoSilence | Fault::TurnsPanicIntoSuccess => {
            &["a panic in a handler is Internal, and that call's alone"]
        }
        Fault::LosesPriority => &["how urgent a call is arrives, and is inherited by the calls that answer it"],
        Fault::LeaksNeverSent => &["a relayed failure is not the caller's own"],
        Fault::TurnsLossIntoSuccess => &["a reply that is cut is never a success"],
        Fault::OneCallAtATime => &["a call that takes long holds up no other"],
        Fault::EndsCallsWhenTheDrainBegins | Fault::IgnoresTheDrain => {
            &["a drain lets calls in flight end, and begins none"]
        }
        Fault::SpawnsTasksNobodyOwns => &["a server that is dropped ends its calls and handlers"],
        Fault::LosesTheLastItem | Fault::DoublesAnItem | Fault::SwapsTwoItems => {
            &["a stream of replies arrives whole and in order"]
        }
        Fault::LosesARequestItem | Fault::EndsRequestsEarly => &["a stream of requests arrives whole and in order"],
        Fault::TurnsCutStreamsIntoEnds => {
            &["a stream of replies whose connection is cut ends with an error, and is not made again"]
        }
        Fault::TurnsErrorsInStreamsIntoEnds => {
            &["a typed error in a stream comes with its fields, behind the items before it"]
        }
        Fault::TurnsPanicsInStreamsIntoEnds => &["a panic in a polled stream is Internal, and that call's alone"],
        Fault::DropsDetailsInStreams => &["a status in a stream comes with its details"],
        Fault::LosesTrailers => &["metadata behind a stream of replies arrives with its end"],
        Fault::LosesMetadataOfFailures => &["metadata of a failure arrives, wherever the call fails"],
        Fault::ReadsRepliesAhead => &["a slow reader holds back the writer of replies"],
        Fault::ReadsRequestsAhead => &["a slow handler holds back the writer of requests"],
        Fault::SwallowsCancelOfStreams | Fault::SwallowsCancelOfStreamsAtTheServer => {
            &["a stream of replies that is dropped takes its handler's stream along"]
        }
        Fault::KeepsTheDeadlineOfStreamsToItself | Fault::AddsTimeToStreams => {
            &["a server ends a stream at its deadline, though it hears nothing of the caller"]
        }
        Fault::RunsStreamsOutsideTheirCalls => {
            &["a returned stream, and a call made in it, see the deadline, the trace and the baggage of the call"]
        }
        Fault::TurnsFailingRequestsIntoEnds => &["a stream of requests that fails is no clean end for its handler"],
        Fault::TurnsCutRequestsIntoEnds => {
            &["a stream of requests whose connection is cut ends with an error at both ends"]
        }
        Fault::HedgesWhatMustNotBeMadeTwice => {
            &["a call that must not be made twice is not made elsewhere, however late its answer"]
        }
        Fault::SwallowsCancelOfLaterAttempts => {
            &["a call whose answer is late is made elsewhere as well, and the loser is dropped"]
        }
        _ => &[],
    }
}
