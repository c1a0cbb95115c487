//! Those who have come and not said yet what they speak.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Room for so many who have not said yet what they speak. When it is full, whoever has been silent for longest has to
/// leave: those who have something to say do so at once, and would be kept out if the newcomer left instead.
#[derive(Debug, Default)]
pub(crate) struct Lobby(Mutex<Guests>);

#[derive(Debug, Default)]
struct Guests {
    next: u64,
    waiting: BTreeMap<u64, CancellationToken>,
}

/// A place in the lobby, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    lobby: Arc<Lobby>,
    number: u64,
    leave: CancellationToken,
}

impl Lobby {
    pub(crate) const ROOM: usize = 1000;

    fn lock(&self) -> MutexGuard<'_, Guests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn enter(self: &Arc<Self>) -> Seat {
        let mut guests = self.lock();
        if guests.waiting.len() >= Self::ROOM
            && let Some((_, oldest)) = guests.waiting.pop_first()
        {
            oldest.cancel();
        }
        let (number, leave) = (guests.next, CancellationToken::new());
        guests.next += 1;
        guests.waiting.insert(number, leave.clone());
        Seat { lobby: self.clone(), number, leave }
    }
}

impl Seat {
    /// Waits until it has to be given up.
    pub(crate) async fn lost(&self) {
        self.leave.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.lobby.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_leaves_when_it_is_full() {
        let lobby = Arc::new(Lobby::default());
        let mut seats: Vec<_> = (0..Lobby::ROOM).map(|_| lobby.enter()).collect();
        assert!(seats.iter().all(|seat| !seat.leave.is_cancelled()));
        drop(seats.remove(1));
        let _in_its_place = lobby.enter();
        assert!(!seats[0].leave.is_cancelled());
        let newcomer = lobby.enter();
        assert!(seats[0].leave.is_cancelled() && !seats[1].leave.is_cancelled() && !newcomer.leave.is_cancelled());
        assert_eq!(lobby.lock().waiting.len(), Lobby::ROOM);
        drop((seats, newcomer, _in_its_place));
        assert!(lobby.lock().waiting.is_empty());
    }
}
