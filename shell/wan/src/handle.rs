//! The WAN and what can be done to it.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use runtime::{dice::Dice, tasks::Tasks};
use tokio::{
    net::{TcpListener, TcpSocket},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Direction, Weather, connection,
    gate::{Flow, Gate},
    pace::Pace,
    trip::Trip,
};

/// What each of the proxy's sockets may keep, in either direction.
const KERNEL_BYTES: u32 = 256 << 10;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// After a failed accept (no file descriptors, mostly).
const PAUSE: Duration = Duration::from_millis(50);

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listen for {what} on {address}")]
pub struct BindError {
    pub(crate) what: &'static str,
    pub(crate) address: SocketAddr,
    #[source]
    pub(crate) source: io::Error,
}

/// What was carried so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Carried {
    /// Bytes handed to the server.
    pub to_server: u64,
    /// Bytes handed to clients.
    pub to_client: u64,
    /// Connections that are open.
    pub open: u64,
    /// Connections that were let in.
    pub connections: u64,
    /// Connections that were not let in.
    pub refused: u64,
    /// Cuts, of any number of connections each, even none.
    pub cuts: u64,
}

impl Carried {
    fn bytes(&mut self, direction: Direction) -> &mut u64 {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

/// A running WAN. Clones are handles of the same one; it runs until its tasks are stopped.
#[derive(Clone)]
pub struct Wan(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    gate: Gate,
    dice: Dice,
    state: Mutex<State>,
}

struct State {
    to: SocketAddr,
    weather: Weather,
    refusing: bool,
    trip: Trip,
    /// The last bytes before a cut are being delivered.
    cutting: bool,
    carried: Carried,
    to_server: Pace,
    to_client: Pace,
    /// Ends every connection that was let in since the last cut.
    connected: CancellationToken,
}

impl Wan {
    /// Listens on `listen` and carries to `to`, within a tokio runtime. `dice` make the jitter.
    pub fn start(
        tasks: &Tasks,
        listen: SocketAddr,
        to: SocketAddr,
        weather: Weather,
        dice: Dice,
    ) -> Result<Self, BindError> {
        let bound = bind(listen).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|source| BindError {
            what: "connections to carry",
            address: listen,
            source,
        })?;
        let wan = Self(Arc::new(Inner {
            address,
            gate: Gate::new(),
            dice,
            state: Mutex::new(State {
                to,
                weather,
                refusing: false,
                trip: Trip::default(),
                cutting: false,
                carried: Carried::default(),
                to_server: Pace::default(),
                to_client: Pace::default(),
                connected: CancellationToken::new(),
            }),
        }));
        let (serving, group) = (wan.clone(), tasks.clone());
        tasks.spawn("wan", async move { serving.accept(listener, &group).await });
        Ok(wan)
    }

    async fn accept(self, listener: TcpListener, group: &Tasks) {
        loop {
            match listener.accept().await {
                Ok((client, _)) => {
                    group.spawn("wan connection", connection::run(self.clone(), client))
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; trying again");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Where clients dial.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Where new connections go.
    pub fn to(&self) -> SocketAddr {
        self.0.state.lock().to
    }

    /// Sends new connections elsewhere.
    pub fn lead_to(&self, to: SocketAddr) {
        self.0.state.lock().to = to;
    }

    /// What it is like now.
    pub fn weather(&self) -> Weather {
        self.0.state.lock().weather
    }

    /// Changes what it is like, for whatever is sent from now on.
    pub fn set(&self, weather: Weather) {
        self.0.state.lock().weather = weather;
    }

    /// Cuts all connections: both ends get a reset, and what is on the way is gone.
    pub fn cut(&self) {
        self.0.state.lock().cut();
    }

    /// Cuts all connections, once, when `bytes` more bytes were handed over in `direction`. While
    /// one connection is open it gets exactly so many; a later call replaces an earlier one.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.0.state.lock().trip.arm(direction, bytes, false);
    }

    /// As [`Wan::cut_after`], again and again.
    pub fn cut_every(&self, direction: Direction, bytes: u64) {
        self.0.state.lock().trip.arm(direction, bytes, true);
    }

    /// Takes [`Wan::cut_after`] and [`Wan::cut_every`] back.
    pub fn cut_no_more(&self) {
        self.0.state.lock().trip.disarm();
    }

    /// Stops both directions without closing anything, for a time or until [`Wan::release`].
    pub fn stall(&self, span: Option<Duration>) {
        for direction in Direction::BOTH {
            self.one_way(direction, span);
        }
    }

    /// Stops one direction without closing anything, for a time or until [`Wan::release`]. Nothing
    /// is lost: the bytes wait, as they would be sent again until they arrive.
    pub fn one_way(&self, stopped: Direction, span: Option<Duration>) {
        let until = span.and_then(|span| Instant::now().checked_add(span));
        let flow = until.map_or(Flow::Stopped, Flow::StoppedUntil);
        self.0.gate.set(stopped, flow);
    }

    /// Tells whether a direction stands still.
    pub fn is_stopped(&self, direction: Direction) -> bool {
        self.0.gate.is_stopped(direction, Instant::now())
    }

    /// Lets both directions go on.
    pub fn release(&self) {
        for direction in Direction::BOTH {
            self.0.gate.set(direction, Flow::Open);
        }
    }

    /// Resets new connections at once, or lets them in again. Open ones are not touched.
    pub fn refuse(&self, refusing: bool) {
        self.0.state.lock().refusing = refusing;
    }

    /// Tells whether new connections are refused.
    pub fn is_refusing(&self) -> bool {
        self.0.state.lock().refusing
    }

    /// What was carried so far.
    pub fn carried(&self) -> Carried {
        self.0.state.lock().carried
    }

    /// Lets a connection in: where it goes, and what ends it. Every one that is let in is taken
    /// out with [`Wan::left`].
    pub(crate) fn enter(&self) -> Option<(SocketAddr, CancellationToken)> {
        let state = &mut *self.0.state.lock();
        if state.refusing {
            state.carried.refused += 1;
            return None;
        }
        state.carried.connections += 1;
        state.carried.open += 1;
        Some((state.to, state.connected.clone()))
    }

    pub(crate) fn left(&self) {
        self.0.state.lock().carried.open -= 1;
    }

    pub(crate) async fn passes(&self, direction: Direction) {
        self.0.gate.passes(direction).await;
    }

    /// When `count` bytes that were read just now have left, and how long they travel then.
    pub(crate) fn send_off(&self, direction: Direction, count: usize) -> (Instant, Duration) {
        let now = Instant::now();
        let state = &mut *self.0.state.lock();
        let Weather {
            latency,
            jitter,
            rate,
        } = state.weather;
        let pace = match direction {
            Direction::ToServer => &mut state.to_server,
            Direction::ToClient => &mut state.to_client,
        };
        let left = pace.leave(now, count, rate);
        let micros = u64::try_from(jitter.as_micros()).unwrap_or(u64::MAX);
        let jitter = Duration::from_micros(self.0.dice.below(micros.saturating_add(1)));
        (left, latency.saturating_add(jitter))
    }

    /// Hands over at most `count` bytes with `write`, which does not wait. Nothing is handed over
    /// behind a cut.
    pub(crate) fn hand_over(
        &self,
        cut: &CancellationToken,
        direction: Direction,
        count: usize,
        write: impl FnOnce(usize) -> io::Result<usize>,
    ) -> io::Result<HandedOver> {
        let state = &mut *self.0.state.lock();
        if state.cutting || cut.is_cancelled() {
            return Ok(HandedOver::Nothing);
        }
        let written = write(state.trip.allows(direction, count))?;
        *state.carried.bytes(direction) += written as u64;
        if state.trip.passed(direction, written) {
            state.cutting = true;
            return Ok(HandedOver::Last(CutWhenDropped(self.clone())));
        }
        Ok(HandedOver::Bytes(written))
    }
}

/// What became of bytes that were to be handed over.
#[must_use]
pub(crate) enum HandedOver {
    /// So many were.
    Bytes(usize),
    /// Those before a cut were.
    Last(CutWhenDropped),
    /// A cut is at hand.
    Nothing,
}

/// A cut that waits until the last bytes before it have arrived.
pub(crate) struct CutWhenDropped(Wan);

impl Drop for CutWhenDropped {
    fn drop(&mut self) {
        let state = &mut *self.0.0.state.lock();
        // Otherwise another cut came first.
        if state.cutting {
            state.cut();
        }
    }
}

impl State {
    fn cut(&mut self) {
        self.cutting = false;
        self.carried.cuts += 1;
        std::mem::take(&mut self.connected).cancel();
    }
}

impl fmt::Debug for Wan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wan")
            .field("address", &self.0.address)
            .finish_non_exhaustive()
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A socket that keeps little, so that what waits waits at the sender.
pub(crate) fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_recv_buffer_size(KERNEL_BYTES)?;
    socket.set_send_buffer_size(KERNEL_BYTES)?;
    Ok(socket)
}
