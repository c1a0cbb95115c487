//! How a scenario ended.

use futures_util::FutureExt;
use std::{cell::RefCell, panic::AssertUnwindSafe};

/// How a scenario ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The sentence is true.
    Ok,
    /// The scenario has nothing to say about this column.
    NotApplicable,
    /// The sentence is false, and this is why.
    Failed(String),
}

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps panics off the terminal: those of scenarios are shown in the table, with their place, and those of the service
/// under test are part of scenarios.
pub fn keep_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| format!("{}:{}: ", place.file(), place.line())).unwrap_or_default();
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let message = text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic");
        LAST.with_borrow_mut(|last| *last = Some(format!("{place}{message}")));
    }));
}

/// The result of a future, or what it panicked with.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|payload| {
        // The hook ran on this thread, in the poll that has just ended.
        let message = LAST.with_borrow_mut(Option::take).unwrap_or_else(|| match payload.downcast::<String>() {
            Ok(message) => *message,
            Err(payload) => payload.downcast::<&str>().map_or("a panic".to_owned(), |message| (*message).to_owned()),
        });
        // An assertion on a large message repeats it.
        message.chars().take(1000).collect::<String>()
    })
}
