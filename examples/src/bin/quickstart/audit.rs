//! Whether what clients were told is what the servers have kept.

use crate::streams::Counts;
use orders::{book::OrderBook, delivery::Deliveries};
use std::{collections::HashSet, io, path::Path, time::Duration};

/// Compares the counts of both transports with the servers' folder, and adds what is missing there, or there twice.
pub(crate) fn audit(data: &Path, mut counts: [Counts; 2]) -> io::Result<[Counts; 2]> {
    let placed = OrderBook::open(data, Duration::ZERO)?.numbers()?;
    let mut delivered = Deliveries::open(data)?.delivered()?;
    for Counts { import, track, imported, delivered: told, .. } in &mut counts {
        import.lost += count(imported.difference(&placed));
        // Both transports share the orders that are to be delivered: what one has delivered is not left for the other.
        let kept: HashSet<_> = told.intersection(&delivered).cloned().collect();
        track.lost += count(told.difference(&kept));
        delivered.retain(|number| !kept.contains(number));
    }
    // Delivered, and nobody was told.
    counts[0].track.lost += count(delivered.iter());
    Ok(counts)
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    items.fold(0, |count, _| count + 1)
}
