//! Where a gateway listens.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    sync::Arc,
};

use model::{Door, Doors, FrontDoor};
use parking_lot::Mutex;
use runtime::tasks::Tasks;
use socket2::SockRef;
use tls::FrontTls;
use tokio::net::{TcpListener, TcpSocket};

use crate::{
    Endpoint,
    accept::{For, accept, prepare},
    house::House,
    limits::BACKLOG,
    ticket::Carrier,
};

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listen for clients on {address}")]
pub struct BindError {
    address: SocketAddr,
    #[source]
    source: io::Error,
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
    prepare(&socket)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
