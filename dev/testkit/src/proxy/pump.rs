//! One connection through the proxy.

use super::{Cut, Direction, Fate, FaultProxy, Mode, Shared, lock};
use std::{
    collections::btree_map::Entry,
    sync::{Arc, atomic::Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
};

pub(super) const PIECE: usize = 16 * 1024;
/// Shorter than what stands before a message on any wire.
pub(super) const CRUMB: usize = 4;

/// Carries one connection to its end.
pub(super) async fn connection(mut client: TcpStream, shared: Arc<Shared>, open: Open) {
    let (began, place) = (open.began, open.place);
    let plan = shared.plan();
    let swallowed = matches!(shared.orders.borrow().mode, Mode::BlackHole);
    let _ = client.set_nodelay(true);
    if swallowed {
        let cut = tokio::select! {
            cut = ordered(&shared, began) => Some(cut),
            () = swallow(&mut client, &shared, place) => None,
        };
        return end([&client], cut);
    }
    let mut server = tokio::select! {
        cut = ordered(&shared, began) => return end([&client], Some(cut)),
        server = TcpStream::connect(shared.upstream.as_str()) => match server {
            Ok(server) => server,
            Err(_) => return end([&client], Some(Cut::Reset)),
        },
    };
    let _ = server.set_nodelay(true);
    let limit = |direction| plan.filter(|plan| plan.0 == direction).map(|(_, bytes, fate)| (bytes, fate));
    let cut = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = Pump { shared: &shared, direction: Direction::ToServer, limit: limit(Direction::ToServer), place };
        let down =
            Pump { shared: &shared, direction: Direction::ToClient, limit: limit(Direction::ToClient), place: None };
        tokio::select! {
            cut = ordered(&shared, began) => Some(cut),
            ended = async { tokio::try_join!(up.run(from_client, to_server), down.run(from_server, to_client)) } => {
                ended.err()
            }
        }
    };
    end([&client, &server], cut);
}

/// Closes what it is given, when the caller drops it, in this way.
fn end<const N: usize>(streams: [&TcpStream; N], cut: Option<Cut>) {
    if cut == Some(Cut::Reset) {
        for stream in streams {
            let _ = stream.set_zero_linger();
        }
    }
}

/// Waits until this connection is to be cut.
async fn ordered(shared: &Shared, began: u64) -> Cut {
    let mut orders = shared.orders.subscribe();
    match orders.wait_for(|orders| orders.cuts != began).await {
        Ok(orders) => orders.cut,
        Err(_) => Cut::Reset,
    }
}

async fn swallow(client: &mut TcpStream, shared: &Shared, place: Option<usize>) {
    let mut buffer = vec![0; PIECE];
    while let Ok(length @ 1..) = client.read(&mut buffer).await {
        seen(shared, Direction::ToServer, &buffer[..length], place);
    }
}

fn seen(shared: &Shared, direction: Direction, bytes: &[u8], place: Option<usize>) {
    shared.counter(direction).fetch_add(bytes.len() as u64, Ordering::AcqRel);
    if let Some(place) = place {
        let kept = &mut lock(&shared.first_bytes)[place];
        let room = FaultProxy::FIRST_BYTES.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(&bytes[..room]);
    }
}

struct Pump<'a> {
    shared: &'a Shared,
    direction: Direction,
    limit: Option<(u64, Fate)>,
    place: Option<usize>,
}

impl Pump<'_> {
    /// Carries bytes until their end, which it passes on; an error says how the whole connection is to be cut.
    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), Cut> {
        let mut buffer = vec![0; PIECE];
        loop {
            // An end that was reset is passed on as that.
            let (most, _) = self.shared.piece();
            let length = from.read(&mut buffer[..most]).await.map_err(|_| Cut::Reset)?;
            if length == 0 {
                let _ = to.shutdown().await;
                return Ok(());
            }
            seen(self.shared, self.direction, &buffer[..length], self.place);
            let lost = match self.shared.orders.borrow().mode {
                Mode::BlackHole => true,
                Mode::DropReplies => self.direction == Direction::ToClient,
                _ => false,
            };
            // Asked for now: the order may have come while there was nothing to read.
            let (_, delay) = self.shared.piece();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let (passing, fate) = self.allowance(length);
            let passing = if let Some(Fate::Garbled) = fate { &FaultProxy::GARBAGE } else { &buffer[..passing] };
            if !lost {
                to.write_all(passing).await.map_err(|_| Cut::Reset)?;
            }
            match fate {
                Some(Fate::Cut(cut)) => return Err(cut),
                Some(Fate::Garbled) => return hush(from).await,
                None => {}
            }
        }
    }

    /// How many of `length` bytes may still pass, and what follows when those were the last.
    fn allowance(&mut self, length: usize) -> (usize, Option<Fate>) {
        let Some((left, fate)) = &mut self.limit else { return (length, None) };
        let passing = length.min(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= passing as u64;
        (passing, (*left == 0).then_some(*fate))
    }
}

/// Reads to the end, and passes on nothing but that.
async fn hush(mut from: ReadHalf<'_>) -> Result<(), Cut> {
    let mut buffer = vec![0; PIECE];
    while from.read(&mut buffer).await.map_err(|_| Cut::Reset)? > 0 {}
    Ok(())
}

/// Counts a connection as open until it has ended, however that came.
pub(super) struct Open {
    shared: Arc<Shared>,
    /// How many cuts there had been when it was accepted; it dies with the next.
    began: u64,
    /// Its place among the first bytes.
    place: Option<usize>,
}

impl Open {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let mut open = lock(&shared.open);
        let began = shared.orders.borrow().cuts;
        *open.entry(began).or_default() += 1;
        Self { shared: shared.clone(), began, place: shared.place() }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = lock(&self.shared.open).entry(self.began) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}
