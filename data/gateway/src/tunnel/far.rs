//! Takes what another region's gateway carries over, and passes it to the engine here.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use model::{CacheId, Region};
use runtime::chain;
use tls::TlsStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};

use super::{
    Kind, RefusalCode, Refused, Tunnel,
    frame::{Enter, FrameError},
};
use crate::{
    Endpoint,
    entry::Who,
    house::House,
    limits::DIAL,
    outgoing::Outgoing,
    place::Place,
    roster::Entered,
    scratch,
    status::Refusal,
    ticket::{Carrier, Standing, Through},
    upstream::{answers, open_engine},
};

/// Another region's gateway did not say whom it carries over.
#[derive(Debug, thiserror::Error)]
#[error("learn from the gateway of {region} whom it carries over")]
pub struct EnterError {
    region: Region,
    #[source]
    source: io::Error,
}

/// A connection of another region's gateway that said whom it carries over, and to which cache.
#[derive(Debug)]
pub struct Entrance {
    tunnel: Tunnel,
    enter: Enter,
    region: Region,
}

impl Entrance {
    /// Hears whom the gateway of `region` carries over.
    ///
    /// # Errors
    ///
    /// When it does not say so in time, or says something else.
    pub async fn hear(stream: TlsStream, region: Region) -> Result<Self, EnterError> {
        let mut tunnel = Tunnel::new(stream);
        let heard = timeout(DIAL, tunnel.receive()).await;
        let heard = heard.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()));
        let read = heard.and_then(|(kind, payload)| {
            let read = match kind {
                Kind::Enter => Enter::read(&payload),
                Kind::Entered
                | Kind::Refused
                | Kind::Data
                | Kind::Hold
                | Kind::Held
                | Kind::Release
                | Kind::Moved => Err(FrameError::Unexpected(kind)),
            };
            read.map_err(|odd| io::Error::new(io::ErrorKind::InvalidData, odd))
        });
        match read {
            Ok(enter) => Ok(Self {
                tunnel,
                enter,
                region,
            }),
            Err(source) => Err(EnterError { region, source }),
        }
    }

    /// The cache that it is to lead to.
    #[must_use]
    pub fn cache(&self) -> &CacheId {
        &self.enter.cache
    }

    /// Where the client is.
    #[must_use]
    pub fn client(&self) -> SocketAddr {
        self.enter.client
    }

    /// Says that the cache is not here; it may be soon.
    pub async fn refuse(mut self) {
        let refused = Refused {
            code: RefusalCode::NotNow,
            why: "the cache is not on the other side, or not yet".to_owned(),
        };
        refuse(&mut self.tunnel, &refused).await;
    }
}

async fn refuse(tunnel: &mut Tunnel, refused: &Refused) {
    let sent = timeout(DIAL, tunnel.send(Kind::Refused, &refused.write())).await;
    if !matches!(sent, Ok(Ok(()))) {
        tracing::debug!("another gateway went away before it heard why it is refused");
    }
}

/// Serves one connection of another region's gateway.
pub(crate) fn enter(house: &Arc<House>, entrance: Entrance) {
    let house = Arc::clone(house);
    let tasks = house.tasks.clone();
    tasks.spawn_until_done("gateway entrance", async move {
        Box::pin(serve(house, entrance)).await;
    });
}

async fn serve(house: Arc<House>, entrance: Entrance) {
    let Entrance {
        mut tunnel,
        enter,
        region,
    } = entrance;
    match open(&house, &enter).await {
        Ok(Opened {
            entered,
            engine,
            address,
            moves,
        }) => {
            if tunnel.send(Kind::Entered, &[]).await.is_err() {
                return;
            }
            entered.logged_in();
            let mut crossing = Crossing {
                who: enter.who,
                entered,
                moves,
                tunnel,
                engine,
                address,
                to_engine: Outgoing::default(),
                to_tunnel: Outgoing::default(),
                holding: false,
                holds: 0,
                told_moved: false,
                ended: Ended::default(),
                house,
            };
            let mut ended = poll_fn(|cx| crossing.poll(cx)).await;
            if matches!(ended, Ok(true)) && crossing.engine_is_there().await {
                // In order: the engine wanted it so. Otherwise the near side hears no end.
                ended = poll_fn(|cx| crossing.poll_goodbye(cx)).await;
            }
            if let Err(error) = ended {
                tracing::debug!(client = %enter.client, %region, error = %chain(&error), "a connection of another region's gateway broke");
            }
        }
        Err(refused) => {
            house.refused(Refusal::Entering, &enter.client, &refused.why);
            refuse(&mut tunnel, &refused).await;
        }
    }
}

/// What is opened for a client.
struct Opened {
    entered: Entered,
    engine: TcpStream,
    address: SocketAddr,
    moves: u64,
}

/// Lets a client in for whom another region's gateway answers.
async fn open(house: &Arc<House>, enter: &Enter) -> Result<Opened, Refused> {
    let refused = |code, why: &str| Refused {
        code,
        why: why.to_owned(),
    };
    let orders = house.orders();
    admits(&orders.entry, enter)?;
    let Place::Here {
        engine,
        client,
        writable: true,
    } = &*orders.place
    else {
        let why = "the cache is not led from the other side at present";
        return Err(refused(RefusalCode::NotNow, why));
    };
    if orders.closed || orders.hold.is_some() {
        let why = "the cache is about to be led from elsewhere";
        return Err(refused(RefusalCode::NotNow, why));
    }
    let through = Through {
        endpoint: Endpoint::Geo,
        carrier: Carrier::Tunnel,
    };
    let max = orders.entry.max_clients;
    let entered = house.roster.carry_in(enter.client, through, max);
    let entered =
        entered.ok_or_else(|| refused(RefusalCode::Clients, "max number of clients reached"))?;
    let opened = open_engine(*engine, &enter.who, client).await;
    let stream = opened.map_err(|error| {
        let why = chain(&error).to_string();
        tracing::info!(cache = %house.cache.name, why, "cannot open the engine for another gateway");
        refused(RefusalCode::NotNow, "the cache's engine does not answer")
    })?;
    house.roster.totals.note_accepted();
    Ok(Opened {
        entered,
        engine: stream,
        address: *engine,
        moves: orders.moves,
    })
}

fn admits(entry: &crate::Entry, enter: &Enter) -> Result<(), Refused> {
    let refused = |why: &str| Refused {
        code: RefusalCode::NotAdmitted,
        why: why.to_owned(),
    };
    if !entry.admits(enter.client.ip()) {
        return Err(refused(
            "the client's address is not in the firewall rules of the geo-primary",
        ));
    }
    match &enter.who {
        Who::Key(_) if !entry.door.access_keys => {
            Err(refused("access keys let nobody in to the geo-primary"))
        }
        Who::User(object_id) if !entry.knows(object_id) => Err(refused(
            "the token's user has no access policy assignment at the geo-primary",
        )),
        Who::Key(_) | Who::User(_) => Ok(()),
    }
}

/// A client's bytes between the tunnel and the engine.
struct Crossing {
    house: Arc<House>,
    entered: Entered,
    who: Who,
    /// The place that it was opened for.
    moves: u64,
    tunnel: Tunnel,
    engine: TcpStream,
    /// Where the engine is.
    address: SocketAddr,
    to_engine: Outgoing,
    to_tunnel: Outgoing,
    holding: bool,
    /// How often the near side was told to hold.
    holds: u32,
    told_moved: bool,
    ended: Ended,
}

/// Which directions have ended.
#[derive(Default)]
struct Ended {
    near: bool,
    engine_knows: bool,
    engine: bool,
}

impl Crossing {
    /// Passes bytes. Resolves with `true` when the engine has ended, and all that it said is
    /// passed on.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if self.entered.poll_changed(cx) && !self.obey(cx)? {
                return Poll::Ready(Ok(false));
            }
            let mut moved = false;
            moved |= self.poll_requests(cx)?;
            moved |= self.poll_replies(cx)?;
            if self.holding && self.tunnel.heard().held == self.holds {
                self.entered.stand(Standing::Held);
            }
            if self.ended.engine && self.to_tunnel.is_empty() {
                return Poll::Ready(Ok(true));
            }
            if !moved {
                return Poll::Pending;
            }
        }
    }

    /// Looks at the orders. `false`: the connection is to end.
    fn obey(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let orders = self.house.orders();
        let admitted = admits(
            &orders.entry,
            &Enter {
                cache: self.house.cache.clone(),
                who: self.who.clone(),
                client: self.entered.peer,
            },
        );
        if orders.closed || self.entered.is_evicted() || admitted.is_err() {
            return Ok(false);
        }
        if orders.moves != self.moves && !self.leads_here(&orders.place) {
            // The near side stops when it has everything, and ends the tunnel.
            if !std::mem::replace(&mut self.told_moved, true) {
                self.tunnel.say(Kind::Moved);
            }
        } else {
            self.moves = orders.moves;
            if orders.hold.is_some() && !self.holding {
                self.holding = true;
                self.holds = self.holds.wrapping_add(1);
                self.tunnel.say(Kind::Hold);
            } else if orders.hold.is_none() && self.holding {
                self.holding = false;
                self.tunnel.say(Kind::Release);
            }
        }
        if !self.holding {
            self.entered.stand(Standing::Running);
        }
        // Nothing else may come by for long that would take the word along.
        match Pin::new(&mut self.tunnel).poll_flush(cx) {
            Poll::Ready(flushed) => flushed.map(|()| true),
            Poll::Pending => Ok(true),
        }
    }

    /// Tells whether the engine that it has is the one that leads.
    fn leads_here(&self, place: &Place) -> bool {
        match place {
            Place::Here { engine, .. } => *engine == self.address,
            Place::There { .. } | Place::Syncing { .. } | Place::Nowhere { .. } => false,
        }
    }

    fn poll_requests(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        if self
            .to_engine
            .poll_drain(cx, &mut self.engine)?
            .is_pending()
        {
            return Ok(false);
        }
        if self.ended.near {
            if !self.ended.engine_knows {
                self.ended.engine_knows = true;
                let _closing = Pin::new(&mut self.engine).poll_shutdown(cx)?;
            }
            return Ok(false);
        }
        let Self {
            tunnel,
            engine,
            to_engine,
            ..
        } = self;
        match copy(cx, tunnel, engine, to_engine)? {
            Poll::Pending => return Ok(false),
            Poll::Ready(0) => self.ended.near = true,
            Poll::Ready(bytes) => self.entered.note_received(bytes),
        }
        Ok(true)
    }

    fn poll_replies(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        if self
            .to_tunnel
            .poll_drain(cx, &mut self.tunnel)?
            .is_pending()
        {
            return Ok(false);
        }
        if self.ended.engine {
            return Ok(false);
        }
        let Self {
            tunnel,
            engine,
            to_tunnel,
            ..
        } = self;
        match copy(cx, engine, tunnel, to_tunnel)? {
            Poll::Pending => return Ok(false),
            Poll::Ready(0) => self.ended.engine = true,
            Poll::Ready(bytes) => self.entered.note_sent(bytes),
        }
        Ok(true)
    }
}

impl Crossing {
    /// Tells whether the engine is there, although it has ended the connection.
    async fn engine_is_there(&self) -> bool {
        answers(self.address).await
    }

    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        Pin::new(&mut self.tunnel)
            .poll_shutdown(cx)
            .map_ok(|()| true)
    }
}

/// Reads once, and writes what was read. Resolves with the number of bytes; 0: there are no more.
fn copy<F: AsyncRead + Unpin, T: AsyncWrite + Unpin>(
    cx: &mut Context<'_>,
    from: &mut F,
    to: &mut T,
    outgoing: &mut Outgoing,
) -> io::Result<Poll<usize>> {
    scratch::borrow(|memory| {
        let mut buffer = ReadBuf::new(memory);
        match Pin::new(from).poll_read(cx, &mut buffer)? {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(()) => {
                let read = buffer.filled();
                outgoing.send(cx, to, read)?;
                Ok(Poll::Ready(read.len()))
            }
        }
    })
}
