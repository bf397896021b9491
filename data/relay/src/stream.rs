//! The newest bytes of a stream in memory, and how far each station of it has come.
//!
//! Whoever reads the geo-primary pushes; the journal's writer and the sessions take copies from
//! here, so that a session never waits for the disk. What the journal has not written is kept; of
//! the rest, a few megabytes.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use psync::{Offset, Position, ReplicationId};
use tokio::sync::watch;

/// Written bytes that are kept for sessions that are nearly in step.
const KEPT: usize = 4 << 20;
/// Bytes that may wait for the disk; beyond them the geo-primary is not read.
const UNWRITTEN: u64 = 16 << 20;

/// A stream's head.
#[derive(Debug)]
pub(crate) struct Stream {
    inner: Mutex<Inner>,
    moved: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    history: u64,
    end: Option<Position>,
    confirmed: bool,
    journaled: Offset,
    chunks: VecDeque<Chunk>,
    held: usize,
}

#[derive(Debug)]
struct Chunk {
    after: Offset,
    bytes: Bytes,
}

/// How far the stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Changes whenever the history is begun anew or goes on under another ID: what was sent
    /// before belongs to another session.
    pub(crate) history: u64,
    /// The last byte read; `None` before a history began.
    pub(crate) end: Option<Position>,
    /// The geo-primary's engine has said that this is its history. Before that it is what an
    /// earlier run left: good for whoever stands in it, and for nobody else.
    pub(crate) confirmed: bool,
    /// The last byte written to the journal.
    pub(crate) journaled: Offset,
}

/// What there is behind an offset.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Bytes, which were copied.
    Bytes,
    /// Nothing yet.
    Nothing,
    /// Bytes that only the journal has.
    Older,
    /// Another history than the one that was asked for.
    OtherHistory,
}

/// What the journal has not written.
#[derive(Debug)]
pub(crate) struct Unwritten {
    /// The position before it.
    pub(crate) after: Position,
    /// Its first bytes.
    pub(crate) batch: Vec<Bytes>,
}

impl Chunk {
    fn end(&self) -> Offset {
        self.after.advanced(self.bytes.len() as u64)
    }
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self {
            inner: Mutex::default(),
            moved: watch::Sender::new(0),
        }
    }

    pub(crate) fn reach(&self) -> Reach {
        let inner = self.inner.lock();
        Reach {
            history: inner.history,
            end: inner.end,
            confirmed: inner.confirmed,
            journaled: inner.journaled,
        }
    }

    /// Wakes whenever the reach changed.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// A history begins at `position`, or there is none. It is not confirmed; tells its number.
    pub(crate) fn begin(&self, position: Option<Position>) -> u64 {
        let mut inner = self.inner.lock();
        inner.history += 1;
        let history = inner.history;
        inner.end = position;
        inner.confirmed = false;
        inner.journaled = position.map(|position| position.offset).unwrap_or_default();
        inner.chunks.clear();
        inner.held = 0;
        drop(inner);
        self.note();
        history
    }

    /// The history goes on under another ID; tells its number.
    pub(crate) fn fork(&self, replid: ReplicationId) -> u64 {
        let mut inner = self.inner.lock();
        inner.history += 1;
        let history = inner.history;
        if let Some(end) = &mut inner.end {
            end.replid = replid;
        }
        drop(inner);
        self.note();
        history
    }

    /// The geo-primary's engine goes on with this history.
    pub(crate) fn confirm(&self) {
        self.inner.lock().confirmed = true;
        self.note();
    }

    /// Takes bytes that were read.
    pub(crate) fn push(&self, bytes: Bytes) {
        let mut inner = self.inner.lock();
        let Some(end) = &mut inner.end else {
            return;
        };
        let after = end.offset;
        end.offset = after.advanced(bytes.len() as u64);
        inner.held += bytes.len();
        inner.chunks.push_back(Chunk { after, bytes });
        drop(inner);
        self.note();
    }

    /// Resolves when the disk is not too far behind for more to be read.
    pub(crate) async fn room(&self) {
        let mut moved = self.moved.subscribe();
        let has_room = |_: &u64| {
            let reach = self.reach();
            let end = reach.end.map(|end| end.offset).unwrap_or_default();
            end.since(reach.journaled) < UNWRITTEN
        };
        let _gone = moved.wait_for(has_room).await;
    }

    /// What the journal has not written, up to about `limit` bytes; `None`: everything is.
    pub(crate) fn unwritten(&self, limit: usize) -> Option<Unwritten> {
        let inner = self.inner.lock();
        let end = inner.end.filter(|end| end.offset > inner.journaled)?;
        let after = Position::new(end.replid, inner.journaled);
        let mut taken = 0;
        // A chunk that is written in part comes whole: the journal knows where it ends.
        let first = inner
            .chunks
            .partition_point(|chunk| chunk.end() <= inner.journaled);
        let mut batch = Vec::new();
        for chunk in inner.chunks.range(first..) {
            if taken >= limit {
                break;
            }
            let from = usize::try_from(inner.journaled.since(chunk.after)).unwrap_or(usize::MAX);
            let bytes = chunk.bytes.slice(from.min(chunk.bytes.len())..);
            taken += bytes.len();
            batch.push(bytes);
        }
        Some(Unwritten { after, batch })
    }

    /// The journal of the history with this ID is written up to `end`.
    pub(crate) fn written(&self, end: Position) {
        let mut inner = self.inner.lock();
        let known = inner.end.is_some_and(|read| {
            read.replid == end.replid && (inner.journaled..=read.offset).contains(&end.offset)
        });
        if !known {
            return;
        }
        inner.journaled = end.offset;
        while inner.held > KEPT
            && let Some(first) = inner.chunks.front()
            && first.end() <= inner.journaled
        {
            inner.held -= first.bytes.len();
            inner.chunks.pop_front();
        }
        drop(inner);
        self.note();
    }

    /// Copies up to `limit` bytes behind `after` in a history to the end of `out`.
    pub(crate) fn copy(
        &self,
        history: u64,
        after: Offset,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Behind {
        let inner = self.inner.lock();
        if inner.history != history {
            return Behind::OtherHistory;
        }
        if inner.end.is_none_or(|end| end.offset <= after) {
            return Behind::Nothing;
        }
        if inner.chunks.front().is_none_or(|first| first.after > after) {
            return Behind::Older;
        }
        // The last chunk that begins at or before the offset holds the next byte.
        let at = inner.chunks.partition_point(|chunk| chunk.after <= after);
        let mut skip = after;
        let mut left = limit;
        for chunk in inner.chunks.range(at.saturating_sub(1)..) {
            let from = usize::try_from(skip.since(chunk.after)).unwrap_or(usize::MAX);
            let bytes = chunk.bytes.get(from..).unwrap_or_default();
            let bytes = bytes.get(..left).unwrap_or(bytes);
            out.extend_from_slice(bytes);
            left -= bytes.len();
            skip = skip.advanced(bytes.len() as u64);
            if left == 0 {
                break;
            }
        }
        Behind::Bytes
    }

    fn note(&self) {
        self.moved
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Position {
        Position::new("a".repeat(40).parse().unwrap(), Offset(offset))
    }

    fn unwritten(stream: &Stream, limit: usize) -> Vec<u8> {
        let rest = stream.unwritten(limit);
        rest.map_or_else(Vec::new, |rest| rest.batch.concat())
    }

    #[test]
    fn copies_begin_and_end_anywhere() {
        let stream = Stream::new();
        let history = stream.begin(Some(at(100)));
        for piece in ["abc", "d", "efgh"] {
            stream.push(Bytes::from(piece));
        }
        for from in 100..108_u64 {
            for limit in 1..10 {
                let mut out = Vec::new();
                let copied = stream.copy(history, Offset(from), &mut out, limit);
                assert_eq!(copied, Behind::Bytes);
                let rest = &b"abcdefgh"[usize::try_from(from - 100).unwrap()..];
                assert_eq!(out, &rest[..limit.min(rest.len())], "{from} {limit}");
            }
        }
        let copy = |after| stream.copy(history, Offset(after), &mut Vec::new(), 9);
        assert_eq!(copy(108), Behind::Nothing);
        assert_eq!(copy(99), Behind::Older);
    }

    #[test]
    fn only_what_is_written_is_let_go() {
        let stream = Stream::new();
        let history = stream.begin(Some(at(0)));
        let piece = Bytes::from(vec![7; 1 << 20]);
        for _ in 0..8 {
            stream.push(piece.clone());
        }
        let copy = |after| stream.copy(history, Offset(after), &mut Vec::new(), 1);
        assert_eq!(copy(0), Behind::Bytes);
        assert_eq!(unwritten(&stream, 3 << 20).len(), 3 << 20);
        stream.written(at(3 << 20));
        assert_eq!(copy(0), Behind::Older);
        assert_eq!(copy(3 << 20), Behind::Bytes);
        stream.written(at(8 << 20));
        assert_eq!(copy(3 << 20), Behind::Older);
        assert_eq!(copy(4 << 20), Behind::Bytes);
        assert!(stream.unwritten(1).is_none());
    }

    #[test]
    fn what_is_written_of_a_piece_is_not_written_again() {
        let stream = Stream::new();
        stream.begin(Some(at(10)));
        stream.push(Bytes::from_static(b"abcdef"));
        stream.push(Bytes::from_static(b"gh"));
        stream.written(at(13));
        assert_eq!(unwritten(&stream, 100), b"defgh");
        assert_eq!(stream.unwritten(100).unwrap().after, at(13));
        // What was written before, of another history, or beyond what was read, is no news.
        let other = Position::new("b".repeat(40).parse().unwrap(), Offset(15));
        for end in [at(11), at(19), other] {
            stream.written(end);
            assert_eq!(stream.reach().journaled, Offset(13), "{end}");
        }
    }

    #[test]
    fn another_history_is_told_from_the_one_before() {
        let stream = Stream::new();
        let first = stream.begin(Some(at(5)));
        stream.push(Bytes::from_static(b"x"));
        stream.confirm();
        let second = stream.fork("b".repeat(40).parse().unwrap());
        assert_ne!(first, second);
        let mut out = Vec::new();
        let copied = stream.copy(first, Offset(5), &mut out, 9);
        assert_eq!((copied, out), (Behind::OtherHistory, Vec::new()));
        assert_eq!(stream.reach().end.unwrap().offset, Offset(6));
        assert!(stream.reach().confirmed, "a fork is the engine's own word");
        stream.begin(None);
        stream.push(Bytes::from_static(b"x"));
        assert_eq!(
            (stream.reach().end, stream.reach().confirmed),
            (None, false)
        );
    }
}
