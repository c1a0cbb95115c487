//! Which servers of a large fleet one client is connected to.

use std::collections::BTreeSet;

/// To how many servers a client is connected that has the choice.
pub(crate) const SIZE: usize = 32;

/// Whether a server is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It takes calls, or may well.
    Good,
    /// It cannot be connected to, or is ejected.
    None,
}

/// The first servers by `rank`, as many that [`SIZE`] of them are of use; all of them when they are fewer.
///
/// This is the random subset of gRFC A68: every client ranks servers by a hash with a seed of its own, so that each is
/// connected to by about as many clients, and a server that comes or goes changes one place of a subset and no more.
/// Deterministic subsets (SRE book, chapter 20; Finagle's aperture; Rocksteadier) would share more evenly, but each
/// client would have to know how many there are and which of them it is, and clients are in no registry. What is uneven
/// is evened out by latency: servers that have more clients are slower, and are picked less. Weights do not count here
/// but where one of the subset is picked, or they would count twice.
pub(crate) fn subset<T: Ord>(servers: impl Iterator<Item = (u64, T, Use)>) -> BTreeSet<T> {
    let mut servers: Vec<_> = servers.collect();
    servers.sort_unstable_by(|(a, this, _), (b, that, _)| (a, this).cmp(&(b, that)));
    let mut room = SIZE;
    let taken = servers.into_iter().take_while(|(_, _, usable)| {
        let taken = room > 0;
        room -= usize::from(taken && *usable == Use::Good);
        taken
    });
    taken.map(|(_, server, _)| server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fnv::mixed;
    use proptest::prelude::*;

    fn of(client: u64, servers: impl Iterator<Item = u64>) -> BTreeSet<u64> {
        subset(servers.map(|server| (mixed(mixed(client) ^ mixed(server)), server, Use::Good)))
    }

    #[test]
    fn servers_have_about_as_many_clients() {
        let mut clients = vec![0; 300];
        for client in 0..1000 {
            for server in of(client, 0..300) {
                clients[server as usize] += 1;
            }
        }
        // 1000 * 32 / 300 = 107 on average, and within four standard deviations of it.
        let (least, most) = (clients.iter().min().unwrap(), clients.iter().max().unwrap());
        assert!((65..107).contains(least) && (107..150).contains(most), "{least} to {most}");
    }

    proptest! {
        #[test]
        fn a_server_that_comes_or_goes_changes_one_place(client: u64, count in 33..200_u64, other in 0..200_u64) {
            let other = other % count;
            let (all, without) = (of(client, 0..count), of(client, (0..count).filter(|server| *server != other)));
            prop_assert_eq!(all.len(), SIZE);
            prop_assert_eq!(without.len(), SIZE);
            prop_assert_eq!(all.difference(&without).count(), usize::from(all.contains(&other)));
        }

        #[test]
        fn as_many_are_of_use_as_there_can_be(useless in prop::collection::vec(any::<bool>(), 0..100)) {
            let use_of = |useless| if useless { Use::None } else { Use::Good };
            let servers = (0..).zip(&useless).map(|(server, useless)| (mixed(server), server, use_of(*useless)));
            let good = subset(servers).iter().filter(|server| !useless[**server as usize]).count();
            prop_assert_eq!(good, SIZE.min(useless.iter().filter(|useless| !**useless).count()));
        }
    }
}
