//! Which server a key belongs to.

use crate::{
    client::{
        backoff::part,
        live::{Live, Paced},
    },
    fnv::{Fnv, mixed},
    registry::Instance,
};
use std::{hash::Hasher, sync::Arc};

/// The servers of one service among which keys are divided.
///
/// Rendezvous hashing (Thaler and Ravishankar 1998): a key belongs to the server for which the hash of both is highest,
/// and goes to the one with the next highest when that cannot be had, so that a server's keys are divided among all
/// others when it goes, and no other key moves. Weights enter as `weight / -ln(hash)` (Schindelhauer and Schomaker
/// 2005). A pick looks at every server, some dozens of instructions for each, where a ring or a Maglev table would look
/// at one; but those are built anew whenever the list or a weight changes, and a ring shares less evenly (160 points
/// for each server: 8 % of deviation). Lists are of tens or hundreds.
///
/// Loads are bounded (Mirrokni, Thorup and Zadimoghaddam 2016): a server that has more than 1.25 times its share of
/// this client's calls in flight takes no further ones, and those go on to the next; see [`Self::ROOM`].
///
/// All that are listed are here, connected or not, ejected or not: a key belongs to the same server for everybody.
#[derive(Debug, Default)]
pub(crate) struct Shards {
    members: Vec<Member>,
    weights: Weights,
}

/// A server that is listed.
#[derive(Debug)]
pub(crate) struct Member {
    /// See [`identity`].
    pub(crate) identity: u64,
    pub(crate) weight: u32,
    pub(crate) endpoint: u32,
    pub(crate) reach: Reach,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Weights {
    #[default]
    Alike,
    Different,
}

/// Whether a server can be called.
#[derive(Clone, Debug)]
pub(crate) enum Reach {
    Ready(Arc<Live>),
    /// It was ejected, and one call should go there.
    Probe(Arc<Live>),
    /// Nobody has tried to connect to it, or the first try is under way.
    Unconnected,
    Away,
}

/// Where a call with a key goes.
#[derive(Debug)]
pub(crate) enum Shard<'a> {
    To(&'a Arc<Live>),
    Probe(&'a Arc<Live>),
    /// To this endpoint, once it is connected.
    Unconnected(u32),
    /// No server can be called.
    Nobody,
}

/// Whether a call waits a moment until the server of its key is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Some,
    None,
}

impl Shards {
    /// So many calls in flight fit on any server, or a handful of calls at once with the same key would be scattered.
    pub(crate) const ROOM: u32 = 8;

    pub(crate) fn new(members: impl Iterator<Item = Member>) -> Self {
        let members: Vec<_> = members.collect();
        let alike = members.windows(2).all(|pair| pair[0].weight == pair[1].weight);
        Self { members, weights: if alike { Weights::Alike } else { Weights::Different } }
    }

    /// The server for a key, if none of `tried`.
    pub(crate) fn pick(&self, key: u64, tried: &[u32], patience: Patience, paced: Paced) -> Shard<'_> {
        let untried = |member: &&Member| !tried.contains(&member.endpoint);
        let owner = self.first(key, self.members.iter().filter(untried));
        match owner.map(|owner| (owner, &owner.reach)) {
            Some((owner, Reach::Unconnected)) if patience == Patience::Some => {
                return Shard::Unconnected(owner.endpoint);
            }
            Some((_, Reach::Probe(live))) if paced == Paced::ByServer && live.pass() => return Shard::Probe(live),
            _ => {}
        }
        let (mut calls, mut weights) = (1, 0);
        for (member, live) in self.ready() {
            calls += u64::from(live.in_flight());
            weights += u64::from(member.weight);
        }
        let fits = |(member, live): &(&Member, &Arc<Live>)| live.in_flight() < member.room(calls, weights);
        let untried = || self.ready().filter(|(member, _)| !tried.contains(&member.endpoint));
        // Where all have been tried, or are full since the rest has been tried, the key counts alone.
        let shard = self.first_ready(key, untried().filter(fits)).or_else(|| self.first_ready(key, untried()));
        shard.or_else(|| self.first_ready(key, self.ready())).map_or(Shard::Nobody, Shard::To)
    }

    fn ready(&self) -> impl Iterator<Item = (&Member, &Arc<Live>)> {
        self.members.iter().filter_map(|member| match &member.reach {
            Reach::Ready(live) => Some((member, live)),
            _ => None,
        })
    }

    fn first_ready<'a>(
        &self,
        key: u64,
        members: impl Iterator<Item = (&'a Member, &'a Arc<Live>)>,
    ) -> Option<&'a Arc<Live>> {
        let ranked = members.map(|(member, live)| (self.rank(key, member), live));
        ranked.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, live)| live)
    }

    fn first<'a>(&self, key: u64, members: impl Iterator<Item = &'a Member>) -> Option<&'a Member> {
        let ranked = members.map(|member| (self.rank(key, member), member));
        ranked.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, member)| member)
    }

    fn rank(&self, key: u64, member: &Member) -> f64 {
        // Never 0, which has no logarithm: the next in steps of 2^-53.
        let part = part(mixed(key ^ member.identity)) + f64::EPSILON / 2.0;
        match self.weights {
            // The order is the same as below.
            Weights::Alike => part,
            Weights::Different => f64::from(member.weight) / -part.ln(),
        }
    }
}

impl Member {
    /// How many calls may be in flight on it when there are so many on all, the next one included.
    fn room(&self, calls: u64, weights: u64) -> u32 {
        let share = (calls as f64 * f64::from(self.weight) * 1.25 / weights as f64).ceil();
        (share as u32).max(Shards::ROOM)
    }
}

/// By what a server is known to keys: its address, so that one restarted in its place keeps its keys (as gRPC's
/// `ring_hash` does, gRFC A42).
pub(crate) fn identity(instance: &Instance) -> u64 {
    let address = instance.endpoints.iter().map(|endpoint| endpoint.address.to_string()).min();
    let mut hash = Fnv::default();
    hash.write(address.unwrap_or_default().as_bytes());
    mixed(hash.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Status, client::live, service_fn};
    use std::collections::HashMap;

    fn ready(endpoint: u32) -> Reach {
        let service = crate::Service::boxed(service_fn(async |_| Err(Status::internal("not called"))));
        Reach::Ready(Arc::new(live::tests::to(endpoint, service)))
    }

    fn shards(endpoints: impl Iterator<Item = u32>, weight: impl Fn(u32) -> u32) -> Shards {
        let number = |endpoint: u32| mixed(u64::from(endpoint));
        Shards::new(endpoints.map(|endpoint| Member {
            identity: number(endpoint),
            weight: weight(endpoint),
            endpoint,
            reach: ready(endpoint),
        }))
    }

    fn to(shard: &Shard<'_>) -> u32 {
        match shard {
            Shard::To(live) => live.endpoint,
            other => panic!("{other:?}"),
        }
    }

    fn owners(shards: &Shards) -> Vec<u32> {
        (0..20_000).map(|key| to(&shards.pick(mixed(key), &[], Patience::None, Paced::ByServer))).collect()
    }

    fn shares(owners: &[u32]) -> HashMap<u32, usize> {
        owners.iter().fold(HashMap::new(), |mut shares, owner| {
            *shares.entry(*owner).or_default() += 1;
            shares
        })
    }

    #[test]
    fn keys_are_divided_by_weight() {
        for (_, share) in shares(&owners(&shards(0..20, |_| 100))) {
            assert!((850..1150).contains(&share), "{share}");
        }
        let shares = shares(&owners(&shards(0..10, |endpoint| if endpoint == 0 { 300 } else { 100 })));
        // 3 of 12.
        assert!((4700..5300).contains(&shares[&0]), "{shares:?}");
    }

    #[test]
    fn no_key_moves_without_need() {
        let weight = |endpoint: u32| if endpoint.is_multiple_of(2) { 100_u32 } else { 150 };
        for weight in [&weight as &dyn Fn(u32) -> u32, &|_| 100] {
            let before = owners(&shards(0..20, weight));
            let without = owners(&shards((0..20).filter(|endpoint| *endpoint != 7), weight));
            let with = owners(&shards(0..21, weight));
            for ((before, without), with) in before.iter().zip(&without).zip(&with) {
                assert!(before == without || *before == 7, "{before} to {without}");
                assert!(before == with || *with == 20, "{before} to {with}");
            }
            // Those of the one that went are divided among all others.
            let moved = before.iter().zip(&without).filter(|(before, _)| **before == 7).map(|(_, without)| *without);
            assert!(shares(&moved.collect::<Vec<_>>()).len() >= 18);
        }
    }

    /// Keys by Zipf's law, where one in five or so is the same, and many calls in flight: nobody has more than a
    /// quarter above the mean.
    #[test]
    fn loads_are_bounded() {
        let shards = shards(0..20, |_| 100);
        let mut random = fastrand::Rng::with_seed(20_261_124);
        let mut open = std::collections::VecDeque::new();
        let mut counts = HashMap::new();
        let mut hottest = 0;
        for call in 0..40_000 {
            let key = mixed((1.0 / (1.0 - random.f64())).min(1e9) as u64);
            let Shard::To(live) = shards.pick(key, &[], Patience::None, Paced::ByServer) else { panic!("nobody") };
            let (_, fits) = (live.begin(), (f64::from(1000.min(call + 1)) * 1.25 / 20.0).ceil() as u32);
            assert!(live.in_flight() <= fits.max(Shards::ROOM), "{} of {fits}", live.in_flight());
            *counts.entry(live.endpoint).or_insert(0) += 1;
            hottest = hottest.max(live.in_flight());
            open.push_back(live);
            if open.len() == 1000 {
                open.pop_front().unwrap().end();
            }
        }
        assert!(hottest >= 60, "{hottest}: the bound is never reached");
        assert_eq!(counts.len(), 20);
    }

    #[test]
    fn calls_at_once_with_one_key_stay_together_while_they_are_few() {
        let shards = shards(0..20, |_| 100);
        let owner = to(&shards.pick(9, &[], Patience::None, Paced::ByServer));
        let mut all = Vec::new();
        for _ in 0..9 {
            let Shard::To(live) = shards.pick(9, &[], Patience::None, Paced::ByServer) else { panic!("nobody") };
            live.begin();
            all.push(live.endpoint);
        }
        assert_eq!(all[..8], [owner; 8]);
        assert_ne!(all[8], owner);
    }

    #[test]
    fn what_cannot_be_had_is_passed_over_and_what_was_tried_avoided() {
        let mut shards = shards(0..5, |_| 100);
        let first = to(&shards.pick(9, &[], Patience::Some, Paced::ByServer));
        let second = to(&shards.pick(9, &[first], Patience::Some, Paced::ByServer));
        assert_ne!(first, second);
        assert_eq!(to(&shards.pick(9, &[0, 1, 2, 3, 4], Patience::Some, Paced::ByServer)), first, "all were tried");

        let at = |shards: &Shards, endpoint| shards.members.iter().position(|member| member.endpoint == endpoint);
        let index = at(&shards, first).unwrap();
        shards.members[index].reach = Reach::Away;
        assert_eq!(to(&shards.pick(9, &[], Patience::Some, Paced::ByServer)), second);
        shards.members[index].reach = Reach::Unconnected;
        assert!(
            matches!(shards.pick(9, &[], Patience::Some, Paced::ByServer), Shard::Unconnected(endpoint) if endpoint == first)
        );
        assert_eq!(to(&shards.pick(9, &[], Patience::None, Paced::ByServer)), second);
        assert!(matches!(Shards::default().pick(9, &[], Patience::Some, Paced::ByServer), Shard::Nobody));
    }
}
