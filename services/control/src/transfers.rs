//! Bodies that go from an agent to a client of the management API, through here and nowhere kept.
//!
//! A client asks; what it asks for is in the answer to every report of the region's agent until the
//! agent sends it ([`Transfers::take`]) or says why it does not ([`Transfers::refuse`]). From then on
//! [`Sending::run`] moves pieces from the one request to the other's answer, each when there is room
//! for it. Whoever goes away ends the other's side, and a body that breaks off breaks off there too,
//! so that nobody takes a part for the whole.
//!
//! The table is in memory and bounded, and everything in it has a deadline. Who asked across a
//! restart asks again.

use std::{collections::BTreeMap, fmt, io, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use model::{Asked, CacheUid, Region, Wanted};
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};

/// So many go on at a time: each has an agent and a client busy.
const AT_ONCE: usize = 8;
/// Pieces that wait for the client.
const WAITING: usize = 4;
/// An agent begins within so long, or is not there.
pub(crate) const BEGIN: Duration = Duration::from_secs(10);
/// A piece comes, and is taken, within so long.
const PIECE: Duration = Duration::from_secs(60);
/// No transfer takes longer.
const WHOLE: Duration = Duration::from_secs(3_600);

/// The transfers that somebody waits for.
pub(crate) struct Transfers {
    waiting: Arc<Mutex<BTreeMap<String, Waiting>>>,
    turns: Arc<Semaphore>,
}

struct Waiting {
    region: Region,
    asked: Asked,
    turn: Option<OwnedSemaphorePermit>,
    answer: oneshot::Sender<Result<Pieces, String>>,
}

/// A body, piece by piece.
#[derive(Debug)]
pub(crate) struct Pieces(mpsc::Receiver<Piece>);

/// What goes from one side to the other. Without an end the body is not whole.
#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    End,
}

/// A client's side before the body comes. Dropped, nobody waits any more.
pub(crate) struct Awaited {
    id: String,
    waiting: Arc<Mutex<BTreeMap<String, Waiting>>>,
    answer: oneshot::Receiver<Result<Pieces, String>>,
}

/// Why there is no body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoBody {
    /// The agent did not begin in time.
    Unseen,
    /// The agent has it not, and says why.
    Refused(String),
}

/// An agent's side while the body comes.
pub(crate) struct Sending {
    pieces: mpsc::Sender<Piece>,
    deadline: Instant,
    /// Given back when the transfer is over.
    _turn: Option<OwnedSemaphorePermit>,
}

/// How an agent's side ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// All of it was passed on.
    Whole,
    /// The client went away, or did not take it.
    NobodyWaits,
    /// The agent's body broke off or stood still.
    BrokenOff,
}

impl Transfers {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Arc::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Asks the agent of `region` for something of a cache; `None` when too much is asked for
    /// already. The id must be one that nobody guesses and that was not used before.
    pub(crate) fn ask(
        &self,
        id: String,
        region: &Region,
        cache: &CacheUid,
        what: Wanted,
    ) -> Option<Awaited> {
        let turn = Arc::clone(&self.turns).try_acquire_owned().ok()?;
        let (tell, answer) = oneshot::channel();
        let waiting = Waiting {
            region: region.clone(),
            asked: Asked {
                id: id.clone(),
                cache: cache.clone(),
                what,
            },
            turn: Some(turn),
            answer: tell,
        };
        self.waiting.lock().insert(id.clone(), waiting);
        Some(Awaited {
            id,
            waiting: Arc::clone(&self.waiting),
            answer,
        })
    }

    /// What the agent of a region is asked for, in every answer until it sends it.
    pub(crate) fn asked_of(&self, region: &Region) -> Vec<Asked> {
        let waiting = self.waiting.lock();
        let of_region = waiting.values().filter(|one| one.region == *region);
        of_region.map(|one| one.asked.clone()).collect()
    }

    /// Takes an agent's body for a transfer; `None` when nobody waits for it (any more).
    pub(crate) fn take(&self, id: &str) -> Option<Sending> {
        let mut waiting = self.waiting.lock().remove(id)?;
        let (pieces, body) = mpsc::channel(WAITING);
        waiting.answer.send(Ok(Pieces(body))).ok()?;
        Some(Sending {
            pieces,
            deadline: Instant::now() + WHOLE,
            _turn: waiting.turn.take(),
        })
    }

    /// Takes an agent's word that nothing comes; false when nobody waits for it (any more).
    pub(crate) fn refuse(&self, id: &str, why: String) -> bool {
        let waiting = self.waiting.lock().remove(id);
        waiting.is_some_and(|waiting| waiting.answer.send(Err(why)).is_ok())
    }
}

impl Awaited {
    /// Waits for the beginning of the body.
    pub(crate) async fn body(mut self) -> Result<Pieces, NoBody> {
        match timeout(BEGIN, &mut self.answer).await {
            Ok(Ok(Ok(pieces))) => Ok(pieces),
            Ok(Ok(Err(why))) => Err(NoBody::Refused(why)),
            Ok(Err(_)) | Err(_) => Err(NoBody::Unseen),
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.id);
    }
}

impl Pieces {
    /// Waits for the end; false when the body broke off.
    pub(crate) async fn whole(mut self) -> bool {
        loop {
            match self.0.recv().await {
                Some(Piece::Bytes(_)) => {}
                Some(Piece::End) => return true,
                None => return false,
            }
        }
    }

    /// The same, to be an answer's body: an error where the agent's body broke off.
    pub(crate) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> {
        stream::unfold(Some(self), async |pieces| {
            let mut pieces = pieces?;
            match pieces.0.recv().await {
                Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(pieces))),
                Some(Piece::End) => None,
                None => Some((Err(io::Error::other("the agent's body broke off")), None)),
            }
        })
    }
}

impl Sending {
    /// Passes on what comes.
    pub(crate) async fn run<E: fmt::Display>(
        self,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Sent {
        let mut body = pin!(body);
        loop {
            let piece = tokio::select! {
                piece = timeout_at(self.limit(), body.next()) => piece,
                () = self.pieces.closed() => return Sent::NobodyWaits,
            };
            let (piece, is_last) = match piece {
                Ok(None) => (Piece::End, true),
                Ok(Some(Ok(bytes))) => (Piece::Bytes(bytes), false),
                Ok(Some(Err(error))) => {
                    tracing::warn!("A transfer from an agent broke off: {error}");
                    return Sent::BrokenOff;
                }
                Err(_late) => {
                    tracing::warn!("A transfer from an agent stood still, and was broken off");
                    return Sent::BrokenOff;
                }
            };
            let passed = timeout_at(self.limit(), self.pieces.send(piece)).await;
            match passed {
                Ok(Ok(())) if is_last => return Sent::Whole,
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Sent::NobodyWaits,
            }
        }
    }

    /// By then the next piece is there, or taken.
    fn limit(&self) -> Instant {
        self.deadline.min(Instant::now() + PIECE)
    }
}

#[cfg(test)]
mod tests;
