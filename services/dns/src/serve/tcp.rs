//! Questions on connections (RFC 7766): one after the other, answered in their order.

use std::{collections::BTreeMap, io, net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use runtime::tasks::Tasks;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use crate::{
    answer::{Over, answer},
    served::Served,
    tally::{Tally, Transport, Withheld},
};

/// Connections at a time, and of them to one address.
const MOST: usize = 512;
const MOST_TO_ONE: usize = 32;
/// How long a client may take for its next question, for the rest of one that it began, or to take
/// an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a connection that could not be accepted, for want of something that others hold.
const REST: Duration = Duration::from_millis(50);

/// Who is connected.
#[derive(Debug, Default)]
struct Guests(Mutex<BTreeMap<IpAddr, usize>>);

/// A connection's place; given back when it is dropped.
struct Place {
    guests: Arc<Guests>,
    ip: IpAddr,
}

impl Guests {
    /// `None`: there are too many.
    fn place(self: &Arc<Self>, ip: IpAddr) -> Option<Place> {
        let mut guests = self.0.lock();
        let all: usize = guests.values().sum();
        let same = guests.entry(ip).or_default();
        if all >= MOST || *same >= MOST_TO_ONE {
            return None;
        }
        *same += 1;
        Some(Place {
            guests: Arc::clone(self),
            ip,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut guests = self.guests.0.lock();
        if let Some(same) = guests.get_mut(&self.ip) {
            *same = same.saturating_sub(1);
        }
        guests.retain(|_, same| *same > 0);
    }
}

pub(super) async fn run(listener: TcpListener, served: Served, tally: Arc<Tally>, tasks: Tasks) {
    let guests = Arc::new(Guests::default());
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "Accepting a connection failed");
                sleep(REST).await;
                continue;
            }
        };
        let Some(place) = guests.place(from.ip().to_canonical()) else {
            tally.note_withheld(Withheld::Connection);
            tracing::debug!(client = %from, "Too many connections; this one is closed");
            continue;
        };
        let (served, tally) = (served.clone(), Arc::clone(&tally));
        tasks.spawn("dns connection", async move {
            if let Err(error) = converse(stream, &served, &tally).await {
                tracing::debug!(%error, client = %from, "A connection broke");
            }
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, served: &Served, tally: &Tally) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    while let Ok(Some(asked)) = timeout(PATIENCE, next(&mut read)).await.unwrap_or(Ok(None)) {
        let present = served.present();
        let zone = present.as_deref().map(|generation| &generation.zone);
        // Whoever sends what is no question has nothing to say.
        let Some(reply) = answer(zone, &asked, Over::Tcp) else {
            tally.note_withheld(Withheld::NoQuestion);
            break;
        };
        tally.note(Transport::Tcp, &reply);
        let Ok(length) = u16::try_from(reply.bytes.len()) else {
            break;
        };
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend(reply.bytes);
        match timeout(PATIENCE, write.write_all(&framed)).await {
            Ok(written) => written?,
            Err(_too_slow) => break,
        }
    }
    Ok(())
}

/// The next message; `None`: the client has said everything.
async fn next(read: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let length = match read.read_u16().await {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut message = vec![0; usize::from(length)];
    read.read_exact(&mut message).await?;
    Ok(Some(message))
}
