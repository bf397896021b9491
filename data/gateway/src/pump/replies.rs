//! From the engine to the client.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use resp::Replied;
use session::Passing;
use tokio::{
    io::{AsyncRead as _, ReadBuf},
    time::Instant,
};

use super::{End, Event, Pump};
use crate::{
    scratch::{self, READ},
    ticket::Ticket,
};

impl Pump {
    /// Tells whether anything passed.
    pub(super) fn pass_replies(
        &mut self,
        cx: &mut Context<'_>,
        ticket: &Ticket,
    ) -> Result<bool, Event> {
        if !self.drain_client(cx)? {
            return Ok(false);
        }
        if self.upstream.is_none() {
            return Ok(false);
        }
        scratch::borrow(|memory| {
            let Some(upstream) = &mut self.upstream else {
                return Ok(false);
            };
            let kept = self.kept_replies.len();
            let (front, room) = memory.split_at_mut(kept);
            front.copy_from_slice(&self.kept_replies);
            // What a client does not take is kept for it: no more than so much.
            let room = room.get_mut(..READ).unwrap_or_default();
            let mut buffer = ReadBuf::new(room);
            let orderly = match Pin::new(upstream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(false),
                Poll::Ready(read) => read.is_ok(),
            };
            let read = buffer.filled().len();
            if read == 0 {
                return Err(Event::EngineEnded { orderly });
            }
            self.active = Instant::now();
            let input = memory.get(..kept + read).unwrap_or_default();
            let used = self.take_replies(cx, input, ticket)?;
            let rest = input.get(used..).unwrap_or_default();
            self.kept_replies.clear();
            self.kept_replies.extend_from_slice(rest);
            if rest.is_empty() {
                self.kept_replies = Vec::new();
            }
            Ok(true)
        })
    }

    /// Writes what waits for the client. `false`: it does not take it all now.
    pub(crate) fn drain_client(&mut self, cx: &mut Context<'_>) -> Result<bool, Event> {
        if self.to_client.is_empty() {
            return Ok(true);
        }
        let before = self.to_client.waiting();
        match self.to_client.poll_drain(cx, &mut self.client) {
            Poll::Ready(Ok(())) => {
                self.stalled_since = None;
                Ok(true)
            }
            Poll::Ready(Err(_)) => Err(Event::End(End::Gone)),
            Poll::Pending => {
                if self.stalled_since.is_none() || self.to_client.waiting() < before {
                    self.stalled_since = Some(Instant::now());
                }
                Ok(false)
            }
        }
    }

    /// Passes the replies that `input` holds to the client, and tells how many bytes it is done
    /// with.
    fn take_replies(
        &mut self,
        cx: &mut Context<'_>,
        input: &[u8],
        ticket: &Ticket,
    ) -> Result<usize, Event> {
        let mut at = 0;
        // What passes from here on stands in a row.
        let mut run = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            let (passing, bytes) = match self.replies.next(rest) {
                Ok(Replied::More) => break,
                Ok(Replied::Part(reply)) => (self.session.part(&reply), reply.bytes()),
                Ok(Replied::Whole(reply)) => (self.session.reply(&reply), reply.bytes()),
                Err(error) => {
                    tracing::warn!(%error, "an engine broke the protocol; its client's connection ends");
                    return Err(Event::End(End::Engine));
                }
            };
            match passing {
                Passing::Forward => {}
                Passing::Broken(broken) => {
                    tracing::warn!(error = %broken, "an engine's connection is given up");
                    return Err(Event::End(End::Engine));
                }
                Passing::Swallow => {
                    self.pass_on(cx, input.get(run..at).unwrap_or_default(), ticket)?;
                    run = at + bytes;
                }
                Passing::Replace(other) => {
                    ticket.note_sent(at - run + other.len());
                    self.to_client.push(input.get(run..at).unwrap_or_default());
                    self.to_client.push(&other);
                    run = at + bytes;
                }
            }
            at += bytes;
        }
        self.pass_on(cx, input.get(run..at).unwrap_or_default(), ticket)?;
        Ok(at)
    }

    fn pass_on(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        ticket: &Ticket,
    ) -> Result<(), Event> {
        ticket.note_sent(bytes.len());
        let sent = self.to_client.send(cx, &mut self.client, bytes);
        sent.map_err(|_gone| Event::End(End::Gone))
    }
}
