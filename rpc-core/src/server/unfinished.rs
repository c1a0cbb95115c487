//! Which calls did not end in time.

use crate::Method;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

/// The calls that were cut at the end of a drain, by method, for the log.
///
/// Calls are not counted while a server serves, since that would cost all of them something. What is dropped once
/// [`record`](Self::record) was called did not end by itself; until then dropping a call costs one comparison.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    recording: AtomicBool,
    calls: Mutex<BTreeMap<&'static str, usize>>,
}

/// A call at work.
pub(crate) struct AtWork<U: std::ops::Deref<Target = Unfinished>> {
    unfinished: U,
    method: &'static Method,
}

impl Unfinished {
    /// From now on whatever is dropped was cut.
    pub(crate) fn record(&self) {
        self.recording.store(true, Relaxed);
    }

    /// Whether nothing was cut.
    pub(crate) fn is_empty(&self) -> bool {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl<U: std::ops::Deref<Target = Unfinished>> AtWork<U> {
    pub(crate) fn new(unfinished: U, method: &'static Method) -> Self {
        Self { unfinished, method }
    }
}

impl<U: std::ops::Deref<Target = Unfinished>> Drop for AtWork<U> {
    fn drop(&mut self) {
        if self.unfinished.recording.load(Relaxed) {
            *self
                .unfinished
                .calls
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(self.method.path)
                .or_default() += 1;
        }
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, (method, count)) in calls.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{method} ({count})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use std::sync::Arc;

    static FIND: Method = Method::new("t.T", "Find", "/t.T/Find", Kind::Unary);
    static PLACE: Method = Method::new("t.T", "Place", "/t.T/Place", Kind::Unary);

    #[test]
    fn only_what_is_dropped_at_the_end_was_cut() {
        let unfinished = Arc::new(Unfinished::default());
        drop(AtWork::new(&*unfinished, &FIND));
        let (one, other, third) = (
            AtWork::new(&*unfinished, &FIND),
            AtWork::new(unfinished.clone(), &PLACE),
            AtWork::new(unfinished.clone(), &FIND),
        );
        unfinished.record();
        assert!(unfinished.is_empty());
        drop((one, other, third));
        assert_eq!(unfinished.to_string(), "/t.T/Find (2), /t.T/Place (1)");
    }
}
