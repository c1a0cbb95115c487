//! Those who have said what they speak.

use crate::Address;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Room for so many connections. When it is full, whoever has the most of them has one too many: a newcomer from
/// elsewhere takes the place of their newest, and one more of theirs is closed.
///
/// So one host cannot keep the others out, and there is no limit for each host, which would be wrong for those behind
/// one address: a gateway, or the proxies beside the processes of a fleet.
#[derive(Debug)]
pub(crate) struct Connections {
    room: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    count: usize,
    /// By host and age.
    hosts: HashMap<String, BTreeMap<u64, CancellationToken>>,
}

/// What becomes of a newcomer.
#[derive(Debug)]
pub(crate) enum Entry {
    Free(ConnectionPermit),
    /// Somebody has to leave for it.
    Instead(ConnectionPermit, Most),
    Refused(Most),
}

/// Who has the most connections.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Most {
    pub(crate) host: String,
    pub(crate) connections: usize,
}

/// Room for a connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    all: Arc<Connections>,
    host: String,
    number: u64,
    leave: CancellationToken,
}

impl Connections {
    pub(crate) fn new(room: usize) -> Self {
        Self { room, taken: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn enter(self: &Arc<Self>, peer: Option<&Address>) -> Entry {
        let host = peer.map_or_else(|| "this machine".to_owned(), |peer| peer.host().into_owned());
        let mut taken = self.lock();
        if taken.count < self.room {
            return Entry::Free(taken.permit(self, host));
        }
        let most = taken.most();
        if taken.of(&host) + 1 >= most.connections {
            return Entry::Refused(most);
        }
        taken.close_newest(&most.host);
        Entry::Instead(taken.permit(self, host), most)
    }
}

impl Taken {
    fn of(&self, host: &str) -> usize {
        self.hosts.get(host).map_or(0, BTreeMap::len)
    }

    fn most(&self) -> Most {
        let most = self.hosts.iter().map(|(host, places)| (places.len(), host)).max();
        most.map_or(Most { host: String::new(), connections: 0 }, |(connections, host)| Most {
            host: host.clone(),
            connections,
        })
    }

    fn close_newest(&mut self, host: &str) {
        let newest = self.hosts.get(host).and_then(BTreeMap::last_key_value).map(|(number, _)| *number);
        if let Some(leave) = newest.and_then(|number| self.remove(host, number)) {
            leave.cancel();
        }
    }

    fn remove(&mut self, host: &str, number: u64) -> Option<CancellationToken> {
        let places = self.hosts.get_mut(host)?;
        let removed = places.remove(&number)?;
        if places.is_empty() {
            self.hosts.remove(host);
        }
        self.count -= 1;
        Some(removed)
    }

    fn permit(&mut self, all: &Arc<Connections>, host: String) -> ConnectionPermit {
        let (number, leave) = (self.next, CancellationToken::new());
        self.next += 1;
        self.count += 1;
        self.hosts.entry(host.clone()).or_default().insert(number, leave.clone());
        ConnectionPermit { all: all.clone(), host, number, leave }
    }
}

impl ConnectionPermit {
    /// Waits until it has to be given up.
    pub(crate) async fn lost(&self) {
        self.leave.cancelled().await;
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.all.lock().remove(&self.host, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(all: &Arc<Connections>, host: &str) -> Entry {
        all.enter(Some(&Address::tcp(host, 1)))
    }

    fn free(all: &Arc<Connections>, host: &str) -> ConnectionPermit {
        match enter(all, host) {
            Entry::Free(permit) => permit,
            other => panic!("{host}: {other:?}"),
        }
    }

    #[test]
    fn a_host_that_has_the_most_makes_room_for_others_and_not_for_itself() {
        let all = Arc::new(Connections::new(5));
        let mut greedy: Vec<_> = (0..4).map(|_| free(&all, "greedy")).collect();
        let modest = free(&all, "modest");
        assert!(matches!(enter(&all, "greedy"), Entry::Refused(most) if most.connections == 4));
        let Entry::Instead(second, most) = enter(&all, "modest") else { panic!("there is room") };
        assert_eq!(most, Most { host: "greedy".to_owned(), connections: 4 });
        assert_eq!(
            greedy.iter().map(|permit| permit.leave.is_cancelled()).collect::<Vec<_>>(),
            [false, false, false, true]
        );
        // Three and two: taking one more away would only turn it round.
        assert!(matches!(enter(&all, "modest"), Entry::Refused(_)));
        // Whoever has to leave has left already, as far as the count goes.
        drop(greedy.pop());
        assert!(matches!(enter(&all, "greedy"), Entry::Refused(_)));
        drop((greedy, modest, second));
        let taken = all.lock();
        assert!(taken.count == 0 && taken.hosts.is_empty(), "{taken:?}");
    }
}
