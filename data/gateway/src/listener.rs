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
    accept::{By, For, accept, prepare},
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
pub(crate) struct Listeners {
    public: Vec<Listening>,
    private: Vec<Listening>,
}

/// A private endpoint that is to be open: its name, and where it listens.
pub type PrivateListener = (Arc<str>, Door);

#[derive(Debug)]
struct Listening {
    /// For whom it is now: an address may come to be for both endpoints, or for one.
    whom: Arc<Mutex<For>>,
    by: By,
    asked: SocketAddr,
    bound: SocketAddr,
    listener: Arc<TcpListener>,
    tasks: Tasks,
}

impl Listening {
    fn is_at(&self, carrier: Carrier, address: SocketAddr) -> bool {
        self.by.carrier == carrier && [self.asked, self.bound].contains(&address)
    }

    fn is_of(&self, (name, door): &PrivateListener, carrier: Carrier) -> bool {
        let address = match carrier {
            Carrier::Tls => Some(door.tls()),
            Carrier::Plain => door.plain(),
            Carrier::Tunnel => None,
        };
        self.by.private.as_ref() == Some(name) && address.is_some_and(|at| self.is_at(carrier, at))
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
            let by = By {
                carrier: *carrier,
                private: None,
            };
            match self.public.iter().find(same) {
                Some(open) => *open.whom.lock() = *whom,
                None => opened.push(Listening::open(house, *whom, by, *asked, front)?),
            }
        }
        self.public.retain(|open| {
            let whom = *open.whom.lock();
            let mut wanted = wanted.iter();
            wanted
                .any(|(for_whom, carrier, asked)| whom == *for_whom && open.is_at(*carrier, *asked))
        });
        self.public.extend(opened);
        Ok(Doors {
            direct: self.door(doors.direct, Endpoint::Direct),
            geo: self.door(doors.geo, Endpoint::Geo),
        })
    }

    /// Listens at these private endpoints, and at no others; each for itself.
    pub(crate) fn open_private(
        &mut self,
        house: &Arc<House>,
        wanted: &[PrivateListener],
        front: &FrontTls,
    ) -> Vec<Result<Door, BindError>> {
        let plain = house.orders().entry.door.plain;
        let carriers: &[Carrier] = if plain {
            &[Carrier::Tls, Carrier::Plain]
        } else {
            &[Carrier::Tls]
        };
        self.private.retain(|open| {
            let is_of = |one: &PrivateListener| carriers.iter().any(|c| open.is_of(one, *c));
            wanted.iter().any(is_of)
        });
        let opened = wanted.iter().map(|one| {
            for carrier in carriers {
                if self.private.iter().any(|open| open.is_of(one, *carrier)) {
                    continue;
                }
                let (name, door) = one;
                // The name in the handshake tells whether the pair's endpoint is meant.
                let (whom, asked) = match carrier {
                    Carrier::Plain => (For::One(Endpoint::Direct), door.plain()),
                    Carrier::Tls | Carrier::Tunnel => (For::Named, Some(door.tls())),
                };
                let Some(asked) = asked else { continue };
                let by = By {
                    carrier: *carrier,
                    private: Some(Arc::clone(name)),
                };
                let open = Listening::open(house, whom, by, asked, front)?;
                self.private.push(open);
            }
            let (_, door) = one;
            Ok(Door {
                plain: door.plain.filter(|_| plain),
                ..*door
            })
        });
        opened.collect()
    }

    /// Closes what the door does not want open.
    pub(crate) fn close_for(&mut self, door: &FrontDoor) {
        let carried = |open: &Listening| door.plain || open.by.carrier != Carrier::Plain;
        self.public.retain(|open| door.public && carried(open));
        self.private.retain(|open| {
            let name = open.by.private.as_deref();
            let mut wanted = door.private.iter();
            carried(open) && wanted.any(|wanted| Some(wanted.name.as_str()) == name)
        });
    }

    pub(crate) fn close(&mut self) {
        self.public.clear();
        self.private.clear();
    }

    /// A door as it is open; the ports of what is not are those that were asked for, and there is
    /// no plain one.
    fn door(&self, asked: Door, endpoint: Endpoint) -> Door {
        let open = |carrier: Carrier| {
            let mut all = self.public.iter();
            let open = all.find(|open| {
                open.by.carrier == carrier
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
        by: By,
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
            by.clone(),
            front.clone(),
        );
        tasks.spawn("gateway accept", accepting);
        Ok(Self {
            whom,
            by,
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
