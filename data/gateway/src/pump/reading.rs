//! What a client sends, before it is looked at.

use std::{
    io::ErrorKind,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead as _, ReadBuf},
    time::Instant,
};

use super::{End, Event, Pump};
use crate::{
    scratch::{self, READ},
    ticket::Ticket,
};

/// Bytes of requests that are kept while none may be looked at.
pub(super) const AHEAD: usize = 4 << 10;

impl Pump {
    /// Has the client read what is there for it, and looks whether it goes away, while there is no
    /// engine. Resolves when it is gone.
    pub(crate) fn poll_client(&mut self, cx: &mut Context<'_>, ticket: &Ticket) -> Poll<End> {
        let drained = self.drain_client(cx);
        let heard = drained.and_then(|_all| {
            while !self.client_ended && self.kept.len() < AHEAD {
                if !self.read_ahead(cx, ticket)? {
                    break;
                }
            }
            Ok(())
        });
        match heard {
            Ok(()) => Poll::Pending,
            Err(Event::End(end)) => Poll::Ready(end),
            Err(Event::Login(_) | Event::EngineEnded { .. }) => Poll::Ready(End::Closed),
        }
    }

    /// Reads requests that are not looked at yet. So is the client's end heard while it waits.
    pub(super) fn read_ahead(
        &mut self,
        cx: &mut Context<'_>,
        ticket: &Ticket,
    ) -> Result<bool, Event> {
        scratch::borrow(|memory| {
            let room = memory.get_mut(..READ).unwrap_or_default();
            let Poll::Ready(read) = self.read(cx, room, ticket)? else {
                return Ok(false);
            };
            if read > 0 {
                let ahead = memory.get(..read).unwrap_or_default();
                self.kept.extend_from_slice(ahead);
                self.kept_whole = true;
            }
            Ok(true)
        })
    }

    /// Reads from the client; 0: it has ended.
    pub(super) fn read(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut [u8],
        ticket: &Ticket,
    ) -> Result<Poll<usize>, Event> {
        let mut buffer = ReadBuf::new(room);
        match Pin::new(&mut self.client).poll_read(cx, &mut buffer) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Ok(())) => {}
            // Many clients of TLS end without the closing alert.
            Poll::Ready(Err(end)) if end.kind() == ErrorKind::UnexpectedEof => {}
            Poll::Ready(Err(_)) => return Err(Event::End(End::Gone)),
        }
        let read = buffer.filled().len();
        if read == 0 {
            self.client_ended = true;
        } else {
            self.received += read as u64;
            ticket.note_received(read);
            self.active = Instant::now();
        }
        Ok(Poll::Ready(read))
    }

    /// Keeps what nobody took.
    pub(super) fn keep(&mut self, rest: &[u8], moved: bool) {
        if rest.is_empty() {
            self.kept = Vec::new();
        } else {
            self.kept.clear();
            self.kept.extend_from_slice(rest);
        }
        let partial = self.requests.is_streaming() || !(rest.is_empty() || self.kept_whole);
        if !partial {
            self.partial_since = None;
        } else if moved || self.partial_since.is_none() {
            self.partial_since = Some(Instant::now());
        }
    }
}
