//! A client that another region's gateway has, and the engine here.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{
    Kind, Tunnel,
    far::{Opened, admits},
    frame::Enter,
};
use crate::{
    house::House, outgoing::Outgoing, place::Place, roster::Entered, scratch, ticket::Standing,
    upstream::answers,
};

/// A client's bytes between the tunnel and the engine.
pub(super) struct Crossing {
    house: Arc<House>,
    entered: Entered,
    /// As whom the other side let it in.
    enter: Enter,
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
    pub(super) fn new(house: Arc<House>, opened: Opened, tunnel: Tunnel, enter: Enter) -> Self {
        let Opened {
            entered,
            engine,
            address,
            moves,
        } = opened;
        Self {
            house,
            entered,
            enter,
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
        }
    }

    /// Passes bytes. Resolves with `true` when the engine has ended, and all that it said is
    /// passed on.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
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
        let admitted = admits(&orders.entry, &self.enter);
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
    pub(super) async fn engine_is_there(&self) -> bool {
        answers(self.address).await
    }

    pub(super) fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
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
