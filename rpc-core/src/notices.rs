//! Keeps a log readable.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// One notice a minute for each of those that are noticed again and again.
#[derive(Debug, Default)]
pub(crate) struct Notices(Mutex<HashMap<String, Instant>>);

impl Notices {
    const EVERY: Duration = Duration::from_secs(60);

    /// A port scan must not fill the memory; past this many the oldest knowledge is forgotten.
    const MOST: usize = 1024;

    /// Whether `who` is to be named now.
    pub(crate) fn due(&self, who: String) -> bool {
        let now = Instant::now();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= Self::MOST {
            last.retain(|_, at| now.duration_since(*at) < Self::EVERY);
            if last.len() >= Self::MOST {
                last.clear();
            }
        }
        let due = last.get(&who).is_none_or(|at| now.duration_since(*at) >= Self::EVERY);
        if due {
            last.insert(who, now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_notice_a_minute_for_each() {
        let notices = Notices::default();
        assert!(notices.due("10.0.0.1".to_owned()));
        assert!(!notices.due("10.0.0.1".to_owned()));
        assert!(notices.due("10.0.0.2".to_owned()));
        tokio::time::advance(Notices::EVERY).await;
        assert!(notices.due("10.0.0.1".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_scan_does_not_fill_the_memory() {
        let notices = Notices::default();
        for peer in 0..5 * Notices::MOST {
            notices.due(peer.to_string());
        }
        assert!(notices.0.lock().unwrap().len() <= Notices::MOST);
    }
}
