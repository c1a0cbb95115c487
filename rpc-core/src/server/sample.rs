//! One in so many.

use std::cell::Cell;

/// Picks one in so many. Looking at the clock costs as much as a short handler, so it is done for a sample; and there
/// is one of these for each thread, so that nothing is shared on the path of calls.
pub(crate) struct OneIn {
    every: u32,
    left: Cell<u32>,
}

impl OneIn {
    /// Picks the first, and then one in `every`.
    pub(crate) const fn new(every: u32) -> Self {
        Self { every, left: Cell::new(0) }
    }

    /// Whether this is one.
    #[inline]
    pub(crate) fn is_it(&self) -> bool {
        let now = self.left.get();
        self.left.set(if now == 0 { self.every - 1 } else { now - 1 });
        now == 0
    }
}
