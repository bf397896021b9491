//! One connection, from the accept to the end of both directions.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{Notify, mpsc},
    time::{Instant, sleep, sleep_until},
};

use tokio_util::sync::CancellationToken;

use crate::{
    Direction, Wan,
    handle::{self, HandedOver},
    pace::Arrivals,
    weather::LARGEST_READ,
};

/// Pieces on the way, at most; when they are small, more is read at once.
const PIECES: usize = 4096;
/// Bytes may leave so much before their time, because timers are no finer than this.
const AHEAD: Duration = Duration::from_millis(2);

/// A receiver that does not take the last bytes before a cut within this time does not get them.
const LAST_BYTES: Duration = Duration::from_secs(10);
/// How often it is asked whether they were delivered.
const LOOK: Duration = Duration::from_millis(1);

/// A direction has ended with a reset, or could not go on.
struct Broken;

/// What travels.
struct Piece {
    due: Instant,
    what: What,
}

enum What {
    Bytes(Bytes),
    /// Nothing more comes.
    End,
    /// The sender has broken off.
    Reset,
}

pub(crate) async fn run(wan: Wan, client: TcpStream) {
    // Whatever drops the socket from here on, cancellation included, resets it.
    if let Err(error) = reset_when_dropped(&client, true) {
        tracing::debug!(%error, "a connection is gone already");
        return;
    }
    let Some((to, cut)) = wan.enter() else {
        return;
    };
    let _inside = Inside(wan.clone());
    let way = Way {
        wan: &wan,
        cut: &cut,
    };
    cut.run_until_cancelled(async {
        match dial(to).await {
            Ok(server) => carry(way, client, server).await,
            Err(error) => tracing::debug!(address = %to, %error, "cannot reach the server"),
        }
    })
    .await;
}

/// What carries a connection, and what ends it.
#[derive(Clone, Copy)]
struct Way<'a> {
    wan: &'a Wan,
    cut: &'a CancellationToken,
}

/// Counted as open until dropped.
struct Inside(Wan);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.left();
    }
}

async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let server = handle::socket(address)?.connect(address).await?;
    reset_when_dropped(&server, true)?;
    Ok(server)
}

async fn carry(way: Way<'_>, mut client: TcpStream, mut server: TcpStream) {
    if let Err(error) = prepare(&client).and_then(|()| prepare(&server)) {
        tracing::debug!(%error, "a connection cannot be carried");
        return;
    }
    // The proxy has answered at once; over a WAN connecting takes a round trip.
    sleep(way.wan.weather().latency * 2).await;
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::try_join!(
            one_direction(way, Direction::ToServer, from_client, to_server),
            one_direction(way, Direction::ToClient, from_server, to_client),
        )
    };
    if ended.is_ok() {
        // Both ends have said everything; what the kernel still holds may be delivered.
        let quiet =
            reset_when_dropped(&client, false).and_then(|()| reset_when_dropped(&server, false));
        if let Err(error) = quiet {
            tracing::debug!(%error, "a connection ends with a reset");
        }
    }
}

/// Small pieces leave at once.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)
}

fn reset_when_dropped(stream: &TcpStream, reset: bool) -> io::Result<()> {
    SockRef::from(stream).set_linger(reset.then_some(Duration::ZERO))
}

/// Bytes on the way.
#[derive(Default)]
struct Flight {
    bytes: AtomicU64,
    landed: Notify,
}

async fn one_direction(
    way: Way<'_>,
    direction: Direction,
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
) -> Result<(), Broken> {
    let (pieces, travelling) = mpsc::channel(PIECES);
    let flight = Flight::default();
    tokio::try_join!(
        depart(way.wan, direction, from, pieces, &flight),
        arrive(way, direction, to, travelling, &flight),
    )?;
    Ok(())
}

async fn depart(
    wan: &Wan,
    direction: Direction,
    mut from: ReadHalf<'_>,
    pieces: mpsc::Sender<Piece>,
    flight: &Flight,
) -> Result<(), Broken> {
    let mut arrivals = Arrivals::default();
    let mut buffer = vec![0; LARGEST_READ];
    loop {
        wan.passes(direction).await;
        let weather = wan.weather();
        while flight.bytes.load(Ordering::Relaxed) >= weather.flight() {
            flight.landed.notified().await;
        }
        let room = buffer.get_mut(..weather.read()).ok_or(Broken)?;
        let read = from.read(room).await;
        let count = *read.as_ref().unwrap_or(&0);
        let (left, travel) = wan.send_off(direction, count);
        let what = match read {
            Ok(0) => What::End,
            Ok(count) => What::Bytes(Bytes::copy_from_slice(room.get(..count).ok_or(Broken)?)),
            Err(_reset) => What::Reset,
        };
        let last = !matches!(what, What::Bytes(_));
        flight.bytes.fetch_add(count as u64, Ordering::Relaxed);
        let due = arrivals.due(left, travel);
        // The other end of the queue goes only with the whole connection.
        pieces
            .send(Piece { due, what })
            .await
            .map_err(|_gone| Broken)?;
        if last {
            return Ok(());
        }
        // Reading stops while the rate is used up: the sender feels it.
        sleep_until(left.checked_sub(AHEAD).unwrap_or(left)).await;
    }
}

async fn arrive(
    way: Way<'_>,
    direction: Direction,
    mut to: WriteHalf<'_>,
    mut travelling: mpsc::Receiver<Piece>,
    flight: &Flight,
) -> Result<(), Broken> {
    while let Some(Piece { due, what }) = travelling.recv().await {
        sleep_until(due).await;
        way.wan.passes(direction).await;
        match what {
            What::Bytes(bytes) => {
                let count = bytes.len() as u64;
                hand_over(way, direction, &mut to, bytes).await?;
                flight.bytes.fetch_sub(count, Ordering::Relaxed);
                flight.landed.notify_one();
            }
            What::End => to.shutdown().await.map_err(|_gone| Broken)?,
            What::Reset => return Err(Broken),
        }
    }
    Ok(())
}

async fn hand_over(
    way: Way<'_>,
    direction: Direction,
    to: &mut WriteHalf<'_>,
    mut bytes: Bytes,
) -> Result<(), Broken> {
    while !bytes.is_empty() {
        to.writable().await.map_err(|_gone| Broken)?;
        way.wan.passes(direction).await;
        // A cut may have come since this task was last interrupted.
        let handed_over = way
            .wan
            .hand_over(way.cut, direction, bytes.len(), |allowed| {
                to.try_write(bytes.get(..allowed).unwrap_or_default())
            });
        match handed_over {
            Ok(HandedOver::Bytes(0)) => return Err(Broken),
            Ok(HandedOver::Bytes(count)) => bytes.advance(count),
            Ok(HandedOver::Last(cut)) => {
                delivered(to.as_ref()).await;
                drop(cut);
                return Err(Broken);
            }
            Ok(HandedOver::Nothing) => {
                way.cut.cancelled().await;
                return Err(Broken);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_gone) => return Err(Broken),
        }
    }
    Ok(())
}

/// Resolves once the kernel holds nothing that it has not sent: a reset would throw it away.
async fn delivered(stream: &TcpStream) {
    let give_up = Instant::now() + LAST_BYTES;
    while holds_back(stream).unwrap_or(false) && Instant::now() < give_up {
        sleep(LOOK).await;
    }
}

fn holds_back(stream: &TcpStream) -> io::Result<bool> {
    // From here on a socket is writable only while nothing in it waits to be sent.
    SockRef::from(stream).set_tcp_notsent_lowat(1)?;
    let mut writable = [PollFd::new(stream, PollFlags::OUT)];
    Ok(poll(&mut writable, Some(&Timespec::default()))? == 0)
}
