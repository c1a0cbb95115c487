//! A whole file of orders.

use crate::failure::Failure;
use futures_util::{StreamExt, stream};
use orders::{Order, OrderError, Orders, OrdersClient, Summary, resume::Resume, sheet::Sheet};
use rpc::Streaming;
use std::{
    convert::Infallible,
    io::{IsTerminal, Write},
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

/// Sends the orders of a file, in as many imports as it takes, and says which of its lines were not taken.
pub(crate) async fn import(client: &OrdersClient, file: &Path) -> Result<ExitCode, Failure> {
    let name = file.display();
    let Sheet { orders, lines, mistakes } = Sheet::open(file).map_err(|error| {
        let text = format!("cannot read {name}: {error}");
        Failure::usage(text, "name a CSV file that is there and can be read")
    })?;
    for mistake in &mistakes {
        eprintln!("{name}, {mistake} (left out)");
    }
    let (orders, sent): (Arc<[Order]>, _) = (orders.into(), Arc::new(AtomicUsize::new(0)));
    let upload = upload(client, &orders, &sent);
    let (placed, known, refused) = if std::io::stderr().is_terminal() {
        let outcome = tokio::select! {
            outcome = upload => outcome,
            never = show(&sent, orders.len()) => match never {},
        };
        eprint!("\r\x1b[K");
        outcome
    } else {
        upload.await
    }?;
    for (index, reason) in &refused {
        eprintln!("{name}, line {}: {reason} (left out)", lines.get(*index).copied().unwrap_or_default());
    }
    let left_out = mistakes.len() + refused.len();
    println!("{name}: {placed} orders placed, {known} were there before, {left_out} left out");
    if left_out == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("  what to do: correct the lines named above and import the file again; what is placed stays as it is");
    Ok(ExitCode::from(4))
}

/// Imports slice by slice; one that is cut is sent again. Refusals are by index in `orders`.
async fn upload(
    client: &OrdersClient,
    orders: &Arc<[Order]>,
    sent: &Arc<AtomicUsize>,
) -> Result<(u64, u64, Vec<(usize, String)>), OrderError> {
    let slice = usize::try_from(Summary::ORDERS).unwrap_or(usize::MAX);
    let (mut placed, mut known, mut refused) = (0, 0, Vec::new());
    for begin in (0..orders.len()).step_by(slice) {
        let mut resume = Resume::default();
        let summary = loop {
            sent.store(begin, Relaxed);
            let (orders, sent) = (orders.clone(), sent.clone());
            let counted = stream::iter(begin..orders.len().min(begin + slice)).map(move |index| {
                sent.fetch_add(1, Relaxed);
                orders[index].clone()
            });
            match client.import(Streaming::new(counted)).await {
                Ok(summary) => break summary,
                Err(error) => resume.after(error).await?,
            }
        };
        placed += summary.placed;
        known += summary.known;
        let index = |position: u64| begin + usize::try_from(position.saturating_sub(1)).unwrap_or_default();
        refused.extend(summary.refused.into_iter().map(|refusal| (index(refusal.position), refusal.reason)));
    }
    Ok((placed, known, refused))
}

/// Says again and again how far it is, in one line.
async fn show(sent: &AtomicUsize, all: usize) -> Infallible {
    loop {
        eprint!("\r{} of {all} orders sent", sent.load(Relaxed));
        // A terminal that takes nothing is no reason to stop.
        let _ = std::io::stderr().flush();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
