//! A TCP proxy that breaks connections in the ways networks do.

mod pump;

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// Stands between clients and one server, on a port of its own, and does to their connections what it is told.
///
/// Everything ends with the value. The port stays taken while connections are refused, so that nobody else gets it.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    applied: watch::Receiver<u64>,
    // Dropping the set aborts the task that accepts, which owns those of the connections.
    _tasks: JoinSet<()>,
    // Bound, and never listens: it keeps the port.
    _keeper: TcpSocket,
}

/// What happens to connections and to the bytes on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Bytes pass.
    #[default]
    Forward,
    /// New connections are refused by the kernel. Those that exist live on; see [`FaultProxy::cut`].
    Refuse,
    /// Connections are accepted and bytes vanish, both ways. A connection accepted in this mode stays one for ever.
    BlackHole,
    /// Requests pass and replies vanish.
    DropReplies,
    /// Each new connection is cut once so many bytes have passed in one direction; the byte after them never arrives.
    CutAfter {
        /// The direction that is counted.
        direction: Direction,
        /// How many bytes pass.
        bytes: u64,
        /// How it ends.
        cut: Cut,
    },
    /// As `CutAfter`, each new connection with a direction, a number of bytes and an end drawn by the proxy's seed.
    CutAtRandom {
        /// Between how many and how many bytes.
        bytes: Range<u64>,
    },
    /// On each new connection the server is heard for so many bytes, drawn by the proxy's seed, and what it says next
    /// arrives as [`FaultProxy::GARBAGE`]. What the client says still passes, until it closes: a server that is there
    /// and cannot be understood.
    GarbleAtRandom {
        /// Between how many and how many bytes.
        bytes: Range<u64>,
    },
}

/// How a connection ends, at both its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// In order (FIN): as a process that exits.
    Finish,
    /// At once (RST): as a host that forgot.
    Reset,
}

/// Where bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What happens to a connection when enough bytes have passed.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Cut(Cut),
    Garbled,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    orders: watch::Sender<Orders>,
    to_server: AtomicU64,
    to_client: AtomicU64,
    connections: AtomicU64,
    // How many connections are open, by the number of cuts there had been when they were accepted.
    open: Mutex<BTreeMap<u64, u64>>,
    // Bounded: a test that opens more connections than this looks at counters, not at bytes.
    first_bytes: Mutex<Vec<Vec<u8>>>,
    chance: Mutex<fastrand::Rng>,
}

#[derive(Clone, Debug)]
struct Orders {
    mode: Mode,
    // Raised with every change of mode, so that `set` can wait until the port has followed it.
    revision: u64,
    line: Line,
    // Raised with every cut; a connection dies when it sees another number than it began with.
    cuts: u64,
    cut: Cut,
}

/// How pieces of a stream of bytes pass.
#[derive(Clone, Copy, Debug)]
enum Line {
    /// All of them so late; at once if that is zero.
    Even(Duration),
    /// Each of a length of its own, and up to so late.
    Crumbling(Duration),
}

impl FaultProxy {
    /// How many bytes at the beginning of a connection are kept.
    pub const FIRST_BYTES: usize = 8;

    /// What nobody can understand: no length, no type and no line of any wire here.
    pub const GARBAGE: [u8; 64] = {
        let mut bytes = [0xff; 64];
        bytes[63] = b'\n';
        bytes
    };

    const KEPT: usize = 100_000;

    /// A proxy for the server at `upstream` (`HOST:PORT`), which need not be there yet. It forwards.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(upstream: impl ToString) -> io::Result<Self> {
        Self::with_seed(upstream, fastrand::u64(..))
    }

    /// The same, with the seed for [`Mode::CutAtRandom`] and [`Mode::GarbleAtRandom`].
    ///
    /// # Errors
    /// When no port can be had.
    pub fn with_seed(upstream: impl ToString, seed: u64) -> io::Result<Self> {
        Self::build(SocketAddr::from(([127, 0, 0, 1], 0)), upstream.to_string(), seed)
    }

    /// The same, at an address of one's own, which must be one of IPv4: a second way to a server, beside another's
    /// port.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn start_at(address: SocketAddr, upstream: impl ToString) -> io::Result<Self> {
        Self::build(address, upstream.to_string(), fastrand::u64(..))
    }

    fn build(address: SocketAddr, upstream: String, seed: u64) -> io::Result<Self> {
        let keeper = TcpSocket::new_v4()?;
        keeper.set_reuseaddr(true)?;
        keeper.bind(address)?;
        let address = keeper.local_addr()?;
        let listener = listen(address)?;
        let orders =
            Orders { mode: Mode::Forward, revision: 0, line: Line::Even(Duration::ZERO), cuts: 0, cut: Cut::Finish };
        let shared = Arc::new(Shared {
            upstream,
            orders: watch::Sender::new(orders),
            to_server: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            open: Mutex::default(),
            first_bytes: Mutex::default(),
            chance: Mutex::new(fastrand::Rng::with_seed(seed)),
        });
        let (applying, applied) = watch::channel(0);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, address, shared.clone(), applying));
        Ok(Self { address, shared, applied, _tasks: tasks, _keeper: keeper })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the mode; once this returns, a new connection meets it.
    pub async fn set(&self, mode: Mode) {
        let mut revision = 0;
        self.shared.orders.send_modify(|orders| {
            orders.mode = mode;
            orders.revision += 1;
            revision = orders.revision;
        });
        // An error means that the accepting task is gone, and with it the runtime.
        let _ = self.applied.clone().wait_for(|applied| *applied >= revision).await;
    }

    /// Holds up every piece of up to 16 KiB by so much, in both directions. One piece waits for the one before it: this
    /// is a slow line, and at once a narrow one.
    pub fn delay(&self, delay: Duration) {
        self.shared.orders.send_modify(|orders| orders.line = Line::Even(delay));
    }

    /// Passes bytes on in pieces of lengths drawn by the proxy's seed, most of up to 16 KiB and one in ten of a few
    /// bytes, each of them up to `latest` late, in both directions. Frames are torn wherever that falls.
    pub fn crumble(&self, latest: Duration) {
        self.shared.orders.send_modify(|orders| orders.line = Line::Crumbling(latest));
    }

    /// Cuts every connection there is now. Returns when none of them is left; others may have come by then.
    pub async fn cut(&self, cut: Cut) {
        let shared = &self.shared;
        let mut before = 0;
        {
            // Under the lock: a connection is either counted among those of before, or meets the new number.
            let _open = lock(&shared.open);
            shared.orders.send_modify(|orders| {
                before = orders.cuts;
                orders.cuts += 1;
                orders.cut = cut;
            });
        }
        let gone = || lock(&shared.open).range(..=before).next().is_none();
        crate::eventually(Duration::from_secs(5), gone).await;
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// How many connections are open now.
    pub fn open(&self) -> u64 {
        lock(&self.shared.open).values().sum()
    }

    /// How many bytes arrived here on their way in a direction, passed on or not.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.shared.counter(direction).load(Ordering::Acquire)
    }

    /// The first bytes that clients sent, a connection each, in the order in which they were accepted; at most
    /// [`FIRST_BYTES`](Self::FIRST_BYTES), fewer where fewer came.
    pub fn first_bytes(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.first_bytes).clone()
    }
}

impl Shared {
    fn counter(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    /// The place in `first_bytes` of a new connection, if there is one left.
    fn place(&self) -> Option<usize> {
        let mut kept = lock(&self.first_bytes);
        (kept.len() < FaultProxy::KEPT).then(|| {
            kept.push(Vec::new());
            kept.len() - 1
        })
    }

    /// How long the next piece is at most, and how late.
    fn piece(&self) -> (usize, Duration) {
        let line = self.orders.borrow().line;
        match line {
            Line::Even(delay) => (pump::PIECE, delay),
            Line::Crumbling(latest) => {
                let mut chance = lock(&self.chance);
                let longest = if chance.u8(..10) == 0 { pump::CRUMB } else { pump::PIECE };
                (chance.usize(1..=longest), latest.mul_f64(chance.f64()))
            }
        }
    }

    /// What is to happen to a connection that begins now, and after how many bytes of a direction.
    fn plan(&self) -> Option<(Direction, u64, Fate)> {
        match &self.orders.borrow().mode {
            Mode::CutAfter { direction, bytes, cut } => Some((*direction, *bytes, Fate::Cut(*cut))),
            Mode::CutAtRandom { bytes } => {
                let mut chance = lock(&self.chance);
                let direction = if chance.bool() { Direction::ToServer } else { Direction::ToClient };
                let cut = if chance.bool() { Cut::Finish } else { Cut::Reset };
                Some((direction, chance.u64(bytes.clone()), Fate::Cut(cut)))
            }
            Mode::GarbleAtRandom { bytes } => {
                Some((Direction::ToClient, lock(&self.chance).u64(bytes.clone()), Fate::Garbled))
            }
            _ => None,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // The keeper holds the port, too.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}

async fn accept(listener: TcpListener, address: SocketAddr, shared: Arc<Shared>, applying: watch::Sender<u64>) {
    let mut listener = Some(listener);
    let mut orders = shared.orders.subscribe();
    let mut connections = JoinSet::new();
    loop {
        let (mode, revision) = {
            let orders = orders.borrow_and_update();
            (orders.mode.clone(), orders.revision)
        };
        match mode {
            Mode::Refuse => listener = None,
            _ if listener.is_none() => listener = Some(listen(address).expect("the keeper holds the port")),
            _ => {}
        }
        applying.send_replace(revision);
        tokio::select! {
            changed = orders.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            Some(accepted) = accepted(listener.as_ref()) => {
                if let Ok((client, _)) = accepted {
                    shared.connections.fetch_add(1, Ordering::AcqRel);
                    let open = pump::Open::new(&shared);
                    connections.spawn(pump::connection(client, shared.clone(), open));
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// The next connection; never anything while connections are refused.
async fn accepted(listener: Option<&TcpListener>) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    match listener {
        Some(listener) => Some(listener.accept().await),
        None => std::future::pending().await,
    }
}
