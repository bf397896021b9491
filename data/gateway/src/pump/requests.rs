//! From the client to the engine.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use resp::{Framed, Request, write_command};
use session::{Boundary, Verdict};
use tokio::{io::AsyncWrite as _, time::Instant};

use super::{End, Event, Gate, Pump, Rest, Waiting, reading::AHEAD};
use crate::{
    scratch::{self, READ},
    ticket::Ticket,
};

/// What becomes of a request.
enum Judged {
    /// Its bytes are passed on as they are.
    Passed,
    /// Nothing is passed on.
    Dropped,
    /// This is passed on for it.
    Instead(Vec<u8>),
}

/// Bytes of the gateway's own answers that may wait for a client before its next request is looked
/// at.
const ANSWERS: usize = 16 << 10;

impl Pump {
    /// Tells whether anything passed.
    pub(super) fn pass_requests(
        &mut self,
        cx: &mut Context<'_>,
        gate: Gate,
        ticket: &Ticket,
    ) -> Result<bool, Event> {
        if !self.drain_engine(cx) {
            return Ok(false);
        }
        if !self.is_ready()? {
            return Ok(false);
        }
        if self.client_ended && (!self.kept_whole || self.boundary() == Boundary::Blocked) {
            return self.end_requests(cx);
        }
        if !self.may_take(gate) && !self.requests.is_streaming() {
            if self.client_ended || self.kept.len() >= AHEAD {
                return Ok(false);
            }
            return self.read_ahead(cx, ticket);
        }
        scratch::borrow(|memory| {
            let kept = self.kept.len();
            let (front, room) = memory.split_at_mut(kept);
            front.copy_from_slice(&self.kept);
            let mut filled = kept;
            if !self.kept_whole {
                // Never without room: a read of nothing is an end.
                let room = room.get_mut(..READ).unwrap_or_default();
                let Poll::Ready(read) = self.read(cx, room, ticket)? else {
                    return Ok(false);
                };
                if read == 0 {
                    return Ok(true);
                }
                filled += read;
            }
            self.kept_whole = false;
            let input = memory.get(..filled).unwrap_or_default();
            let used = self.take_requests(cx, input, gate, ticket);
            let rest = input.get(used..).unwrap_or_default();
            self.keep(rest, used > 0);
            Ok(true)
        })
    }

    /// Writes what waits for the engine. `false`: it does not take it all now.
    fn drain_engine(&mut self, cx: &mut Context<'_>) -> bool {
        if self.to_engine.is_empty() {
            return true;
        }
        let Some(upstream) = &mut self.upstream else {
            return true;
        };
        match self.to_engine.poll_drain(cx, upstream) {
            Poll::Ready(Ok(())) => {
                // Until now the client was not waited for.
                self.partial_since = self.partial_since.map(|_| Instant::now());
                true
            }
            // What it said before it ended is read first, then its end.
            Poll::Ready(Err(_)) => {
                self.to_engine.clear();
                true
            }
            Poll::Pending => false,
        }
    }

    /// Sees to what is waited for. `false`: it is still waited for.
    fn is_ready(&mut self) -> Result<bool, Event> {
        if matches!(self.waiting, Waiting::No) {
            let own = self.to_client.waiting();
            return Ok(own <= ANSWERS || self.session.is_logged_in());
        }
        if !self.session.is_idle() || self.replies.is_streaming() {
            return Ok(false);
        }
        match std::mem::replace(&mut self.waiting, Waiting::No) {
            Waiting::No => {}
            Waiting::Close { bytes, end, .. } => {
                self.to_client.push(&bytes);
                return Err(Event::End(end));
            }
            Waiting::Login(login) => return Err(Event::Login(login)),
        }
        Ok(true)
    }

    /// Whether the next request may be looked at.
    fn may_take(&self, gate: Gate) -> bool {
        if !self.session.accepts() {
            return false;
        }
        match gate {
            Gate::Open => true,
            Gate::Transaction => self.session.is_in_transaction(),
            Gate::Shut => false,
        }
    }

    /// The client has sent everything: so is the engine told.
    fn end_requests(&mut self, cx: &mut Context<'_>) -> Result<bool, Event> {
        // The engines forget what they have not written yet when they learn of it. A request that was
        // cut off is answered by nobody.
        let cut_off = self.requests.is_streaming() && self.session.outstanding() <= 1;
        let due = self.boundary() == Boundary::Busy && !cut_off;
        if self.engine_told || due {
            return Ok(false);
        }
        let Some(upstream) = &mut self.upstream else {
            return Err(Event::End(End::Said));
        };
        match Pin::new(upstream).poll_shutdown(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(_) => {
                self.engine_told = true;
                Ok(true)
            }
        }
    }

    /// Looks at the requests that `input` holds, and tells how many bytes it is done with.
    fn take_requests(
        &mut self,
        cx: &mut Context<'_>,
        input: &[u8],
        gate: Gate,
        ticket: &Ticket,
    ) -> usize {
        let mut at = 0;
        let mut commands = 0;
        // What passes from here on stands in a row.
        let mut run = 0;
        loop {
            let streaming = self.requests.is_streaming();
            let answers = self.to_client.waiting() > ANSWERS && !self.session.is_logged_in();
            let waits = answers || !matches!(self.waiting, Waiting::No) || !self.may_take(gate);
            if !streaming && waits {
                self.kept_whole = at < input.len();
                break;
            }
            let rest = input.get(at..).unwrap_or_default();
            let framed = match self.requests.next(rest) {
                Ok(framed) => framed,
                Err(error) => {
                    let mut answer = Vec::new();
                    error.write_answer(&mut answer);
                    self.waiting = close(answer, End::Protocol);
                    break;
                }
            };
            let (bytes, judged) = match framed {
                Framed::More => break,
                Framed::Nothing { bytes } => (bytes, Judged::Dropped),
                Framed::Request(request) => (request.bytes().len(), self.judge(&request)),
                Framed::Inline { bytes, words } => (bytes, self.judge_inline(&words)),
                Framed::Head(request) => {
                    let judged = self.judge(&request);
                    self.rest = match judged {
                        Judged::Passed => Rest::Passed,
                        Judged::Dropped | Judged::Instead(_) => Rest::Dropped,
                    };
                    (request.bytes().len(), judged)
                }
                Framed::Rest { bytes, last: _ } => match self.rest {
                    Rest::Passed => (bytes, Judged::Passed),
                    Rest::Dropped => (bytes, Judged::Dropped),
                },
            };
            // Of a large request its head is counted, not the rest.
            commands += u64::from(!streaming && !matches!(judged, Judged::Dropped));
            match judged {
                Judged::Passed => {}
                Judged::Dropped => {
                    self.to_engine.push(input.get(run..at).unwrap_or_default());
                    run = at + bytes;
                }
                Judged::Instead(other) => {
                    self.to_engine.push(input.get(run..at).unwrap_or_default());
                    self.to_engine.push(&other);
                    run = at + bytes;
                }
            }
            at += bytes;
        }
        self.forward(cx, input.get(run..at).unwrap_or_default());
        ticket.note_commands(commands);
        at
    }

    /// What is to be done with a request, or with the head of one.
    fn judge(&mut self, request: &Request<'_>) -> Judged {
        match self.session.request(request) {
            Verdict::Pass => Judged::Passed,
            Verdict::Forward(other) => Judged::Instead(other),
            Verdict::Answer(bytes) => {
                // Nothing is outstanding that would have to be answered first.
                self.to_client.push(&bytes);
                Judged::Dropped
            }
            Verdict::Authenticate(login) => {
                self.waiting = Waiting::Login(login);
                Judged::Dropped
            }
            Verdict::Close(bytes) => {
                self.waiting = close(bytes, End::Said);
                Judged::Dropped
            }
        }
    }

    /// An inline command is passed on as an array.
    fn judge_inline(&mut self, words: &[Vec<u8>]) -> Judged {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut bytes = Vec::new();
        write_command(&mut bytes, &words);
        let Some(request) = Request::parse(&bytes) else {
            return Judged::Dropped;
        };
        match self.judge(&request) {
            Judged::Passed => Judged::Instead(bytes),
            Judged::Dropped => Judged::Dropped,
            Judged::Instead(other) => Judged::Instead(other),
        }
    }

    /// Writes to the engine, behind what waits for it.
    fn forward(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let Some(upstream) = &mut self.upstream else {
            return;
        };
        let written = if self.to_engine.waiting() == 0 {
            self.to_engine.send(cx, upstream, bytes)
        } else {
            self.to_engine.push(bytes);
            match self.to_engine.poll_drain(cx, upstream) {
                Poll::Ready(drained) => drained,
                Poll::Pending => Ok(()),
            }
        };
        if written.is_err() {
            // Its end is read behind what it said before.
            self.to_engine.clear();
        }
    }
}

fn close(bytes: Vec<u8>, end: End) -> Waiting {
    Waiting::Close {
        bytes,
        end,
        since: Instant::now(),
    }
}
