//! What still comes for a stream that was ended early here: the answer to a call that was cancelled, the rest of an
//! upload that was refused. It was on its way already, and is passed over for as long as h2 remembers the stream.
//!
//! Of a stream that it has forgotten h2 makes an error of the other side's, and counts those for as long as the
//! connection lasts: at the limit it says GOAWAY and ends every call there. Its own limits, 50 streams for 1 s and 1024
//! errors, are reached by calls that share a deadline, or by a server that has too much to do, although nobody did
//! anything wrong.

use std::time::Duration;

/// How long such a stream is remembered. What crosses on the way comes within a round trip; this leaves time to one
/// that has stalled.
pub(crate) const REMEMBERED_FOR: Duration = Duration::from_secs(5);

/// h2's limit for the errors of the other side.
const FEWEST: usize = 1024;

/// How many such streams are remembered on a connection that takes so many calls: all that are open, several times
/// within [`REMEMBERED_FOR`]. Each takes about half a KiB, which is far less than a call does.
pub(crate) fn remembered(calls: usize) -> usize {
    calls.saturating_mul(4).max(FEWEST)
}

/// How many frames may come for streams that were forgotten, or were reset for what is wrong with them, before the
/// connection ends. There is an end, since each is answered by a reset that is kept until the other side reads it.
pub(crate) fn forgiven(calls: usize) -> usize {
    calls.saturating_mul(16).max(FEWEST)
}
