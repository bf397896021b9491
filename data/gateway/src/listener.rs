//! Where a gateway listens.

use std::{
    future::poll_fn,
    io,
    net::{Shutdown, SocketAddr},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use model::{Door, Doors, FrontDoor};
use parking_lot::Mutex;
use runtime::{chain, tasks::Tasks};
use socket2::{SockRef, TcpKeepalive};
use tls::{FrontStream, FrontTls};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::sleep,
};

use crate::{
    Endpoint, connection,
    house::House,
    limits::BACKLOG,
    roster::{Entered, Room},
    sentences,
    status::Refusal,
    ticket::{Carrier, Through},
};

/// After an accept that failed: descriptors may be free again then.
const REST: Duration = Duration::from_millis(100);
/// Until strangers have logged in, or have been strangers for too long.
const LATER: Duration = Duration::from_millis(20);

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listen for clients on {address}")]
pub struct BindError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// Which clients a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    One(Endpoint),
    /// Both endpoints: the name in the handshake tells.
    Named,
}

/// The listeners that are open.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Vec<Listening>);

#[derive(Debug)]
struct Listening {
    /// For whom it is now: an address may come to be for both endpoints, or for one.
    whom: Arc<Mutex<For>>,
    carrier: Carrier,
    asked: SocketAddr,
    bound: SocketAddr,
    listener: Arc<TcpListener>,
    tasks: Tasks,
}

impl Listening {
    fn is_at(&self, carrier: Carrier, address: SocketAddr) -> bool {
        self.carrier == carrier && [self.asked, self.bound].contains(&address)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The address is free at once, and not when the task has noticed.
        let _closed = SockRef::from(&*self.listener).shutdown(Shutdown::Both);
        self.tasks.cancel();
    }
}

impl Listeners {
    pub(crate) fn open(
        &mut self,
        house: &Arc<House>,
        doors: Doors,
        front: &FrontTls,
    ) -> Result<Doors, BindError> {
        let entry = Arc::clone(&house.orders().entry);
        let mut wanted = Vec::new();
        if entry.door.public {
            let (direct, geo) = (doors.direct.tls(), doors.geo.tls());
            if direct == geo && direct.port() != 0 {
                wanted.push((For::Named, Carrier::Tls, direct));
            } else {
                wanted.push((For::One(Endpoint::Direct), Carrier::Tls, direct));
                wanted.push((For::One(Endpoint::Geo), Carrier::Tls, geo));
            }
        }
        if entry.door.public && entry.door.plain {
            let direct = doors.direct.plain();
            // Nothing in a plain connection tells which name was meant.
            let geo = doors
                .geo
                .plain()
                .filter(|geo| geo.port() == 0 || Some(*geo) != direct);
            let plain = [(Endpoint::Direct, direct), (Endpoint::Geo, geo)];
            let there = plain
                .into_iter()
                .filter_map(|(endpoint, at)| Some((For::One(endpoint), Carrier::Plain, at?)));
            wanted.extend(there);
        }
        let mut opened = Vec::new();
        for (whom, carrier, asked) in &wanted {
            // Port 0 is asked for by either endpoint, and is two of them.
            let same = |open: &&Listening| {
                open.is_at(*carrier, *asked) && (asked.port() != 0 || *open.whom.lock() == *whom)
            };
            match self.0.iter().find(same) {
                Some(open) => *open.whom.lock() = *whom,
                None => opened.push(Listening::open(house, *whom, *carrier, *asked, front)?),
            }
        }
        self.0.retain(|open| {
            let whom = *open.whom.lock();
            let mut wanted = wanted.iter();
            wanted
                .any(|(for_whom, carrier, asked)| whom == *for_whom && open.is_at(*carrier, *asked))
        });
        self.0.extend(opened);
        Ok(Doors {
            direct: self.door(doors.direct, Endpoint::Direct),
            geo: self.door(doors.geo, Endpoint::Geo),
        })
    }

    /// Closes what the door does not want open.
    pub(crate) fn close_for(&mut self, door: &FrontDoor) {
        self.0
            .retain(|open| door.public && (door.plain || open.carrier != Carrier::Plain));
    }

    pub(crate) fn close(&mut self) {
        self.0.clear();
    }

    /// A door as it is open; the ports of what is not are those that were asked for, and there is
    /// no plain one.
    fn door(&self, asked: Door, endpoint: Endpoint) -> Door {
        let open = |carrier: Carrier| {
            let mut all = self.0.iter();
            let open = all.find(|open| {
                open.carrier == carrier
                    && [For::One(endpoint), For::Named].contains(&*open.whom.lock())
            });
            open.map(|open| open.bound.port())
        };
        Door {
            ip: asked.ip,
            tls: open(Carrier::Tls).unwrap_or(asked.tls),
            plain: open(Carrier::Plain),
        }
    }
}

impl Listening {
    fn open(
        house: &Arc<House>,
        whom: For,
        carrier: Carrier,
        asked: SocketAddr,
        front: &FrontTls,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError {
            address: asked,
            source,
        };
        let listener = Arc::new(bind(asked).map_err(failed)?);
        let bound = listener.local_addr().map_err(failed)?;
        let tasks = house.tasks.child();
        let whom = Arc::new(Mutex::new(whom));
        let accepting = accept(
            Arc::clone(house),
            Arc::clone(&listener),
            Arc::clone(&whom),
            carrier,
            front.clone(),
        );
        tasks.spawn("gateway accept", accepting);
        Ok(Self {
            whom,
            carrier,
            asked,
            bound,
            listener,
            tasks,
        })
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // The connections of a listener that was closed may still be there.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(
    house: Arc<House>,
    listener: Arc<TcpListener>,
    whom: Arc<Mutex<For>>,
    carrier: Carrier,
    front: FrontTls,
) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                failing = false;
                let whom = *whom.lock();
                if let Some(entered) = admit(&house, &tcp, peer, whom, carrier).await {
                    serve(&house, tcp, entered, whom, &front);
                }
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(cache = %house.cache.name, error = %chain(&error), "cannot accept a client");
                }
                failing = true;
                sleep(REST).await;
            }
        }
    }
}

/// The firewall, and the number of clients.
async fn admit(
    house: &Arc<House>,
    tcp: &TcpStream,
    peer: SocketAddr,
    whom: For,
    carrier: Carrier,
) -> Option<Entered> {
    let through = Through {
        endpoint: match whom {
            For::One(endpoint) => endpoint,
            For::Named => Endpoint::Direct,
        },
        carrier,
    };
    loop {
        let orders = house.orders();
        if !orders.entry.admits(peer.ip()) {
            house.refused(Refusal::Firewall, &peer, "no firewall rule has its address");
            return None;
        }
        match house.roster.enter(peer, through, orders.entry.max_clients) {
            Room::Taken(entered) => return Some(entered),
            Room::Later => sleep(LATER).await,
            Room::Full => {
                house.refused(
                    Refusal::Clients,
                    &peer,
                    "there are as many clients as may be",
                );
                if carrier == Carrier::Plain {
                    // As the engines do it: what does not fit a new socket's buffer is not said.
                    let _unsaid = tcp.try_write(sentences::MAX_CLIENTS);
                }
                return None;
            }
        }
    }
}

fn serve(house: &Arc<House>, tcp: TcpStream, entered: Entered, whom: For, front: &FrontTls) {
    if let Err(error) = prepare(&tcp) {
        tracing::debug!(peer = %entered.peer, error = %chain(&error), "a client went away");
        return;
    }
    house.roster.totals.note_accepted();
    let (house, front) = (Arc::clone(house), front.clone());
    let tasks = house.tasks.clone();
    match entered.through().carrier {
        Carrier::Plain | Carrier::Tunnel => {
            let stream = FrontStream::plain(tcp);
            let serving = connection::serve(house, entered, stream);
            tasks.spawn_until_done("gateway connection", serving);
        }
        Carrier::Tls => tasks.spawn_until_done("gateway connection", async move {
            if let Some(stream) = Box::pin(shake(&house, &entered, tcp, whom, &front)).await {
                drop(front);
                connection::serve(house, entered, stream).await;
            }
        }),
    }
}

async fn shake(
    house: &House,
    entered: &Entered,
    tcp: TcpStream,
    whom: For,
    front: &FrontTls,
) -> Option<FrontStream> {
    let minimum = house.orders().entry.door.minimum_tls;
    let shaken = tokio::select! {
        shaken = front.accept(tcp, minimum) => shaken,
        () = evicted(entered) => {
            let why = "it did not log in, and others came";
            house.refused(Refusal::Slow, &entered.peer, why);
            return None;
        }
        () = house.tasks.cancelled() => return None,
    };
    match shaken {
        Ok(stream) => {
            if whom == For::Named && is_geo(stream.server_name()) {
                entered.set_endpoint(Endpoint::Geo);
            }
            Some(stream)
        }
        Err(error) => {
            let why = chain(&error).to_string();
            house.refused(Refusal::Tls, &entered.peer, &why);
            None
        }
    }
}

/// Resolves when it has to make room.
async fn evicted(entered: &Entered) {
    poll_fn(|cx| {
        let _looked_at_later = entered.poll_changed(cx);
        if entered.is_evicted() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Tells whether a name is one of a geo endpoint: `<cache>.geo.<zone>`.
fn is_geo(name: Option<&str>) -> bool {
    let mut labels = name.unwrap_or_default().split('.');
    labels
        .nth(1)
        .is_some_and(|label| label.eq_ignore_ascii_case("geo"))
}

/// Small writes leave at once, and a host that vanished is noticed.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_label_tells_the_endpoint() {
        assert!(is_geo(Some("demo.geo.caches.example")) && is_geo(Some("demo.GEO.x")));
        for name in [
            None,
            Some(""),
            Some("geo"),
            Some("geo.x"),
            Some("demo.x.geo"),
        ] {
            assert!(!is_geo(name), "{name:?}");
        }
    }
}
